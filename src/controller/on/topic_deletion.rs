//! Events topic deletion and StopReplica answered. What happens then is in `controller::deletion`.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::{BrokerId, TopicPartition};
use crate::controller::context::Replica;
use crate::controller::core::{Core, Outcome};
use crate::controller::event::Event;
use crate::controller::states::ReplicaState;
use crate::zk::znode::delete_topics;

impl Core {
    /// Topics have been marked for deletion.
    pub(in crate::controller) async fn on_topic_deletion(&mut self) -> Outcome {
        let marked = self.list_and_watch(delete_topics::PATH, || Event::TopicDeletion).await?;
        let (marked, unknown): (BTreeSet<Arc<str>>, BTreeSet<Arc<str>>) =
            marked.into_iter().map(Arc::from).partition(|topic| self.ctx.topics.contains_key(topic));
        if !unknown.is_empty() {
            tracing::warn!(?unknown, "not deleting topics that do not exist");
            self.unmark(unknown).await?;
        }
        if !self.settings.delete_topic_enable {
            return self.unmark(marked).await;
        }
        if marked.is_empty() {
            return Ok(());
        }
        self.ctx.deletion.queued.extend(marked.iter().cloned());
        let moving: BTreeSet<Arc<str>> = self.ctx.reassigning.iter().map(|p| p.topic.clone()).collect();
        self.mark_ineligible(marked.intersection(&moving).cloned().collect::<Vec<_>>(), "reassignment in progress");
        self.resume_deletions().await
    }

    /// A broker has deleted replicas, or has not.
    pub(in crate::controller) async fn on_stop_replica_answered(
        &mut self,
        broker: BrokerId,
        error: i16,
        errors: Vec<(TopicPartition, i16)>,
    ) -> Outcome {
        // Answers of an earlier try, or of a finished move, are not for a deletion that is under way now.
        let under_way = |name: &TopicPartition| {
            let state = self.ctx.partition(name).map(|p| p.replica_state(broker));
            state == Some(ReplicaState::DeletionStarted) && self.ctx.is_queued_for_deletion(&name.topic)
        };
        let (mut failed, mut done): (Vec<Replica>, Vec<Replica>) = (Vec::new(), Vec::new());
        for (name, code) in errors {
            if under_way(&name) {
                let list = if error == 0 && code == 0 { &mut done } else { &mut failed };
                list.push((name, broker));
            }
        }
        if !failed.is_empty() {
            tracing::warn!(broker, error, ?failed, "replicas were not deleted");
            self.fail_replica_deletion(failed).await?;
        }
        if !done.is_empty() {
            self.complete_replica_deletion(done).await?;
        }
        Ok(())
    }
}
