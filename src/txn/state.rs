//! The states of a transactional id (`TransactionState`).

/// A state; the numbers are those of the records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(i8)]
pub enum State {
    /// The producer has its epoch and no transaction.
    Empty = 0,
    /// Partitions were added.
    Ongoing = 1,
    /// Decided: commit. Markers are being written.
    PrepareCommit = 2,
    /// Decided: abort. Markers are being written.
    PrepareAbort = 3,
    /// Every partition has its commit marker.
    CompleteCommit = 4,
    /// Every partition has its abort marker.
    CompleteAbort = 5,
    /// Expired: about to be forgotten.
    Dead = 6,
    /// An older producer is being fenced. Never written, and here never seen: fence and abort are one step.
    PrepareEpochFence = 7,
}

impl State {
    /// All of them, in the order of their numbers.
    pub const ALL: [State; 8] = [
        State::Empty,
        State::Ongoing,
        State::PrepareCommit,
        State::PrepareAbort,
        State::CompleteCommit,
        State::CompleteAbort,
        State::Dead,
        State::PrepareEpochFence,
    ];

    /// The number in a record.
    pub fn id(self) -> i8 {
        self as i8
    }

    /// The state of a number that a record may hold.
    pub fn of_id(id: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.id() == id)
    }

    /// The state's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Ongoing => "Ongoing",
            State::PrepareCommit => "PrepareCommit",
            State::PrepareAbort => "PrepareAbort",
            State::CompleteCommit => "CompleteCommit",
            State::CompleteAbort => "CompleteAbort",
            State::Dead => "Dead",
            State::PrepareEpochFence => "PrepareEpochFence",
        }
    }

    /// The state of a name, as ListTransactions filters by it.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// The end is decided and markers are on their way.
    pub fn is_prepared(self) -> bool {
        matches!(self, State::PrepareCommit | State::PrepareAbort)
    }

    /// No transaction is under way: an idle id may expire, and a transaction may begin.
    pub fn is_at_rest(self) -> bool {
        matches!(self, State::Empty | State::CompleteCommit | State::CompleteAbort)
    }
}
