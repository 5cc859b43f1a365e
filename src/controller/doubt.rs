//! Members of an ISR that may lack the end of their logs, and whom of them to believe: plain data.
//!
//! `restarted.rs` fills it, `election.rs` looks at it. One failure costs only one replica the end of its log, so that of two
//! whose ends are known the longer one has all that was acknowledged. A log that is gone is such a failure too, so that the other one is
//! whole; where it only seems to be gone, as with a disk that is not mounted, and the other one has lost its end, that is two.

use std::collections::BTreeMap;

use crate::base::BrokerId;

/// Where a replica's log ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LogEnd {
    /// The leader epoch of its last records, -1 when it has none; `None` when it is not told, as by Apache Kafka's brokers.
    pub epoch: Option<i32>,
    /// The offset after the last.
    pub offset: i64,
}

/// What a replica says of the end of its log: none where what it had is gone; an error's code.
pub type Told = Result<Option<LogEnd>, i16>;

/// What is known of one replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doubt {
    /// It was not asked for the end of its log.
    Unasked,
    /// It was asked, and has not answered.
    Asked,
    /// It has told.
    Ends(LogEnd),
    /// Its log is gone, and what is there now is filled from others.
    Lost,
    /// It answered with an error: its log may come back with its disk.
    Failed,
}

/// All of a partition's ISR that are doubted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Doubts(BTreeMap<BrokerId, Doubt>);

impl FromIterator<BrokerId> for Doubts {
    fn from_iter<I: IntoIterator<Item = BrokerId>>(members: I) -> Self {
        Self(members.into_iter().map(|id| (id, Doubt::Unasked)).collect())
    }
}

impl Doubts {
    /// Nobody is doubted.
    pub const NONE: Self = Self(BTreeMap::new());

    /// Nobody is doubted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nobody is doubted any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What is known of a replica, if it is doubted.
    pub fn of(&self, replica: BrokerId) -> Option<Doubt> {
        self.0.get(&replica).copied()
    }

    /// Notes what is known of a replica, which is doubted from now on.
    pub fn set(&mut self, replica: BrokerId, known: Doubt) {
        self.0.insert(replica, known);
    }

    /// There are several of these to compare, and not all have said where their logs end.
    pub fn awaits(&self, among: &[BrokerId]) -> bool {
        let is_silent = |id: &BrokerId| matches!(self.of(*id), Some(Doubt::Unasked | Doubt::Asked));
        among.len() > 1 && among.iter().any(is_silent)
    }

    /// Of replicas, in order, the one to be preferred whatever is not known: the one with the longest log that was told, before who has not
    /// told yet, before who can't. Who is not doubted comes first.
    pub fn best(&self, among: &[BrokerId]) -> Option<BrokerId> {
        let rank = |id: &BrokerId| match self.of(*id) {
            None => (3, None),
            Some(Doubt::Ends(end)) => (2, Some(end)),
            Some(Doubt::Unasked | Doubt::Asked) => (1, None),
            Some(Doubt::Failed | Doubt::Lost) => (0, None),
        };
        among.iter().rev().copied().max_by_key(rank)
    }

    /// Of replicas that are all doubted those with the longest log, in order. `None` when one has yet to tell, or when there are not two
    /// whose ends could be compared; one is enough where every other of the `in_sync` members has lost its log. Where not all tell epochs
    /// offsets alone are compared.
    pub fn longest(&self, among: &[BrokerId], in_sync: usize) -> Option<Vec<BrokerId>> {
        let (mut ends, mut lost) = (Vec::with_capacity(among.len()), 0);
        for id in among {
            match self.of(*id)? {
                Doubt::Unasked | Doubt::Asked => return None,
                Doubt::Ends(end) => ends.push((*id, end)),
                Doubt::Lost => lost += 1,
                Doubt::Failed => {}
            }
        }
        if ends.len() < 2 && ends.len() + lost < in_sync {
            return None;
        }
        let with_epochs = ends.iter().all(|(_, end)| end.epoch.is_some());
        let comparable = |end: LogEnd| LogEnd { epoch: end.epoch.filter(|_| with_epochs), ..end };
        let last = ends.iter().map(|(_, end)| comparable(*end)).max()?;
        Some(ends.into_iter().filter(|(_, end)| comparable(*end) == last).map(|(id, _)| id).collect())
    }
}
