//! `/brokers/ids`: registration of this broker, and who else is there.
//!
//! A registration is ours only when the current session owns it. The broker epoch is the node's czxid.

use std::time::Duration;

use bytes::Bytes;

use super::StoreError;
use crate::base::BrokerId;
use crate::zk::session::{Op, OpResult, Session, SessionId, Watch, ZkErrorKind};
use crate::zk::znode::broker_ids::{BrokerNode, PATH, path};
use crate::zk::znode::controller;

/// A registered broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// What it says of itself.
    pub node: BrokerNode,
    /// Its broker epoch (czxid).
    pub epoch: i64,
    /// The session it is registered under.
    pub owner: SessionId,
}

/// Why this broker could not register.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RegisterError {
    /// Another session holds the id: another broker, or an earlier life of this one whose session has not ended yet.
    #[error("broker id {id} is in use (registered by ZooKeeper session {owner})")]
    InUse {
        /// The id.
        id: BrokerId,
        /// Whose it is.
        owner: SessionId,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Attempts at a node that comes and goes under our hands.
const MAX_ATTEMPTS: usize = 10;

/// Registers this broker and says its broker epoch. A node that one of the `previous` sessions of this very broker left is deleted
/// first, and the epoch is a new one; a node of the current session is a lost reply and accepted.
///
/// # Errors
/// [`RegisterError::InUse`] when the node is of any other session.
pub async fn register(session: &Session, node: &BrokerNode, previous: &[SessionId]) -> Result<i64, RegisterError> {
    let path = path(node.id);
    // As Kafka does: created without data and set in one multi, whose set answers with the stat (and so the czxid).
    let ops = [Op::create_ephemeral(&path, Bytes::new()), Op::set(&path, node.encode(), Some(0))];
    for _ in 0..MAX_ATTEMPTS {
        let error = match session.multi(&ops).await {
            Ok(results) => match results.get(1) {
                Some(OpResult::Set { stat }) => return Ok(stat.czxid),
                _ => return Err(StoreError::Contended(path).into()),
            },
            Err(error) => error,
        };
        if error.kind == ZkErrorKind::NoNode {
            session.make_path(PATH).await.map_err(StoreError::from)?;
            continue;
        }
        if error.kind != ZkErrorKind::NodeExists {
            return Err(StoreError::from(error).into());
        }
        let Some((data, stat)) = session.get(&path).await.map_err(StoreError::from)? else { continue };
        let owner = SessionId(stat.ephemeral_owner);
        if owner == session.id() {
            if data != node.encode() {
                session.set(&path, node.encode(), None).await.map_err(StoreError::from)?;
            }
            return Ok(stat.czxid);
        }
        if !previous.contains(&owner) {
            return Err(RegisterError::InUse { id: node.id, owner });
        }
        delete_if_owned(session, &path, owner).await?;
    }
    Err(StoreError::Contended(path).into())
}

/// [`register`], but a node of another session is waited for, at most `patience`: it may be of an earlier life of this broker, which goes
/// with its session. (Kafka fails at once; a supervisor then restarts it until the session is over.)
///
/// # Errors
/// [`RegisterError::InUse`] when the node is still there after `patience`.
pub async fn register_or_wait(
    session: &Session,
    node: &BrokerNode,
    previous: &[SessionId],
    patience: Duration,
) -> Result<i64, RegisterError> {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        let in_use = match register(session, node, previous).await {
            Err(in_use @ RegisterError::InUse { .. }) => in_use,
            done => return done,
        };
        tracing::warn!("{in_use}; waiting for the end of that session, at most {} ms", patience.as_millis());
        let (stat, gone) = session.exists_and_watch(&path(node.id)).await.map_err(StoreError::from)?;
        if stat.is_some() && tokio::time::timeout_at(deadline, gone).await.is_err() {
            return Err(in_use);
        }
    }
}

/// After a kill: takes away the nodes that the process before this one left under its session, so that nobody has to wait for the
/// session's timeout. Only for who knows that process dead (it holds the lock of the log directory in which it found the session's id).
/// Says whether there was any.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn end_previous(session: &Session, broker: BrokerId, previous: SessionId) -> Result<bool, StoreError> {
    if previous == session.id() {
        return Ok(false);
    }
    let registration = delete_if_owned(session, &path(broker), previous).await?;
    let office = delete_if_owned(session, controller::PATH, previous).await?;
    Ok(registration || office)
}

/// Deletes a node when `owner` owns it. ZooKeeper has no condition on the owner: were the old session to end, and another broker to
/// register under the same id, within the round trip between the look and the delete, it would lose its node. Kafka has the same window.
async fn delete_if_owned(session: &Session, path: &str, owner: SessionId) -> Result<bool, StoreError> {
    for _ in 0..MAX_ATTEMPTS {
        let Some(stat) = session.exists(path).await? else { return Ok(false) };
        if stat.owner() != Some(owner) {
            return Ok(false);
        }
        match session.delete(path, Some(stat.version)).await {
            Ok(()) => return Ok(true),
            Err(error) if error.kind == ZkErrorKind::NoNode => return Ok(error.after_loss),
            Err(error) if error.kind == ZkErrorKind::BadVersion => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Contended(path.into()))
}

/// Replaces what this broker says of itself (its listeners changed); the controller hears of it by its watch.
///
/// # Errors
/// The session's end, or NoNode when it is not registered.
pub async fn update(session: &Session, node: &BrokerNode) -> Result<(), StoreError> {
    session.set(&path(node.id), node.encode(), None).await?;
    Ok(())
}

/// Deletes this broker's registration when the session owns it.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn unregister(session: &Session, broker: BrokerId) -> Result<bool, StoreError> {
    delete_if_owned(session, &path(broker), session.id()).await
}

/// The ids of registered brokers, ascending.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn ids(session: &Session) -> Result<Vec<BrokerId>, StoreError> {
    Ok(ids_of(session.children(PATH).await?))
}

/// [`ids`] with a watch for brokers coming and going.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn ids_and_watch(session: &Session) -> Result<(Vec<BrokerId>, Watch), StoreError> {
    let (names, watch) = session.children_and_watch(PATH).await?;
    Ok((ids_of(names), watch))
}

fn ids_of(names: Option<Vec<String>>) -> Vec<BrokerId> {
    let mut ids: Vec<BrokerId> = names.unwrap_or_default().iter().filter_map(|name| name.parse().ok()).collect();
    ids.sort_unstable();
    ids
}

/// One broker's registration.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn get(session: &Session, broker: BrokerId) -> Result<Option<Registration>, StoreError> {
    match session.get(&path(broker)).await? {
        Some((data, stat)) => Ok(Some(registration(broker, &data, stat)?)),
        None => Ok(None),
    }
}

/// [`get`] with a watch for the registration's data and deletion.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn get_and_watch(session: &Session, broker: BrokerId) -> Result<(Option<Registration>, Watch), StoreError> {
    let (found, watch) = session.get_and_watch(&path(broker)).await?;
    match found {
        Some((data, stat)) => Ok((Some(registration(broker, &data, stat)?), watch)),
        None => Ok((None, watch)),
    }
}

/// All registered brokers, by id. One that goes meanwhile is left out.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn all(session: &Session) -> Result<Vec<Registration>, StoreError> {
    let ids = ids(session).await?;
    let paths: Vec<String> = ids.iter().map(|id| path(*id)).collect();
    let mut all = Vec::with_capacity(ids.len());
    for (id, found) in ids.into_iter().zip(session.get_all(&paths).await?) {
        if let Some((data, stat)) = found {
            all.push(registration(id, &data, stat)?);
        }
    }
    Ok(all)
}

fn registration(id: BrokerId, data: &[u8], stat: crate::zk::session::Stat) -> Result<Registration, StoreError> {
    let node = BrokerNode::decode(id, data)?;
    Ok(Registration { node, epoch: stat.czxid, owner: SessionId(stat.ephemeral_owner) })
}
