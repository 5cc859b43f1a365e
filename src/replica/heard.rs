//! Followers whose fetch has arrived and waits for this leader (KAFKA-8733): a slow disk here must not throw out a healthy follower.
//!
//! A fetch that was received and not yet looked at only postpones its sender's removal from in-sync replicas, by at most one more lag
//! time. It moves no offset and admits nobody: that is for `follower_fetch`, after its checks.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::table::Replicas;
use crate::base::BrokerId;

/// How many fetches of each follower are received and not yet looked at.
#[derive(Debug, Default)]
pub struct Heard(Mutex<BTreeMap<BrokerId, usize>>);

/// A received fetch; dropped once its offsets are noted.
#[derive(Debug)]
pub struct Received<'a> {
    heard: &'a Heard,
    follower: BrokerId,
}

impl Heard {
    /// A fetch of a follower has been received.
    pub fn received(&self, follower: BrokerId) -> Received<'_> {
        *self.0.lock().entry(follower).or_default() += 1;
        Received { heard: self, follower }
    }

    /// Is a fetch of the follower waiting for this broker?
    pub fn is_waiting(&self, follower: BrokerId) -> bool {
        self.0.lock().contains_key(&follower)
    }
}

impl Drop for Received<'_> {
    fn drop(&mut self) {
        let mut heard = self.heard.0.lock();
        if let Some(count) = heard.get_mut(&self.follower) {
            *count -= 1;
            if *count == 0 {
                heard.remove(&self.follower);
            }
        }
    }
}

impl Replicas {
    /// How long a follower may be behind now: twice the lag time while it waits for this broker.
    pub(super) fn allowance(&self, follower: BrokerId) -> Duration {
        let max_lag = self.max_lag();
        if self.heard.is_waiting(follower) { max_lag * 2 } else { max_lag }
    }
}
