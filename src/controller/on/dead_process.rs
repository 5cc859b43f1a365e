//! Events process died and process back: a broker's port is refused by its host, or answers again.
//!
//! The verdict may be wrong, so less is done than at the controlled shutdown of a live broker: live members of the ISR take over in a
//! new leader epoch, and only they; no replica is told to stop. The registration is not touched: whether the session is over is for
//! ZooKeeper to say.

use crate::base::BrokerId;
use crate::controller::context::Replica;
use crate::controller::core::{Core, Outcome};
use crate::controller::states::ReplicaState;

/// How long a word that a process has died is remembered by a broker that becomes the controller.
const SUSPECTED_FOR: std::time::Duration = std::time::Duration::from_secs(10);

impl Core {
    /// Nobody listens any more where a broker of this registration was: moves its leaderships away.
    pub(in crate::controller) async fn on_process_died(&mut self, broker: BrokerId, epoch: i64) -> Outcome {
        if !self.is_registered_as(broker, epoch) || self.ctx.shutting_down.contains(&broker) {
            return Ok(()); // another life of it, or its own controlled shutdown, which ends in the same way
        }
        tracing::warn!(broker, "the broker's port is refused: taking its process for dead before its session ends");
        self.ctx.shutting_down.insert(broker);
        self.ctx.presumed_dead.insert(broker);
        self.relieve(broker).await
    }

    /// It listens: what was said of it was wrong, or is over. It takes part again, as after a start.
    pub(in crate::controller) async fn on_process_back(&mut self, broker: BrokerId, epoch: i64) -> Outcome {
        if !self.is_registered_as(broker, epoch) || !self.ctx.presumed_dead.remove(&broker) {
            return Ok(());
        }
        tracing::warn!(broker, "the broker answers again: its process is alive");
        self.ctx.shutting_down.remove(&broker);
        // It may be another process already, of which the registration is not yet.
        self.ctx.doubt_anew(broker);
        let led = self.ctx.partitions_with_leadership();
        self.send_update_metadata(&self.ctx.live_or_shutting_down(), &led);
        let replicas: Vec<Replica> = self.ctx.replicas_on(broker);
        self.move_replicas(&replicas, ReplicaState::Online).await?;
        self.bring_all_online().await?;
        Ok(())
    }

    fn is_registered_as(&self, broker: BrokerId, epoch: i64) -> bool {
        self.ctx.brokers.get(&broker).is_some_and(|known| known.epoch == epoch)
    }

    /// This broker finds the process of another dead, or is about to; should it become the controller, it knows, and does not wait for a
    /// second verdict.
    pub(in crate::controller) fn on_suspect(&mut self, broker: BrokerId) {
        self.suspects.insert(broker, self.env.clock.now());
    }

    /// Starts the senders of brokers.
    pub(in crate::controller) fn add_channels(&mut self, brokers: &[BrokerId]) {
        let now = self.env.clock.now();
        self.suspects.retain(|_, at| now.saturating_duration_since(*at) < SUSPECTED_FOR);
        for broker in brokers.iter().filter_map(|id| self.ctx.brokers.get(id)) {
            self.channels.add(broker, &self.settings, self.suspects.contains_key(&broker.id));
        }
    }
}
