//! Ways to break the broker on purpose: a test of the tests.
//!
//! `OTTLA_SABOTAGE` names one, and only a build with the feature `sabotage` looks at it: the test binaries. In a shipped binary
//! [`is_on`] is the constant false.

/// What is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sabotage {
    /// `acks=all` is answered once the leader alone has the records.
    AnswerBeforeReplication,
    /// A new follower cuts its log at its own high watermark instead of where its epochs part from the leader's (before KIP-101).
    TruncateToHighWatermark,
}

/// Is this part broken?
#[cfg(feature = "sabotage")]
pub fn is_on(which: Sabotage) -> bool {
    static ASKED: std::sync::OnceLock<Option<Sabotage>> = std::sync::OnceLock::new();
    let asked = ASKED.get_or_init(|| match std::env::var("OTTLA_SABOTAGE").as_deref() {
        Ok("answer-before-replication") => Some(Sabotage::AnswerBeforeReplication),
        Ok("truncate-to-high-watermark") => Some(Sabotage::TruncateToHighWatermark),
        _ => None,
    });
    *asked == Some(which)
}

/// Is this part broken?
#[cfg(not(feature = "sabotage"))]
pub const fn is_on(_which: Sabotage) -> bool {
    false
}
