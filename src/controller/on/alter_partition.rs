//! Event AlterPartition: a leader proposes new ISRs (KIP-497). The checks are pure; accepted proposals are written together.

use crate::base::sabotage::{self, Sabotage};
use crate::base::{BrokerId, ErrorCode, TopicPartition};
use crate::config::loggers::STATE_CHANGE;
use crate::controller::context::LeaderAndIsr;
use crate::controller::core::{Core, Outcome};
use crate::controller::event::Answer;
use crate::controller::handle::{AlterPartition, AlteredPartition, TopicRef};
use crate::controller::partition_state::to_znode;
use crate::zk::store::{self, partitions::SetOutcome};

/// From this version on, a replica that must not be in the ISR is refused by a code of its own.
const INELIGIBLE_REPLICA_FROM: i16 = 2;

/// What becomes of one proposal.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::controller) enum Verdict {
    /// Write it.
    Write(LeaderAndIsr),
    /// It is so already.
    Same(LeaderAndIsr),
    /// No.
    Refuse(ErrorCode),
}

/// Holds a proposal against the state known, in Kafka's order of checks.
pub(in crate::controller) fn judge(
    current: &LeaderAndIsr,
    proposed: LeaderAndIsr,
    is_live: impl Fn(BrokerId) -> bool,
    version: i16,
) -> Verdict {
    if proposed.partition_epoch > current.partition_epoch || proposed.leader_epoch > current.leader_epoch {
        // The leader knows more than we do: somebody else is the controller.
        return Verdict::Refuse(ErrorCode::NotController);
    }
    if proposed.leader_epoch < current.leader_epoch {
        return Verdict::Refuse(ErrorCode::FencedLeaderEpoch);
    }
    if proposed.leader == current.leader && proposed.isr == current.isr && proposed.recovering == current.recovering {
        return Verdict::Same(current.clone()); // a repetition of what was written before
    }
    if proposed.partition_epoch < current.partition_epoch {
        return Verdict::Refuse(ErrorCode::InvalidUpdateVersion);
    }
    if proposed.recovering && (proposed.isr.len() > 1 || !current.recovering) {
        return Verdict::Refuse(ErrorCode::InvalidRequest);
    }
    if !proposed.isr.iter().all(|id| is_live(*id)) {
        return Verdict::Refuse(match version {
            v if v >= INELIGIBLE_REPLICA_FROM => ErrorCode::IneligibleReplica,
            _ => ErrorCode::OperationNotAttempted,
        });
    }
    Verdict::Write(proposed)
}

impl Core {
    /// Judges the proposals of a broker and writes the accepted ones. No LeaderAndIsr follows: the leader has its answer, and the
    /// others need only the metadata.
    pub(in crate::controller) async fn on_alter_partition(
        &mut self,
        broker: BrokerId,
        broker_epoch: i64,
        version: i16,
        proposals: Vec<AlterPartition>,
        answer: Answer<Vec<AlteredPartition>>,
    ) -> Outcome {
        let answers = self.alter_partitions(broker, broker_epoch, version, proposals).await;
        let done: Vec<TopicPartition> = match &answers {
            Ok(Ok(answers)) => {
                let accepted = answers.iter().filter(|a| a.result.is_ok());
                accepted.filter_map(|a| self.name_of(&a.topic, a.partition)).collect()
            }
            _ => Vec::new(),
        };
        self.answer_alter_partition(answer, answers)?;
        self.complete_reassignments_of(&done).await
    }

    fn name_of(&self, topic: &TopicRef, partition: i32) -> Option<TopicPartition> {
        let topic = match topic {
            TopicRef::Name(name) => name.clone(),
            TopicRef::Id(id) => self.ctx.topic_names.get(id)?.clone(),
        };
        Some(TopicPartition { topic, partition })
    }

    async fn alter_partitions(
        &mut self,
        broker: BrokerId,
        broker_epoch: i64,
        version: i16,
        proposals: Vec<AlterPartition>,
    ) -> Outcome<Result<Vec<AlteredPartition>, ErrorCode>> {
        if !self.is_active() {
            return Ok(Err(ErrorCode::NotController));
        }
        let is_unfenced = sabotage::is_on(Sabotage::IsrChangeNotFenced);
        if self.ctx.brokers.get(&broker).is_none_or(|known| known.epoch != broker_epoch) && !is_unfenced {
            tracing::info!(broker, broker_epoch, "AlterPartition of an unknown or earlier life of a broker refused");
            return Ok(Err(ErrorCode::StaleBrokerEpoch));
        }
        let mut answers = Vec::with_capacity(proposals.len());
        let mut named = Vec::new();
        let mut writes = Vec::new();
        for proposal in proposals {
            let AlterPartition { topic, partition, leader_epoch, isr, recovering, partition_epoch } = proposal;
            let result = match self.name_of(&topic, partition) {
                None => Err(ErrorCode::UnknownTopicId),
                Some(name) => {
                    named.push(name.clone());
                    let mut proposed = LeaderAndIsr { leader: broker, leader_epoch, isr, recovering, partition_epoch };
                    let current = self.ctx.leadership(&name).map(|l| &l.state);
                    if let Some(current) = current.filter(|_| is_unfenced) {
                        proposed = LeaderAndIsr { isr: proposed.isr, ..current.clone() };
                    }
                    match current {
                        None => Err(ErrorCode::UnknownTopicOrPartition),
                        // Whom it takes out may have what it lacks itself: it is to be elected first.
                        Some(_) if self.ctx.waits_in_doubt(&name) => Err(ErrorCode::FencedLeaderEpoch),
                        Some(current) => match judge(current, proposed, |id| self.ctx.is_live(id), version) {
                            Verdict::Same(state) => Ok(state),
                            Verdict::Refuse(code) => Err(code),
                            Verdict::Write(state) => {
                                writes.push((answers.len(), name, state));
                                Err(ErrorCode::UnknownServerError) // until it is written
                            }
                        },
                    }
                }
            };
            answers.push(AlteredPartition { topic, partition, result });
        }
        self.write_proposals(writes, &mut answers).await?;
        self.send_update_metadata(&self.ctx.live_or_shutting_down(), &named);
        Ok(Ok(answers))
    }

    /// Writes accepted proposals and puts their outcome into the answers.
    async fn write_proposals(
        &mut self,
        writes: Vec<(usize, TopicPartition, LeaderAndIsr)>,
        answers: &mut [AlteredPartition],
    ) -> Outcome {
        if writes.is_empty() {
            return Ok(());
        }
        let epoch = self.ctx.epoch;
        let nodes: Vec<_> = writes
            .iter()
            .map(|(_, name, state)| (name.clone(), to_znode(epoch, state), state.partition_epoch))
            .collect();
        let outcomes = store::partitions::set(&self.link.session, self.link.term()?, &nodes).await?;
        let mut raced = Vec::new();
        for ((at, name, state), outcome) in writes.into_iter().zip(outcomes) {
            let result = match outcome {
                SetOutcome::Done(version) => {
                    let state = LeaderAndIsr { partition_epoch: version, ..state };
                    tracing::info!(target: STATE_CHANGE, partition = %name, isr = ?state.isr, partition_epoch = version, "ISR changed");
                    self.ctx.set_leadership(&name, self.of_this_term(state.clone()));
                    Ok(state)
                }
                SetOutcome::BadVersion => {
                    raced.push(name);
                    Err(ErrorCode::InvalidUpdateVersion)
                }
                SetOutcome::Failed(error) => {
                    tracing::error!(partition = %name, "ISR not written: {error}");
                    Err(ErrorCode::UnknownServerError)
                }
            };
            if let Some(answer) = answers.get_mut(at) {
                answer.result = result;
            }
        }
        // Somebody else wrote the node: what they wrote is the truth.
        self.refresh_leadership(&raced).await
    }
}
