//! Dynamic configuration: entities and the notifications that tell of their change.
//!
//! Any broker writes, but only while a controller is registered: each write rides behind a check of `/controller` (KIP-866).

use bytes::Bytes;

use super::{StoreError, controller};
use crate::zk::session::{CreateMode, Op, Session, Watch, ZkErrorKind};
use crate::zk::znode::config::{ConfigEntity, ConfigMap, ConfigType};
use crate::zk::znode::{config_change, sequence};

/// Rounds between "set: no such node" and "create: exists".
const MAX_ROUNDS: usize = 10;

/// An entity's configuration; empty when it has none.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn read(session: &Session, entity: &ConfigEntity) -> Result<ConfigMap, StoreError> {
    let path = entity.path();
    match session.get(&path).await? {
        Some((data, _)) => Ok(ConfigMap::decode(&path, &data)?),
        None => Ok(ConfigMap::new()),
    }
}

/// The configurations of many entities, pipelined, in the order asked; empty for one that has none.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn read_many(session: &Session, entities: &[ConfigEntity]) -> Result<Vec<ConfigMap>, StoreError> {
    let paths: Vec<String> = entities.iter().map(ConfigEntity::path).collect();
    let found = session.get_all(&paths).await?;
    let decode = |(path, found): (&String, Option<(Bytes, _)>)| match found {
        Some((data, _)) => Ok(ConfigMap::decode(path, &data)?),
        None => Ok(ConfigMap::new()),
    };
    paths.iter().zip(found).map(decode).collect()
}

/// All entities of a type that have a node, with their configuration; of users also their clients (`users/alice/clients/app`).
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn read_all(session: &Session, kind: ConfigType) -> Result<Vec<(ConfigEntity, ConfigMap)>, StoreError> {
    let names = session.children(&kind.path()).await?.unwrap_or_default();
    let mut paths: Vec<String> = names.iter().map(|name| format!("{}/{name}", kind.name())).collect();
    if kind == ConfigType::Users {
        let parents: Vec<String> = names.iter().map(|name| format!("{}/{name}/clients", kind.path())).collect();
        for (name, clients) in names.iter().zip(session.children_all(&parents).await?) {
            paths.extend(clients.unwrap_or_default().iter().map(|client| format!("users/{name}/clients/{client}")));
        }
    }
    let entities: Vec<ConfigEntity> = paths.iter().filter_map(|path| ConfigEntity::from_entity_path(path)).collect();
    let configs = read_many(session, &entities).await?;
    Ok(entities.into_iter().zip(configs).collect())
}

/// Sets or makes an entity's configuration. A repeated write is the same write, so a lost reply does no harm.
///
/// # Errors
/// [`StoreError::NoController`] or [`StoreError::ControllerMoved`]; the session's end.
pub async fn write(session: &Session, entity: &ConfigEntity, config: &ConfigMap) -> Result<(), StoreError> {
    let path = entity.path();
    let data = config.encode();
    for _ in 0..MAX_ROUNDS {
        let check = controller::check_op(session).await?;
        match session.multi(&[check, Op::set(&path, data.clone(), None)]).await {
            Ok(_) => return Ok(()),
            Err(error) if error.op == Some(0) => return Err(StoreError::ControllerMoved),
            Err(error) if error.kind == ZkErrorKind::NoNode => {
                match session.create_recursive(&path, data.clone()).await {
                    Ok(_) => return Ok(()),
                    Err(error) if error.kind == ZkErrorKind::NodeExists => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Contended(path))
}

/// Deletes the node of a client, user or IP whose configuration became empty, and the parents that it leaves empty (of a user's
/// client: `clients`, then the user when it has neither data nor children).
///
/// # Errors
/// The session's end, or a refusal.
pub async fn delete(session: &Session, entity: &ConfigEntity) -> Result<(), StoreError> {
    let path = entity.path();
    match session.delete(&path, None).await {
        Ok(()) => {}
        Err(error) if error.kind == ZkErrorKind::NoNode => return Ok(()),
        // A user with clients keeps its node, without keys.
        Err(error) if error.kind == ZkErrorKind::NotEmpty => return write(session, entity, &ConfigMap::new()).await,
        Err(error) => return Err(error.into()),
    }
    let Some((user, _)) = entity.name().split_once("/clients/") else { return Ok(()) };
    let user = ConfigEntity::from_entity_path(&format!("users/{user}")).map(|user| user.path()).unwrap_or_default();
    match session.delete(&format!("{user}/clients"), None).await {
        Ok(()) => {}
        Err(error) if matches!(error.kind, ZkErrorKind::NoNode | ZkErrorKind::NotEmpty) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let Some((data, stat)) = session.get(&user).await? else { return Ok(()) };
    let bare = data.is_empty() || ConfigMap::decode(&user, &data)?.is_empty();
    if bare && stat.num_children == 0 {
        match session.delete(&user, Some(stat.version)).await {
            Ok(()) => {}
            Err(error) if error.session_over() => return Err(error.into()),
            Err(_) => {} // somebody configured the user meanwhile
        }
    }
    Ok(())
}

/// Tells all brokers that an entity's configuration changed. After a lost reply it may be told twice, which does no harm.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn notify(session: &Session, entity: &ConfigEntity) -> Result<(), StoreError> {
    let (path, data) = (config_change::create_path(), config_change::encode(entity));
    match session.create(&path, data.clone(), CreateMode::PersistentSequential).await {
        Err(error) if error.kind == ZkErrorKind::NoNode => {
            session.make_path(config_change::PATH).await?;
            session.create(&path, data, CreateMode::PersistentSequential).await?;
        }
        other => {
            other?;
        }
    }
    Ok(())
}

/// A change notification.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Its number.
    pub number: i64,
    /// Its node's name.
    pub name: String,
    /// When it was made, by ZooKeeper's clock.
    pub ctime_ms: i64,
    /// Whose configuration; none for one that can't be understood, which is skipped.
    pub entity: Option<ConfigEntity>,
}

/// The notifications numbered above `after`, in order. For the start: `after` -1.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn changes(session: &Session, after: i64) -> Result<Vec<Change>, StoreError> {
    let names = session.children(config_change::PATH).await?.unwrap_or_default();
    read_changes(session, names, after).await
}

/// [`changes`] with a watch for more.
///
/// # Errors
/// As [`changes`].
pub async fn changes_and_watch(session: &Session, after: i64) -> Result<(Vec<Change>, Watch), StoreError> {
    let (names, watch) = session.children_and_watch(config_change::PATH).await?;
    Ok((read_changes(session, names.unwrap_or_default(), after).await?, watch))
}

async fn read_changes(session: &Session, names: Vec<String>, after: i64) -> Result<Vec<Change>, StoreError> {
    let numbered = names.into_iter().filter_map(|name| Some((sequence(config_change::PREFIX, &name)?, name)));
    let mut new: Vec<(i64, String)> = numbered.filter(|(number, _)| *number > after).collect();
    new.sort_unstable();
    let paths: Vec<String> = new.iter().map(|(_, name)| config_change::path(name)).collect();
    let mut changes = Vec::with_capacity(new.len());
    for ((number, name), found) in new.into_iter().zip(session.get_all(&paths).await?) {
        let Some((data, stat)) = found else { continue }; // purged by another broker
        let entity = config_change::decode(&name, &data);
        if let Err(error) = &entity {
            tracing::warn!(%error, "a change of configuration is skipped");
        }
        changes.push(Change { number, name, ctime_ms: stat.ctime_ms, entity: entity.ok() });
    }
    Ok(changes)
}

/// How old a notification gets (`ZkNodeChangeNotificationListener`: 15 minutes).
pub const CHANGE_EXPIRATION_MS: i64 = 15 * 60 * 1000;

/// Deletes the notifications up to number `last` that are older than 15 minutes at `now_ms`. Every broker does it; who is late finds
/// nothing. What the caller has not read yet must be above `last`: a clock that is far ahead of the server's would purge it unread.
///
/// # Errors
/// The session's end.
pub async fn purge_changes(session: &Session, now_ms: i64, last: i64) -> Result<usize, StoreError> {
    let (root, prefix) = (config_change::PATH, config_change::PREFIX);
    super::notices::purge(session, root, prefix, now_ms, CHANGE_EXPIRATION_MS, last).await
}
