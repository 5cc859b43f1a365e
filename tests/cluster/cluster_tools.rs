//! Tools for what happens in a cluster: replicas compared, transactions shown and aborted. Kafka's own beside ours.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use super::harness::client::{Ran, java, kcat, kcat_values};
use super::harness::partitions::{Brokers, addresses, await_led, create, fill, put, start, topic_on};
use super::harness::process::Process;
use super::harness::raw::{Connection, at, batch, topic_name, with_right_crc};
use super::harness::{Broker, Cluster, eventually, repository, script};
use super::recorded_tools::{assert_none, started, tool};
use super::tools::twins;

const LIMIT: Duration = Duration::from_secs(60);

fn golden(name: &str) -> String {
    let file = repository().join("tests/golden/tools").join(format!("{name}.out"));
    std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// A tool's lines without the times in front of them.
fn without_times(text: &str) -> Vec<String> {
    let is_stamped = |line: &&str| line.get(23..25) == Some(": ") && line.starts_with("20");
    text.lines().filter(is_stamped).map(|line| line[25..].to_owned()).collect()
}

fn await_line(process: &Process, wanted: &str) {
    eventually(&format!("the line {wanted:?}"), LIMIT, || {
        without_times(&process.output()).iter().any(|line| line == wanted).then_some(())
    });
}

#[test]
fn replicas_are_compared_up_to_what_all_have() {
    let cluster = Cluster::new("tools_replicas");
    let mut brokers: Brokers = start((0..3).map(|id| cluster.broker(id).with("auto.leader.rebalance.enable", false)));
    create(&brokers[&0], &topic_on("t", &[&[0, 1, 2]], &[]));
    create(&brokers[&0], &topic_on("other", &[&[0]], &[]));
    await_led(&cluster.connect, "t", 0, 0, &[0, 1, 2]);
    let leader = brokers[&0].address();
    (0..5).for_each(|i| put(&leader, "t", 0, &format!("record {i}")));

    let bootstrap = addresses(&brokers);
    let args = ["--broker-list", &bootstrap, "--topics-include", "t", "--time", "-2", "--report-interval-ms", "300"];
    let ours = started(&cluster.dir, "kafka-replica-verification.sh", &args);
    let mut command = Command::new(script("apache-kafka.sh"));
    command.args(["tool", "kafka-replica-verification.sh"]).args(args);
    let theirs = Process::start("java verification", command, cluster.dir.join("java-verification.log"));
    for process in [&theirs, &ours] {
        await_line(process, "verification process is started");
        await_line(process, "max lag is 0 for partition t-0 at offset 5 among 1 partitions");
    }
    put(&leader, "t", 0, "one more");
    for process in [&theirs, &ours] {
        await_line(process, "max lag is 0 for partition t-0 at offset 6 among 1 partitions");
    }
    // A broker that is away holds its partitions up; back, it is compared again.
    let plan = brokers.remove(&2).expect("running").kill();
    await_led(&cluster.connect, "t", 0, 0, &[0, 1]);
    put(&leader, "t", 0, "without broker 2");
    for process in [&theirs, &ours] {
        await_line(process, "max lag is 1 for partition t-0 at offset 6 among 1 partitions");
    }
    brokers.insert(2, plan.start());
    await_line(&ours, "max lag is 0 for partition t-0 at offset 7 among 1 partitions");
    for process in [&theirs, &ours] {
        let all = without_times(&process.output());
        let different = all.iter().find(|line| line.contains("unmatched") || line.contains("doesn't match"));
        assert_eq!(different, None);
    }
}

/// Produces a record of a transaction that no coordinator knows; gives its offset.
fn leave_open(address: &str, topic: &str, producer: i64) -> i64 {
    let mut record = batch(&["left open"]);
    record[at::ATTRIBUTES] |= 0x10;
    record[at::PRODUCER..at::PRODUCER + 8].copy_from_slice(&producer.to_be_bytes());
    record[at::PRODUCER + 8..at::PRODUCER + 14].fill(0); // epoch, first sequence
    let data = PartitionProduceData::default().with_index(0).with_records(Some(Bytes::from(with_right_crc(record))));
    let data = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_transactional_id(Some(TransactionalId(StrBytes::from_static_str("lost"))))
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![data]);
    let response = Connection::to(address).call(&request, 9);
    let partition = &response.responses[0].partition_responses[0];
    assert_eq!(partition.error_code, 0);
    partition.base_offset
}

/// The cells of a table, numbers made the same; how wide they are counts for the header alone.
fn cells(table: &str) -> (String, Vec<Vec<String>>) {
    let is_number = |cell: &str| !cell.is_empty() && cell.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let made_same = |cell: &str| if is_number(cell) { "N".to_owned() } else { cell.to_owned() };
    let row = |line: &str| line.split('\t').map(|cell| made_same(cell.trim_end())).collect();
    let header = table.lines().next().unwrap_or_default().to_owned();
    (header, table.lines().skip(1).map(row).collect())
}

#[test]
fn transactions_are_shown_as_recorded_and_what_hangs_is_found_and_aborted() {
    let cluster = Cluster::new("tools_transactions");
    let plan = cluster.broker(0).with("transaction.state.log.replication.factor", 1);
    let plan = plan.with("transaction.state.log.min.isr", 1).with("transaction.partition.verification.enable", false);
    let broker = plan.start();
    let address = broker.address();
    let ours = |words: &str| -> Ran {
        let words: Vec<&str> = words.split(' ').collect();
        tool(words[0], &[&["--bootstrap-server", &address], &words[1..]].concat(), "")
    };
    ours("kafka-topics.sh --create --topic autocreated --partitions 1").ok();
    kcat(&address, &["-P", "-t", "autocreated", "-p", "0", "-X", "enable.idempotence=true"], "idempotent\n").ok();
    let props = format!("bootstrap.servers={address}");
    let perf = "--topic autocreated --num-records 300 --record-size 50 --throughput -1 --transactional-id tx1 \
                --transaction-duration-ms 20 --producer-props";
    let mut args: Vec<&str> = perf.split_whitespace().collect();
    args.push(&props);
    let sent = tool("kafka-producer-perf-test.sh", &args, "").ok();
    assert!(sent.lines().any(|line| line.starts_with("300 records sent, ")), "{sent}");
    eventually("the transaction's end", LIMIT, || {
        ours("kafka-transactions.sh list").ok().contains("CompleteCommit").then_some(())
    });
    for (step, words) in [
        ("052-txn-list", "kafka-transactions.sh list"),
        ("053-txn-describe", "kafka-transactions.sh describe --transactional-id tx1"),
        ("055-txn-hanging", "kafka-transactions.sh find-hanging --broker-id 0"),
    ] {
        assert_eq!(cells(&ours(words).ok()), cells(&golden(step)), "{step}");
    }
    // The recording has one more producer.
    let (recorded, shown) = (
        cells(&golden("054-txn-producers")),
        cells(&ours("kafka-transactions.sh describe-producers --topic autocreated --partition 0").ok()),
    );
    assert_eq!((&shown.0, shown.1.as_slice()), (&recorded.0, &recorded.1[..2]));

    let (first, second) = (leave_open(&address, "autocreated", 70_001), leave_open(&address, "autocreated", 70_002));
    kcat(&address, &["-P", "-t", "autocreated", "-p", "0"], "behind\n").ok();
    let committed = || kcat(&address, &["-C", "-t", "autocreated", "-p", "0", "-o", "beginning", "-e", "-q"], "").ok();
    assert!(!committed().contains("behind"), "held back by the open transactions");
    let hanging = ours("kafka-transactions.sh find-hanging --broker-id 0 --max-transaction-timeout 0").ok();
    let producers: Vec<&str> = hanging.lines().skip(1).map(|row| row.split('\t').nth(2).unwrap().trim_end()).collect();
    assert_eq!(producers, ["70001", "70002"], "{hanging}");
    let shown = [
        "kafka-transactions.sh --bootstrap-server A list",
        "kafka-transactions.sh --bootstrap-server A list --duration-filter 0",
        "kafka-transactions.sh --bootstrap-server A describe --transactional-id nope",
        "kafka-transactions.sh --bootstrap-server A describe-producers --topic autocreated --partition 0",
        "kafka-transactions.sh --bootstrap-server A describe-producers --topic autocreated --partition 0 --broker-id 0",
        "kafka-transactions.sh --bootstrap-server A find-hanging --topic autocreated --max-transaction-timeout 0",
        "kafka-transactions.sh --bootstrap-server A find-hanging --topic autocreated --partition 0 --max-transaction-timeout 0",
    ];
    let to_it = [(" A", &*format!(" {address}"))];
    assert_none(twins(&shown, &to_it, &address));

    let abort = format!("kafka-transactions.sh abort --topic autocreated --partition 0 --start-offset {first}");
    assert_eq!(ours(&abort).ok(), "");
    let again = ours(&abort);
    let none = format!("Could not find any open transactions starting at offset {first} on partition autocreated-0\n");
    assert_eq!((again.out.as_str(), again.err, again.code), ("", none, 1));
    // The other one as brokers before 3.0 are told, and by Kafka's own tool.
    let second = second.to_string();
    let words = ["--bootstrap-server", &address, "abort", "--topic", "autocreated", "--partition", "0"];
    java("kafka-transactions.sh", &[&words[..], &["--start-offset", &second]].concat(), "").ok();
    assert_none(twins(&shown, &to_it, &address));
    let committed = committed();
    assert!(committed.contains("behind") && !committed.contains("left open"), "{committed}");
    assert!(kcat_values(&address, "autocreated", 0).len() >= 300);
    let open = leave_open(&address, "autocreated", 70_003);
    let by_id = "kafka-transactions.sh abort --topic autocreated --partition 0 --producer-id 70003 --producer-epoch 0 --coordinator-epoch -1";
    // As describe-producers shows it before the first marker.
    assert_eq!(ours(by_id).ok(), "");
    let shown = ours("kafka-transactions.sh describe-producers --topic autocreated --partition 0").ok();
    assert!(!shown.contains(&format!("\t{open}")), "{shown}");
}

/// A broker's two directories; the first is the one that holds partition 0 of `t`.
fn directories(broker: &Broker) -> [PathBuf; 2] {
    let both = [broker.plan.logs.clone(), second_dir(broker.plan.logs.as_path())];
    eventually("the replica's files", LIMIT, || {
        let here = both.iter().position(|dir| dir.join("t-0").exists())?;
        Some([both[here].clone(), both[1 - here].clone()])
    })
}

fn second_dir(first: &Path) -> PathBuf {
    let name = first.file_name().expect("a name").to_string_lossy();
    first.with_file_name(format!("{name}-second"))
}

#[test]
fn replicas_are_moved_between_directories_of_their_brokers() {
    let cluster = Cluster::new("tools_log_dirs");
    let brokers: Brokers = start((0..2).map(|id| {
        let plan = cluster.broker(id).with("auto.leader.rebalance.enable", false);
        let dirs = format!("{},{}", plan.logs.display(), second_dir(&plan.logs).display());
        plan.with("log.dirs", dirs)
    }));
    create(&brokers[&0], &topic_on("t", &[&[0]], &[]));
    fill(&brokers[&0], "t", 0, 4_000_000);
    let [from, to] = directories(&brokers[&0]);
    let bootstrap = addresses(&brokers);
    let file = cluster.dir.join("plan.json");
    let write = |broker: i32, dir: &Path| {
        let plan = serde_json::json!({"version": 1, "partitions": [
            {"topic": "t", "partition": 0, "replicas": [broker], "log_dirs": [dir]}
        ]});
        std::fs::write(&file, plan.to_string()).expect("written");
    };
    let reassign = |words: &[&str]| {
        let args = ["--bootstrap-server", &bootstrap, "--reassignment-json-file", file.to_str().unwrap()];
        tool("kafka-reassign-partitions.sh", &[&args, words].concat(), "")
    };
    let started = |dir: &Path, broker: i32| {
        format!(
            "Successfully started moving log directory to {} for replica t-0 with broker {broker} \n",
            dir.display()
        )
    };
    let begun = |broker: i32, throttle: &str, dir: &Path, to: i32| {
        format!(
            "Current partition replica assignment\n\n\
             {{\"version\":1,\"partitions\":[{{\"topic\":\"t\",\"partition\":0,\"replicas\":[{broker}],\"log_dirs\":[\"any\"]}}]}}\n\n\
             Save this to use as the --reassignment-json-file option during rollback\n{throttle}\
             Successfully started partition reassignment for t-0\n{}",
            started(dir, to)
        )
    };
    let cleared = "Clearing broker-level throttles on brokers 0,1\nClearing topic-level throttles on topic t\n";
    let status = "Status of partition reassignment:\nReassignment of partition t-0 is completed.\n";

    // Held back, so that it is seen under way; then called off.
    write(0, &to);
    let throttle = "Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is removed.\n\
                    The replica-alter-dir throttle limit was set to 20000 B/s\n";
    let ran = reassign(&["--execute", "--replica-alter-log-dirs-throttle", "20000"]);
    assert_eq!(ran.ok(), begun(0, throttle, &to, 0));
    let verify = format!(
        "kafka-reassign-partitions.sh --bootstrap-server {bootstrap} --reassignment-json-file {} --verify",
        file.display()
    );
    let under_way = format!("{status}Reassignment of replica t-0-0 is still in progress.\n");
    assert_eq!(reassign(&["--verify"]).ok(), under_way);
    assert_none(twins(&[&verify], &[], &bootstrap));
    let active = "None of the specified partition reassignments are active.\n";
    assert_eq!(reassign(&["--cancel"]).ok(), format!("{active}{}{cleared}", started(&from, 0)));
    let (from_name, to_name) = (from.display(), to.display());
    let cancelled = format!(
        "{status}Partition t-0 on broker 0 is not being moved from log dir {from_name} to {to_name}.\n{cleared}"
    );
    assert_eq!(reassign(&["--verify"]).ok(), cancelled);
    assert_none(twins(&[&verify], &[], &bootstrap));

    assert_eq!(reassign(&["--execute"]).ok(), begun(0, "", &to, 0));
    let done = format!("{status}Reassignment of replica t-0-0 completed successfully.\n{cleared}");
    eventually("the move's end", LIMIT, || (reassign(&["--verify"]).ok() == done).then_some(()));
    assert_none(twins(&[&verify], &[], &bootstrap));
    assert_eq!(directories(&brokers[&0]), [to.clone(), from]);

    // To another broker, into a directory of it: begun when the replica is there.
    let second = second_dir(&brokers[&1].plan.logs);
    write(1, &second);
    assert_eq!(reassign(&["--execute", "--timeout", "60000"]).ok(), begun(0, "", &second, 1));
    let done = format!("{status}Reassignment of replica t-0-1 completed successfully.\n{cleared}");
    eventually("the move's end", LIMIT, || (reassign(&["--verify"]).ok() == done).then_some(()));
    assert_eq!(directories(&brokers[&1])[0], second);

    // Where no broker would find it.
    write(1, Path::new("/nowhere"));
    let ran = reassign(&["--execute"]);
    let error = "Error: Failed to alter dir for t-0-1\n";
    assert!(ran.code == 1 && ran.out.contains(error) && ran.out.contains("LogDirNotFoundException"), "{ran:?}");
}
