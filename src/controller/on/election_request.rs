//! Events preferred and unclean election, asked for by an administrator, the old ZooKeeper node or the timer of the balance; and
//! the switching on of unclean elections.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::env::Lane;
use crate::base::ids::NO_BROKER;
use crate::base::{BrokerId, ErrorCode, TopicPartition};
use crate::controller::core::{Core, Outcome};
use crate::controller::election::Strategy;
use crate::controller::event::{Elections, Event};
use crate::controller::handle::{ApiError, ElectionKind};
use crate::controller::partition_state::StateChangeFailed;
use crate::controller::states::PartitionState;
use crate::zk::store;
use crate::zk::znode::preferred_election;

impl Core {
    /// ElectLeaders.
    pub(in crate::controller) async fn on_elect_leaders(
        &mut self,
        partitions: Option<Vec<TopicPartition>>,
        kind: ElectionKind,
    ) -> Outcome<Result<Elections, ErrorCode>> {
        if !self.is_active() {
            return Ok(Err(ErrorCode::NotController));
        }
        let all = partitions.is_none();
        let partitions = partitions.unwrap_or_else(|| self.ctx.partitions().map(|(name, _)| name).collect());
        let mut elections = Elections::new();
        let mut electable = Vec::new();
        for name in partitions {
            let Some(partition) = self.ctx.partition(&name) else {
                let error = ApiError::new(ErrorCode::UnknownTopicOrPartition, "The partition does not exist.");
                elections.insert(name, Err(error));
                continue;
            };
            if self.ctx.is_queued_for_deletion(&name.topic) {
                let error = ApiError::new(ErrorCode::InvalidTopicException, "The topic is being deleted");
                elections.insert(name, Err(error));
                continue;
            }
            let leader = partition.leadership.as_ref().map_or(NO_BROKER, |l| l.state.leader);
            let needed = match kind {
                ElectionKind::Preferred => partition.assignment.replicas.first() != Some(&leader),
                ElectionKind::Unclean => {
                    leader == NO_BROKER || !self.ctx.is_live(leader) || self.ctx.waits_in_doubt(&name)
                }
            };
            if needed {
                electable.push(name);
            } else if !all {
                let message = "Leader election not needed for topic partition.";
                elections.insert(name, Err(ApiError::new(ErrorCode::ElectionNotNeeded, message)));
            }
        }
        let (strategy, code) = match kind {
            ElectionKind::Preferred => (Strategy::Preferred, ErrorCode::PreferredLeaderNotAvailable),
            ElectionKind::Unclean => {
                (Strategy::Offline { allow_unclean: true }, ErrorCode::EligibleLeadersNotAvailable)
            }
        };
        let moved = self.move_partitions(&electable, PartitionState::Online, Some(strategy)).await?;
        elections.extend(moved.into_iter().map(|(name, outcome)| {
            let outcome = outcome.map(|state| state.leader);
            let outcome = outcome.map_err(|error| ApiError::new(code, refusal(&name, kind, &error)));
            (name, outcome)
        }));
        Ok(Ok(elections))
    }

    /// At the start of a term: elections asked for over ZooKeeper that nobody has done yet, except for topics that are deleted.
    pub(in crate::controller) async fn start_preferred_elections(&mut self) -> Outcome {
        self.on_zk_preferred_election().await
    }

    /// `/admin/preferred_replica_election` was created. It is deleted when all its partitions have been tried.
    pub(in crate::controller) async fn on_zk_preferred_election(&mut self) -> Outcome {
        let path = preferred_election::PATH;
        let (node, watch) = self.link.session.get_and_watch(path).await?;
        self.link.watches.keep(path, watch, |_| Some(Event::ZkPreferredElection));
        let Some((data, _)) = node else { return Ok(()) };
        let asked = preferred_election::decode(&data).unwrap_or_else(|error| {
            tracing::error!("{path} not understood: {error}");
            Vec::new()
        });
        let electable: Vec<TopicPartition> = asked.into_iter().filter(|name| self.needs_preferred(name)).collect();
        self.move_partitions(&electable, PartitionState::Online, Some(Strategy::Preferred)).await?;
        store::admin::delete_preferred_elections(&self.link.session, self.link.term()?).await?;
        Ok(())
    }

    fn needs_preferred(&self, name: &TopicPartition) -> bool {
        let Some(partition) = self.ctx.partition(name) else { return false };
        let leader = partition.leadership.as_ref().map(|l| l.state.leader);
        leader.is_some()
            && partition.assignment.replicas.first().copied() != leader
            && !self.ctx.is_queued_for_deletion(&name.topic)
    }

    /// The timer: brokers that lead too few of the partitions they should lead get back those they can lead.
    pub(in crate::controller) async fn on_auto_balance(&mut self) -> Outcome {
        let balanced = self.balance().await;
        self.start_balance_timer(self.settings.imbalance_check_interval);
        balanced
    }

    async fn balance(&mut self) -> Outcome {
        let mut preferred: BTreeMap<BrokerId, (usize, Vec<TopicPartition>)> = BTreeMap::new();
        for (name, partition) in self.ctx.partitions() {
            let Some(first) = partition.assignment.replicas.first() else { continue };
            if self.ctx.is_queued_for_deletion(&name.topic) {
                continue;
            }
            let (all, elsewhere) = preferred.entry(*first).or_default();
            *all += 1;
            if partition.leadership.as_ref().is_some_and(|l| l.state.leader != *first) {
                elsewhere.push(name);
            }
        }
        for (broker, (all, elsewhere)) in preferred {
            // elsewhere / all > percentage / 100, without dividing
            if elsewhere.len() * 100 <= all * self.settings.imbalance_percentage as usize {
                continue;
            }
            let can_lead = |name: &TopicPartition| {
                self.ctx.is_replica_online(broker, name, false)
                    && self.ctx.leadership(name).is_some_and(|l| l.state.isr.contains(&broker))
            };
            let electable: Vec<TopicPartition> = elsewhere.into_iter().filter(can_lead).collect();
            self.move_partitions(&electable, PartitionState::Online, Some(Strategy::Preferred)).await?;
        }
        Ok(())
    }

    /// Sets the timer of the balance; the one before is taken away.
    pub(in crate::controller) fn start_balance_timer(&mut self, after: Duration) {
        let events = self.events.clone();
        let timer = self.env.tasks.spawn(Lane::Control, "controller-balance-timer", async move {
            tokio::time::sleep(after).await;
            events.put(Event::AutoBalance);
        });
        if let Some(before) = self.balance_timer.replace(timer) {
            before.abort();
        }
    }

    /// The broker's default for unclean elections has changed.
    pub(in crate::controller) async fn on_unclean_election(&mut self, enabled: bool) -> Outcome {
        self.settings.unclean_leader_election = enabled;
        if enabled && self.is_active() {
            self.bring_all_online().await?;
        }
        Ok(())
    }

    /// A topic now allows unclean elections.
    pub(in crate::controller) async fn on_topic_unclean_election(&mut self, topic: &Arc<str>) -> Outcome {
        if self.is_active() {
            let partitions = self.ctx.partitions_of(topic);
            self.bring_online(&partitions).await?;
        }
        Ok(())
    }
}

/// What an administrator reads of an election that failed: Kafka's words where nobody could lead, else the reason.
fn refusal(name: &TopicPartition, kind: ElectionKind, error: &StateChangeFailed) -> String {
    let strategy = match kind {
        ElectionKind::Preferred => "PreferredReplicaPartitionLeaderElectionStrategy",
        ElectionKind::Unclean => "OfflinePartitionLeaderElectionStrategy(true)",
    };
    match error {
        StateChangeFailed::NoCandidate { .. } => {
            format!("Failed to elect leader for partition {name} under strategy {strategy}")
        }
        other => other.to_string(),
    }
}
