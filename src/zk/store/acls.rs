//! ACLs: all of them, one resource's, conditional updates, change notifications.

use super::configs::CHANGE_EXPIRATION_MS;
use super::{StoreError, notices};
use crate::zk::session::{CreateMode, Op, Session, Watch, ZkErrorKind};
use crate::zk::znode::acl::{self, AclChange, AclEntry, Pattern};
use crate::zk::znode::sequence;

use super::fenced::is_done;

/// A resource in the store.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Resource {
    /// How the name is meant.
    pub pattern: Pattern,
    /// Type as in paths (`Topic`).
    pub resource_type: String,
    /// Name.
    pub name: String,
}

impl Resource {
    fn path(&self) -> String {
        acl::path(self.pattern, &self.resource_type, &self.name)
    }
}

/// Makes the roots an authorizer needs, one node per resource type, and the change roots.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn create_paths(session: &Session) -> Result<(), StoreError> {
    for pattern in [Pattern::Literal, Pattern::Prefixed] {
        for (name, _) in acl::TYPES {
            session.make_path(&format!("{}/{name}", pattern.root())).await?;
        }
        session.make_path(pattern.changes()).await?;
    }
    Ok(())
}

/// A resource's entries and their data version; none when it has no node.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn read(session: &Session, resource: &Resource) -> Result<Option<(Vec<AclEntry>, i32)>, StoreError> {
    let path = resource.path();
    match session.get(&path).await? {
        Some((data, stat)) => Ok(Some((acl::decode(&path, &data)?, stat.version))),
        None => Ok(None),
    }
}

/// All resources with their entries and data versions. Types this version does not know are left alone.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn read_all(session: &Session) -> Result<Vec<(Resource, Vec<AclEntry>, i32)>, StoreError> {
    let mut resources = Vec::new();
    for pattern in [Pattern::Literal, Pattern::Prefixed] {
        let types: Vec<String> = acl::TYPES.iter().map(|(name, _)| format!("{}/{name}", pattern.root())).collect();
        for ((name, _), children) in acl::TYPES.iter().zip(session.children_all(&types).await?) {
            let of_type = children.unwrap_or_default().into_iter();
            resources.extend(of_type.map(|child| Resource { pattern, resource_type: (*name).into(), name: child }));
        }
    }
    let paths: Vec<String> = resources.iter().map(Resource::path).collect();
    let mut all = Vec::with_capacity(resources.len());
    for (resource, found) in resources.into_iter().zip(session.get_all(&paths).await?) {
        if let Some((data, stat)) = found {
            let entries = acl::decode(&resource.path(), &data)?;
            all.push((resource, entries, stat.version));
        }
    }
    Ok(all)
}

/// Writes a resource's entries on the condition that it still has data version `expected` (none: that it has no node); an empty list
/// deletes the node. Says the new version, or none when the condition did not hold: read again. -1 stands for a deleted node.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn write(
    session: &Session,
    resource: &Resource,
    entries: &[AclEntry],
    expected: Option<i32>,
) -> Result<Option<i32>, StoreError> {
    let path = resource.path();
    let data = acl::encode(entries);
    let op = match (expected, entries.is_empty()) {
        (None, true) => return Ok(Some(-1)),
        (None, false) => Op::create(&path, data.clone()),
        (Some(version), true) => Op::delete(&path, Some(version)),
        (Some(version), false) => Op::set(&path, data.clone(), Some(version)),
    };
    let done = match &op {
        Op::Create { .. } => session.create_recursive(&path, data).await.map(|stat| stat.version),
        Op::Set { version, .. } => session.set(&path, data, *version).await.map(|stat| stat.version),
        _ => session.delete(&path, expected).await.map(|()| -1),
    };
    match done {
        Ok(version) => Ok(Some(version)),
        Err(error) if matches!(error.kind, ZkErrorKind::BadVersion | ZkErrorKind::NodeExists | ZkErrorKind::NoNode) => {
            if error.after_loss && is_done(session, &op).await?.is_some() {
                return Ok(Some(match (&op, expected) {
                    (Op::Set { .. }, Some(version)) => version + 1,
                    (Op::Create { .. }, _) => 0,
                    _ => -1,
                }));
            }
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Tells all brokers that a resource's entries changed.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn notify(session: &Session, resource: &Resource) -> Result<(), StoreError> {
    let known = acl::TYPES.iter().find(|(name, _)| *name == resource.resource_type);
    let resource_type = known.map_or_else(|| resource.resource_type.to_uppercase(), |(_, upper)| (*upper).to_owned());
    let change = AclChange { pattern: resource.pattern, resource_type, name: resource.name.clone() };
    session.create(&change.create_path(), change.encode(), CreateMode::PersistentSequential).await?;
    Ok(())
}

/// The changes of a pattern numbered above `after`, in order, with a watch for more; and the highest number seen.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn changes_and_watch(
    session: &Session,
    pattern: Pattern,
    after: i64,
) -> Result<(Vec<Resource>, i64, Watch), StoreError> {
    let (names, watch) = session.children_and_watch(pattern.changes()).await?;
    let numbered = names.unwrap_or_default().into_iter();
    let mut new: Vec<(i64, String)> = numbered
        .filter_map(|name| Some((sequence(acl::CHANGE_PREFIX, &name)?, name)))
        .filter(|(number, _)| *number > after)
        .collect();
    new.sort_unstable();
    let last = new.last().map_or(after, |(number, _)| *number);
    let paths: Vec<String> = new.iter().map(|(_, name)| format!("{}/{name}", pattern.changes())).collect();
    let mut changed = Vec::with_capacity(new.len());
    for ((_, name), found) in new.iter().zip(session.get_all(&paths).await?) {
        let Some((data, _)) = found else { continue };
        match AclChange::decode(pattern, name, &data) {
            Ok(change) => {
                let kind = acl::TYPES.iter().find(|(_, upper)| *upper == change.resource_type);
                if let Some((kind, _)) = kind {
                    changed.push(Resource { pattern, resource_type: (*kind).into(), name: change.name });
                }
            }
            Err(error) => tracing::warn!(%error, "a change of ACLs is skipped"),
        }
    }
    Ok((changed, last, watch))
}

/// Deletes old changes of both patterns; see `configs::purge_changes`.
///
/// # Errors
/// The session's end.
pub async fn purge_changes(session: &Session, now_ms: i64) -> Result<usize, StoreError> {
    let mut purged = 0;
    for pattern in [Pattern::Literal, Pattern::Prefixed] {
        purged +=
            notices::purge(session, pattern.changes(), acl::CHANGE_PREFIX, now_ms, CHANGE_EXPIRATION_MS, i64::MAX)
                .await?;
    }
    Ok(purged)
}
