//! Partition states: read pipelined, written in batches behind the controller's term, each conditional on its data version (the
//! partition epoch).

use bytes::Bytes;

use super::controller::Term;
use super::{StoreError, fenced};
use crate::base::TopicPartition;
use crate::zk::session::{Op, OpResult, Session, Stat, Watch, ZkError, ZkErrorKind};
use crate::zk::znode::partition_state::{PartitionState, partition_path, partitions_path, path};

/// What became of one conditional write of a state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SetOutcome {
    /// Written; the new data version, which is the new partition epoch.
    Done(i32),
    /// Somebody wrote it since it was read: read again and decide anew.
    BadVersion,
    /// It can't be written, for instance as the node is gone.
    Failed(ZkError),
}

/// A partition's state and its data version.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn state(session: &Session, partition: &TopicPartition) -> Result<Option<(PartitionState, i32)>, StoreError> {
    match session.get(&path(partition)).await? {
        Some((data, stat)) => Ok(Some((PartitionState::decode(partition, &data)?, stat.version))),
        None => Ok(None),
    }
}

/// The transaction that made a partition's state node; none when there is none.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn made_at(session: &Session, partition: &TopicPartition) -> Result<Option<i64>, StoreError> {
    Ok(session.exists(&path(partition)).await?.map(|stat| stat.czxid))
}

/// [`state`] with a watch for its data and existence (for reassignments under an old IBP).
///
/// # Errors
/// As [`state`].
pub async fn state_and_watch(
    session: &Session,
    partition: &TopicPartition,
) -> Result<(Option<(PartitionState, i32)>, Watch), StoreError> {
    let (found, watch) = session.get_and_watch(&path(partition)).await?;
    match found {
        Some((data, stat)) => Ok((Some((PartitionState::decode(partition, &data)?, stat.version)), watch)),
        None => Ok((None, watch)),
    }
}

/// Many states with what ZooKeeper keeps about them, pipelined, in the order asked; none for a partition without one.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn states(
    session: &Session,
    partitions: &[TopicPartition],
) -> Result<Vec<Option<(PartitionState, Stat)>>, StoreError> {
    let paths: Vec<String> = partitions.iter().map(path).collect();
    let found = session.get_all(&paths).await?;
    let decode = |(partition, found): (&TopicPartition, Option<(Bytes, Stat)>)| match found {
        Some((data, stat)) => Ok(Some((PartitionState::decode(partition, &data)?, stat))),
        None => Ok(None),
    };
    partitions.iter().zip(found).map(decode).collect()
}

/// Makes the states of new partitions (data version 0), with the nodes above them. A result per partition, in order; NodeExists when a
/// partition has a state already.
///
/// # Errors
/// [`StoreError::ControllerMoved`], or the session's end.
pub async fn create(
    session: &Session,
    term: &Term,
    states: &[(TopicPartition, PartitionState)],
) -> Result<Vec<Result<(), ZkError>>, StoreError> {
    let mut topics: Vec<&str> = states.iter().map(|(partition, _)| &*partition.topic).collect();
    topics.sort_unstable();
    topics.dedup();
    let parents = topics.iter().map(|topic| Op::create(partitions_path(topic), Bytes::new()));
    let nodes = states.iter().map(|(partition, _)| Op::create(partition_path(partition), Bytes::new()));
    // Existing parents are as good as new ones; which are there is asked first, as a refused one splits a batch.
    let wanted: Vec<Op> = parents.chain(nodes).collect();
    let paths: Vec<String> = wanted.iter().map(|op| op.path().to_owned()).collect();
    let existing = session.get_all(&paths).await?;
    let missing = wanted.into_iter().zip(existing).filter(|(_, found)| found.is_none()).map(|(op, _)| op);
    let mut ops: Vec<Op> = missing.collect();
    let above = ops.len();
    ops.extend(states.iter().map(|(partition, state)| Op::create(path(partition), state.encode())));
    let results = fenced::write(session, term, ops).await?;
    Ok(results.into_iter().skip(above).map(|result| result.map(|_| ())).collect())
}

/// Replaces states, each only at the data version it was read with. An outcome per partition, in order.
///
/// # Errors
/// [`StoreError::ControllerMoved`], or the session's end.
pub async fn set(
    session: &Session,
    term: &Term,
    states: &[(TopicPartition, PartitionState, i32)],
) -> Result<Vec<SetOutcome>, StoreError> {
    let op = |(partition, state, expected): &(TopicPartition, PartitionState, i32)| {
        Op::set(path(partition), state.encode(), Some(*expected))
    };
    let results = fenced::write(session, term, states.iter().map(op).collect()).await?;
    let outcome = |result| match result {
        Ok(OpResult::Set { stat }) => SetOutcome::Done(stat.version),
        Ok(_) => SetOutcome::BadVersion,
        Err(ZkError { kind: ZkErrorKind::BadVersion, .. }) => SetOutcome::BadVersion,
        Err(error) => SetOutcome::Failed(error),
    };
    Ok(results.into_iter().map(outcome).collect())
}
