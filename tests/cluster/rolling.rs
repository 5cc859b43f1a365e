//! A rolling restart under load: idempotent producers with a delivery timeout of five seconds see no error.

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::partitions::{addresses, await_state, create, start, topic_on};
use crate::harness::process::Process;
use crate::harness::{Cluster, client, eventually, tail, target};

const TOPIC: &str = "topic";
const PARTITIONS: i32 = 6;
const DELIVERY_TIMEOUT_MS: &str = "5000";

#[test]
fn rolling_restart_under_idempotent_load_fails_no_record() {
    let cluster = Cluster::new("rolling");
    let mut brokers = start((0..3).map(|id| cluster.broker(id)));
    let replicas: Vec<[i32; 3]> = (0..PARTITIONS).map(|p| [p % 3, (p + 1) % 3, (p + 2) % 3]).collect();
    let replicas: Vec<&[i32]> = replicas.iter().map(|r| &r[..]).collect();
    create(&brokers[&0], &topic_on(TOPIC, &replicas, &[("min.insync.replicas", "2")]));
    let in_sync = || {
        for partition in 0..PARTITIONS {
            await_state(&cluster.connect, TOPIC, partition, "full sync", |s| s.leader >= 0 && s.isr == [0, 1, 2]);
        }
    };
    in_sync();
    let partitions = PARTITIONS.to_string();
    let args = [&addresses(&brokers), TOPIC, &partitions, "i", "600", "idempotent", DELIVERY_TIMEOUT_MS];
    let command = client::python_command("history_producer.py", &args);
    let mut load = Process::start("producer", command, cluster.dir.join("notes"));
    load.show_log = false;
    let acknowledged = |load: &Process| load.output().lines().filter(|line| line.starts_with("A ")).count();
    eventually("load", Duration::from_secs(30), || (acknowledged(&load) > 500).then_some(()));
    for id in 0..3 {
        let before = acknowledged(&load);
        let plan = brokers.remove(&id).expect("running").stop();
        brokers.insert(id, plan.start());
        in_sync();
        eventually("load goes on", Duration::from_secs(30), || (acknowledged(&load) > before + 500).then_some(()));
    }
    load.signal(Signal::TERM);
    load.wait(Duration::from_secs(60));
    let notes = load.output();
    let failed: Vec<_> = notes.lines().filter(|line| line.starts_with("F ") || line.starts_with("E ")).collect();
    let gaps = notes.lines().filter_map(|line| line.strip_prefix("G ")?.split_once(' ')?.1.parse::<u64>().ok());
    let longest = gaps.max().unwrap_or_else(|| panic!("no gap was noted: {}", tail(&notes, 5)));
    eprintln!(
        "rolling restart of {:?}: {} records acknowledged, {} failed, longest gap between acknowledgements of a partition {longest} ms",
        target(),
        acknowledged(&load),
        failed.len()
    );
    assert!(failed.is_empty(), "{}", failed[..failed.len().min(20)].join("\n"));
}
