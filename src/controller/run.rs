//! The controller's one task: takes an event, works on it to its end, answers, takes the next.
//!
//! Started by `broker/` through [`Controller::start`]. Nothing else touches the context, so nothing is locked. An error ends its
//! event only; one that says another broker leads makes this one resign.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;

use super::core::{ControllerError, Core, Outcome};
use super::event::{Answer, Event, Events};
use super::handle::{ControllerHandle, ControllerStatus};
use super::settings::ControllerSettings;
use super::states::ReplicaState;
use crate::base::env::Lane;
use crate::base::{Env, ErrorCode};
use crate::zk::session::Zk;

/// While events wait, the numbers that need a look at every partition are made at most this often.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// The controller of one broker.
#[derive(Debug)]
pub struct Controller;

impl Controller {
    /// Spawns the controller's task on the control lane. Its first event watches `/controller` and tries the election, so the
    /// broker must be registered already. Returns at once.
    pub fn start(env: Env, zk: Zk, settings: ControllerSettings) -> ControllerHandle {
        let events = Events::default();
        let core = Core::new(env.clone(), zk, settings, events.clone());
        let status = core.status.clone();
        events.put(Event::Startup);
        let task = env.tasks.spawn_vital(Lane::Control, "controller", run(core, events.clone()));
        ControllerHandle::new(events, status, task)
    }
}

async fn run(mut core: Core, events: Events) {
    let status = core.status.clone();
    let mut counted = None;
    loop {
        let event = events.next().await;
        publish_state(&status, event.state());
        let last = matches!(event, Event::Shutdown);
        if let Err(error) = core.handle(event).await {
            core.recover(error).await;
        }
        let count = events.len() == 0 || counted.is_none_or(|at: Instant| at.elapsed() >= COUNT_INTERVAL);
        if count {
            counted = Some(Instant::now());
        }
        publish(&core, &status, count);
        if last {
            events.close();
            return;
        }
    }
}

/// Sends an answer, or the code for an event that failed: `moved` if the controller has moved, else UNKNOWN_SERVER_ERROR.
fn reply<T>(answer: Answer<T>, outcome: Outcome<Result<T, ErrorCode>>, moved: ErrorCode) -> Outcome {
    let (value, rest) = match outcome {
        Ok(value) => (value, Ok(())),
        Err(ControllerError::Moved) => (Err(moved), Err(ControllerError::Moved)),
        Err(error) => (Err(ErrorCode::UnknownServerError), Err(error)),
    };
    drop(answer.send(value)); // whoever asked may have gone
    rest
}

impl Core {
    async fn handle(&mut self, event: Event) -> Outcome {
        match event {
            Event::Startup => self.on_startup().await,
            Event::ControllerChange => self.on_controller_change().await,
            Event::Reelect => self.on_reelect().await,
            Event::NewSession => self.on_new_session().await,
            Event::Expire(started) => {
                // Whoever waits may have gone.
                let _ = started.send(());
                self.on_expire();
                Ok(())
            }
            Event::Shutdown => {
                self.resign();
                self.link.watches.clear_except("");
                if let Some(timer) = self.run_again.take() {
                    timer.abort();
                }
                Ok(())
            }
            // Requests are answered whether this broker leads or not.
            Event::ControlledShutdown(broker, epoch, answer) => {
                let outcome = self.on_controlled_shutdown(broker, epoch).await;
                reply(answer, outcome, ErrorCode::StaleControllerEpoch)
            }
            Event::AlterPartition { broker, broker_epoch, version, partitions, answer } => {
                self.on_alter_partition(broker, broker_epoch, version, partitions, answer).await
            }
            Event::AllocateProducerIds(broker, epoch, answer) => {
                let outcome = self.on_allocate_producer_ids(broker, epoch).await;
                reply(answer, outcome, ErrorCode::NotController)
            }
            Event::ElectLeaders(partitions, kind, answer) => {
                let outcome = self.on_elect_leaders(partitions, kind).await;
                reply(answer, outcome, ErrorCode::NotController)
            }
            Event::ApiReassignment(targets, answer) => {
                let outcome = self.on_api_reassignment(targets).await;
                reply(answer, outcome, ErrorCode::NotController)
            }
            Event::ListReassignments(partitions, answer) => {
                reply(answer, Ok(self.on_list_reassignments(partitions)), ErrorCode::NotController)
            }
            Event::UpdateFeatures(features, answer) => {
                reply(answer, Ok(self.on_update_features(features)), ErrorCode::NotController)
            }
            Event::UncleanElection(enabled) => self.on_unclean_election(enabled).await,
            Event::MinInsyncReplicas(count) => {
                self.settings.min_insync_replicas = count;
                Ok(())
            }
            Event::Suspect(broker) => {
                self.on_suspect(broker);
                Ok(())
            }
            Event::TopicUncleanElection(topic) => self.on_topic_unclean_election(&topic).await,
            // All else is only for the controller.
            _ if !self.is_active() => Ok(()),
            Event::BrokerChange => self.on_broker_change().await,
            Event::BrokerModifications(broker) => self.on_broker_modifications(broker).await,
            Event::ProcessDied(broker, epoch) => self.on_process_died(broker, epoch).await,
            Event::ProcessBack(broker, epoch) => self.on_process_back(broker, epoch).await,
            Event::TopicChange => self.on_topic_change().await,
            Event::PartitionModifications(topic) => self.on_partition_modifications(&topic).await,
            Event::TopicDeletion => self.on_topic_deletion().await,
            Event::StopReplicaAnswered { broker, error, errors } => {
                self.on_stop_replica_answered(broker, error, errors).await
            }
            Event::ZkReassignment => self.on_zk_reassignment().await.map(drop),
            Event::AutoBalance => self.on_auto_balance().await,
            Event::ZkPreferredElection => self.on_zk_preferred_election().await,
            Event::IsrChange => self.on_isr_change().await,
            Event::LeaderAndIsrAnswered { broker, error, errors } => {
                self.on_leader_and_isr_answered(broker, error, errors).await
            }
            Event::UpdateMetadataAnswered { broker, error } => {
                let error = ErrorCode::from_code(error).name();
                tracing::error!(broker, error, "broker refused UpdateMetadata");
                Ok(())
            }
            Event::LogEndsTold { broker, epoch, ends } => self.on_log_ends_told(broker, epoch, ends).await,
            Event::LogDirFailure => self.on_log_dir_event().await,
        }
    }

    /// After a failed event: resign if another leads, else go on.
    async fn recover(&mut self, error: ControllerError) {
        match error {
            ControllerError::Moved => {
                tracing::info!("{error}");
                let was_active = self.is_active();
                if let Err(error) = self.resign_if_another().await {
                    tracing::warn!("could not see who is the controller: {error}");
                }
                if was_active && self.is_active() {
                    // The fence has failed although `/controller` is ours: nothing can be written in this term any more.
                    tracing::error!("the controller epoch has been changed by others: giving the role away");
                    if let Err(error) = self.give_away().await {
                        tracing::warn!("/controller stays: {error}");
                    }
                }
            }
            ControllerError::Store(error) if error.session_over() => {
                // Every lost watch fires once more: not worth a line each.
                tracing::debug!("controller event ended with the session: {error}");
            }
            ControllerError::Store(error) => tracing::error!("controller event failed: {error}"),
        }
    }

    pub(super) fn answer_alter_partition<T>(
        &self,
        answer: Answer<T>,
        outcome: Outcome<Result<T, ErrorCode>>,
    ) -> Outcome {
        reply(answer, outcome, ErrorCode::NotController)
    }
}

fn publish_state(status: &ArcSwap<ControllerStatus>, state: u8) {
    let before = status.load();
    if before.state != state {
        status.store(Arc::new(ControllerStatus { state, ..ControllerStatus::clone(&before) }));
    }
}

fn publish(core: &Core, status: &ArcSwap<ControllerStatus>, count: bool) {
    let ctx = &core.ctx;
    let before = status.load();
    let mut now = ControllerStatus {
        active: core.is_active(),
        epoch: ctx.epoch,
        controller_id: core.controller_id,
        state: 0,
        topics: ctx.topics.len(),
        topics_to_delete: ctx.deletion.queued.len(),
        topics_ineligible: ctx.deletion.ineligible.len(),
        active_brokers: ctx.brokers.len(),
        unclean_elections: core.unclean_elections,
        event_queue: 0,
        ..ControllerStatus::clone(&before)
    };
    if *before.deleting != ctx.deletion.queued {
        now.deleting = Arc::new(ctx.deletion.queued.clone());
    }
    if count {
        now.partitions = ctx.topics.values().map(|topic| topic.partitions.len()).sum();
        now.offline_partitions = ctx.offline_partition_count();
        now.preferred_imbalance = ctx.preferred_imbalance_count();
        let queued = || ctx.deletion.queued.iter();
        let left = |topic: &Arc<str>| {
            ctx.replicas_of(topic).len() - ctx.replicas_in_state(topic, ReplicaState::DeletionSuccessful).len()
        };
        now.replicas_to_delete = queued().map(left).sum();
        let stuck = |topic: &Arc<str>| ctx.replicas_in_state(topic, ReplicaState::DeletionIneligible).len();
        now.replicas_ineligible = queued().map(stuck).sum();
    }
    if **before != now {
        status.store(Arc::new(now));
    }
}
