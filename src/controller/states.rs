//! The states of partitions and replicas, with the previous states from which each may be entered, as data
//! (`PartitionState`, `ReplicaState`). The machines in `partition_state.rs` and `replica_state.rs` hold every move against these
//! tables: an illegal one is logged and refused.

/// State of a partition in the controller. The number is Kafka's, for logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
#[repr(u8)]
pub enum PartitionState {
    /// Known, but it has never had a leader: no state node yet.
    New = 0,
    /// A leader has been elected.
    Online = 1,
    /// Its leader is gone.
    Offline = 2,
    /// Never made, or deleted.
    #[default]
    NonExistent = 3,
}

impl PartitionState {
    /// From where it may be entered.
    pub fn allowed_from(self) -> &'static [PartitionState] {
        use PartitionState::{New, NonExistent, Offline, Online};
        match self {
            New => &[NonExistent],
            Online | Offline => &[New, Online, Offline],
            NonExistent => &[Offline],
        }
    }
}

/// State of one replica of a partition in the controller. The number is Kafka's, for logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
#[repr(u8)]
pub enum ReplicaState {
    /// Just assigned: can only become a follower.
    New = 1,
    /// Its broker has been told of it and lives.
    Online = 2,
    /// Its broker is dead, or it is on its way to be deleted.
    Offline = 3,
    /// StopReplica(delete) is under way.
    DeletionStarted = 4,
    /// Its broker has deleted it.
    DeletionSuccessful = 5,
    /// Its deletion failed or its broker is dead: tried again later.
    DeletionIneligible = 6,
    /// Never made, or deleted.
    #[default]
    NonExistent = 7,
}

impl ReplicaState {
    /// From where it may be entered.
    pub fn allowed_from(self) -> &'static [ReplicaState] {
        use ReplicaState::{
            DeletionIneligible, DeletionStarted, DeletionSuccessful, New, NonExistent, Offline, Online,
        };
        match self {
            New => &[NonExistent],
            Online | Offline => &[New, Online, Offline, DeletionIneligible],
            DeletionStarted => &[Offline],
            DeletionSuccessful => &[DeletionStarted],
            DeletionIneligible => &[Offline, DeletionStarted],
            NonExistent => &[DeletionSuccessful],
        }
    }
}
