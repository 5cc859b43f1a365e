//! Topics made, grown, moved and deleted; leaders elected; directories described.

pub mod alter_partition_reassignments;
pub mod alter_replica_log_dirs;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_topics;
pub mod describe_log_dirs;
pub mod elect_leaders;
pub mod list_partition_reassignments;

use std::sync::Arc;
use std::time::Duration;

use super::{Api, Peer};
use crate::admin::Admin;
use crate::base::Env;
use crate::base::env::Lane;
use crate::cluster::{Cluster, MetadataImage, NO_LEADER};
use crate::wire::Str;

/// Kafka's words for NOT_CONTROLLER, where an answer carries words.
pub const NOT_THE_CONTROLLER: Str = Str::from_static("This is not the correct controller for this cluster.");

/// What creation, growth and deletion act on: as much of the [`Api`] as stands without partitions.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Tasks and clock.
    pub env: Env,
    /// The metadata that is waited for.
    pub cluster: Arc<Cluster>,
    /// Writes to ZooKeeper.
    pub admin: Arc<Admin>,
}

impl Parts {
    fn of(api: &Api) -> Self {
        Self { env: api.env.clone(), cluster: api.cluster.clone(), admin: api.admin.clone() }
    }

    /// Waits until the metadata image satisfies a condition, at most `timeout_ms`, and no longer than the broker runs.
    async fn wait_for_metadata(&self, peer: &Peer, timeout_ms: i32, done: impl FnMut(&MetadataImage) -> bool) {
        let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
        let wait = tokio::time::timeout(timeout, self.cluster.metadata.wait_until(done));
        tokio::select! {
            biased;
            _ = wait => {}
            () = peer.stopped() => {}
        }
    }
}

/// Runs what changes state to its end, also when the connection goes away meanwhile: only the wait for it may be dropped.
pub(in crate::api) async fn to_its_end<T: Send + 'static>(
    env: &Env,
    admin: &Admin,
    name: &'static str,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let writer = admin.writer().await;
    let work = async move {
        let done = work.await;
        drop(writer);
        done
    };
    // Not on control: however long the request is, the controller's one thread stays free.
    match env.tasks.spawn(Lane::Data, name, work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => std::future::pending().await, // the runtime is going: nobody waits for this any more
        },
    }
}

/// True when the image has a leader for each of a topic's first `partitions` partitions.
fn all_led(image: &MetadataImage, topic: &str, partitions: i32) -> bool {
    (0..partitions).all(|p| image.partition(topic, p).is_some_and(|state| state.leader != NO_LEADER))
}
