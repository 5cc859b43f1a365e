//! Topic names as alterations see them: refused with Kafka's code and words, and names that collide.
//!
//! Called before a topic is created and before its configs are read or altered. The messages are Kafka's: tools print them.

use super::AdminError;
use crate::base::topic_names::reason_invalid;

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

/// True when the name may collide with another: metric names don't tell `.` from `_`.
pub fn has_collision_chars(topic: &str) -> bool {
    topic.contains(['.', '_'])
}

/// True when the two names differ at most in `.` and `_`.
pub fn collides(a: &str, b: &str) -> bool {
    let unified = |c: u8| if c == b'.' { b'_' } else { c };
    a.bytes().map(unified).eq(b.bytes().map(unified))
}
