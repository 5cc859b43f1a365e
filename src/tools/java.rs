//! Errors as Kafka's Java tools show them: a class name and a message.
//!
//! Scripts in the wild look for `org.apache.kafka.common.errors.TopicExistsException` and its like, so the tools print these names. A
//! Java tool also prints a stack; ours has none, so where Kafka prints one there is only its first line here.

use crate::base::ErrorCode;
use crate::tools::console::Console;

/// An error with the name Java has for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exception {
    class: String,
    message: String,
    /// The broker's code, when it was the broker's error.
    pub code: Option<ErrorCode>,
    cause: Option<Box<Exception>>,
}

impl std::fmt::Display for Exception {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Exception {}

/// Why a command failed, where its Java original tells the two apart.
#[derive(Debug)]
pub enum Failure {
    /// What it expects may happen: told in its own words, without a stack.
    Terse(String),
    /// What it doesn't.
    Error(Exception),
}

impl From<Exception> for Failure {
    fn from(error: Exception) -> Self {
        Self::Error(error)
    }
}

impl Exception {
    /// An error of a class, by its full name.
    pub fn new(class: impl Into<String>, message: impl Into<String>) -> Self {
        Self { class: class.into(), message: message.into(), code: None, cause: None }
    }

    /// `java.lang.IllegalArgumentException`: what the tool itself refuses.
    pub fn illegal(message: impl Into<String>) -> Self {
        Self::new("java.lang.IllegalArgumentException", message)
    }

    /// `java.lang.NumberFormatException`.
    pub fn number_format(text: &str) -> Self {
        Self::new("java.lang.NumberFormatException", format!("For input string: \"{text}\""))
    }

    /// A broker's error; without a message of its own it has the code's, an empty one stays empty.
    pub fn of_code(code: ErrorCode, message: Option<&str>) -> Self {
        let message = message.unwrap_or_else(|| default_message(code));
        Self { code: Some(code), ..Self::new(class_name(code), message) }
    }

    /// `TimeoutException`.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self { code: Some(ErrorCode::RequestTimedOut), ..Self::new(class_name(ErrorCode::RequestTimedOut), message) }
    }

    /// `UnsupportedVersionException`.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self {
            code: Some(ErrorCode::UnsupportedVersion),
            ..Self::new(class_name(ErrorCode::UnsupportedVersion), message)
        }
    }

    /// The same error, because of another.
    pub fn because(mut self, cause: Exception) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// This error in the `ExecutionException` of a future that was waited for.
    pub fn in_future(self) -> Self {
        Self::new("java.util.concurrent.ExecutionException", self.line()).because(self)
    }

    /// What caused it, or itself.
    pub fn root(&self) -> &Exception {
        self.cause.as_deref().map_or(self, Exception::root)
    }

    /// True for an error of that class.
    pub fn is(&self, class: &str) -> bool {
        self.class == class
    }

    /// True for what the option parser refuses.
    pub fn is_option_error(&self) -> bool {
        self.class.starts_with("joptsimple.")
    }

    /// `class: message`.
    pub fn line(&self) -> String {
        format!("{}: {}", self.class, self.message)
    }

    /// What `printStackTrace` prints, without the frames: one line, and one for each cause.
    pub fn stack(&self) -> String {
        let mut text = self.line();
        let mut cause = self.cause.as_deref();
        while let Some(error) = cause {
            text.push_str("\nCaused by: ");
            text.push_str(&error.line());
            cause = error.cause.as_deref();
        }
        text
    }

    /// The message, the stack and an empty line on standard error: how most tools end on an error that they don't expect.
    pub fn print(&self, console: &Console) {
        console.complain(format_args!("{self}\n{}\n", self.stack()));
    }
}

/// The order in which a Java `HashMap` made for `capacity` entries gives back text keys: what users see where Kafka did not sort.
pub fn hash_order<T>(entries: Vec<T>, capacity: usize, key: impl Fn(&T) -> String) -> Vec<T> {
    hash_order_by(entries, capacity, |entry| text_hash(&key(entry)))
}

/// The same for keys of any kind, by their `hashCode`.
pub fn hash_order_by<T>(mut entries: Vec<T>, capacity: usize, hash: impl Fn(&T) -> u32) -> Vec<T> {
    let mut buckets = capacity.max(1).next_power_of_two();
    while entries.len() > buckets * 3 / 4 {
        buckets *= 2;
    }
    entries.sort_by_key(|entry| {
        let hash = hash(entry);
        (hash ^ (hash >> 16)) as usize & (buckets - 1)
    });
    entries
}

/// `String.hashCode`.
pub fn text_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

/// `Long.hashCode`.
pub fn long_hash(number: i64) -> u32 {
    let bits = number.cast_unsigned();
    (bits ^ (bits >> 32)) as u32
}

/// `TopicPartition.hashCode`.
pub fn partition_hash(topic: &str, index: i32) -> u32 {
    31u32.wrapping_add(index.cast_unsigned()).wrapping_mul(31).wrapping_add(text_hash(topic))
}

/// How many places a Java hash table has that was made without a size.
pub const DEFAULT_CAPACITY: usize = 16;

/// The full name of Java's class for a code.
pub fn class_name(code: ErrorCode) -> String {
    use ErrorCode::*;
    let simple = match code {
        UnknownServerError => "UnknownServer",
        CorruptMessage => "CorruptRecord",
        RequestTimedOut => "Timeout",
        MessageTooLarge => "RecordTooLarge",
        StaleControllerEpoch => "ControllerMoved",
        RecordListTooLarge => "RecordBatchTooLarge",
        TopicAuthorizationFailed => "TopicAuthorization",
        GroupAuthorizationFailed => "GroupAuthorization",
        ClusterAuthorizationFailed => "ClusterAuthorization",
        TopicAlreadyExists => "TopicExists",
        InvalidConfig => "InvalidConfiguration",
        OutOfOrderSequenceNumber => "OutOfOrderSequence",
        DuplicateSequenceNumber => "DuplicateSequence",
        InvalidProducerIdMapping => "InvalidPidMapping",
        InvalidTransactionTimeout => "InvalidTxnTimeout",
        TransactionalIdAuthorizationFailed => "TransactionalIdAuthorization",
        KafkaStorageError => "KafkaStorage",
        SaslAuthenticationFailed => "SaslAuthentication",
        DelegationTokenAuthDisabled => "DelegationTokenDisabled",
        DelegationTokenRequestNotAllowed => "UnsupportedByAuthentication",
        DelegationTokenAuthorizationFailed => "DelegationTokenAuthorization",
        NonEmptyGroup => "GroupNotEmpty",
        PrincipalDeserializationFailure => "PrincipalDeserialization",
        FetchSessionTopicIdError => "FetchSessionTopicId",
        OffsetMetadataTooLarge => return "org.apache.kafka.common.errors.OffsetMetadataTooLarge".into(),
        InvalidRecord => return "org.apache.kafka.common.InvalidRecordException".into(),
        _ => return format!("org.apache.kafka.common.errors.{}Exception", camel_case(code.name())),
    };
    format!("org.apache.kafka.common.errors.{simple}Exception")
}

/// `NOT_CONTROLLER` as `NotController`; a name that ends in `_EXCEPTION` without that.
fn camel_case(name: &str) -> String {
    let words = name.strip_suffix("_EXCEPTION").unwrap_or(name).split('_');
    words.map(|word| word[..1].to_owned() + &word[1..].to_ascii_lowercase()).collect()
}

/// What an error says when the broker said nothing: the texts users know, for the codes that an administrator's request may get.
fn default_message(code: ErrorCode) -> &'static str {
    use ErrorCode::*;
    match code {
        UnknownServerError => "The server experienced an unexpected error when processing the request.",
        OffsetOutOfRange => "The requested offset is not within the range of offsets maintained by the server.",
        UnknownTopicOrPartition => "This server does not host this topic-partition.",
        LeaderNotAvailable => {
            "There is no leader for this topic-partition as we are in the middle of a leadership election."
        }
        NotLeaderOrFollower => {
            "For requests intended only for the leader, this error indicates that the broker is not the current leader. For requests intended for any replica, this error indicates that the broker is not a replica of the topic partition."
        }
        RequestTimedOut => "The request timed out.",
        BrokerNotAvailable => "The broker is not available.",
        ReplicaNotAvailable => {
            "The replica is not available for the requested topic-partition. Produce/Fetch requests and other requests intended only for the leader or follower return NOT_LEADER_OR_FOLLOWER if the broker is not a replica of the topic-partition."
        }
        StaleControllerEpoch => "The controller moved to another broker.",
        NetworkException => "The server disconnected before a response was received.",
        InvalidTopicException => "The request attempted to perform an operation on an invalid topic.",
        TopicAuthorizationFailed => "Topic authorization failed.",
        GroupAuthorizationFailed => "Group authorization failed.",
        ClusterAuthorizationFailed => "Cluster authorization failed.",
        UnsupportedSaslMechanism => "The broker does not support the requested SASL mechanism.",
        UnsupportedVersion => "The version of API is not supported.",
        TopicAlreadyExists => "Topic with this name already exists.",
        InvalidPartitions => "Number of partitions is below 1.",
        InvalidReplicationFactor => "Replication factor is below 1 or larger than the number of available brokers.",
        InvalidReplicaAssignment => "Replica assignment is invalid.",
        InvalidConfig => "Configuration is invalid.",
        NotController => "This is not the correct controller for this cluster.",
        InvalidRequest => {
            "This most likely occurs because of a request being malformed by the client library or the message was sent to an incompatible broker. See the broker logs for more details."
        }
        UnsupportedForMessageFormat => "The message format version on the broker does not support the request.",
        PolicyViolation => "Request parameters do not satisfy the configured policy.",
        SecurityDisabled => "Security features are disabled.",
        OperationNotAttempted => {
            "The broker did not attempt to execute this operation. This may happen for batched RPCs where some operations in the batch failed, causing the broker to respond without trying the rest."
        }
        KafkaStorageError => "Disk error when trying to access log file on the disk.",
        LogDirNotFound => "The user-specified log directory is not found in the broker config.",
        ReassignmentInProgress => "A partition reassignment is in progress.",
        TopicDeletionDisabled => "Topic deletion is disabled.",
        FencedLeaderEpoch => "The leader epoch in the request is older than the epoch on the broker.",
        UnknownLeaderEpoch => "The leader epoch in the request is newer than the epoch on the broker.",
        OffsetNotAvailable => {
            "The leader high watermark has not caught up from a recent leader election so the offsets cannot be guaranteed to be monotonically increasing."
        }
        PreferredLeaderNotAvailable => "The preferred leader was not available.",
        EligibleLeadersNotAvailable => "Eligible topic partition leaders are not available.",
        ElectionNotNeeded => "Leader election not needed for topic partition.",
        NoReassignmentInProgress => "No partition reassignment is in progress.",
        ThrottlingQuotaExceeded => "The throttling quota has been exceeded.",
        ResourceNotFound => "A request illegally referred to a resource that does not exist.",
        DuplicateResource => "A request illegally referred to the same resource twice.",
        UnacceptableCredential => "Requested credential would not meet criteria for acceptability.",
        InvalidUpdateVersion => "The given update version was invalid.",
        FeatureUpdateFailed => "Unable to update finalized features due to an unexpected server error.",
        UnknownTopicId => "This server does not host this topic ID.",
        CorruptMessage => {
            "This message has failed its CRC checksum, exceeds the valid size, has a null key for a compacted topic, or is otherwise corrupt."
        }
        MessageTooLarge => "The request included a message larger than the max message size the server will accept.",
        RecordListTooLarge => {
            "The request included message batch larger than the configured segment size on the server."
        }
        NotEnoughReplicas => "Messages are rejected since there are fewer in-sync replicas than required.",
        NotEnoughReplicasAfterAppend => "Messages are written to the log, but to fewer in-sync replicas than required.",
        InvalidTimestamp => "The timestamp of the message is out of acceptable range.",
        InvalidRecord => "This record has failed the validation on broker and hence will be rejected.",
        GroupIdNotFound => "The group id does not exist.",
        NonEmptyGroup => "The group is not empty.",
        InvalidGroupId => "The configured groupId is invalid.",
        CoordinatorLoadInProgress => "The coordinator is loading and hence can't process requests.",
        CoordinatorNotAvailable => "The coordinator is not available.",
        NotCoordinator => "This is not the correct coordinator.",
        UnknownMemberId => "The coordinator is not aware of this member.",
        IllegalGeneration => "Specified group generation id is not valid.",
        RebalanceInProgress => "The group is rebalancing, so a rejoin is needed.",
        OffsetMetadataTooLarge => "The committing offset data size is not valid.",
        GroupSubscribedToTopic => {
            "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it."
        }
        _ => code.name(),
    }
}
