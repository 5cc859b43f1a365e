//! What controllers wrote, by ZooKeeper's own transaction log: every write of a controller had the check of its epoch in the same multi,
//! and came from who was elected last.

use std::collections::BTreeMap;
use std::path::Path;

use crate::harness::txn_log::{self, Op, Txn};

/// What the log tells of the controllers of one cluster.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Writes that only a controller does.
    pub writes: usize,
    /// Elections won.
    pub elections: usize,
    /// Leaders that took the place of another.
    pub leader_changes: usize,
    /// What should not be.
    pub faults: Vec<String>,
}

/// Is this operation one that Kafka has the controller alone do, behind its epoch?
fn is_controllers(path: &str, op: &Op) -> bool {
    let under = |parent: &str| path.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'));
    match op {
        Op::Check { .. } | Op::Other => false,
        // Topics are made, grown and marked for deletion by whoever is asked to.
        Op::Create { .. } => under("/brokers/topics") && path.contains("/partitions"),
        Op::Set { .. } => under("/brokers/topics") && path.contains("/partitions/"),
        Op::Delete { .. } => {
            let notices = ["/isr_change_notification", "/log_dir_event_notification", "/admin/delete_topics"];
            notices.iter().any(|parent| under(parent))
                || under("/brokers/topics")
                || path == "/admin/reassign_partitions"
                || path == "/admin/preferred_replica_election"
        }
    }
}

/// Goes through a log. `chroot` is the cluster's.
pub fn judge(txns: &[Txn], chroot: &str) -> Told {
    let mut told = Told::default();
    let mut elected: Option<i64> = None;
    let mut leaders: BTreeMap<String, i64> = BTreeMap::new();
    for Txn { session, zxid, ops, .. } in txns {
        let inside = |path: &str| path.strip_prefix(chroot).filter(|rest| rest.starts_with('/')).map(String::from);
        let mut fenced = false;
        for op in ops {
            let (Op::Create { path, .. } | Op::Delete { path } | Op::Set { path, .. } | Op::Check { path, .. }) = op
            else {
                continue;
            };
            let Some(path) = inside(path) else { continue };
            match (path.as_str(), op) {
                ("/controller_epoch", Op::Check { .. }) => fenced = true,
                ("/controller_epoch", Op::Set { .. }) => {
                    told.elections += 1;
                    elected = Some(*session);
                }
                _ => {}
            }
            if !is_controllers(&path, op) {
                continue;
            }
            told.writes += 1;
            if !fenced {
                told.faults.push(format!("{zxid:#x}: {path} was written without the check of the epoch: {ops:?}"));
            }
            if elected != Some(*session) {
                told.faults.push(format!("{zxid:#x}: {path} was written by {session:#x}, elected was {elected:x?}"));
            }
            if let (true, Op::Create { data, .. } | Op::Set { data, .. }) = (path.ends_with("/state"), op)
                && let Ok(state) = serde_json::from_slice::<serde_json::Value>(data)
                && let Some(leader) = state["leader"].as_i64().filter(|leader| *leader >= 0)
                && leaders.insert(path, leader).is_some_and(|before| before != leader)
            {
                told.leader_changes += 1;
            }
        }
    }
    told
}

/// [`judge`] of a server's data directory, without any fault.
pub fn assert_fenced(dir: &Path, chroot: &str) -> Told {
    let told = judge(&txn_log::read(dir), chroot);
    assert!(told.faults.is_empty(), "{} faults:\n{}", told.faults.len(), told.faults.join("\n"));
    told
}

#[test]
fn write_without_the_check_or_by_a_deposed_controller_is_found() {
    let path = |rest: &str| format!("/c{rest}");
    let check = || Op::Check { path: path("/controller_epoch"), version: 1 };
    let elect = || Op::Set { path: path("/controller_epoch"), data: b"2".to_vec(), version: 1 };
    let state = |leader: i32| Op::Set {
        path: path("/brokers/topics/t/partitions/0/state"),
        data: format!(r#"{{"leader":{leader}}}"#).into_bytes(),
        version: 1,
    };
    let txn = |session, ops| Txn { session, zxid: 1, ops, closes_session: false };
    let good = [
        txn(1, vec![elect()]),
        txn(1, vec![check(), state(0), state(1)]),
        txn(2, vec![elect()]),
        txn(2, vec![check(), state(1)]),
        txn(9, vec![Op::Create { path: path("/brokers/topics/new"), data: Vec::new(), ephemeral: false }]),
        txn(
            9,
            vec![Op::Set { path: "/other/brokers/topics/t/partitions/0/state".into(), data: Vec::new(), version: 2 }],
        ),
    ];
    let told = judge(&good, "/c");
    assert_eq!(told, Told { writes: 3, elections: 2, leader_changes: 1, faults: Vec::new() });
    let bare = judge(&[txn(1, vec![elect()]), txn(1, vec![state(0)])], "/c");
    assert_eq!(bare.faults.len(), 1, "{bare:?}");
    let late = judge(&[txn(1, vec![elect()]), txn(2, vec![elect()]), txn(1, vec![check(), state(0)])], "/c");
    assert_eq!(late.faults.len(), 1, "{late:?}");
}
