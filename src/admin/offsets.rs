//! Offsets that OffsetCommit and OffsetFetch of version 0 keep in ZooKeeper, as consumers of before 0.8.2 know them.

use super::shell::Admin;
use super::{AdminError, names};
use crate::base::TopicPartition;
use crate::zk::store;

impl Admin {
    /// Writes a group's offset below `/consumers`.
    ///
    /// # Errors
    /// A group id or topic that is no name of a node; ZooKeeper's.
    pub async fn commit_offset(&self, group: &str, place: &TopicPartition, offset: i64) -> Result<(), AdminError> {
        check(group, place)?;
        Ok(store::offsets::write(&self.session().await, group, place, offset).await?)
    }

    /// A group's offset below `/consumers`; none when there is none.
    ///
    /// # Errors
    /// A group id or topic that is no name of a node; ZooKeeper's.
    pub async fn committed_offset(&self, group: &str, place: &TopicPartition) -> Result<Option<i64>, AdminError> {
        check(group, place)?;
        Ok(store::offsets::read(&self.session().await, group, place).await?)
    }
}

/// The names become a path: they must not lead to another one.
fn check(group: &str, place: &TopicPartition) -> Result<(), AdminError> {
    names::check(&place.topic)?;
    if matches!(group, "" | "." | "..") || group.contains('/') || group.chars().any(char::is_control) {
        return Err(AdminError::InvalidRequest(format!("group id {group:?} cannot be the name of a znode")));
    }
    Ok(())
}
