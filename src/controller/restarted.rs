//! Brokers that restarted while no controller looked (not in Kafka): who registered after a partition's state was written may lack the end of
//! its log. Called at the failover, before anybody is told who leads, when a broker of which nothing was heard answers after all, and by
//! elections in which nobody is left but those: they are asked where their logs end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::batch::Batch;
use super::core::{Core, Outcome};
use super::doubt::Doubt;
use super::election::Strategy;
use super::states::PartitionState;
use crate::base::{BrokerId, TopicPartition};

/// A new controller waits so long for an answer of those that seem not to have restarted: a registration may outlive its process.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A partition with other replicas in whose ISR somebody has restarted unseen.
#[derive(Debug)]
pub(super) struct Restarted {
    /// Which.
    pub partition: TopicPartition,
    /// Those in the ISR who have.
    pub members: BTreeSet<BrokerId>,
    /// Those in the ISR who are registered and have not.
    pub others: Vec<BrokerId>,
}

impl Core {
    /// Elects others in place of leaders that have restarted unseen, where a member of the ISR answers that has not, and takes all that have
    /// out of the ISR. Where none answers, and the topic promises that a record survives one of several, those who are there are
    /// doubted; else the restarted leader leads in a new epoch. Before anybody is told who leads: a restarted leader does not know yet that
    /// it is, and nobody has copied from it.
    pub(super) async fn replace_restarted(&mut self, restarted: Vec<Restarted>) -> Outcome {
        let restarted: Vec<Restarted> =
            restarted.into_iter().filter(|found| !self.ctx.is_queued_for_deletion(&found.partition.topic)).collect();
        let others: BTreeSet<BrokerId> = restarted.iter().flat_map(|found| &found.others).copied().collect();
        self.channels.await_answers(&others, ANSWER_WITHIN).await;
        self.ctx.unheard = others.into_iter().filter(|id| !self.channels.has_answered(*id)).collect();
        let (led, bereft): (Vec<_>, Vec<_>) =
            restarted.into_iter().partition(|found| found.others.iter().any(|id| !self.ctx.unheard.contains(id)));
        let mut concerned: Vec<TopicPartition> = led.into_iter().map(|found| found.partition).collect();
        concerned.extend(self.doubt(bereft).await?);
        self.elect_anew(&concerned).await
    }

    async fn elect_anew(&mut self, concerned: &[TopicPartition]) -> Outcome {
        let Some(first) = concerned.first() else { return Ok(()) };
        tracing::warn!(partitions = concerned.len(), %first, "replicas in sync have restarted unseen: electing anew");
        self.move_partitions(concerned, PartitionState::Online, Some(Strategy::Restarted)).await.map(drop)
    }

    /// Partitions of whose ISR nobody is there but who has restarted unseen. Returns those whose leader may lead again; the others are
    /// offline until it is known where enough of their logs end.
    async fn doubt(&mut self, bereft: Vec<Restarted>) -> Outcome<Vec<TopicPartition>> {
        let topics: BTreeSet<Arc<str>> = bereft.iter().map(|found| found.partition.topic.clone()).collect();
        let promises = topics.iter().map(|topic| async { Ok((topic.clone(), self.min_insync_replicas(topic).await?)) });
        let promises: BTreeMap<Arc<str>, i32> =
            futures_util::future::join_all(promises).await.into_iter().collect::<Outcome<_>>()?;
        let (mut again, mut asked, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for Restarted { partition: name, members, .. } in bereft {
            let Some(state) = self.ctx.leadership(&name).map(|known| known.state.clone()) else { continue };
            let is_promised = state.isr.len() > 1 && promises.get(&name.topic).is_some_and(|min| *min > 1);
            let leads = members.contains(&state.leader);
            if !is_promised {
                again.extend(leads.then_some(name));
                continue;
            }
            if leads {
                self.set_partition_state(&name, PartitionState::Offline);
            }
            if members.len() < 2 { &mut waiting } else { &mut asked }.push(name.clone());
            if let Some(partition) = self.ctx.partition_mut(&name) {
                partition.doubts = members.into_iter().collect();
            }
        }
        if let Some(first) = asked.first() {
            tracing::warn!(partitions = asked.len(), %first,
                "in-sync replicas have restarted unseen: the one with the longest log is to lead");
        }
        if let Some(first) = waiting.first() {
            tracing::warn!(partitions = waiting.len(), %first,
                "nobody leads: of the in-sync replicas only one is there, which restarted unseen and may lack what was acknowledged; start \
                 another one of them, or let this one lead by an unclean election");
        }
        Ok(again)
    }

    /// Asks replicas where their logs end, those that have not been asked yet.
    pub(super) fn ask_log_ends(&mut self, name: &TopicPartition, replicas: &[BrokerId], batch: &mut Batch) {
        let Some(partition) = self.ctx.partition_mut(name) else { return };
        let is_unasked = |id: &BrokerId| partition.doubts.of(*id) == Some(Doubt::Unasked);
        let asked: Vec<BrokerId> = replicas.iter().copied().filter(is_unasked).collect();
        for id in &asked {
            partition.doubts.set(*id, Doubt::Asked);
        }
        batch.add_log_end(&self.ctx, &asked, name);
    }

    /// A broker goes, or is presumed dead: where the others of the ISR are doubted it is not waited for any more.
    pub(super) async fn settle_without(
        &mut self,
        broker: BrokerId,
        its: impl Iterator<Item = TopicPartition>,
    ) -> Outcome {
        let in_doubt: Vec<TopicPartition> = its.filter(|name| self.ctx.is_in_doubt(name)).collect();
        if self.ctx.presumed_dead.contains(&broker) {
            for name in &in_doubt {
                if self.ctx.is_led_by(name, broker) {
                    self.set_partition_state(name, PartitionState::Offline);
                }
            }
        }
        self.bring_online(&in_doubt).await.map(drop)
    }

    /// A broker of which nothing was heard before has answered: where it leads, or could, what was put off for it is done.
    pub(super) async fn settle_doubts(&mut self, broker: BrokerId) -> Outcome {
        if !self.ctx.unheard.remove(&broker) {
            return Ok(());
        }
        let led = self.ctx.partitions_led_by(broker);
        let concerned: Vec<TopicPartition> = led.into_iter().filter(|name| self.ctx.is_in_doubt(name)).collect();
        self.elect_anew(&concerned).await?;
        let waiting = self.ctx.waiting_in_doubt_for(broker);
        self.bring_online(&waiting).await.map(drop)
    }
}
