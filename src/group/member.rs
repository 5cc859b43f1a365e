//! One member of a group: what it offers, what it waits for, until when it is believed alive.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::types::{Protocols, Ticket};

/// A member.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its id.
    pub id: Arc<str>,
    /// Static name.
    pub instance: Option<Arc<str>>,
    /// Client id.
    pub client_id: Arc<str>,
    /// Java's text of its address.
    pub client_host: Arc<str>,
    /// Milliseconds.
    pub session_timeout_ms: i32,
    /// Milliseconds.
    pub rebalance_timeout_ms: i32,
    /// The preferred first.
    pub protocols: Protocols,
    /// What the leader gave it in the current generation.
    pub assignment: Bytes,
    /// Its JoinGroup, while it waits.
    pub awaiting_join: Option<Ticket>,
    /// Its SyncGroup, while it waits.
    pub awaiting_sync: Option<Ticket>,
    /// Until when it is believed alive; none while it waits for an answer (it can't say anything then).
    pub alive_until: Option<Instant>,
}

impl Member {
    /// Its metadata of one protocol; empty when it does not offer it.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|(name, _)| &**name == protocol).map(|(_, bytes)| bytes.clone()).unwrap_or_default()
    }

    /// Offers the protocol?
    pub fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| &**name == protocol)
    }

    /// Its first choice among the candidates.
    pub fn vote(&self, candidates: &BTreeSet<Arc<str>>) -> Option<&Arc<str>> {
        self.protocols.iter().map(|(name, _)| name).find(|name| candidates.contains(*name))
    }

    /// Waits for an answer.
    pub fn is_waiting(&self) -> bool {
        self.awaiting_join.is_some() || self.awaiting_sync.is_some()
    }

    /// It was heard.
    pub fn heard(&mut self, at: Instant) {
        self.alive_until = Some(at + ms(self.session_timeout_ms));
    }
}

/// A duration from Kafka's milliseconds; negative counts as none.
pub fn ms(value: i32) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(0))
}
