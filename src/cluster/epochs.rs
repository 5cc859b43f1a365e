//! The epochs that fence old senders: this broker's (czxid of its registration), the controller's, and the version of `/feature`.

use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};

/// A request from before a re-registration or from an old controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StaleEpoch {
    /// The sender means an earlier registration of this broker (STALE_BROKER_EPOCH).
    #[error("broker epoch {sent} is below the current {current}")]
    Broker {
        /// In the request.
        sent: i64,
        /// Of the current registration.
        current: i64,
    },
    /// The sender is no longer the controller (STALE_CONTROLLER_EPOCH).
    #[error("controller epoch {sent} is below the last seen {current}")]
    Controller {
        /// In the request.
        sent: i32,
        /// The highest seen.
        current: i32,
    },
}

/// No registration yet, or a sender that does not know the epoch.
const UNKNOWN: i64 = -1;

/// Epochs of one broker, each an atomic with one writer.
#[derive(Debug)]
pub struct Epochs {
    broker: AtomicI64,
    first: AtomicI64,
    controller: AtomicI32,
    feature: AtomicI64,
}

impl Default for Epochs {
    fn default() -> Self {
        Self {
            broker: AtomicI64::new(UNKNOWN),
            first: AtomicI64::new(UNKNOWN),
            controller: AtomicI32::new(0),
            feature: AtomicI64::new(UNKNOWN),
        }
    }
}

impl Epochs {
    /// The epoch of this broker's registration, -1 before the first.
    pub fn broker(&self) -> i64 {
        self.broker.load(Ordering::Acquire)
    }

    /// Set by the session sequencer after each registration.
    pub fn registered(&self, czxid: i64) {
        self.broker.store(czxid, Ordering::Release);
        let _ = self.first.compare_exchange(UNKNOWN, czxid, Ordering::AcqRel, Ordering::Acquire); // only the first counts
    }

    /// The epoch of this process's first registration, -1 before it: what has a smaller czxid was there before this process.
    pub fn first(&self) -> i64 {
        self.first.load(Ordering::Acquire)
    }

    /// Refuses a control request meant for an earlier registration. -1 is accepted, and so is a larger epoch (the answer of a
    /// registration may reach the controller before it reaches this broker).
    ///
    /// # Errors
    /// [`StaleEpoch::Broker`].
    pub fn check_broker(&self, sent: i64) -> Result<(), StaleEpoch> {
        let current = self.broker();
        if sent >= 0 && sent < current { Err(StaleEpoch::Broker { sent, current }) } else { Ok(()) }
    }

    /// The highest controller epoch seen, 0 at first.
    pub fn controller(&self) -> i32 {
        self.controller.load(Ordering::Acquire)
    }

    /// Refuses an old controller, else remembers the epoch. Called by the control applier alone, one request at a time.
    ///
    /// # Errors
    /// [`StaleEpoch::Controller`].
    pub fn check_controller(&self, sent: i32) -> Result<(), StaleEpoch> {
        let current = self.controller.fetch_max(sent, Ordering::AcqRel);
        if sent < current { Err(StaleEpoch::Controller { sent, current }) } else { Ok(()) }
    }

    /// Data version of `/feature` (`finalized_features_epoch` of ApiVersions), -1 before the first read.
    pub fn feature(&self) -> i64 {
        self.feature.load(Ordering::Acquire)
    }

    /// Set by the watch on `/feature`.
    pub fn set_feature(&self, version: i64) {
        self.feature.store(version, Ordering::Release);
    }
}
