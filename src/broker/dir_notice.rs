//! Tells the controller of failed log directories, by a node under `/log_dir_event_notification`, as soon as ZooKeeper is there.

use std::path::Path;

use tokio::sync::mpsc;

use crate::base::env::Lane;
use crate::base::{BrokerId, Env};
use crate::zk::session::Zk;
use crate::zk::store;

/// Starts the task; the returned function is told of each directory, after its partitions are offline.
pub fn start(env: &Env, zk: Zk, id: BrokerId) -> impl FnMut(&Path) + Send + 'static {
    let (failed, mut failures) = mpsc::unbounded_channel(); // at most one a directory
    env.tasks.spawn(Lane::Control, "log directory notices", async move {
        let mut generations = zk.generations();
        while failures.recv().await.is_some() {
            loop {
                let session = generations.borrow_and_update().clone();
                match store::notices::propagate_log_dir_event(&session, id).await {
                    Ok(()) => break,
                    Err(error) => tracing::warn!(%error, "could not tell the controller of a failed log directory yet"),
                }
                if generations.changed().await.is_err() {
                    return;
                }
            }
        }
    });
    move |_| {
        let _ = failed.send(()); // the task ends with the broker
    }
}
