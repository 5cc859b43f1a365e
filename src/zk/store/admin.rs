//! `/admin/reassign_partitions` and `/admin/preferred_replica_election`: what old tools ask of the controller.

use super::controller::Term;
use super::{StoreError, fenced};
use crate::base::{BrokerId, TopicPartition};
use crate::zk::session::{Op, Session, Watch};
use crate::zk::znode::{preferred_election, reassign};

/// The reassignments asked for; none when there is no such node.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn reassignments(session: &Session) -> Result<Option<Vec<(TopicPartition, Vec<BrokerId>)>>, StoreError> {
    match session.get(reassign::PATH).await? {
        Some((data, _)) => Ok(Some(reassign::decode(&data)?)),
        None => Ok(None),
    }
}

/// A watch for the creation of the node, and whether it is there.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn watch_reassignments(session: &Session) -> Result<(bool, Watch), StoreError> {
    let (stat, watch) = session.exists_and_watch(reassign::PATH).await?;
    Ok((stat.is_some(), watch))
}

/// Leaves only `left` of the reassignments, behind the term; without any the node is deleted.
///
/// # Errors
/// [`StoreError::ControllerMoved`], or the session's end.
pub async fn set_reassignments(
    session: &Session,
    term: &Term,
    left: &[(TopicPartition, Vec<BrokerId>)],
) -> Result<(), StoreError> {
    let op = if left.is_empty() {
        Op::delete(reassign::PATH, None)
    } else {
        Op::set(reassign::PATH, reassign::encode(left), None)
    };
    match fenced::write_one(session, term, op).await {
        Err(error) if error.is_no_node() => Ok(()),
        other => other.map(|_| ()),
    }
}

/// The partitions whose preferred leader is to be elected; none when there is no such node.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn preferred_elections(session: &Session) -> Result<Option<Vec<TopicPartition>>, StoreError> {
    match session.get(preferred_election::PATH).await? {
        Some((data, _)) => Ok(Some(preferred_election::decode(&data)?)),
        None => Ok(None),
    }
}

/// A watch for the creation of the node, and whether it is there.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn watch_preferred_elections(session: &Session) -> Result<(bool, Watch), StoreError> {
    let (stat, watch) = session.exists_and_watch(preferred_election::PATH).await?;
    Ok((stat.is_some(), watch))
}

/// Deletes the node, behind the term.
///
/// # Errors
/// [`StoreError::ControllerMoved`], or the session's end.
pub async fn delete_preferred_elections(session: &Session, term: &Term) -> Result<(), StoreError> {
    match fenced::write_one(session, term, Op::delete(preferred_election::PATH, None)).await {
        Err(error) if error.is_no_node() => Ok(()),
        other => other.map(|_| ()),
    }
}
