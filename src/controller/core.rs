//! Everything the controller's handlers work on, in one place: the context, ZooKeeper under this term, the senders.
//!
//! Owned by the task of `run.rs`; the handlers in `on/` and the state machines are methods on it, each in its own file.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::batch::Batch;
use super::channel::Channels;
use super::context::Context;
use super::event::Events;
use super::handle::ControllerStatus;
use super::settings::ControllerSettings;
use super::watches::Watches;
use crate::base::ids::NO_BROKER;
use crate::base::{BrokerId, Env, TopicPartition};
use crate::zk::session::{Session, Zk, ZkError};
use crate::zk::store::StoreError;
use crate::zk::store::controller::Term;

/// What ends the work on an event early.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControllerError {
    /// A write found another controller epoch, or this broker is not the controller any more: resign.
    #[error("another broker has become the controller")]
    Moved,
    /// ZooKeeper: mostly the end of the session.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ControllerError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::ControllerMoved => Self::Moved,
            other => Self::Store(other),
        }
    }
}

impl From<ZkError> for ControllerError {
    fn from(error: ZkError) -> Self {
        Self::Store(error.into())
    }
}

/// What a handler returns; the error ends its event only.
pub(super) type Outcome<T = ()> = Result<T, ControllerError>;

/// ZooKeeper as one term sees it.
#[derive(Debug)]
pub(super) struct Link {
    /// Where new sessions come from.
    pub zk: Zk,
    /// The session that this controller works in; taken anew only after the broker has registered in it.
    pub session: Session,
    /// The fence of this term's writes; none while this broker is not the controller. It dies with the session.
    pub term: Option<Term>,
    /// What is watched.
    pub watches: Watches,
}

impl Link {
    /// The fence, for a write.
    pub(super) fn term(&self) -> Outcome<&Term> {
        self.term.as_ref().ok_or(ControllerError::Moved)
    }
}

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Core {
    pub env: Env,
    pub settings: ControllerSettings,
    pub events: Events,
    pub ctx: Context,
    pub link: Link,
    pub channels: Channels,
    /// Who is the controller, as far as is known.
    pub controller_id: BrokerId,
    /// Brokers whose process this broker has found dead, and when: also before it became the controller.
    pub suspects: BTreeMap<BrokerId, Instant>,
    /// Unclean elections since the start of the process.
    pub unclean_elections: u64,
    /// The timer of the automatic balance; runs only during a term.
    pub balance_timer: Option<JoinHandle<()>>,
    /// Before this moment it does not run for controller.
    pub not_before: Option<Instant>,
    /// The timer for that moment.
    pub run_again: Option<JoinHandle<()>>,
    /// What the handle shows.
    pub status: Arc<ArcSwap<ControllerStatus>>,
}

impl Core {
    pub(super) fn new(env: Env, zk: Zk, settings: ControllerSettings, events: Events) -> Self {
        let link = Link { session: zk.session(), zk, term: None, watches: Watches::new(env.clone(), events.clone()) };
        Self {
            channels: Channels::new(env.clone(), events.clone()),
            env,
            settings,
            events,
            ctx: Context::default(),
            link,
            controller_id: NO_BROKER,
            suspects: BTreeMap::new(),
            unclean_elections: 0,
            balance_timer: None,
            not_before: None,
            run_again: None,
            status: Arc::default(),
        }
    }

    /// This broker is the controller.
    pub(super) fn is_active(&self) -> bool {
        self.link.term.is_some()
    }

    /// Shows at once who leads: others act on it while the event is still worked on.
    pub(super) fn show_role(&self) {
        let before = ControllerStatus::clone(&self.status.load());
        let (active, epoch, controller_id) = (self.is_active(), self.ctx.epoch, self.controller_id);
        self.status.store(Arc::new(ControllerStatus { active, epoch, controller_id, ..before }));
    }

    /// Queues the requests of a change.
    pub(super) fn send(&self, batch: Batch) {
        if !batch.is_empty() {
            self.channels.send(batch, &self.ctx, &self.settings);
        }
    }

    /// Tells some brokers of the list of brokers, and of the leaders of some partitions.
    pub(super) fn send_update_metadata<'a>(
        &self,
        to: &[BrokerId],
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) {
        let mut batch = Batch::default();
        batch.add_update_metadata(&self.ctx, to, partitions);
        self.send(batch);
    }
}
