//! Why an administrative operation was refused or failed, and the one mapping to Kafka's codes and messages.
//!
//! Handlers put code and message into their answers as they are; the messages are Kafka's own, since its tools print them.

use crate::base::ErrorCode;
use crate::config::AlterError;
use crate::zk::store::StoreError;
use crate::zk::znode::config::ConfigEntity;

/// Nothing was written, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// A bad topic name, or one that collides.
    #[error("{0}")]
    InvalidTopic(String),
    /// There is such a topic, or it is being deleted.
    #[error("{0}")]
    TopicExists(String),
    /// There is no such topic.
    #[error("{0}")]
    UnknownTopic(String),
    /// A bad count of partitions.
    #[error("{0}")]
    InvalidPartitions(String),
    /// A bad replication factor.
    #[error("{0}")]
    InvalidReplicationFactor(String),
    /// A bad assignment by hand.
    #[error("{0}")]
    InvalidAssignment(String),
    /// A bad config.
    #[error("{0}")]
    InvalidConfig(String),
    /// A request that contradicts itself.
    #[error("{0}")]
    InvalidRequest(String),
    /// Something that would be kept and not enforced.
    #[error("{0}")]
    Unenforced(String),
    /// An alteration that config/ refused.
    #[error(transparent)]
    Refused(#[from] AlterError),
    /// Something only a newer broker may know.
    #[error("{0}")]
    UnsupportedVersion(String),
    /// A partition of the topic is being moved.
    #[error("A partition reassignment is in progress for the topic '{0}'.")]
    ReassignmentInProgress(String),
    /// Some brokers have a rack and some have not: no placement keeps its promise.
    #[error("Not all brokers have rack information for replica rack aware assignment.")]
    MixedRacks,
    /// Something in ZooKeeper that nobody should have written.
    #[error("{0}")]
    Corrupt(String),
    /// Configs are only written while a ZooKeeper-mode controller is registered.
    #[error("Cannot set entity configs for {} {} when there is no controller.", .0.kind().name(), .0.name())]
    NoController(ConfigEntity),
    /// ZooKeeper refused, or the session ended. What was under way may have been written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AdminError {
    /// Code and message for the answer. As in Kafka (`ApiError.fromThrowable`), a failure of the server has no message: it could tell
    /// what the client may not know.
    pub fn answer(&self) -> (ErrorCode, Option<String>) {
        let code = match self {
            AdminError::InvalidTopic(_) => ErrorCode::InvalidTopicException,
            AdminError::TopicExists(_) => ErrorCode::TopicAlreadyExists,
            AdminError::UnknownTopic(_) => ErrorCode::UnknownTopicOrPartition,
            AdminError::InvalidPartitions(_) => ErrorCode::InvalidPartitions,
            AdminError::InvalidReplicationFactor(_) => ErrorCode::InvalidReplicationFactor,
            AdminError::InvalidAssignment(_) => ErrorCode::InvalidReplicaAssignment,
            AdminError::InvalidConfig(_) => ErrorCode::InvalidConfig,
            AdminError::InvalidRequest(_) => ErrorCode::InvalidRequest,
            AdminError::Unenforced(_) => ErrorCode::PolicyViolation,
            AdminError::Refused(refused) => refused.code,
            AdminError::UnsupportedVersion(_) => ErrorCode::UnsupportedVersion,
            AdminError::ReassignmentInProgress(_) => ErrorCode::ReassignmentInProgress,
            AdminError::MixedRacks | AdminError::Corrupt(_) => ErrorCode::UnknownServerError,
            AdminError::NoController(_) => ErrorCode::StaleControllerEpoch,
            AdminError::Store(error) => return (store_code(error), None),
        };
        let message = (code != ErrorCode::UnknownServerError).then(|| self.to_string());
        (code, message)
    }

    /// A failed write, told with the entity it was for.
    pub(super) fn of(error: StoreError, entity: &ConfigEntity) -> Self {
        match error {
            StoreError::NoController => AdminError::NoController(entity.clone()),
            StoreError::TopicExists(topic) => AdminError::TopicExists(format!("Topic '{topic}' already exists.")),
            error => AdminError::Store(error),
        }
    }

    /// The code alone.
    pub fn code(&self) -> ErrorCode {
        self.answer().0
    }
}

fn store_code(error: &StoreError) -> ErrorCode {
    match error {
        StoreError::ControllerMoved | StoreError::NoController => ErrorCode::StaleControllerEpoch,
        StoreError::TopicExists(_) => ErrorCode::TopicAlreadyExists,
        // Nobody can tell whether it was done; clients ask again.
        error if error.session_over() => ErrorCode::RequestTimedOut,
        _ => ErrorCode::UnknownServerError,
    }
}
