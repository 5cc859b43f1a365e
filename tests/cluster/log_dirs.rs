//! Replicas that move between the log directories of a broker, driven by Kafka's own tool: under load, through a kill, begun by one kind of
//! broker and ended by the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::broker::Plan;
use crate::harness::partitions::{LIMIT, await_state, create, produce, topic_on};
use crate::harness::{Cluster, Kind, client, eventually, raw, target};

const TOPIC: &str = "moved";

/// A broker with two directories; the harness looks at the first.
fn plan(cluster: &Cluster, id: i32) -> (Plan, [PathBuf; 2]) {
    let mut plan = cluster.broker(id).with("log.segment.bytes", 65_536).with("log.segment.delete.delay.ms", 1000);
    let dirs = ["a", "b"].map(|name| cluster.dir.join(format!("logs{id}{name}")));
    plan.logs = dirs[0].clone();
    (plan.with("log.dirs", format!("{},{}", dirs[0].display(), dirs[1].display())), dirs)
}

/// Directories of a topic's partition, by their names.
fn names(dir: &Path, partition: i32) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a log directory").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(&format!("{TOPIC}-{partition}"))).collect()
}

fn log_bytes(dir: &Path) -> Vec<u8> {
    let mut files: Vec<_> = fs::read_dir(dir).expect("a partition").flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "log"));
    files.sort();
    files.iter().flat_map(|file| fs::read(file).expect("a segment")).collect()
}

/// Which of both directories a partition lies in, and whether it is on its way to the other.
fn place(dirs: &[PathBuf; 2], partition: i32) -> (Vec<usize>, Vec<usize>) {
    let all = dirs.each_ref().map(|dir| names(dir, partition));
    let with = |is: fn(&str) -> bool| (0..2).filter(|i| all[*i].iter().any(|name| is(name))).collect();
    (with(|name| !name.contains('.')), with(|name| name.ends_with("-future")))
}

fn await_place(dirs: &[PathBuf; 2], partition: i32, dir: usize) {
    eventually(&format!("partition {partition} in directory {dir} alone"), LIMIT, || {
        (place(dirs, partition) == (vec![dir], vec![])).then_some(())
    });
}

/// Runs Kafka's `kafka-reassign-partitions.sh`; each replica is to stay where it is but those on broker 0, which go to
/// `to`, by partition.
fn reassign(cluster: &Cluster, address: &str, replicas: &[&[i32]], to: &[&Path], more: &[&str]) -> String {
    let partition = |(index, replicas): (usize, &&[i32])| {
        let dirs = replicas.iter().map(|id| if *id == 0 { to[index].display().to_string() } else { "any".into() });
        let dirs: Vec<_> = dirs.collect();
        serde_json::json!({"topic": TOPIC, "partition": index, "replicas": replicas, "log_dirs": dirs})
    };
    let partitions: Vec<_> = replicas.iter().enumerate().map(partition).collect();
    let file = cluster.dir.join("moves.json");
    fs::write(&file, serde_json::json!({"version": 1, "partitions": partitions}).to_string()).expect("written");
    let args = ["--bootstrap-server", address, "--reassignment-json-file", file.to_str().expect("a name")];
    client::java("kafka-reassign-partitions.sh", &[&args, more].concat(), "").ok()
}

fn set_throttle(address: &str, bytes_per_second: i64) {
    let config = format!("replica.alter.log.dirs.io.max.bytes.per.second={bytes_per_second}");
    let args = ["--bootstrap-server", address, "--alter", "--broker", "0", "--add-config", &config];
    client::java("kafka-configs.sh", &args, "").ok();
}

/// Writes numbered records to a partition until told to stop, with acks=all; gives how many were acknowledged.
fn write(addresses: Vec<String>, partition: i32, stop: Arc<AtomicBool>) -> thread::JoinHandle<usize> {
    thread::spawn(move || {
        let mut written = 0;
        while !stop.load(Ordering::Relaxed) {
            let value = format!("value {written} {}", "v".repeat(2000));
            eventually("an acknowledged record", LIMIT, || {
                // A broker that is away refuses connections: its clients try the other one.
                let acknowledged = |address: &String| {
                    std::net::TcpStream::connect(address).is_ok()
                        && std::panic::catch_unwind(|| produce(address, TOPIC, partition, -1, raw::batch(&[&value])))
                            .is_ok_and(|code| code == 0)
                };
                addresses.iter().any(acknowledged).then_some(())
            });
            written += 1;
        }
        written
    })
}

fn check(address: &str, partition: i32, count: usize) {
    let mut values = client::kcat_values(address, TOPIC, partition);
    values.dedup(); // one that was sent again
    let expected: Vec<String> = (0..count).map(|i| format!("value {i} {}", "v".repeat(2000))).collect();
    assert!(values == expected, "partition {partition}: {} records of {count}", values.len());
}

/// Broker 0 leads partition 0 and follows in partition 1; both move, slowly, while both are written; then it is killed.
#[test]
fn replicas_move_under_load_and_through_a_kill() {
    let cluster = Cluster::new("log-dirs-load");
    let (plan, dirs) = plan(&cluster, 0);
    let other = cluster.broker(1).with("log.segment.bytes", 65_536).start();
    let broker = plan.start();
    let replicas: [&[i32]; 2] = [&[0, 1], &[1, 0]];
    create(&other, &topic_on(TOPIC, &replicas, &[]));
    let stop = Arc::new(AtomicBool::new(false));
    let addresses = || vec![broker.address(), other.address()];
    let writers = [write(addresses(), 0, stop.clone()), write(addresses(), 1, stop.clone())];
    eventually("some segments of both", LIMIT, || {
        let segments = |partition| {
            let lies = dirs.iter().find(|dir| dir.join(format!("{TOPIC}-{partition}")).exists())?;
            Some(log_bytes(&lies.join(format!("{TOPIC}-{partition}"))).len())
        };
        ((0..2).all(|partition| segments(partition) > Some(1_500_000))).then_some(())
    });
    let from: Vec<usize> = (0..2).map(|partition| place(&dirs, partition).0[0]).collect();
    let to = [0, 1].map(|partition| 1 - from[partition]);
    let paths = to.map(|dir| dirs[dir].as_path());
    let throttled = ["--execute", "--replica-alter-log-dirs-throttle", "40000"];
    let said = reassign(&cluster, &broker.address(), &replicas, &paths, &throttled);
    assert!(said.contains("Successfully started"), "{said}");
    eventually("copies that have something", LIMIT, || {
        let has_some = |partition: i32| {
            let dir = &dirs[to[usize::try_from(partition).expect("small")]];
            let name = names(dir, partition).into_iter().find(|name| name.ends_with("-future"))?;
            (!log_bytes(&dir.join(name)).is_empty()).then_some(())
        };
        (0..2).all(|partition| has_some(partition).is_some()).then_some(())
    });
    let verified = reassign(&cluster, &broker.address(), &replicas, &paths, &["--verify", "--preserve-throttles"]);
    assert!(verified.contains("still in progress"), "{verified}");

    let broker = broker.kill().start();
    for partition in 0..2 {
        let there = to[usize::try_from(partition).expect("small")];
        assert_eq!(place(&dirs, partition), (vec![1 - there], vec![there]), "partition {partition}: the copy is there");
    }
    set_throttle(&broker.address(), 1_000_000_000);
    (0..2).for_each(|partition| await_place(&dirs, partition, to[usize::try_from(partition).expect("small")]));
    let verified = reassign(&cluster, &broker.address(), &replicas, &paths, &["--verify"]);
    assert!(verified.contains("completed successfully"), "{verified}");
    stop.store(true, Ordering::Relaxed);
    let counts = writers.map(|writer| writer.join().expect("a writer"));
    for (partition, count) in [(0, counts[0]), (1, counts[1])] {
        await_state(&cluster.connect, TOPIC, partition, "both in sync", |s| s.isr.len() == 2 && s.leader >= 0);
        check(&broker.address(), partition, count);
    }
    let (plan, mut other) = (broker.stop(), other);
    for (partition, dir) in [(0, paths[0]), (1, paths[1])] {
        let name = format!("{TOPIC}-{partition}");
        assert!(log_bytes(&dir.join(&name)) == log_bytes(&other.partition_dir(TOPIC, partition)), "{name}");
    }
    // Apache Kafka finds nothing to complain about, and has it all.
    let mut apache = plan.kind(Kind::Apache).start();
    for partition in 0..2 {
        await_state(&cluster.connect, TOPIC, partition, "both in sync", |s| s.isr.len() == 2 && s.leader >= 0);
        check(&apache.address(), partition, counts[usize::try_from(partition).expect("small")]);
    }
    apache.assert_alive();
    other.assert_alive();
}

/// A move is what lies on the disk: whoever starts next goes on with it.
#[test]
fn a_move_that_one_began_the_other_ends() {
    let cluster = Cluster::new("log-dirs-in-turns");
    let (mut plan, dirs) = plan(&cluster, 0);
    let replicas: [&[i32]; 1] = [&[0]];
    let mut count = 0;
    for (round, kinds) in [[target(), Kind::Apache], [Kind::Apache, target()]].into_iter().enumerate() {
        let broker = plan.kind(kinds[0]).start();
        if round == 0 {
            create(&broker, &topic_on(TOPIC, &replicas, &[]));
        }
        for _ in 0..1000 {
            let value = format!("value {count} {}", "v".repeat(2000));
            eventually("a record taken", LIMIT, || {
                (produce(&broker.address(), TOPIC, 0, -1, raw::batch(&[&value])) == 0).then_some(())
            });
            count += 1;
        }
        let to = 1 - place(&dirs, 0).0[0];
        let throttled = ["--execute", "--replica-alter-log-dirs-throttle", "1000"];
        reassign(&cluster, &broker.address(), &replicas, &[&dirs[to]], &throttled);
        eventually("the copy has something", LIMIT, || {
            let name = names(&dirs[to], 0).into_iter().find(|name| name.ends_with("-future"))?;
            (!log_bytes(&dirs[to].join(name)).is_empty()).then_some(())
        });
        let stopped = broker.stop();
        assert_eq!(place(&dirs, 0), (vec![1 - to], vec![to]), "the move is under way");
        let broker = stopped.kind(kinds[1]).start();
        set_throttle(&broker.address(), 1_000_000_000);
        await_place(&dirs, 0, to);
        check(&broker.address(), 0, count);
        let before = log_bytes(&dirs[to].join(format!("{TOPIC}-0")));
        plan = broker.stop();
        assert!(log_bytes(&dirs[to].join(format!("{TOPIC}-0"))) == before);
    }
}
