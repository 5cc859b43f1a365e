//! Event log ends told: brokers that restarted unseen have said how much they have.

use crate::base::{BrokerId, ErrorCode, TopicPartition};
use crate::controller::core::{Core, Outcome};
use crate::controller::doubt::{Doubt, Told};

impl Core {
    /// Notes the ends; where nobody is left who has yet to tell, a leader is elected.
    pub(in crate::controller) async fn on_log_ends_told(
        &mut self,
        broker: BrokerId,
        epoch: i64,
        ends: Vec<(TopicPartition, Told)>,
    ) -> Outcome {
        if self.ctx.brokers.get(&broker).is_none_or(|known| known.epoch != epoch) {
            return Ok(()); // said in another life
        }
        let mut settled = Vec::new();
        for (name, end) in ends {
            let Some(partition) = self.ctx.partition_mut(&name) else { continue };
            if partition.doubts.of(broker) != Some(Doubt::Asked) {
                continue;
            }
            let known = match end {
                Ok(Some(end)) => Doubt::Ends(end),
                Ok(None) => {
                    tracing::warn!(partition = %name, broker, "an in-sync replica has lost its log");
                    Doubt::Lost
                }
                Err(code) => {
                    let error = ErrorCode::from_code(code).name();
                    tracing::warn!(partition = %name, broker, error, "an in-sync replica can't say where its log ends");
                    Doubt::Failed
                }
            };
            tracing::debug!(partition = %name, broker, ?known, "an in-sync replica that restarted unseen");
            partition.doubts.set(broker, known);
            if !self.ctx.awaits_log_end(&name) {
                settled.push(name);
            }
        }
        self.bring_online(&settled).await.map(drop)
    }
}
