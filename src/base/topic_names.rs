//! Topic names: what is allowed, and which topics are the broker's own (`org.apache.kafka.common.internals.Topic`).

/// Committed offsets and groups.
pub const GROUP_METADATA: &str = "__consumer_offsets";
/// Transactions.
pub const TRANSACTION_STATE: &str = "__transaction_state";
/// KRaft's metadata log: nobody may create it here.
pub const CLUSTER_METADATA: &str = "__cluster_metadata";
/// Share groups (KRaft only): internal by name.
const SHARE_GROUP_STATE: &str = "__share_group_state";

/// So that `<topic>-<partition>` and what Kafka appends to it stays a legal file name (255 bytes).
pub const MAX_LENGTH: usize = 249;

/// True for the topics the broker writes itself.
pub fn is_internal(topic: &str) -> bool {
    matches!(topic, GROUP_METADATA | TRANSACTION_STATE | SHARE_GROUP_STATE)
}

/// Why a topic can't have this name, in Kafka's words; `None` when it can.
pub fn reason_invalid(topic: &str) -> Option<String> {
    if topic.is_empty() {
        return Some("the empty string is not allowed".into());
    }
    if topic == "." || topic == ".." {
        return Some(format!("'{topic}' is not allowed"));
    }
    // Java counts UTF-16 units; what has others than ASCII is refused by the next rule anyway, only the message differs.
    if topic.encode_utf16().count() > MAX_LENGTH {
        return Some(format!("the length of '{topic}' is longer than the max allowed length {MAX_LENGTH}"));
    }
    if !topic.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return Some(format!(
            "'{topic}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        ));
    }
    None
}
