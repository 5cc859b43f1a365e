//! Controller writes: any number of operations behind checks of the controller's epoch, batched.
//!
//! Each operation has its own result, as if it had been sent alone behind the check (which is what Kafka does). Many ride in one multi
//! as long as all succeed; where one fails, the multi did nothing, that one operation has its answer, and the rest is sent again in
//! smaller batches. Order is kept, so a child may follow its parent.

use std::collections::BTreeSet;

use super::StoreError;
use super::controller::Term;
use crate::zk::session::{Op, OpResult, Session, ZkError, ZkErrorKind};
use crate::zk::znode::controller_epoch;

/// Bytes of one multi: well below the smallest `jute.maxbuffer` in use (1 MB).
const MAX_BATCH_BYTES: usize = 256 * 1024;
/// Operations of one multi: a server applies a multi in one go, and others wait meanwhile.
const MAX_BATCH_OPS: usize = 1024;
/// After a failure batches shrink by this factor, after a success they grow by it.
const SCALE: usize = 4;

/// Does the operations in order, each on its own terms, all behind `term`. The results are in the order of the operations; a lost
/// reply is resolved. When this returns an error, any part of the operations may have been done.
///
/// # Errors
/// [`StoreError::ControllerMoved`] when the term is over, or of another session; or the end of the session.
pub async fn write(session: &Session, term: &Term, ops: Vec<Op>) -> Result<Vec<Result<OpResult, ZkError>>, StoreError> {
    // The epoch alone does not tell that `/controller` went with an older session, as long as nobody else was elected.
    if term.session != session.id() {
        return Err(StoreError::ControllerMoved);
    }
    let check = Op::check(controller_epoch::PATH, term.epoch_version);
    let mut results = Vec::with_capacity(ops.len());
    let mut most = MAX_BATCH_OPS;
    while results.len() < ops.len() {
        let left = ops.get(results.len()..).unwrap_or_default();
        let count = batch_len(left, most);
        let batch = left.get(..count).unwrap_or_default();
        let mut multi = Vec::with_capacity(count + 1);
        multi.push(check.clone());
        multi.extend_from_slice(batch);
        match session.multi(&multi).await {
            Ok(done) => {
                results.extend(done.into_iter().skip(1).map(Ok));
                most = (most * SCALE).min(MAX_BATCH_OPS);
            }
            Err(error) if error.session_over() => return Err(error.into()),
            Err(error) => match error.op {
                Some(0) => return Err(StoreError::ControllerMoved),
                Some(index) if error.after_loss => match settle(session, batch, index - 1, error).await? {
                    Some(settled) => results.extend(settled),
                    None => most = 1, // to be asked one by one, each now without a loss of its own
                },
                Some(index) => {
                    if index > 1 {
                        // What stands before the failed one is sent again at once, alone: it was good a moment ago.
                        most = index - 1;
                    } else {
                        results.push(Err(ZkError { op: None, ..error }));
                        most = (count / SCALE).max(1);
                    }
                }
                None if count > 1 => most = 1, // refused as a whole, for instance too large for the server
                None => results.push(Err(error)),
            },
        }
    }
    Ok(results)
}

/// One operation behind the check.
///
/// # Errors
/// As [`write()`], and the operation's own.
pub async fn write_one(session: &Session, term: &Term, op: Op) -> Result<OpResult, StoreError> {
    match write(session, term, vec![op]).await?.pop() {
        Some(result) => Ok(result?),
        None => Err(StoreError::ControllerMoved),
    }
}

/// How many operations of `left` go into one multi: at least one, and each node once, so that after a lost reply a node's contents tell
/// whether its operation was done.
fn batch_len(left: &[Op], most: usize) -> usize {
    let mut bytes = 0;
    let mut paths = BTreeSet::new();
    let fits = left.iter().take(most.max(1)).take_while(|op| {
        bytes += op.wire_bytes();
        bytes <= MAX_BATCH_BYTES && paths.insert(op.path())
    });
    fits.count().max(1)
}

/// After a lost reply. The lost attempt was done whole or not at all, and the first operation whose condition no longer holds tells:
/// when it turns out to be done, the whole batch was. Settles operations from the first on, or says that the failure is real (none).
async fn settle(
    session: &Session,
    batch: &[Op],
    failed: usize,
    error: ZkError,
) -> Result<Option<Vec<Result<OpResult, ZkError>>>, StoreError> {
    let mut settled = Vec::with_capacity(batch.len());
    for op in batch {
        match is_done(session, op).await? {
            Some(done) => settled.push(Ok(done)),
            None => break, // overwritten by somebody since, or never done: asked again, it has its own answer
        }
    }
    if settled.len() > failed {
        return Ok(Some(settled));
    }
    Ok((failed == 0).then(|| vec![Err(ZkError { op: None, ..error })]))
}

/// Whether the store looks as it does when `op` was done. Another's write of the very same contents counts: it makes no difference.
pub(super) async fn is_done(session: &Session, op: &Op) -> Result<Option<OpResult>, ZkError> {
    Ok(match op {
        Op::Check { path, version } => {
            session.exists(path).await?.filter(|stat| stat.version == *version).map(|_| OpResult::Checked)
        }
        Op::Create { path, data, .. } => match session.get(path).await? {
            Some((found, _)) if found == *data => Some(OpResult::Created { path: path.clone() }),
            _ => None,
        },
        Op::Set { path, data, version } => match session.get(path).await? {
            Some((found, stat)) if found == *data && version.is_none_or(|v| stat.version == v + 1) => {
                Some(OpResult::Set { stat })
            }
            _ => None,
        },
        Op::Delete { path, .. } => session.exists(path).await?.is_none().then_some(OpResult::Deleted),
    })
}

/// Deletes a tree bottom-up behind the term; false when there was none.
///
/// # Errors
/// As [`write()`].
pub async fn delete_recursive(session: &Session, term: &Term, path: &str) -> Result<bool, StoreError> {
    /// A tree that grows while it is deleted is given up after so many tries.
    const MAX_ROUNDS: usize = 8;
    for round in 0..MAX_ROUNDS {
        let nodes = tree(session, path).await?;
        if nodes.is_empty() {
            return Ok(round > 0);
        }
        let ops = nodes.iter().rev().map(|node| Op::delete(node, None)).collect();
        let results = write(session, term, ops).await?;
        let failed = results.into_iter().filter_map(Result::err);
        for error in failed {
            if !matches!(error.kind, ZkErrorKind::NoNode | ZkErrorKind::NotEmpty) {
                return Err(error.into());
            }
        }
        if session.exists(path).await?.is_none() {
            return Ok(true);
        }
    }
    Err(StoreError::Contended(path.into()))
}

/// A node and all below it, parents first.
async fn tree(session: &Session, path: &str) -> Result<Vec<String>, ZkError> {
    let mut nodes = Vec::new();
    let mut level = vec![path.to_owned()];
    while !level.is_empty() {
        let children = session.children_all(&level).await?;
        let mut below = Vec::new();
        for (node, names) in level.into_iter().zip(children) {
            if let Some(names) = names {
                below.extend(names.into_iter().map(|name| format!("{node}/{name}")));
                nodes.push(node);
            }
        }
        level = below;
    }
    Ok(nodes)
}
