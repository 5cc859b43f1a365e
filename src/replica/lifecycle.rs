//! What the controller makes of a partition: leader, follower, gone. Called by the control applier alone, one request at a time.

use std::sync::Arc;

use super::partition::Partition;
use super::state::{Assignment, Role};
use super::table::{Hosted, Replicas};
use crate::base::env::Lane;
use crate::base::{ErrorCode, TopicId, TopicPartition};
use crate::config::LogConfig;
use crate::log::NewLog;

/// What StopReplica wants of a partition.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// The leader epoch of the sender; negative when it does not matter.
    pub leader_epoch: i32,
    /// Delete the log too.
    pub delete: bool,
}

impl Replicas {
    /// Would this replica lead, or be counted as in sync without anybody to copy from, although its log is not here or not whole? If
    /// the partition has had a life before this process, it must not: the others would cut their logs to its, and what was acknowledged
    /// would be gone. A partition without other replicas has nobody who could lose anything more.
    pub fn would_begin_without_its_log(&self, id: &TopicPartition, assignment: &Assignment) -> bool {
        let me = self.cluster.broker_id;
        if assignment.is_new || assignment.replicas.len() < 2 || !assignment.replicas.contains(&me) {
            return false;
        }
        let counted = assignment.leader == me || (assignment.leader < 0 && assignment.isr.contains(&me));
        counted
            && match self.hosted(id) {
                Some(Hosted::Online(partition)) => partition.is_refilling(),
                Some(Hosted::Offline) => false,
                None => self.logs.get(id).is_none_or(|log| log.is_refilling()),
            }
    }

    /// Makes the logs of new partitions that are not hosted yet, many at a time; what fails says so when it is assigned. Those on
    /// directories of the administrator's choice are left to that.
    pub async fn prepare(&self, new: Vec<(TopicPartition, Option<TopicId>, Arc<LogConfig>)>) {
        let chosen = self.preferred_dirs.read().clone();
        let new = new.into_iter().filter(|(id, _, _)| self.hosted(id).is_none() && !chosen.contains_key(id));
        let new = new.map(|(partition, topic_id, config)| NewLog { partition, topic_id, config });
        self.logs.prepare(new.collect()).await;
    }

    /// Puts one partition of a LeaderAndIsr into effect (`ReplicaManager.becomeLeaderOrFollower`). A leader answers at once and settles
    /// behind; a follower is fenced at once.
    ///
    /// # Errors
    /// The partition's code. STALE_CONTROLLER_EPOCH for an epoch that is not new is everyday traffic.
    pub async fn assign(
        &self,
        id: &TopicPartition,
        topic_id: Option<TopicId>,
        assignment: &Assignment,
        config: impl FnOnce() -> Arc<LogConfig>,
    ) -> Result<(), ErrorCode> {
        let hosted = self.hosted(id);
        if let Some(Hosted::Offline) = hosted {
            return Err(ErrorCode::KafkaStorageError);
        }
        let known = match &hosted {
            Some(Hosted::Online(partition)) => {
                if let (Some(own), Some(asked)) = (partition.log().topic_id(), topic_id)
                    && own != asked
                {
                    return Err(ErrorCode::InconsistentTopicId);
                }
                let current = partition.state().leader_epoch;
                if assignment.leader_epoch <= current {
                    return self.not_newer(partition, topic_id, assignment.leader_epoch == current);
                }
                Some(partition.clone())
            }
            _ => None,
        };
        let me = self.cluster.broker_id;
        if !assignment.replicas.contains(&me) {
            return Err(ErrorCode::UnknownTopicOrPartition);
        }
        let partition = match known {
            Some(partition) => partition,
            None => self.open(id, topic_id, assignment.is_new, config()).await?,
        };
        if assignment.leader == me && partition.is_refilling() {
            // It was asked whether it may.
            partition.lock().await.refilled().await.map_err(|error| error.code())?;
        }
        partition.change().assign(me, assignment, self.env.clock.now());
        self.flush_if_alone(&partition);
        self.fetch_by_role(&partition);
        self.resume_move(&partition);
        if partition.state().role == Role::Leader {
            self.settle_soon(partition);
        }
        Ok(())
    }

    /// A follower copies from its leader, everybody else from nobody. The state is fenced already: what a fetcher still holds of an
    /// earlier epoch it drops.
    fn fetch_by_role(&self, partition: &Arc<Partition>) {
        let Some(fetchers) = self.fetchers() else { return };
        let (role, leader_epoch) = {
            let state = partition.state();
            (state.role, state.leader_epoch)
        };
        match role {
            Role::Follower { leader: Some(leader) } => fetchers.follow(partition, leader, leader_epoch),
            Role::Follower { leader: None } | Role::Leader | Role::Idle => fetchers.stop(&partition.id),
        }
    }

    /// All of a LeaderAndIsr is in effect: fetchers without work end.
    pub fn assigned(&self) {
        if let Some(fetchers) = self.fetchers() {
            fetchers.shut_idle();
        }
    }

    /// An epoch that is known already: only a missing topic id is taken over (an upgrade from before topic ids).
    fn not_newer(&self, partition: &Arc<Partition>, topic_id: Option<TopicId>, same: bool) -> Result<(), ErrorCode> {
        match topic_id {
            Some(topic_id) if same && partition.log().topic_id().is_none() => {
                partition.log().assign_topic_id(topic_id).map_err(|error| error.code())?;
                self.fetch_by_role(partition); // it may be fetched by id from now on
                Ok(())
            }
            _ => Err(ErrorCode::StaleControllerEpoch),
        }
    }

    async fn open(
        &self,
        id: &TopicPartition,
        topic_id: Option<TopicId>,
        is_new: bool,
        config: Arc<LogConfig>,
    ) -> Result<Arc<Partition>, ErrorCode> {
        let dir = self.preferred_dirs.write().remove(id);
        match self.logs.get_or_create(id, topic_id, config, is_new, dir.as_deref()).await {
            // It failed between being opened and entering the table, where the failure of its directory would have found it.
            Ok(log) if !log.is_online() => {
                self.insert(id.clone(), Hosted::Offline);
                Err(ErrorCode::KafkaStorageError)
            }
            Ok(log) => {
                let partition = Arc::new(Partition::new(
                    id.clone(),
                    log,
                    self.cluster.broker_id,
                    self.env.metrics.topic(&id.topic),
                ));
                self.insert(id.clone(), Hosted::Online(partition.clone()));
                Ok(partition)
            }
            Err(error) => {
                tracing::error!(partition = %id, %error, "could not open or create the log");
                let code = error.code();
                if code == ErrorCode::KafkaStorageError {
                    self.insert(id.clone(), Hosted::Offline);
                }
                Err(code)
            }
        }
    }

    /// The epoch's start needs the append mutex, which a running append may hold: the controller does not wait for that.
    fn settle_soon(&self, partition: Arc<Partition>) {
        self.env.tasks.spawn(Lane::Data, "settle", async move {
            let mut writer = partition.lock().await;
            if let Err(error) = partition.settle(&mut writer).await {
                tracing::error!(partition = %partition.id, %error, "could not begin the leader epoch");
            }
        });
    }

    /// Puts one partition of a StopReplica into effect. The log, when deleted, is renamed at once and removed later.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR, or FENCED_LEADER_EPOCH when the sender knows an older epoch.
    pub async fn stop(&self, id: &TopicPartition, stop: Stop) -> Result<(), ErrorCode> {
        match self.hosted(id) {
            Some(Hosted::Offline) => return Err(ErrorCode::KafkaStorageError),
            Some(Hosted::Online(partition)) => {
                if stop.leader_epoch >= 0 && stop.leader_epoch < partition.state().leader_epoch {
                    return Err(ErrorCode::FencedLeaderEpoch);
                }
                if stop.delete {
                    self.remove(id);
                }
                partition.change().retire(false);
                self.fetch_by_role(&partition);
                self.moves.stop(id);
            }
            None => {}
        }
        if stop.delete && (self.logs.get(id).is_some() || self.logs.get_future(id).is_some()) {
            self.logs.delete(id).await.map_err(|error| error.code())?;
        }
        Ok(())
    }
}
