//! Moves of replicas between the log directories of their broker: their states, and how they are begun.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::plan::{Replica, name};
use super::{command_failed, plural};
use crate::base::{BrokerId, ErrorCode};
use crate::tools::admin_client::AdminClient;
use crate::tools::admin_client::reassignments::{Partition, ReplicaDirs};
use crate::tools::console::Console;
use crate::tools::java::{Exception, Failure};

/// Between two tries to move replicas that are not there yet.
const PAUSE: Duration = Duration::from_millis(100);

/// How far a move is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// No live directory has the replica.
    Missing,
    /// Under way, to this or another directory.
    Active {
        /// Where it lies.
        current: String,
        /// Where it will lie.
        future: String,
    },
    /// It lies elsewhere, and nobody moves it.
    Cancelled {
        /// Where it lies.
        current: String,
    },
    /// It lies where it should.
    Completed,
}

impl State {
    /// The state of a move to `target`.
    pub fn of(dirs: ReplicaDirs, target: &str) -> Self {
        match (dirs.current, dirs.future) {
            (None, _) => Self::Missing,
            (Some(current), Some(future)) => Self::Active { current, future },
            (Some(current), None) if current == target => Self::Completed,
            (Some(current), None) => Self::Cancelled { current },
        }
    }

    /// Will nothing more happen by itself?
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Cancelled { .. } | Self::Completed)
    }

    /// What is said of it.
    pub fn told(&self, replica: &Replica, target: &str) -> String {
        let (partition, broker) = (name(&replica.partition), replica.broker);
        match self {
            Self::Missing => format!(
                "Partition {partition} is not found in any live log dir on broker {broker}. There is likely an offline log directory \
                 on the broker."
            ),
            Self::Active { future, .. } if future == target => {
                format!("Reassignment of replica {replica} is still in progress.")
            }
            Self::Active { future, .. } => {
                format!(
                    "Partition {partition} on broker {broker} is being moved to log dir {future} instead of {target}."
                )
            }
            Self::Cancelled { current } => {
                format!(
                    "Partition {partition} on broker {broker} is not being moved from log dir {current} to {target}."
                )
            }
            Self::Completed => format!("Reassignment of replica {replica} completed successfully."),
        }
    }
}

/// The states of moves to these directories.
pub(super) async fn states(
    admin: &mut AdminClient,
    targets: &BTreeMap<Replica, String>,
) -> Result<BTreeMap<Replica, State>, Exception> {
    let mut brokers: BTreeMap<BrokerId, Vec<&Partition>> = BTreeMap::new();
    for replica in targets.keys() {
        brokers.entry(replica.broker).or_default().push(&replica.partition);
    }
    let mut states = BTreeMap::new();
    for (broker, partitions) in brokers {
        let found = admin.describe_replica_log_dirs(broker, &partitions).await.map_err(Exception::in_future)?;
        for (partition, dirs) in found {
            let replica = Replica { broker, partition };
            if let Some(target) = targets.get(&replica) {
                states.insert(replica.clone(), State::of(dirs, target));
            }
        }
    }
    Ok(states)
}

/// Begins moves. A replica that its broker does not have yet is tried again: it may be on its way there.
pub(super) async fn begin(
    admin: &mut AdminClient,
    mut pending: BTreeMap<Replica, String>,
    timeout: Duration,
    console: &Console,
) -> Result<(), Failure> {
    let deadline = Instant::now() + timeout;
    loop {
        let mut brokers: BTreeMap<BrokerId, BTreeMap<Partition, String>> = BTreeMap::new();
        for (replica, dir) in &pending {
            brokers.entry(replica.broker).or_default().insert(replica.partition.clone(), dir.clone());
        }
        for (broker, targets) in brokers {
            for (partition, result) in admin.alter_replica_log_dirs(broker, &targets).await {
                let replica = Replica { broker, partition };
                match result {
                    Ok(()) => {
                        let dir = pending.remove(&replica).unwrap_or_default();
                        console.say(format_args!(
                            "Successfully started moving log directory to {dir} for replica {} with broker {broker} ",
                            name(&replica.partition)
                        ));
                    }
                    Err(error) if error.code == Some(ErrorCode::ReplicaNotAvailable) => {}
                    Err(error) => {
                        let failed = command_failed(format!("Failed to alter dir for {replica}"));
                        return Err(failed.because(error.in_future()).into());
                    }
                }
            }
        }
        if pending.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let names: Vec<String> = pending.keys().map(ToString::to_string).collect();
            return Err(Failure::Terse(format!(
                "Timed out before log directory move{} could be started for: {}",
                plural(names.len()),
                names.join(",")
            )));
        }
        sleep(PAUSE).await;
    }
}
