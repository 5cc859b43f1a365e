//! The logs of many new partitions, made at once: one after the other each would wait for the disk alone, and a topic of hundreds of
//! partitions for seconds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::LogManager;
use crate::base::{TopicId, TopicPartition};
use crate::config::LogConfig;
use crate::log::home::Home;
use crate::log::names;
use crate::log::open::{CancelFlag, OpenOptions};
use crate::log::partition_log::Log;

/// Logs that are made at a time: enough for the file system to write several into its journal together.
const AT_A_TIME: usize = 16;

/// A log that is to be there.
#[derive(Clone, Debug)]
pub struct NewLog {
    /// Whose.
    pub partition: TopicPartition,
    /// Written beside it, where it is known.
    pub topic_id: Option<TopicId>,
    /// How it is kept.
    pub config: Arc<LogConfig>,
}

impl LogManager {
    /// Makes the logs that are not there yet in the directories that have fewest. On return the logs' directories are on the device;
    /// topics' ids follow in the background. It says nothing of failures: such a log is not there afterwards, and asking for it alone
    /// ([`LogManager::get_or_create`]) tells why.
    pub async fn prepare(self: &Arc<Self>, new: Vec<NewLog>) {
        let _changing = self.changing.lock().await;
        let mut counts = self.log_counts();
        let mut placed = Vec::with_capacity(new.len());
        for log in new.into_iter().filter(|log| self.get(&log.partition).is_none()) {
            let fewest = self.homes.iter().filter(|home| home.is_online()).min_by_key(|home| counts.get(home.path()));
            let Some(home) = fewest else { return };
            *counts.entry(home.path()).or_default() += 1;
            placed.push((Arc::clone(home), log));
        }
        for home in self.homes.iter().filter(|home| home.is_online()) {
            let here = placed.iter().filter(|(chosen, _)| Arc::ptr_eq(chosen, home));
            if self.forget_lines_of(home, here.map(|(_, new)| &new.partition)).await.is_err() {
                return; // the directory is offline now
            }
        }
        let tasks = &self.shared.env.tasks;
        let makers = AT_A_TIME.min(placed.len());
        let placed = Arc::new(Mutex::new(placed.into_iter()));
        let makers = (0..makers).map(|_| {
            let placed = placed.clone();
            tasks.blocking(move || {
                let next = || placed.lock().next();
                std::iter::from_fn(next).filter_map(|(home, new)| make(&home, new)).collect::<Vec<_>>()
            })
        });
        let made = futures_util::future::join_all(makers).await.concat();
        // The entries of all directories at once; before that no log is shown to anybody.
        for home in self.homes.iter().filter(|home| home.is_online()) {
            if made.iter().any(|log| Arc::ptr_eq(log.home(), home)) {
                let home = home.clone();
                let sync = move || {
                    if let Err(error) = home.shared().disk.sync_dir(home.path()) {
                        home.fail("making logs", &error); // the directory is offline now, and its logs with it
                    }
                };
                tasks.blocking(sync).await;
            }
        }
        let mut current = self.current.write();
        let made = made.into_iter().filter(|log| log.home().is_online());
        current.extend(made.map(|log| (log.partition().clone(), log)));
    }

    /// How many logs each directory has.
    pub(super) fn log_counts(&self) -> BTreeMap<&Path, usize> {
        let mut counts: BTreeMap<&Path, usize> = self.homes.iter().map(|home| (home.path(), 0)).collect();
        for logs in [&self.current, &self.futures] {
            for log in logs.read().values() {
                if let Some(count) = counts.get_mut(log.home().path()) {
                    *count += 1;
                }
            }
        }
        counts
    }
}

fn make(home: &Arc<Home>, new: NewLog) -> Option<Arc<Log>> {
    let dir = home.path().join(names::dir_name(&new.partition));
    let options = OpenOptions::new_log(new.config);
    let made = match home.shared().disk.create_dir(&dir) {
        Ok(true) => Log::make(home, &dir, new.partition.clone(), &options),
        Ok(false) => Log::open(home, &dir, new.partition.clone(), &options, &CancelFlag::new()),
        Err(error) => Err(error),
    };
    let log = made.map_err(|error| home.fail("making a log", &error)).ok()?;
    if let Some(id) = new.topic_id {
        log.note_topic_id(id).ok()?;
    }
    tracing::info!(partition = %new.partition, dir = %dir.display(), leo = log.leo(), "made a log");
    Some(log)
}
