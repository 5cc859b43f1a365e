//! Events log directory failure, LeaderAndIsr answered, ISR change: what brokers say of their replicas.

use std::collections::BTreeSet;

use crate::base::{BrokerId, ErrorCode, TopicPartition};
use crate::controller::context::Replica;
use crate::controller::core::{Core, Outcome};
use crate::controller::event::Event;
use crate::controller::states::ReplicaState;
use crate::zk::znode::{isr_change, log_dir_event};

impl Core {
    /// Brokers have lost log directories: LeaderAndIsr for all of their replicas makes them say which ones.
    pub(in crate::controller) async fn on_log_dir_event(&mut self) -> Outcome {
        let names = self.list_and_watch(log_dir_event::PATH, || Event::LogDirFailure).await?;
        let paths: Vec<String> = names.iter().map(|name| log_dir_event::path(name)).collect();
        let nodes = self.link.session.get_all(&paths).await?;
        let mut brokers = BTreeSet::new();
        for (name, node) in names.iter().zip(nodes) {
            let Some((data, _)) = node else { continue };
            match log_dir_event::decode(name, &data) {
                Ok(broker) => drop(brokers.insert(broker)),
                Err(error) => tracing::error!("log directory notice not understood: {error}"),
            }
        }
        tracing::info!(?brokers, "log directories have failed");
        let replicas: Vec<Replica> = brokers.iter().flat_map(|id| self.ctx.replicas_on(*id)).collect();
        let moved = self.move_replicas(&replicas, ReplicaState::Online).await;
        self.delete_notices(&paths).await?;
        moved
    }

    /// A broker has answered LeaderAndIsr: replicas in failed directories are offline, taken over ones are online again. Other
    /// codes mean nothing here: equal epochs are everyday traffic.
    pub(in crate::controller) async fn on_leader_and_isr_answered(
        &mut self,
        broker: BrokerId,
        error: i16,
        errors: Vec<(TopicPartition, i16)>,
    ) -> Outcome {
        if error != 0 {
            let error = ErrorCode::from_code(error).name();
            tracing::error!(broker, error, "broker refused LeaderAndIsr");
            return Ok(());
        }
        let offline = self.ctx.offline_dirs.entry(broker).or_default();
        let mut newly_offline = Vec::new();
        for (name, code) in errors {
            match ErrorCode::from_code(code) {
                ErrorCode::None => drop(offline.remove(&name)),
                ErrorCode::KafkaStorageError if offline.insert(name.clone()) => newly_offline.push((name, broker)),
                _ => {}
            }
        }
        if offline.is_empty() {
            self.ctx.offline_dirs.remove(&broker);
        }
        self.settle_doubts(broker).await?;
        if newly_offline.is_empty() {
            return Ok(());
        }
        tracing::warn!(broker, replicas = ?newly_offline, "replicas are in failed log directories");
        self.on_replicas_offline(newly_offline).await
    }

    /// Leaders (of IBP below 2.7) have written ISRs themselves: read them, tell all brokers.
    pub(in crate::controller) async fn on_isr_change(&mut self) -> Outcome {
        let names = self.list_and_watch(isr_change::PATH, || Event::IsrChange).await?;
        let paths: Vec<String> = names.iter().map(|name| isr_change::path(name)).collect();
        let nodes = self.link.session.get_all(&paths).await?;
        let mut changed = BTreeSet::new();
        for (name, node) in names.iter().zip(nodes) {
            let Some((data, _)) = node else { continue };
            match isr_change::decode(name, &data) {
                Ok(partitions) => changed.extend(partitions),
                Err(error) => tracing::error!("ISR notice not understood: {error}"),
            }
        }
        let changed: Vec<TopicPartition> =
            changed.into_iter().filter(|name| self.ctx.partition(name).is_some()).collect();
        if !changed.is_empty() {
            self.refresh_leadership(&changed).await?;
            self.send_update_metadata(&self.ctx.live_or_shutting_down(), &changed);
            self.complete_reassignments_of(&changed).await?;
        }
        self.delete_notices(&paths).await
    }
}
