//! Taking over as the controller (`onControllerFailover`): the order of the steps is Kafka's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::base::{BrokerId, TopicPartition};
use crate::controller::core::{Core, Outcome};
use crate::controller::event::Event;
use crate::controller::restarted::Restarted;
use crate::zk::store::{self, StoreError};
use crate::zk::znode::{delete_topics, feature, isr_change, log_dir_event, topic};

/// After taking over, the automatic balance looks for the first time; after that at its configured interval.
const FIRST_BALANCE: Duration = Duration::from_secs(5);

impl Core {
    /// Reads the cluster and brings every broker to what ZooKeeper says.
    pub(in crate::controller) async fn take_over(&mut self) -> Outcome {
        self.set_up_features().await?;
        self.clear_notices().await?;
        let restarted = self.load_context().await?;
        self.load_deletions().await?;
        // Brokers learn of each other and of this controller before any LeaderAndIsr names a leader.
        self.send_update_metadata(&self.ctx.live_or_shutting_down(), []);
        let all: Vec<TopicPartition> = self.ctx.partitions().map(|(name, _)| name).collect();
        self.init_partition_states(&all);
        self.replace_restarted(restarted).await?;
        // Leaders first: who is without one waits for it, and a replica that the election has put out of the ISR needs no write more.
        // Kafka takes the dead replicas out of their ISRs before, which writes each state twice.
        self.bring_all_online().await?;
        self.start_replica_states(&all).await?;
        tracing::info!(epoch = self.ctx.epoch, brokers = ?self.ctx.live_brokers(), "controller is ready");
        self.start_reassignments().await?;
        self.resume_deletions().await?;
        self.start_preferred_elections().await?;
        if self.settings.auto_leader_rebalance {
            self.start_balance_timer(FIRST_BALANCE);
        }
        Ok(())
    }

    /// Creates `/feature`, or enables it. A ZooKeeper cluster finalizes no feature of its own.
    async fn set_up_features(&mut self) -> Outcome {
        let found = match store::features::read(&self.link.session).await {
            // Left as it is: nothing of a ZooKeeper cluster depends on it.
            Err(StoreError::Znode(error)) => {
                tracing::error!("/feature is not understood and stays as it is: {error}");
                return Ok(());
            }
            found => found?,
        };
        let features = match &found {
            Some((node, _)) if node.enabled => node.features.clone(),
            _ => BTreeMap::new(),
        };
        let wanted = feature::FeatureNode { version: self.settings.feature_version, enabled: true, features };
        if found.is_none_or(|(node, _)| node != wanted) {
            store::features::write(&self.link.session, &wanted).await?;
        }
        Ok(())
    }

    /// Sets the watches on the notice nodes and drops the notices of before: what they told of is read afresh now.
    async fn clear_notices(&mut self) -> Outcome {
        let log_dirs = self.list_and_watch(log_dir_event::PATH, || Event::LogDirFailure).await?;
        let isr = self.list_and_watch(isr_change::PATH, || Event::IsrChange).await?;
        let mut old: Vec<String> = log_dirs.iter().map(|name| log_dir_event::path(name)).collect();
        old.extend(isr.iter().map(|name| isr_change::path(name)));
        self.delete_notices(&old).await
    }

    /// Deletes notices that have been dealt with.
    pub(in crate::controller) async fn delete_notices(&mut self, paths: &[String]) -> Outcome {
        if paths.is_empty() {
            return Ok(());
        }
        let deletes = paths.iter().map(|path| crate::zk::session::Op::delete(path, None)).collect();
        for result in store::fenced::write(&self.link.session, self.link.term()?, deletes).await? {
            if let Err(error) = result {
                tracing::warn!("a notice was not deleted: {error}");
            }
        }
        Ok(())
    }

    /// Brokers, topics, leaders: everything from ZooKeeper, watched before it is read. Returns the partitions in whose ISR
    /// somebody has restarted unseen.
    async fn load_context(&mut self) -> Outcome<Vec<Restarted>> {
        self.ctx.brokers = self.read_brokers().await?;
        let names = self.list_and_watch(topic::PATH, || Event::TopicChange).await?;
        let names: Vec<Arc<str>> = names.into_iter().map(Arc::from).collect();
        let topics = self.read_topics(&names).await?;
        self.take_topics(topics).await?;
        let ids = self.ctx.live_or_shutting_down();
        self.watch_brokers(&ids).await?;
        let restarted = self.load_leadership().await?;
        self.add_channels(&ids);
        Ok(restarted)
    }

    /// Leader and ISR of every partition. Returns those in whose ISR somebody has registered since their state was written.
    async fn load_leadership(&mut self) -> Outcome<Vec<Restarted>> {
        let all: Vec<TopicPartition> = self.ctx.partitions().map(|(name, _)| name).collect();
        let read = self.read_states_with_age(&all).await?;
        let mut restarted = Vec::new();
        for (name, read) in all.into_iter().zip(read) {
            let Some((leadership, age)) = read else { continue };
            let state = &leadership.state;
            let since = self.ctx.registered_since(age);
            let members: BTreeSet<BrokerId> = state.isr.iter().copied().filter(|id| since.contains(id)).collect();
            if self.ctx.replicas(&name).len() > 1 && !members.is_empty() {
                let stayed = |id: &BrokerId| self.ctx.is_live(*id) && !since.contains(id);
                let others = state.isr.iter().copied().filter(stayed).collect();
                restarted.push(Restarted { partition: name.clone(), members, others });
            }
            self.ctx.set_leadership(&name, leadership);
        }
        Ok(restarted)
    }

    /// Reads leader and ISR of some partitions again.
    pub(in crate::controller) async fn refresh_leadership(&mut self, of: &[TopicPartition]) -> Outcome {
        if of.is_empty() {
            return Ok(());
        }
        let read = self.read_states(of).await?;
        for (name, read) in of.iter().zip(read) {
            if let Some(leadership) = read {
                self.ctx.set_leadership(name, leadership);
            }
        }
        Ok(())
    }

    /// Topics marked for deletion, and which of them have to wait.
    async fn load_deletions(&mut self) -> Outcome {
        let marked = self.list_and_watch(delete_topics::PATH, || Event::TopicDeletion).await?;
        let marked: BTreeSet<Arc<str>> = marked.into_iter().map(Arc::from).collect();
        let mut ineligible = self.ctx.topics_with_offline_replicas();
        ineligible.extend(self.ctx.reassigning.iter().map(|p| p.topic.clone()));
        self.start_deletions(marked, ineligible).await
    }
}
