//! Ways to break the broker on purpose: a test of the tests.
//!
//! `OTTLA_SABOTAGE` names one, and only a build with the feature `sabotage` looks at it: the test binaries. In a shipped binary
//! [`is_on`] is the constant false, and a broker that is asked for it does not start: it would not be what it is asked to be.

/// The variable that names what is broken.
pub const VARIABLE: &str = "OTTLA_SABOTAGE";

/// What is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sabotage {
    /// `acks=all` is answered once the leader alone has the records.
    AnswerBeforeReplication,
    /// A new follower cuts its log at its own high watermark instead of where its epochs part from the leader's (before KIP-101).
    TruncateToHighWatermark,
    /// The controller takes a change of the in-sync replicas from whoever sends it, in whatever life, leader or partition epoch.
    IsrChangeNotFenced,
    /// Readers of committed data are not told which transactions were aborted.
    ServeAborted,
    /// What a log flushes is not fsynced, and counts as flushed.
    SkipSync,
    /// A produce that waits when leadership is lost is not refused: it is answered when this broker leads again, and what replaced its
    /// records is replicated.
    AnswerOldWaiters,
}

impl Sabotage {
    /// Each with its name.
    pub const ALL: [(&str, Sabotage); 6] = [
        ("answer-before-replication", Sabotage::AnswerBeforeReplication),
        ("truncate-to-high-watermark", Sabotage::TruncateToHighWatermark),
        ("isr-change-not-fenced", Sabotage::IsrChangeNotFenced),
        ("serve-aborted", Sabotage::ServeAborted),
        ("skip-sync", Sabotage::SkipSync),
        ("answer-old-waiters", Sabotage::AnswerOldWaiters),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, sabotage)| *sabotage)
    }
}

/// Whether a broker may start that is asked for this, in this build.
///
/// # Errors
/// What to say: this build can't be broken, or there is no such way.
pub fn check(asked: Option<&str>, is_built_in: bool) -> Result<(), String> {
    let Some(name) = asked else { return Ok(()) };
    if !is_built_in {
        return Err(format!("{VARIABLE} is set, and this build can't be broken on purpose: unset it"));
    }
    if Sabotage::named(name).is_none() {
        let known: Vec<&str> = Sabotage::ALL.iter().map(|(name, _)| *name).collect();
        return Err(format!("{VARIABLE} is {name:?}; it is one of {}", known.join(", ")));
    }
    Ok(())
}

/// [`check`] of this process.
///
/// # Errors
/// As there.
pub fn check_environment() -> Result<(), String> {
    let asked = std::env::var_os(VARIABLE).map(|name| name.to_string_lossy().into_owned());
    check(asked.as_deref(), cfg!(feature = "sabotage"))
}

/// Is this part broken?
#[cfg(feature = "sabotage")]
pub fn is_on(which: Sabotage) -> bool {
    static ASKED: std::sync::OnceLock<Option<Sabotage>> = std::sync::OnceLock::new();
    *ASKED.get_or_init(|| Sabotage::named(&std::env::var(VARIABLE).ok()?)) == Some(which)
}

/// Is this part broken?
#[cfg(not(feature = "sabotage"))]
pub const fn is_on(_which: Sabotage) -> bool {
    false
}
