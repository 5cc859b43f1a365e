//! What runs while a whole cluster is swapped: an idempotent producer with its latencies, a copy loop in transactions, a transaction
//! that stays open, a group that rests, a topic that is compacted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::world::World;
use crate::harness::partitions::LIMIT;
use crate::harness::process::Process;
use crate::harness::{client, eventually, tail};
use crate::recorded_tools::tool;

/// Partitions of the topic `load`, two led by each broker.
pub const PARTITIONS: i32 = 6;
/// Records a second.
const RATE: u32 = 300;

/// A running producer (`swap_load.py`).
pub struct Load {
    process: Process,
}

/// Where the last line that is written whole ends.
fn end_of_lines(text: &str) -> usize {
    text.rfind('\n').map_or(0, |end| end + 1)
}

/// What a producer saw between two moments.
#[derive(Clone, Copy, Default)]
pub struct Seen {
    /// Acknowledged.
    pub records: usize,
    /// Of a record, from its send to its acknowledgement.
    pub p50_ms: u64,
    /// The same.
    pub p99_ms: u64,
    /// Longest time without an acknowledgement of one partition.
    pub gap_ms: u64,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} | {} | {} | {}", self.records, self.p50_ms, self.p99_ms, self.gap_ms)
    }
}

impl Load {
    /// Starts it, and waits until it is acknowledged.
    pub fn start(world: &World) -> Self {
        let args = [&world.addresses(), "load", &PARTITIONS.to_string(), &RATE.to_string()];
        let command = client::python_command("swap_load.py", &args);
        let mut process = Process::start("producer", command, world.cluster.dir.join("load"));
        process.show_log = false;
        let load = Self { process };
        load.await_more(500);
        load
    }

    /// Now, as a place among what it wrote.
    pub fn mark(&self) -> usize {
        end_of_lines(&self.process.output())
    }

    /// Waits for so many more acknowledgements.
    pub fn await_more(&self, count: usize) {
        let now = || self.process.output().lines().filter(|line| line.starts_with("A ")).count();
        let before = now();
        eventually("load goes on", LIMIT, || (now() >= before + count).then_some(()));
    }

    /// What it saw from a place on.
    pub fn seen(&self, from: usize) -> Seen {
        let output = self.process.output();
        let (mut latencies, mut last, mut seen) = (Vec::new(), BTreeMap::new(), Seen::default());
        for line in output[from..end_of_lines(&output)].lines().filter(|line| line.starts_with("A ")) {
            let fields: Vec<u64> = line.split(' ').filter_map(|field| field.parse().ok()).collect();
            let [partition, .., latency, time] = fields[..] else { panic!("{line}") };
            latencies.push(latency);
            let before = last.insert(partition, time).unwrap_or(time);
            seen.gap_ms = seen.gap_ms.max(time - before);
        }
        latencies.sort_unstable();
        let at = |share: usize| latencies.get(latencies.len() * share / 100).copied().unwrap_or(0);
        Seen { records: latencies.len(), p50_ms: at(50), p99_ms: at(99), ..seen }
    }

    /// Ends it. Nothing failed; gives what was acknowledged, by partition, in the order of offsets.
    pub fn finish(mut self) -> BTreeMap<i32, Vec<String>> {
        self.process.signal(Signal::TERM);
        self.process.wait(Duration::from_secs(90));
        let output = self.process.output();
        let failed: Vec<&str> = output.lines().filter(|line| !line.starts_with("A ")).collect();
        assert!(failed.len() == 1 && failed[0].starts_with("END "), "{}", failed[..failed.len().min(20)].join("\n"));
        let mut known: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for line in output.lines().filter_map(|line| line.strip_prefix("A ")) {
            let fields: Vec<&str> = line.split(' ').collect();
            known.entry(fields[0].parse().expect("a partition")).or_default().push(fields[2].into());
        }
        let count: usize = known.values().map(Vec::len).sum();
        assert_eq!(failed[0], format!("END {count}"), "all are accounted for");
        known
    }
}

/// The loop that copies `source` to `target` exactly once, while more comes.
pub struct Copying {
    process: Process,
    fed: Vec<String>,
    restarts: usize,
}

/// More than is ever fed: it waits for more at the end.
const NEVER: &str = "1000000";
/// Longer than it is silent while a broker is away. librdkafka 2.16 can wait for ever for a coordinator that was, beside Apache Kafka
/// alone, too, and some of its calls fail with NOT_COORDINATOR. Whoever runs such a loop starts it again then, and it must stay exact. So that
/// no broker hides behind that, all that the loop can wait for is looked at first, and there are few restarts.
const HUNG: Duration = Duration::from_secs(25);
const MOST_RESTARTS: usize = 3;
const GROUP: &str = "copiers";
const TRANSACTIONAL_ID: &str = "copy";

impl Copying {
    /// Starts it.
    pub fn start(world: &World) -> Self {
        Self { process: Self::launch(world), fed: Vec::new(), restarts: 0 }
    }

    fn launch(world: &World) -> Process {
        let args = [&world.addresses(), "source", "target", GROUP, TRANSACTIONAL_ID, NEVER];
        let command = client::python_command("txn_copy.py", &args);
        let mut process = Process::start("copy loop", command, world.cluster.dir.join("copy"));
        process.show_log = false;
        process
    }

    /// Puts more records into the source.
    pub fn feed(&mut self, world: &World, count: usize) {
        let more: Vec<String> = (self.fed.len()..self.fed.len() + count).map(|i| format!("copied {i}")).collect();
        let input: String = more.iter().map(|value| format!("{value}\n")).collect();
        let args = ["-P", "-t", "source", "-p", "0", "-X", "enable.idempotence=true"];
        client::kcat(&world.addresses(), &args, &input).ok();
        self.fed.extend(more);
    }

    /// Its source can be read to the end, its transaction is not left on its way to an end, its group is at rest.
    fn assert_it_waits_for_no_broker(&self, world: &World) {
        let addresses = world.addresses();
        let ask = |name: &str, args: &[&str]| tool(name, &[&["--bootstrap-server", &addresses], args].concat(), "").out;
        eventually("the source can be read", LIMIT, || {
            (committed(world, "source").len() >= self.fed.len()).then_some(())
        });
        eventually("the loop's transaction is open or over", LIMIT, || {
            let listed = ask("kafka-transactions.sh", &["list"]);
            let own = listed.lines().find(|line| line.split_whitespace().next() == Some(TRANSACTIONAL_ID))?;
            (!own.split_whitespace().last()?.starts_with("Prepare")).then_some(())
        });
        eventually("the loop's group is at rest", LIMIT, || {
            let shown = ask("kafka-consumer-groups.sh", &["--describe", "--state", "--group", GROUP]);
            ["Stable", "Empty"].iter().any(|state| shown.contains(state)).then_some(())
        });
    }

    /// Waits until everything is copied, and checks that each record was, once and in order.
    pub fn check(&mut self, world: &World) {
        let done = format!("copied {}", self.fed.len());
        let mut said = (0, Instant::now());
        eventually("the copy of everything", 2 * LIMIT, || {
            let output = self.process.output();
            if output.len() != said.0 {
                said = (output.len(), Instant::now());
            }
            if self.process.poll().is_some() || said.1.elapsed() > HUNG {
                eprintln!("the copy loop is started again; the last it said: {}", tail(&output, 3));
                self.restarts += 1;
                assert!(self.restarts <= MOST_RESTARTS, "the copy loop has to be started again and again");
                self.assert_it_waits_for_no_broker(world);
                self.process.kill();
                self.process = Self::launch(world);
                said.1 = Instant::now();
            }
            output.lines().any(|line| line == done).then_some(())
        });
        // A commit is answered before its marker is in the target.
        eventually("all copies to be committed", LIMIT, || {
            let mut copied = committed(world, "target");
            copied.retain(|value| value.starts_with("copied "));
            assert!(self.fed.starts_with(&copied), "{} copied of {}", copied.len(), self.fed.len());
            (copied.len() == self.fed.len()).then_some(())
        });
    }
}

/// What readers of committed data see of partition 0.
pub fn committed(world: &World, topic: &str) -> Vec<String> {
    let args = ["-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-X", "isolation.level=read_committed"];
    client::kcat(&world.addresses(), &args, "").ok().lines().map(String::from).collect()
}

/// A transaction that is open while a broker is swapped.
pub struct Held {
    process: Process,
    go_on: PathBuf,
    id: String,
}

impl Held {
    /// Begins it, with ten records in `target`.
    pub fn open(world: &World, id: &str) -> Self {
        let go_on = world.cluster.dir.join(format!("{id}-go-on"));
        let args = [&world.addresses(), "target", id, &go_on.display().to_string()];
        let command = client::python_command("txn_held.py", &args);
        let process = Process::start("open transaction", command, world.cluster.dir.join(id));
        let mut held = Self { process, go_on, id: id.into() };
        held.says("open");
        held
    }

    fn says(&mut self, word: &str) {
        eventually(word, LIMIT, || {
            let output = self.process.output();
            let said = output.lines().any(|line| line == word);
            assert!(said || self.process.poll().is_none(), "it ended:\n{}", tail(&output, 30));
            said.then_some(())
        });
    }

    /// Ten more records, and the commit; all twenty are there, once.
    pub fn commit(mut self, world: &World) {
        fs::write(&self.go_on, "").expect("written");
        self.says("committed");
        let mut expected = Vec::new();
        for what in ["before", "after"] {
            expected.extend((0..10).map(|i| format!("{} {what} {i}", self.id)));
        }
        // Another transaction may be open in front of the last of them for a moment.
        eventually("all of the transaction", LIMIT, || {
            let mut read = committed(world, "target");
            read.retain(|value| value.starts_with(&self.id));
            assert!(expected.starts_with(&read), "{read:?}");
            (read.len() == expected.len()).then_some(())
        });
    }
}

/// Commits an offset for a group that has no members.
pub fn commit_offset(world: &World, offset: i64) {
    let said = client::python("committed.py", &[&world.addresses(), "resting", "source", &offset.to_string()]).ok();
    assert_eq!(said.trim(), offset.to_string());
}

/// The offset of that group.
pub fn committed_offset(world: &World) -> i64 {
    client::python("committed.py", &[&world.addresses(), "resting", "source"]).ok().trim().parse().expect("an offset")
}

/// A topic of keys, whose last values count.
#[derive(Default)]
pub struct Keyed {
    last: BTreeMap<String, String>,
    written: usize,
}

const KEYS: usize = 10;

impl Keyed {
    /// Settings of the topic: compacted soon, in small segments.
    pub const CONFIGS: [(&str, &str); 5] = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "8192"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("delete.retention.ms", "100"),
        ("min.insync.replicas", "2"),
    ];

    /// Writes new values of all keys, more than a segment.
    pub fn write(&mut self, world: &World) {
        let mut input = String::new();
        for i in 0..150 {
            let (key, value) = (format!("key-{}", i % KEYS), format!("{} {}", self.written, "v".repeat(100)));
            input.push_str(&format!("{key}:{value}\n"));
            self.last.insert(key, value);
            self.written += 1;
        }
        let args =
            ["-P", "-t", "keyed", "-p", "0", "-K", ":", "-X", "enable.idempotence=true", "-X", "batch.num.messages=10"];
        client::kcat(&world.addresses(), &args, &input).ok();
    }

    /// The last value of each key is there, and most of what was before has gone.
    pub fn check(&self, world: &World) {
        eventually("compaction", LIMIT, || {
            let args = ["-C", "-t", "keyed", "-p", "0", "-o", "beginning", "-e", "-q", "-f", "%k:%s\n"];
            let text = client::kcat(&world.addresses(), &args, "").ok();
            let read: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(':')).collect();
            let last: BTreeMap<String, String> = read.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
            assert_eq!(last, self.last, "the last value of each key");
            (read.len() < self.written / 2).then_some(())
        });
    }
}

/// What readers see of the load is what was acknowledged: each record once, in the order of its partition.
pub fn check_load(world: &World, acknowledged: &BTreeMap<i32, Vec<String>>) -> usize {
    let read = world.read("load");
    for (partition, known) in acknowledged {
        let read: Vec<&str> = read[partition].iter().filter_map(|value| value.split(' ').next()).collect();
        let distinct: BTreeSet<&&str> = read.iter().collect();
        assert_eq!(read.len() - distinct.len(), 0, "duplicates in partition {partition}");
        assert!(read == *known, "partition {partition}: {} acknowledged, {} read", known.len(), read.len());
    }
    world.await_full("load");
    world.assert_equal_replicas("load");
    read.values().map(Vec::len).sum()
}
