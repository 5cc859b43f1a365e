//! What the judge says: a finding is one thing that may not be, with enough to look it up.

use std::collections::BTreeMap;
use std::fmt;

use super::history::{Cause, Tp, Value};

/// What is checked. `judge` tells what each means.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Check {
    /// The history contradicts itself: the harness is wrong, not the cluster.
    Harness,
    LostWrite,
    TwoValues,
    Moved,
    Alien,
    Duplicate,
    Sequence,
    NonmonotonicSend,
    InternalNonmonotonicSend,
    InternalSendSkip,
    Unseen,
    PollSkip,
    InternalPollSkip,
    NonmonotonicPoll,
    InternalNonmonotonicPoll,
    Refused,
    AbortedRead,
    PrecommittedRead,
    G0,
    G1c,
    G1cMixed,
    GroupOffset,
    StaleCommit,
    GroupSkip,
    ProcessedTwice,
    LostKey,
    ResurrectedKey,
    TwoLeaders,
    EpochBack,
    HighWatermarkBack,
    UnequalReplicas,
    NotHealed,
    BrokerEnded,
    Leftover,
    UntoldCut,
}

impl Check {
    /// As it stands in tables.
    pub fn name(self) -> &'static str {
        match self {
            Check::Harness => "harness",
            Check::LostWrite => "lost-write",
            Check::TwoValues => "two-values",
            Check::Moved => "moved",
            Check::Alien => "alien",
            Check::Duplicate => "duplicate",
            Check::Sequence => "sequence",
            Check::NonmonotonicSend => "nonmonotonic-send",
            Check::InternalNonmonotonicSend => "internal-nonmonotonic-send",
            Check::InternalSendSkip => "internal-send-skip",
            Check::Unseen => "unseen",
            Check::PollSkip => "poll-skip",
            Check::InternalPollSkip => "internal-poll-skip",
            Check::NonmonotonicPoll => "nonmonotonic-poll",
            Check::InternalNonmonotonicPoll => "internal-nonmonotonic-poll",
            Check::Refused => "refused",
            Check::AbortedRead => "aborted-read",
            Check::PrecommittedRead => "precommitted-read",
            Check::G0 => "G0",
            Check::G1c => "G1c",
            Check::G1cMixed => "G1c-mixed",
            Check::GroupOffset => "group-offset",
            Check::StaleCommit => "stale-commit",
            Check::GroupSkip => "group-skip",
            Check::ProcessedTwice => "processed-twice",
            Check::LostKey => "lost-key",
            Check::ResurrectedKey => "resurrected-key",
            Check::TwoLeaders => "two-leaders",
            Check::EpochBack => "epoch-back",
            Check::HighWatermarkBack => "high-watermark-back",
            Check::UnequalReplicas => "unequal-replicas",
            Check::NotHealed => "not-healed",
            Check::BrokerEnded => "broker-ended",
            Check::Leftover => "leftover",
            Check::UntoldCut => "untold-cut",
        }
    }

    /// Kafka's transactions do not isolate writes: records of several lie mixed in a partition, so these three happen all the time, and are
    /// counted without being wrong (Jepsen's `allowed-error-types`).
    pub fn is_allowed(self) -> bool {
        matches!(self, Check::InternalSendSkip | Check::G0 | Check::G1cMixed)
    }
}

/// Why something that was found is no fault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Excuse {
    /// It lies at or above what an unclean election or a loss of all power may have cost.
    Loss(Cause),
    /// A client sent it again under another producer id or epoch: its own affair.
    NewEpoch,
    /// A client gave the sequence number of a record that it had sent, and then threw away with its transaction, to another one, and was
    /// told that this is there already: librdkafka 2.12 does when the record waits to be sent again.
    ReusedSequence,
    /// A coordinator that did not hear of the end of its session answered what it knew, while another one knew more already: that of Apache
    /// Kafka does too (`--target apache --workload groups`, `--faults cut-zookeeper --seed 601`, `cut-in` 702, `cut-out` 706, `cut` 705,
    /// `pause` 704, `pause,zk-pause` 709).
    CutOffCoordinator,
    /// A member was given the last record before a cooperative rebalance once more behind it: librdkafka 2.12 pauses and resumes what the
    /// member keeps, and goes on from where the application was a moment before.
    Rebalance,
}

/// One thing that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Which check says so.
    pub check: Check,
    /// Where, if it has a place.
    pub tp: Option<Tp>,
    /// At which offset.
    pub offset: Option<i64>,
    /// Whom it concerns.
    pub values: Vec<Value>,
    /// The events that show it, by their place in the history.
    pub events: Vec<usize>,
    /// In words.
    pub text: String,
    /// Why it may be nevertheless.
    pub excuse: Option<Excuse>,
}

impl Finding {
    /// Something without a place.
    pub fn new(check: Check, text: impl Into<String>) -> Self {
        Self { check, tp: None, offset: None, values: Vec::new(), events: Vec::new(), text: text.into(), excuse: None }
    }

    /// Where it is.
    pub fn at(mut self, tp: Tp, offset: impl Into<Option<i64>>) -> Self {
        self.tp = Some(tp);
        self.offset = offset.into();
        self
    }

    /// Whom it concerns.
    pub fn of(mut self, values: impl IntoIterator<Item = Value>) -> Self {
        self.values.extend(values);
        self
    }

    /// What shows it.
    pub fn shown_by(mut self, events: impl IntoIterator<Item = usize>) -> Self {
        self.events.extend(events);
        self
    }

    /// Why it may be.
    pub fn excused_by(mut self, excuse: Option<Excuse>) -> Self {
        self.excuse = excuse;
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.check.name())?;
        match (self.tp, self.offset) {
            (Some(tp), Some(offset)) => write!(f, " {tp} offset {offset}")?,
            (Some(tp), None) => write!(f, " {tp}")?,
            _ => {}
        }
        write!(f, ": {}", self.text)?;
        if !self.events.is_empty() {
            let events: Vec<String> = self.events.iter().map(ToString::to_string).collect();
            write!(f, " (events {})", events.join(", "))?;
        }
        match self.excuse {
            None => Ok(()),
            Some(Excuse::Loss(Cause::UncleanElection)) => write!(f, " [excused: unclean election]"),
            Some(Excuse::Loss(Cause::AllLostPower)) => write!(f, " [excused: all brokers lost power]"),
            Some(Excuse::NewEpoch) => write!(f, " [excused: sent again under another epoch]"),
            Some(Excuse::ReusedSequence) => write!(f, " [excused: its client used a sequence number twice]"),
            Some(Excuse::Rebalance) => write!(f, " [excused: its client goes a step back in a rebalance]"),
            Some(Excuse::CutOffCoordinator) => write!(f, " [excused: a broker did not hear of ZooKeeper]"),
        }
    }
}

/// All that was found. Of each check only the first [`Verdict::SHOWN`] are kept; all are counted.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What would be, without its excuse.
    pub excused: Vec<Finding>,
    /// What is usual.
    pub allowed: Vec<Finding>,
    wrong: BTreeMap<Check, u64>,
    forgiven: BTreeMap<(Check, Excuse), u64>,
    usual: BTreeMap<Check, u64>,
}

impl Verdict {
    /// So many findings of one kind are kept: who lost ten thousand writes reads about the first.
    pub const SHOWN: u64 = 50;

    /// Takes one more.
    pub fn add(&mut self, finding: Finding) {
        let (list, count) = match finding.excuse {
            Some(excuse) => (&mut self.excused, self.forgiven.entry((finding.check, excuse)).or_default()),
            None if finding.check.is_allowed() => (&mut self.allowed, self.usual.entry(finding.check).or_default()),
            None => (&mut self.findings, self.wrong.entry(finding.check).or_default()),
        };
        *count += 1;
        if *count <= Self::SHOWN {
            list.push(finding);
        }
    }

    /// Nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.wrong.is_empty()
    }

    /// How many anomalies there are of each kind, excused ones not among them.
    pub fn counts(&self) -> &BTreeMap<Check, u64> {
        &self.wrong
    }

    /// How often each excuse was needed.
    pub fn excused_counts(&self) -> &BTreeMap<(Check, Excuse), u64> {
        &self.forgiven
    }

    /// How often the usual happened.
    pub fn allowed_counts(&self) -> &BTreeMap<Check, u64> {
        &self.usual
    }
}

impl fmt::Display for Verdict {
    /// `clean`, or the counts of what is wrong; then what was excused.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong: Vec<String> = self.wrong.iter().map(|(check, n)| format!("{n} {}", check.name())).collect();
        f.write_str(&if wrong.is_empty() { "clean".to_string() } else { wrong.join(", ") })?;
        let excused: Vec<String> =
            self.forgiven.iter().map(|((check, _), n)| format!("{n} {}", check.name())).collect();
        if excused.is_empty() { Ok(()) } else { write!(f, " (excused: {})", excused.join(", ")) }
    }
}
