//! Events broker change and broker modifications: brokers come, go and change their addresses.

use std::collections::BTreeSet;

use crate::base::BrokerId;
use crate::controller::context::{Broker, Replica};
use crate::controller::core::{Core, Outcome};
use crate::controller::states::{PartitionState, ReplicaState};

impl Core {
    /// The list of registered brokers has changed.
    pub(in crate::controller) async fn on_broker_change(&mut self) -> Outcome {
        let current = self.read_brokers().await?;
        let known: BTreeSet<BrokerId> = self.ctx.brokers.keys().copied().collect();
        let new: Vec<Broker> = current.values().filter(|b| !known.contains(&b.id)).cloned().collect();
        let dead: Vec<BrokerId> = known.iter().copied().filter(|id| !current.contains_key(id)).collect();
        // Only a later registration is another life: an older one would be a read that was overtaken.
        let bounced: Vec<Broker> = current
            .values()
            .filter(|b| self.ctx.brokers.get(&b.id).is_some_and(|known| b.epoch > known.epoch))
            .cloned()
            .collect();
        let ids = |brokers: &[Broker]| -> Vec<BrokerId> { brokers.iter().map(|b| b.id).collect() };
        let (new_ids, bounced_ids) = (ids(&new), ids(&bounced));
        tracing::info!(new = ?new_ids, ?dead, bounced = ?bounced_ids, "brokers changed");
        for id in bounced_ids.iter().chain(&dead).chain(&new_ids) {
            self.suspects.remove(id); // said of a process that had another registration
        }
        for id in bounced_ids.iter().chain(&dead) {
            self.ctx.unheard.remove(id);
            self.channels.remove(*id);
        }
        if !new.is_empty() {
            self.ctx.brokers.extend(new.into_iter().map(|b| (b.id, b)));
            self.add_channels(&new_ids);
            self.on_broker_startup(&new_ids).await?;
        }
        if !bounced.is_empty() {
            self.ctx.brokers.retain(|id, _| !bounced_ids.contains(id));
            self.on_broker_failure(&bounced_ids).await?;
            self.ctx.brokers.extend(bounced.into_iter().map(|b| (b.id, b)));
            self.add_channels(&bounced_ids);
            self.on_broker_startup(&bounced_ids).await?;
        }
        if !dead.is_empty() {
            self.ctx.brokers.retain(|id, _| !dead.contains(id));
            self.on_broker_failure(&dead).await?;
        }
        Ok(())
    }

    /// A broker's registration has changed: other addresses go to all brokers, and it is told at its own. A rack alone is not told, as in Kafka.
    pub(in crate::controller) async fn on_broker_modifications(&mut self, id: BrokerId) -> Outcome {
        let Some(new) = self.read_broker(id).await? else { return Ok(()) };
        let Some(old) = self.ctx.brokers.get(&id) else { return Ok(()) };
        if new.endpoints == old.endpoints && new.features == old.features {
            return Ok(());
        }
        tracing::info!(broker = id, "broker's addresses or features changed");
        // Its epoch stays the one known: a new life of the broker is for the change of the list to find.
        let epoch = old.epoch;
        let new = Broker { epoch, ..new };
        self.channels.redirect(&new, &self.settings);
        self.ctx.brokers.insert(id, new);
        self.send_update_metadata(&self.ctx.live_or_shutting_down(), []);
        Ok(())
    }

    async fn on_broker_startup(&mut self, new: &[BrokerId]) -> Outcome {
        for id in new {
            self.ctx.offline_dirs.remove(id);
            self.ctx.doubt_anew(*id);
        }
        let old: Vec<BrokerId> = self.ctx.live_or_shutting_down().into_iter().filter(|id| !new.contains(id)).collect();
        if !old.is_empty() {
            self.send_update_metadata(&old, []);
        }
        // The new ones get all partitions with a leader, before they hear what they host.
        let led = self.ctx.partitions_with_leadership();
        self.send_update_metadata(new, &led);
        let replicas: Vec<Replica> = new.iter().flat_map(|id| self.ctx.replicas_on(*id)).collect();
        self.move_replicas(&replicas, ReplicaState::Online).await?;
        self.bring_all_online().await?;
        self.resume_reassignments(Some(new), &[]).await?;
        let topics = replicas.into_iter().map(|(name, _)| name.topic);
        let waiting: BTreeSet<_> = topics.filter(|topic| self.ctx.is_queued_for_deletion(topic)).collect();
        self.resume_deletion_of(waiting).await?;
        self.watch_brokers(new).await
    }

    async fn on_broker_failure(&mut self, dead: &[BrokerId]) -> Outcome {
        for id in dead {
            self.ctx.offline_dirs.remove(id);
            self.ctx.shutting_down.remove(id);
            self.ctx.presumed_dead.remove(id);
            self.link.watches.drop(&crate::zk::znode::broker_ids::path(*id));
        }
        let replicas = dead.iter().flat_map(|id| self.ctx.replicas_on(*id)).collect();
        self.on_replicas_offline(replicas).await
    }

    /// Replicas have died, with their brokers or their log directories.
    pub(in crate::controller) async fn on_replicas_offline(&mut self, replicas: Vec<Replica>) -> Outcome {
        let (doomed, rest): (Vec<Replica>, Vec<Replica>) =
            replicas.into_iter().partition(|(name, _)| self.ctx.is_queued_for_deletion(&name.topic));
        let headless = self.ctx.partitions_with_offline_leader();
        self.move_partitions(&headless, PartitionState::Offline, None).await?;
        let any_elected = self.bring_all_online().await?.values().any(Result::is_ok);
        self.move_replicas(&rest, ReplicaState::Offline).await?;
        let nothing_sent = rest.is_empty() && !any_elected;
        if !doomed.is_empty() {
            self.fail_replica_deletion(doomed).await?;
        }
        if nothing_sent {
            // Nothing changed leader or ISR, so nothing has told the brokers yet that one of them is gone.
            self.send_update_metadata(&self.ctx.live_or_shutting_down(), []);
        }
        Ok(())
    }
}
