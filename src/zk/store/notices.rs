//! Sequential notifications: ISR changes and failed log directories, read and deleted by the controller; purging of old ones.

use super::controller::Term;
use super::{StoreError, fenced};
use crate::base::{BrokerId, TopicPartition};
use crate::zk::session::{CreateMode, Op, Session, Watch, ZkErrorKind};
use crate::zk::znode::{isr_change, log_dir_event, sequence};

/// Notifications with their nodes' names, oldest first; one that can't be understood has no content, and is deleted with the rest.
pub type Notices<T> = Vec<(String, Option<T>)>;

/// Partitions whose ISR a leader changed (IBP below 2.7), with a watch for more.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn isr_changes_and_watch(session: &Session) -> Result<(Notices<Vec<TopicPartition>>, Watch), StoreError> {
    let (names, watch) = session.children_and_watch(isr_change::PATH).await?;
    let names = ordered(isr_change::PREFIX, names);
    let paths: Vec<String> = names.iter().map(|name| isr_change::path(name)).collect();
    let found = session.get_all(&paths).await?;
    let read = names.into_iter().zip(found).filter_map(|(name, found)| {
        let partitions = isr_change::decode(&name, &found?.0).map_err(warn).ok();
        Some((name, partitions))
    });
    Ok((read.collect(), watch))
}

/// Brokers with a failed log directory, with a watch for more.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn log_dir_events_and_watch(session: &Session) -> Result<(Notices<BrokerId>, Watch), StoreError> {
    let (names, watch) = session.children_and_watch(log_dir_event::PATH).await?;
    let names = ordered(log_dir_event::PREFIX, names);
    let paths: Vec<String> = names.iter().map(|name| log_dir_event::path(name)).collect();
    let found = session.get_all(&paths).await?;
    let read = names.into_iter().zip(found).filter_map(|(name, found)| {
        let broker = log_dir_event::decode(&name, &found?.0).map_err(warn).ok();
        Some((name, broker))
    });
    Ok((read.collect(), watch))
}

fn warn(error: crate::zk::znode::ZnodeError) {
    tracing::warn!(%error, "a notification is skipped");
}

fn ordered(prefix: &str, names: Option<Vec<String>>) -> Vec<String> {
    let mut names = names.unwrap_or_default();
    names.retain(|name| name.starts_with(prefix));
    names.sort_by_key(|name| sequence(prefix, name));
    names
}

/// Deletes ISR changes by name, behind the term.
///
/// # Errors
/// [`StoreError::ControllerMoved`], or the session's end.
pub async fn delete_isr_changes(session: &Session, term: &Term, names: &[String]) -> Result<(), StoreError> {
    delete(session, term, names.iter().map(|name| isr_change::path(name)).collect()).await
}

/// Deletes log directory events by name, behind the term.
///
/// # Errors
/// [`StoreError::ControllerMoved`], or the session's end.
pub async fn delete_log_dir_events(session: &Session, term: &Term, names: &[String]) -> Result<(), StoreError> {
    delete(session, term, names.iter().map(|name| log_dir_event::path(name)).collect()).await
}

/// Deletes all ISR changes and log directory events: a new controller reads everything anyway.
///
/// # Errors
/// [`StoreError::ControllerMoved`], or the session's end.
pub async fn delete_all(session: &Session, term: &Term) -> Result<(), StoreError> {
    for root in [log_dir_event::PATH, isr_change::PATH] {
        let names = session.children(root).await?.unwrap_or_default();
        delete(session, term, names.iter().map(|name| format!("{root}/{name}")).collect()).await?;
    }
    Ok(())
}

async fn delete(session: &Session, term: &Term, paths: Vec<String>) -> Result<(), StoreError> {
    let ops = paths.into_iter().map(|path| Op::delete(path, None)).collect();
    for result in fenced::write(session, term, ops).await? {
        match result {
            Err(error) if error.kind != ZkErrorKind::NoNode => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Tells the controller that a log directory of this broker failed.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn propagate_log_dir_event(session: &Session, broker: BrokerId) -> Result<(), StoreError> {
    let data = log_dir_event::encode(broker);
    session.create(&log_dir_event::create_path(), data, CreateMode::PersistentSequential).await?;
    Ok(())
}

/// Tells the controller of ISR changes that this leader wrote itself (IBP below 2.7).
///
/// # Errors
/// The session's end, or a refusal.
pub async fn propagate_isr_changes(session: &Session, partitions: &[TopicPartition]) -> Result<(), StoreError> {
    let data = isr_change::encode(partitions);
    session.create(&isr_change::create_path(), data, CreateMode::PersistentSequential).await?;
    Ok(())
}

/// Deletes the notifications below `root`, numbered up to `last`, that are older than `age_ms` at `now_ms`; says how many. Who is late
/// finds nothing.
pub(super) async fn purge(
    session: &Session,
    root: &str,
    prefix: &str,
    now_ms: i64,
    age_ms: i64,
    last: i64,
) -> Result<usize, StoreError> {
    let names = ordered(prefix, session.children(root).await?);
    let mut purged = 0;
    for name in names.into_iter().take_while(|name| sequence(prefix, name).is_none_or(|number| number <= last)) {
        let path = format!("{root}/{name}");
        // In the order of their numbers: the first that is young enough ends it.
        match session.exists(&path).await? {
            Some(stat) if now_ms.saturating_sub(stat.ctime_ms) > age_ms => {}
            Some(_) => break,
            None => continue,
        }
        match session.delete(&path, None).await {
            Ok(()) => purged += 1,
            Err(error) if error.kind == ZkErrorKind::NoNode => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(purged)
}
