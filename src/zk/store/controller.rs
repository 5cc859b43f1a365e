//! `/controller` and `/controller_epoch`: election, and the term it gives.
//!
//! Called by `controller/`. A [`Term`] dies with its session: the node that carries it is ephemeral. `/controller` naming this broker from
//! another session is not ours.

use super::StoreError;
use super::fenced;
use crate::base::BrokerId;
use crate::zk::session::{CreateMode, Op, OpResult, Session, SessionId, Stat, Watch, ZkErrorKind};
use crate::zk::znode::controller::{ControllerNode, PATH};
use crate::zk::znode::controller_epoch;

/// A won election: what every write of this controller is fenced with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Term {
    /// This broker.
    pub broker: BrokerId,
    /// Controller epoch.
    pub epoch: i32,
    /// Data version of `/controller_epoch` in this term.
    pub epoch_version: i32,
    /// The session that owns `/controller`.
    pub session: SessionId,
}

/// An election that was not won.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ElectError {
    /// A broker holds `/controller` (perhaps this one, from an older session).
    #[error("broker {0} is the controller")]
    Other(BrokerId),
    /// Somebody else was elected meanwhile, or is just being.
    #[error("another broker was elected meanwhile")]
    Moved,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The controller, if one is registered, with its node's owner in the stat.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn current(session: &Session) -> Result<Option<(ControllerNode, Stat)>, StoreError> {
    match session.get(PATH).await? {
        Some((data, stat)) => Ok(Some((ControllerNode::decode(&data)?, stat))),
        None => Ok(None),
    }
}

/// [`current`] with a watch for creation, change and deletion.
///
/// # Errors
/// As [`current`].
pub async fn current_and_watch(session: &Session) -> Result<(Option<(ControllerNode, Stat)>, Watch), StoreError> {
    let (found, watch) = session.get_and_watch(PATH).await?;
    match found {
        Some((data, stat)) => Ok((Some((ControllerNode::decode(&data)?, stat)), watch)),
        None => Ok((None, watch)),
    }
}

/// The controller epoch and its data version; none before the first controller ever.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn epoch(session: &Session) -> Result<Option<(i32, i32)>, StoreError> {
    match session.get(controller_epoch::PATH).await? {
        Some((data, stat)) => Ok(Some((controller_epoch::decode(&data)?, stat.version))),
        None => Ok(None),
    }
}

/// Tries to become the controller: `/controller` is made and the epoch raised in one multi (`registerControllerAndIncrementControllerEpoch`).
///
/// # Errors
/// [`ElectError::Other`] or [`ElectError::Moved`] when somebody else is.
pub async fn elect(session: &Session, broker: BrokerId, now_ms: i64) -> Result<Term, ElectError> {
    if let Some((node, stat)) = current(session).await? {
        // Made by this session: the reply of an earlier election was lost together with its caller.
        if stat.owner() == Some(session.id()) && node.broker == broker {
            return accept(session, broker).await;
        }
        return Err(ElectError::Other(node.broker));
    }
    let (old, version) = match epoch(session).await? {
        Some(found) => found,
        None => {
            let data = controller_epoch::encode(controller_epoch::INITIAL);
            match session.create(controller_epoch::PATH, data, CreateMode::Persistent).await {
                Ok(_) => (controller_epoch::INITIAL, 0),
                Err(error) if error.kind == ZkErrorKind::NodeExists => {
                    epoch(session).await?.ok_or(ElectError::Moved)?
                }
                Err(error) => return Err(StoreError::from(error).into()),
            }
        }
    };
    let Some(new) = old.checked_add(1) else {
        return Err(StoreError::Exhausted("the controller epoch is at its end").into());
    };
    let ops = [
        Op::create_ephemeral(PATH, ControllerNode::new(broker, now_ms).encode()),
        Op::set(controller_epoch::PATH, controller_epoch::encode(new), Some(version)),
    ];
    match session.multi(&ops).await {
        Ok(results) => match results.get(1) {
            Some(OpResult::Set { stat }) => {
                Ok(Term { broker, epoch: new, epoch_version: stat.version, session: session.id() })
            }
            _ => Err(ElectError::Moved),
        },
        Err(error) if matches!(error.kind, ZkErrorKind::NodeExists | ZkErrorKind::BadVersion) => {
            // A lost reply, or another was faster. The multi is whole: the node is ours exactly when the epoch is too.
            match current(session).await? {
                Some((node, stat)) if stat.owner() == Some(session.id()) && node.broker == broker => {
                    accept(session, broker).await
                }
                Some((node, _)) => Err(ElectError::Other(node.broker)),
                None => Err(ElectError::Moved),
            }
        }
        Err(error) => Err(StoreError::from(error).into()),
    }
}

/// `/controller` is of this session: the epoch was raised with it, and nobody can have raised it since without the node going.
async fn accept(session: &Session, broker: BrokerId) -> Result<Term, ElectError> {
    let (epoch, epoch_version) = epoch(session).await?.ok_or(ElectError::Moved)?;
    // Read again, after the epoch: were the node lost in between, the epoch could be another's.
    match current(session).await? {
        Some((_, stat)) if stat.owner() == Some(session.id()) => {
            Ok(Term { broker, epoch, epoch_version, session: session.id() })
        }
        _ => Err(ElectError::Moved),
    }
}

/// Gives the office up: deletes `/controller`, behind the term. Fine when it is gone already.
///
/// # Errors
/// [`StoreError::ControllerMoved`] when another is in office.
pub async fn resign(session: &Session, term: &Term) -> Result<(), StoreError> {
    match fenced::write_one(session, term, Op::delete(PATH, None)).await {
        Err(error) if error.is_no_node() => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Who is in office, as seen by another broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Office {
    /// Whom `/controller` names.
    pub broker: BrokerId,
    /// Data version of `/controller_epoch`, read while it did.
    pub epoch_version: i32,
}

/// The office as it is now; none when nobody holds it.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn office(session: &Session) -> Result<Option<Office>, StoreError> {
    let Some((_, epoch_version)) = epoch(session).await? else { return Ok(None) };
    // After the epoch: should another have been elected in between, then the version does not fit any more, and nothing is deleted.
    Ok(current(session).await?.map(|(node, _)| Office { broker: node.broker, epoch_version }))
}

/// Deletes `/controller` of another broker that is known not to work, unless anybody was elected since [`office`] looked. Says whether
/// it was this call that did.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn depose(session: &Session, office: &Office) -> Result<bool, StoreError> {
    let ops = [Op::check(controller_epoch::PATH, office.epoch_version), Op::delete(PATH, None)];
    match session.multi(&ops).await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind, ZkErrorKind::BadVersion | ZkErrorKind::NoNode) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The data version of `/controller`, for the check that a write of a configuration rides behind.
///
/// # Errors
/// [`StoreError::NoController`] when there is none, or a KRaft one.
pub(super) async fn check_op(session: &Session) -> Result<Op, StoreError> {
    match current(session).await? {
        Some((node, stat)) if node.kraft_epoch <= 0 => Ok(Op::check(PATH, stat.version)),
        _ => Err(StoreError::NoController),
    }
}
