//! Work that nobody asks for: high watermark checkpoints, and taking the partitions of a failed directory out of service.

use std::sync::Arc;
use std::time::Duration;

use super::table::{Hosted, Replicas};

impl Replicas {
    /// Writes the high watermarks down every `interval`, until dropped. A leader that starts anew believes its checkpoint.
    pub async fn checkpoint_high_watermarks(self: Arc<Self>, interval: Duration) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.logs.checkpoint_high_watermarks().await;
        }
    }

    /// Follows the failures of log directories: their partitions go offline and whoever waits is told. Calls `failed` for each new
    /// failure, after its partitions are off. Ends when no directory is left, or the log manager is gone.
    pub async fn follow_dir_failures(self: Arc<Self>, mut failed: impl FnMut(&std::path::Path)) {
        let mut offline = self.logs.offline();
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let now: Vec<_> = offline.borrow_and_update().iter().cloned().collect();
            for dir in now {
                if seen.insert(dir.clone()) {
                    self.take_offline(&dir);
                    failed(&dir);
                }
            }
            if !self.logs.any_online() {
                self.env.tasks.halt("all log directories have failed");
            }
            if offline.changed().await.is_err() {
                return;
            }
        }
    }

    /// Brokers are gone from the metadata: no high watermark waits any more for one of them to join. Called after an UpdateMetadata.
    pub fn forget_dead_brokers(&self) {
        let image = self.cluster.metadata.load();
        for partition in self.online() {
            let waits_in_vain = partition.state().followers.iter().any(|(id, f)| f.joining && !image.is_alive(*id));
            if waits_in_vain {
                for (id, follower) in &mut partition.touch().followers {
                    follower.joining &= image.is_alive(*id);
                }
            }
        }
    }

    fn take_offline(&self, dir: &std::path::Path) {
        let lost: Vec<_> = self.online().into_iter().filter(|p| p.log().dir() == dir).collect();
        tracing::error!(dir = %dir.display(), partitions = lost.len(), "log directory failed; its partitions are offline");
        for partition in lost {
            self.insert(partition.id.clone(), Hosted::Offline);
            partition.change().retire(true);
            if let Some(fetchers) = self.fetchers() {
                fetchers.stop(&partition.id);
            }
            self.moves.stop(&partition.id);
        }
        // Those that were on their way there stay where they are.
        for id in self.logs.forget_futures_in(dir) {
            self.moves.stop(&id);
        }
    }
}
