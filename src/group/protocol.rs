//! The one part of a consumer's own protocol that the broker reads: which topics it subscribes to (`ConsumerProtocolSubscription`).
//!
//! Versions above the newest are read as the newest, as Kafka does; what can't be read makes the subscription unknown, and with it
//! nothing of the group expires or is deleted for being unsubscribed.

use crate::record::varint::Cursor;

/// The topics of a subscription; none when the bytes are none.
pub fn subscribed_topics(subscription: &[u8]) -> Option<Vec<String>> {
    let mut at = Cursor::new(subscription);
    let version = i16::from_be_bytes(at.array().ok()?);
    if version < 0 {
        return None;
    }
    let count = i32::from_be_bytes(at.array().ok()?);
    let mut topics = Vec::new();
    for _ in 0..usize::try_from(count).ok()? {
        let len = i16::from_be_bytes(at.array().ok()?);
        let text = at.take(usize::try_from(len).ok()?).ok()?;
        topics.push(std::str::from_utf8(text).ok()?.to_owned());
    }
    Some(topics)
}
