//! Follows `/feature`: its data version is `finalized_features_epoch` of ApiVersions. A ZooKeeper-mode broker supports no feature, so
//! one that is finalized by somebody else can't be served.

use std::sync::Arc;
use std::time::Duration;

use super::start::StartError;
use crate::base::Env;
use crate::base::env::Lane;
use crate::cluster::Cluster;
use crate::zk::session::{Session, Zk};
use crate::zk::store;
use crate::zk::store::StoreError;

/// Pause before the node is read again after something in it could not be understood.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Reads the node once, since nothing of this broker may be seen before that, and starts the task.
///
/// # Errors
/// ZooKeeper's, a node that can't be understood, or features that are not supported here.
pub async fn start(env: &Env, zk: Zk, cluster: Arc<Cluster>) -> Result<(), StartError> {
    if let Some((node, version)) = store::features::read(&zk.session()).await? {
        if !node.features.is_empty() {
            let unsupported: Vec<String> = node.features.keys().cloned().collect();
            return Err(StartError::Message(refusal(&unsupported)));
        }
        cluster.epochs.set_feature(i64::from(version));
    }
    let halting = env.tasks.clone();
    env.tasks.spawn_vital(Lane::Control, "feature watch", async move {
        let mut generations = zk.generations();
        loop {
            let session = generations.borrow_and_update().clone();
            match follow(&session, &cluster).await {
                Ok(unsupported) => halting.halt(&refusal(&unsupported)),
                Err(error) if session.state().is_terminal() => tracing::debug!(%error, "feature watch: next session"),
                Err(error) => {
                    tracing::error!(%error, "could not follow /feature; trying again");
                    tokio::time::sleep(RETRY_PAUSE).await;
                    continue;
                }
            }
            if generations.changed().await.is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn refusal(unsupported: &[String]) -> String {
    format!("/feature finalizes {unsupported:?}, which this broker does not support: the cluster is of a later kind")
}

/// Follows the node; returns the features that are finalized but not supported here.
async fn follow(session: &Session, cluster: &Cluster) -> Result<Vec<String>, StoreError> {
    loop {
        let (found, watch) = store::features::read_and_watch(session).await?;
        match found {
            Some((node, version)) => {
                let unsupported: Vec<String> = node.features.keys().cloned().collect();
                if !unsupported.is_empty() {
                    return Ok(unsupported);
                }
                cluster.epochs.set_feature(i64::from(version));
            }
            None => cluster.epochs.set_feature(-1),
        }
        watch.await;
    }
}
