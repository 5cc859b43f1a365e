//! Offsets committed with OffsetCommit version 0, below `/consumers`.

use super::StoreError;
use crate::base::TopicPartition;
use crate::zk::session::{Session, ZkErrorKind};
use crate::zk::znode::consumer_offsets::{decode, encode, path};

/// A group's offset; none when it has none.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn read(session: &Session, group: &str, partition: &TopicPartition) -> Result<Option<i64>, StoreError> {
    let path = path(group, partition);
    match session.get(&path).await? {
        Some((data, _)) => Ok(decode(&path, &data)?),
        None => Ok(None),
    }
}

/// Sets or makes a group's offset.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn write(session: &Session, group: &str, partition: &TopicPartition, offset: i64) -> Result<(), StoreError> {
    let path = path(group, partition);
    match session.set(&path, encode(offset), None).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind == ZkErrorKind::NoNode => {
            match session.create_recursive(&path, encode(offset)).await {
                Ok(_) => Ok(()),
                Err(error) if error.kind == ZkErrorKind::NodeExists => {
                    session.set(&path, encode(offset), None).await?;
                    Ok(())
                }
                Err(error) => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}
