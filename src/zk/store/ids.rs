//! What a broker reads or makes at its start: the top-level nodes, the cluster id, broker ids, producer id blocks.

use bytes::Bytes;

use super::StoreError;
use super::fenced::is_done;
use crate::base::BrokerId;
use crate::zk::session::{Op, Session, ZkErrorKind};
use crate::zk::znode::producer_ids::{self, ProducerIdBlock};
use crate::zk::znode::{TOP_LEVEL_PATHS, cluster_id, seqid};

/// Attempts at a conditional write before giving up: many brokers may start at once, but each attempt that fails is another's success.
const MAX_ATTEMPTS: usize = 100;

/// Makes the nodes every broker expects (`createTopLevelPaths`), except `/latest_producer_id_block` (see its codec).
///
/// # Errors
/// The session's end, or a refusal.
pub async fn create_top_level_paths(session: &Session) -> Result<(), StoreError> {
    for path in TOP_LEVEL_PATHS {
        if path != producer_ids::PATH {
            session.make_path(path).await?;
        }
    }
    Ok(())
}

/// The cluster's id; none before its first broker.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn cluster_id(session: &Session) -> Result<Option<String>, StoreError> {
    match session.get(cluster_id::PATH).await? {
        Some((data, _)) => Ok(Some(cluster_id::decode(&data)?)),
        None => Ok(None),
    }
}

/// The cluster's id, which becomes `proposed` when there is none yet.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn cluster_id_get_or_create(session: &Session, proposed: &str) -> Result<String, StoreError> {
    if let Some(id) = cluster_id(session).await? {
        return Ok(id);
    }
    match session.create_recursive(cluster_id::PATH, cluster_id::encode(proposed)).await {
        Ok(_) => Ok(proposed.to_owned()),
        Err(error) if error.kind == ZkErrorKind::NodeExists => {
            cluster_id(session).await?.ok_or_else(|| StoreError::Contended(cluster_id::PATH.into()))
        }
        Err(error) => Err(error.into()),
    }
}

/// A broker id nobody has (`broker.id.generation.enable`): above `reserved_max`, one more with each call, also after a lost reply.
///
/// # Errors
/// The session's end, or ids at their end.
pub async fn generate_broker_id(session: &Session, reserved_max: BrokerId) -> Result<BrokerId, StoreError> {
    let stat = match session.set(seqid::PATH, Bytes::new(), None).await {
        Err(error) if error.kind == ZkErrorKind::NoNode => {
            session.make_path(seqid::PATH).await?;
            session.set(seqid::PATH, Bytes::new(), None).await?
        }
        other => other?,
    };
    stat.version.checked_add(reserved_max).ok_or(StoreError::Exhausted("no broker ids left"))
}

/// Takes the next block of producer ids for `broker`. Blocks never overlap; after a lost reply one may be skipped.
///
/// # Errors
/// The session's end, ids at their end, or a node that can't be understood.
pub async fn allocate_producer_ids(session: &Session, broker: BrokerId) -> Result<ProducerIdBlock, StoreError> {
    let exhausted = StoreError::Exhausted("no producer ids left");
    for _ in 0..MAX_ATTEMPTS {
        let found = session.get(producer_ids::PATH).await?;
        let last = match &found {
            Some((data, _)) => ProducerIdBlock::decode(data)?,
            None => None,
        };
        let next = ProducerIdBlock::next(last.as_ref(), broker).ok_or_else(|| exhausted.clone())?;
        let op = match &found {
            Some((_, stat)) => Op::set(producer_ids::PATH, next.encode(), Some(stat.version)),
            None => Op::create(producer_ids::PATH, next.encode()),
        };
        match session.multi(std::slice::from_ref(&op)).await {
            Ok(_) => return Ok(next),
            Err(error)
                if matches!(error.kind, ZkErrorKind::BadVersion | ZkErrorKind::NodeExists | ZkErrorKind::NoNode) =>
            {
                // The block names its broker, and nobody else writes in its name: equal contents are ours.
                if error.after_loss && is_done(session, &op).await?.is_some() {
                    return Ok(next);
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Contended(producer_ids::PATH.into()))
}
