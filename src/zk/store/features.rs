//! `/feature`: read by every broker, written by the controller.

use super::StoreError;
use crate::zk::session::{Session, Watch, ZkErrorKind};
use crate::zk::znode::feature::{FeatureNode, PATH};

/// The finalized features and their epoch (the data version); none when no controller has written them yet.
///
/// # Errors
/// The session's end, or a node that can't be understood.
pub async fn read(session: &Session) -> Result<Option<(FeatureNode, i32)>, StoreError> {
    match session.get(PATH).await? {
        Some((data, stat)) => Ok(Some((FeatureNode::decode(&data)?, stat.version))),
        None => Ok(None),
    }
}

/// [`read`] with a watch for creation and change.
///
/// # Errors
/// As [`read`].
pub async fn read_and_watch(session: &Session) -> Result<(Option<(FeatureNode, i32)>, Watch), StoreError> {
    let (found, watch) = session.get_and_watch(PATH).await?;
    match found {
        Some((data, stat)) => Ok((Some((FeatureNode::decode(&data)?, stat.version)), watch)),
        None => Ok((None, watch)),
    }
}

/// Makes or replaces the node and says its data version. Not fenced, as with Kafka.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn write(session: &Session, node: &FeatureNode) -> Result<i32, StoreError> {
    match session.set(PATH, node.encode(), None).await {
        Ok(stat) => Ok(stat.version),
        Err(error) if error.kind == ZkErrorKind::NoNode => match session.create_recursive(PATH, node.encode()).await {
            Ok(stat) => Ok(stat.version),
            Err(error) if error.kind == ZkErrorKind::NodeExists => {
                Ok(session.set(PATH, node.encode(), None).await?.version)
            }
            Err(error) => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}
