//! Topic names: what is allowed, which collide, which are the broker's own (`org.apache.kafka.common.internals.Topic`).
//!
//! Called before a topic is created and before its configs are read or altered. The messages are Kafka's: tools print them.

use super::AdminError;

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

/// Checks a topic's name.
///
/// # Errors
/// [`AdminError::InvalidTopic`] with Kafka's words.
pub fn check(topic: &str) -> Result<(), AdminError> {
    match reason_invalid(topic) {
        None => Ok(()),
        Some(reason) => Err(AdminError::InvalidTopic(format!("Topic name is invalid: {reason}"))),
    }
}

fn reason_invalid(topic: &str) -> Option<String> {
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

/// True for the topics the broker writes itself.
pub fn is_internal(topic: &str) -> bool {
    matches!(topic, GROUP_METADATA | TRANSACTION_STATE | SHARE_GROUP_STATE)
}

/// True when the name may collide with another: metric names don't tell `.` from `_`.
pub fn has_collision_chars(topic: &str) -> bool {
    topic.contains(['.', '_'])
}

/// True when the two names differ at most in `.` and `_`.
pub fn collides(a: &str, b: &str) -> bool {
    let unified = |c: u8| if c == b'.' { b'_' } else { c };
    a.bytes().map(unified).eq(b.bytes().map(unified))
}
