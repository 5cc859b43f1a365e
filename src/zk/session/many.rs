//! Reads of many nodes: what a new controller spends its first moments with.
//!
//! Data is read in batches (ZooKeeper's `multiRead`, since 3.6), an eighth of the time of as many single reads. A server that does not
//! know such requests says so and closes the connection; the session lives on, over the next connection, with single reads.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::future::try_join_all;

use super::{Reply, Request, Session, Stat, ZkError, ZkErrorKind, mismatch};

/// Requests that are prepared at a time; how many are really under way is bound by `max_in_flight`.
const PIPELINE: usize = 256;
/// Nodes of one batch: with a hundred bytes each the answer stays far below what else ZooKeeper sends at once.
const BATCH: usize = 64;

/// What is known of the servers' knowledge of batches.
#[derive(Debug, Default)]
pub(super) struct Batches {
    answered: AtomicBool,
    refused: AtomicBool,
}

impl Session {
    /// [`Session::get`] of many nodes; answers in the order of the paths. Each is read on its own: together they are no snapshot.
    ///
    /// # Errors
    /// The first refusal, or the session's end.
    pub async fn get_all(&self, paths: &[String]) -> Result<Vec<Option<(Bytes, Stat)>>, ZkError> {
        let batches = &self.shared().batches;
        if paths.len() > 1 && !batches.refused.load(Ordering::Relaxed) {
            match self.get_batched(paths).await {
                Err(error) if error.kind == ZkErrorKind::Unsupported => {
                    tracing::warn!(
                        "this ZooKeeper server, older than 3.6, reads nodes only one by one: elections take longer"
                    );
                    batches.refused.store(true, Ordering::Relaxed);
                }
                done => return done,
            }
        }
        let mut found = Vec::with_capacity(paths.len());
        for window in paths.chunks(PIPELINE) {
            found.extend(try_join_all(window.iter().map(|path| self.get(path))).await?);
        }
        Ok(found)
    }

    async fn get_batched(&self, paths: &[String]) -> Result<Vec<Option<(Bytes, Stat)>>, ZkError> {
        let batches = &self.shared().batches;
        let mut found = Vec::with_capacity(paths.len());
        // The first goes alone: a refusal takes what is under way besides down with the connection.
        let alone = if batches.answered.load(Ordering::Relaxed) { 0 } else { paths.len().min(BATCH) };
        let (first, rest) = paths.split_at(alone);
        if !first.is_empty() {
            found.extend(self.get_batch(first).await?);
            batches.answered.store(true, Ordering::Relaxed);
        }
        for window in rest.chunks(BATCH * PIPELINE) {
            for nodes in try_join_all(window.chunks(BATCH).map(|batch| self.get_batch(batch))).await? {
                found.extend(nodes);
            }
        }
        Ok(found)
    }

    async fn get_batch(&self, paths: &[String]) -> Result<Vec<Option<(Bytes, Stat)>>, ZkError> {
        match self.run(Request::GetMany(paths)).await?.0 {
            Reply::DataOfMany(nodes) => Ok(nodes),
            _ => Err(mismatch("(reads)")),
        }
    }

    /// [`Session::children`] of many nodes, pipelined; answers in the order of the paths.
    ///
    /// # Errors
    /// The first refusal, or the session's end.
    pub async fn children_all(&self, paths: &[String]) -> Result<Vec<Option<Vec<String>>>, ZkError> {
        let mut found = Vec::with_capacity(paths.len());
        for window in paths.chunks(PIPELINE) {
            found.extend(try_join_all(window.iter().map(|path| self.children(path))).await?);
        }
        Ok(found)
    }
}
