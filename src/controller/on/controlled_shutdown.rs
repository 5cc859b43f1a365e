//! Event controlled shutdown: a broker asks to be relieved of its leaderships before it stops.

use crate::base::{BrokerId, ErrorCode, TopicPartition};
use crate::controller::batch::Batch;
use crate::controller::context::Replica;
use crate::controller::core::{Core, Outcome};
use crate::controller::election::Strategy;
use crate::controller::states::{PartitionState, ReplicaState};

/// "Not given" in a request of version 0 or 1.
const NO_BROKER_EPOCH: i64 = -1;

impl Core {
    /// Moves leaderships and ISR places away from a broker. Returns the partitions that it still leads because nobody else can.
    /// The mark "shutting down" stays until its registration goes.
    pub(in crate::controller) async fn on_controlled_shutdown(
        &mut self,
        broker: BrokerId,
        broker_epoch: i64,
    ) -> Outcome<Result<Vec<TopicPartition>, ErrorCode>> {
        if !self.is_active() {
            return Ok(Err(ErrorCode::StaleControllerEpoch));
        }
        let Some(known) = self.ctx.brokers.get(&broker) else {
            let code = match broker_epoch {
                NO_BROKER_EPOCH => ErrorCode::BrokerNotAvailable,
                _ => ErrorCode::UnknownServerError, // Kafka looks the epoch up before it looks whether there is one
            };
            return Ok(Err(code));
        };
        if broker_epoch != NO_BROKER_EPOCH && broker_epoch < known.epoch {
            tracing::info!(broker, broker_epoch, known = known.epoch, "controlled shutdown of an earlier life refused");
            return Ok(Err(ErrorCode::StaleBrokerEpoch));
        }
        tracing::info!(broker, "controlled shutdown");
        self.ctx.shutting_down.insert(broker);
        self.ctx.presumed_dead.remove(&broker); // it is alive, and going

        self.relieve(broker).await?;
        let stuck = self
            .ctx
            .partitions_led_by(broker)
            .into_iter()
            .filter(|name| self.ctx.replicas(name).len() > 1 && !self.ctx.is_queued_for_deletion(&name.topic));
        Ok(Ok(stuck.collect()))
    }

    /// Moves leaderships and ISR places away from a broker that is marked as shutting down, as far as others can take them.
    pub(in crate::controller) async fn relieve(&mut self, broker: BrokerId) -> Outcome {
        let (led, followed) = self.movable_partitions(broker);
        self.move_partitions(&led, PartitionState::Online, Some(Strategy::ControlledShutdown)).await?;
        let mut batch = Batch::default();
        for name in followed.iter().filter(|name| self.must_stop(broker, name)) {
            batch.add_stop_replica(&self.ctx, &[broker], name, false);
        }
        self.send(batch);
        let followed: Vec<Replica> = followed.into_iter().map(|name| (name, broker)).collect();
        self.move_replicas(&followed, ReplicaState::Offline).await?;
        self.settle_without(broker, led.into_iter().chain(followed.into_iter().map(|(name, _)| name))).await
    }

    /// The partitions with other replicas that a broker leads, and those that it follows; without those that are being deleted.
    fn movable_partitions(&self, broker: BrokerId) -> (Vec<TopicPartition>, Vec<TopicPartition>) {
        let (mut led, mut followed) = (Vec::new(), Vec::new());
        for (name, partition) in self.ctx.partitions() {
            let replicas = &partition.assignment.replicas;
            let Some(leadership) = &partition.leadership else { continue };
            if replicas.len() > 1 && replicas.contains(&broker) && !self.ctx.is_queued_for_deletion(&name.topic) {
                let list = if leadership.state.leader == broker { &mut led } else { &mut followed };
                list.push(name);
            }
        }
        (led, followed)
    }
}
