//! Did the cluster notice what was done to it? Pure: by the history, for a run in which each fault lasts longer than a session.
//!
//! A fault of a broker is noticed when ZooKeeper has a partition with fewer replicas in sync before it is over; one of all brokers, after
//! which all may be in sync as before, when there is no controller for a while. Of slow and lossy links
//! the counters of the link tell, of disks those of the shim, of ZooKeeper servers that they do not answer: the driver looks at these itself.

use crate::history::{History, Sight, Teller, What};

/// Faults that need not show in the ISR.
const OTHERS: [&str; 14] = [
    "slow",
    "lossy",
    "disk-fail",
    "disk-full",
    "sync-fail",
    "disk-slow",
    "disk-old",
    "clock",
    "impostor",
    "zk-kill",
    "zk-pause",
    "zk-term",
    "zk-split",
    "zk-away",
];
/// Faults of all brokers at once.
const OF_ALL: [&str; 2] = ["kill-all", "power-all"];
/// What began to show in the last moment is written down after it.
const LATER_US: u64 = 1_500_000;

/// The faults that nobody noticed, and whom they hit.
pub fn unnoticed(history: &History, replicas: usize) -> Vec<String> {
    let when = |shows: &dyn Fn(&What) -> bool| -> Vec<u64> {
        history.events.iter().filter(|event| shows(&event.what)).map(|event| event.end).collect()
    };
    let (shrunk, without_controller) = (when(&|what| is_shrunk(what, replicas)), when(&is_without_controller));
    let faults = history.events.iter().filter_map(|event| match &event.what {
        What::Fault(fault) if !OTHERS.contains(&fault.name.as_str()) => Some((event, fault)),
        _ => None,
    });
    let unseen = faults.filter(|(event, fault)| {
        let also = without_controller.iter().filter(|_| OF_ALL.contains(&fault.name.as_str()));
        !shrunk.iter().chain(also).any(|at| (event.begin..=event.end + LATER_US).contains(at))
    });
    unseen.map(|(_, fault)| format!("{} of {} was not noticed: every ISR was full", fault.name, fault.whom)).collect()
}

fn is_shrunk(what: &What, replicas: usize) -> bool {
    let What::Saw(sight) = what else { return false };
    matches!(&**sight, Sight::Leader { isr, by: Teller::ZooKeeper, .. } if isr.len() < replicas)
}

fn is_without_controller(what: &What) -> bool {
    matches!(what, What::Saw(sight) if matches!(**sight, Sight::Controller { broker, .. } if broker < 0))
}
