//! Delegation tokens and their change notifications.

use super::configs::CHANGE_EXPIRATION_MS;
use super::{StoreError, notices};
use crate::zk::session::{CreateMode, Session, Watch, ZkErrorKind};
use crate::zk::znode::sequence;
use crate::zk::znode::tokens::{self, TokenNode};

/// Makes the roots; only where tokens are in use.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn create_paths(session: &Session) -> Result<(), StoreError> {
    session.make_path(tokens::PATH).await?;
    session.make_path(tokens::CHANGES).await?;
    Ok(())
}

/// A token; none when it does not exist.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn read(session: &Session, token_id: &str) -> Result<Option<TokenNode>, StoreError> {
    match session.get(&tokens::path(token_id)).await? {
        Some((data, _)) => Ok(Some(TokenNode::decode(token_id, &data)?)),
        None => Ok(None),
    }
}

/// All tokens.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn read_all(session: &Session) -> Result<Vec<TokenNode>, StoreError> {
    let ids = session.children(tokens::PATH).await?.unwrap_or_default();
    let paths: Vec<String> = ids.iter().map(|id| tokens::path(id)).collect();
    let mut all = Vec::with_capacity(ids.len());
    for (id, found) in ids.iter().zip(session.get_all(&paths).await?) {
        if let Some((data, _)) = found {
            all.push(TokenNode::decode(id, &data)?);
        }
    }
    Ok(all)
}

/// Sets or makes a token, and tells of it.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn write(session: &Session, token: &TokenNode) -> Result<(), StoreError> {
    let path = tokens::path(&token.token_id);
    match session.set(&path, token.encode(), None).await {
        Ok(_) => {}
        Err(error) if error.kind == ZkErrorKind::NoNode => {
            match session.create_recursive(&path, token.encode()).await {
                Err(error) if error.kind != ZkErrorKind::NodeExists => return Err(error.into()),
                _ => {}
            }
        }
        Err(error) => return Err(error.into()),
    }
    notify(session, &token.token_id).await
}

/// Deletes a token, and tells of it.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn delete(session: &Session, token_id: &str) -> Result<(), StoreError> {
    match session.delete(&tokens::path(token_id), None).await {
        Err(error) if error.kind != ZkErrorKind::NoNode => return Err(error.into()),
        _ => {}
    }
    notify(session, token_id).await
}

async fn notify(session: &Session, token_id: &str) -> Result<(), StoreError> {
    let data = tokens::encode_change(token_id);
    session.create(&tokens::change_create_path(), data, CreateMode::PersistentSequential).await?;
    Ok(())
}

/// Ids of tokens changed by the notifications above `after`, in order; the highest number seen; and a watch for more.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn changes_and_watch(session: &Session, after: i64) -> Result<(Vec<String>, i64, Watch), StoreError> {
    let (names, watch) = session.children_and_watch(tokens::CHANGES).await?;
    let numbered = names.unwrap_or_default().into_iter();
    let mut new: Vec<(i64, String)> = numbered
        .filter_map(|name| Some((sequence(tokens::CHANGE_PREFIX, &name)?, name)))
        .filter(|(number, _)| *number > after)
        .collect();
    new.sort_unstable();
    let last = new.last().map_or(after, |(number, _)| *number);
    let paths: Vec<String> = new.iter().map(|(_, name)| format!("{}/{name}", tokens::CHANGES)).collect();
    let found = session.get_all(&paths).await?;
    let ids = new.iter().zip(found).filter_map(|((_, name), found)| tokens::decode_change(name, &found?.0).ok());
    Ok((ids.collect(), last, watch))
}

/// Deletes old changes; see `configs::purge_changes`.
///
/// # Errors
/// The session's end.
pub async fn purge_changes(session: &Session, now_ms: i64) -> Result<usize, StoreError> {
    notices::purge(session, tokens::CHANGES, tokens::CHANGE_PREFIX, now_ms, CHANGE_EXPIRATION_MS, i64::MAX).await
}
