//! Topics: their names, ids and assignments; creation, marks for deletion, deletion.

use super::controller::{self, Term};
use super::{StoreError, fenced};
use crate::zk::session::{CreateMode, Op, Session, Watch, ZkErrorKind};
use crate::zk::znode::config::{ConfigEntity, ConfigMap, ConfigType};
use crate::zk::znode::delete_topics;
use crate::zk::znode::topic::{PATH, TopicNode, path};

/// Rounds between "create: exists" and "set: no such node".
const MAX_ROUNDS: usize = 10;

/// All topics, sorted.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn names(session: &Session) -> Result<Vec<String>, StoreError> {
    Ok(session.children(PATH).await?.unwrap_or_default())
}

/// [`names`] with a watch for topics coming and going.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn names_and_watch(session: &Session) -> Result<(Vec<String>, Watch), StoreError> {
    let (names, watch) = session.children_and_watch(PATH).await?;
    Ok((names.unwrap_or_default(), watch))
}

/// A topic's node and its data version.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn get(session: &Session, topic: &str) -> Result<Option<(TopicNode, i32)>, StoreError> {
    match session.get(&path(topic)).await? {
        Some((data, stat)) => Ok(Some((TopicNode::decode(topic, &data)?, stat.version))),
        None => Ok(None),
    }
}

/// [`get`] with a watch for the node's data and existence.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn get_and_watch(session: &Session, topic: &str) -> Result<(Option<(TopicNode, i32)>, Watch), StoreError> {
    let (found, watch) = session.get_and_watch(&path(topic)).await?;
    match found {
        Some((data, stat)) => Ok((Some((TopicNode::decode(topic, &data)?, stat.version)), watch)),
        None => Ok((None, watch)),
    }
}

/// Many topics, pipelined, in the order of the names; none for one that does not exist.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn get_all(session: &Session, topics: &[String]) -> Result<Vec<Option<TopicNode>>, StoreError> {
    let paths: Vec<String> = topics.iter().map(|topic| path(topic)).collect();
    let found = session.get_all(&paths).await?;
    let decode = |(topic, found): (&String, Option<(bytes::Bytes, _)>)| match found {
        Some((data, _)) => Ok(Some(TopicNode::decode(topic, &data)?)),
        None => Ok(None),
    };
    topics.iter().zip(found).map(decode).collect()
}

/// Creates a topic: its configuration (also when empty) and the topic, both or none, behind a check of `/controller`. The controller makes
/// the rest. Kafka writes the two one after the other: a broker that dies between them leaves a configuration without a topic. One that
/// was left is overwritten.
///
/// # Errors
/// [`StoreError::TopicExists`]; [`StoreError::NoController`] or [`StoreError::ControllerMoved`]; the session's end.
pub async fn create(session: &Session, topic: &str, config: &ConfigMap, node: &TopicNode) -> Result<(), StoreError> {
    let path = path(topic);
    if session.exists(&path).await?.is_some() {
        return Err(StoreError::TopicExists(topic.into()));
    }
    let config_path = ConfigEntity::topic(topic).path();
    let (config, data) = (config.encode(), node.encode());
    let (mut is_left, mut was_lost) = (false, false);
    for _ in 0..MAX_ROUNDS {
        let configure = match is_left {
            true => Op::set(&config_path, config.clone(), None),
            false => Op::create(&config_path, config.clone()),
        };
        let ops = [controller::check_op(session).await?, configure, Op::create(&path, data.clone())];
        let Err(error) = session.multi(&ops).await else { return Ok(()) };
        was_lost |= error.after_loss;
        match (error.op, &error.kind) {
            (Some(1), ZkErrorKind::NodeExists) => is_left = true,
            (Some(1), ZkErrorKind::NoNode) if is_left => is_left = false,
            (Some(1), ZkErrorKind::NoNode) => session.make_path(&ConfigType::Topics.path()).await?,
            (Some(2), ZkErrorKind::NoNode) => session.make_path(PATH).await?,
            (Some(0), _) | (Some(2), ZkErrorKind::NodeExists) => {
                // A topic's id is random: the same text is our own write whose reply was lost. Without an id it is at least the same topic.
                let is_ours = was_lost && session.get(&path).await?.is_some_and(|(found, _)| found == data);
                return match error.op {
                    _ if is_ours => Ok(()),
                    Some(0) => Err(StoreError::ControllerMoved),
                    _ => Err(StoreError::TopicExists(topic.into())),
                };
            }
            _ => return Err(error.into()),
        }
    }
    Err(StoreError::Contended(path))
}

/// Replaces a topic's node behind the term (reassignments, ids for old topics); whatever its version, as Kafka does.
///
/// # Errors
/// [`StoreError::ControllerMoved`], NoNode, or the session's end.
pub async fn set(session: &Session, term: &Term, topic: &str, node: &TopicNode) -> Result<(), StoreError> {
    fenced::write_one(session, term, Op::set(path(topic), node.encode(), None)).await.map(|_| ())
}

/// Replaces a topic's node without a fence: for added partitions, which any broker writes.
///
/// # Errors
/// NoNode, or the session's end.
pub async fn set_unfenced(session: &Session, topic: &str, node: &TopicNode) -> Result<(), StoreError> {
    session.set(&path(topic), node.encode(), None).await?;
    Ok(())
}

/// Marks a topic for deletion; false when it was marked already.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn mark_for_deletion(session: &Session, topic: &str) -> Result<bool, StoreError> {
    let path = delete_topics::path(topic);
    match session.create(&path, bytes::Bytes::new(), CreateMode::Persistent).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind == ZkErrorKind::NodeExists => Ok(error.after_loss),
        Err(error) if error.kind == ZkErrorKind::NoNode => {
            session.make_path(&path).await?;
            Ok(true)
        }
        Err(error) => Err(error.into()),
    }
}

/// Topics marked for deletion, sorted.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn marked(session: &Session) -> Result<Vec<String>, StoreError> {
    Ok(session.children(delete_topics::PATH).await?.unwrap_or_default())
}

/// Is the topic to be deleted?
///
/// # Errors
/// ZooKeeper's.
pub async fn is_marked(session: &Session, topic: &str) -> Result<bool, StoreError> {
    Ok(session.exists(&delete_topics::path(topic)).await?.is_some())
}

/// [`marked`] with a watch.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn marked_and_watch(session: &Session) -> Result<(Vec<String>, Watch), StoreError> {
    let (names, watch) = session.children_and_watch(delete_topics::PATH).await?;
    Ok((names.unwrap_or_default(), watch))
}

/// Takes marks away, behind the term: of topics that don't exist, or because deletion is disabled.
///
/// # Errors
/// [`StoreError::ControllerMoved`], or the session's end.
pub async fn unmark(session: &Session, term: &Term, topics: &[String]) -> Result<(), StoreError> {
    let ops = topics.iter().map(|topic| Op::delete(delete_topics::path(topic), None)).collect();
    for result in fenced::write(session, term, ops).await? {
        match result {
            Err(error) if error.kind != ZkErrorKind::NoNode => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Removes a deleted topic: its tree, then its configuration, then its mark, all behind the term. What is gone already does not matter,
/// so it can be repeated.
///
/// # Errors
/// [`StoreError::ControllerMoved`], or the session's end.
pub async fn delete(session: &Session, term: &Term, topic: &str) -> Result<(), StoreError> {
    fenced::delete_recursive(session, term, &path(topic)).await?;
    fenced::delete_recursive(session, term, &ConfigEntity::topic(topic).path()).await?;
    unmark(session, term, &[topic.to_owned()]).await
}

/// True when a ZooKeeper-mode controller is registered: without one no topic can be created.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn can_create(session: &Session) -> Result<bool, StoreError> {
    match controller::check_op(session).await {
        Ok(_) => Ok(true),
        Err(StoreError::NoController) => Ok(false),
        Err(error) => Err(error),
    }
}
