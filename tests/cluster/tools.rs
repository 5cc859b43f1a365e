//! The command line tools on a broker: what they change and show, Kafka's own tools beside ours, and how scripts are called.
//!
//! Two clients that see the same broker print the same: the twins below are run by both. `recorded_tools.rs` has the recorded commands.

use std::fs;
use std::path::Path;

use super::harness::client::{command, java, kcat};
use super::harness::{Broker, Cluster, script};
use super::recorded_tools::{assert_none, difference, normal, tool as with_input, words};

fn tool(name: &str, args: &[&str]) -> super::harness::client::Ran {
    with_input(name, args, "")
}

/// Five records, each with a time of its own, so that one has the largest.
fn fill_plain(broker: &Broker) {
    for (partition, count) in [("0", 1), ("1", 1), ("2", 5)] {
        for i in 0..count {
            kcat(&broker.address(), &["-P", "-t", "plain", "-p", partition, "-X", "acks=all"], &format!("r{i}\n")).ok();
        }
    }
}

#[test]
fn records_are_deleted_and_directories_shown() {
    let cluster = Cluster::new("tools_records");
    let broker = cluster.broker(0).start();
    let address = broker.address();
    tool("kafka-topics.sh", &["--bootstrap-server", &address, "--create", "--topic", "plain", "--partitions", "3"])
        .ok();
    fill_plain(&broker);
    let file = cluster.dir.join("offsets.json");
    let json = r#"{"partitions":[{"topic":"plain","partition":2,"offset":3},{"topic":"plain","partition":0,"offset":-1},
        {"topic":"plain","partition":1,"offset":9}],"version":1}"#;
    fs::write(&file, json).unwrap();
    let deleted = tool(
        "kafka-delete-records.sh",
        &["--bootstrap-server", &address, "--offset-json-file", file.to_str().unwrap()],
    )
    .ok();
    assert_eq!(
        deleted,
        "Executing records delete operation\nRecords delete operation completed:\npartition: plain-0\tlow_watermark: 1\n\
         partition: plain-1\terror: org.apache.kafka.common.errors.OffsetOutOfRangeException: The requested offset is not within the \
         range of offsets maintained by the server.\npartition: plain-2\tlow_watermark: 3\n"
    );
    let offsets =
        tool("kafka-get-offsets.sh", &["--bootstrap-server", &address, "--topic", "plain", "--time", "-2"]).ok();
    assert_eq!(offsets, "plain:0:1\nplain:1:0\nplain:2:3\n");

    let dirs = tool("kafka-log-dirs.sh", &["--bootstrap-server", &address, "--describe", "--topic-list", "plain"]).ok();
    let size = |p: i32| fs::metadata(broker.partition_dir("plain", p).join(format!("{:020}.log", 0))).unwrap().len();
    let partition =
        |p: i32| format!(r#"{{"partition":"plain-{p}","size":{},"offsetLag":0,"isFuture":false}}"#, size(p));
    let logs = broker.plan.logs.display();
    let expected = format!(
        "Querying brokers for log directories information\nReceived log directory information from brokers 0\n\
         {{\"brokers\":[{{\"broker\":0,\"logDirs\":[{{\"partitions\":[{},{},{}],\"error\":null,\"logDir\":\"{logs}\"}}]}}],\"version\":1}}\n",
        partition(0),
        partition(1),
        partition(2)
    );
    assert_eq!(dirs, expected);
}

/// Commands that change nothing, or change it to the same; `A` stands for the broker's address.
const TWINS: &[&str] = &[
    "kafka-broker-api-versions.sh --bootstrap-server A",
    "kafka-configs.sh --bootstrap-server A --describe --entity-type brokers --entity-name 0 --all",
    "kafka-configs.sh --bootstrap-server A --describe --entity-type topics",
    "kafka-configs.sh --bootstrap-server A --describe --entity-type brokers",
    "kafka-configs.sh --bootstrap-server A --describe --topic nothere",
    "kafka-configs.sh --bootstrap-server A --alter --topic plain --delete-config nope",
    "kafka-configs.sh --bootstrap-server A --alter --topic plain --add-config a=b=c",
    "kafka-configs.sh --bootstrap-server A --alter --user bob --add-config nope=1,foo=2",
    "kafka-configs.sh --bootstrap-server A --alter --user bob --add-config SCRAM-SHA-256=[iterations=1,password=x]",
    "kafka-configs.sh --bootstrap-server A --alter --client c --add-config producer_byte_rate=x",
    "kafka-configs.sh --bootstrap-server A --alter --broker x --add-config num.io.threads=9",
    "kafka-configs.sh --bootstrap-server A --describe --entity-type nope",
    "kafka-configs.sh --bootstrap-server A --alter --user u --add-config producer_byte_rate=-1",
    "kafka-configs.sh --bootstrap-server A --alter --broker-logger 0 --add-config kafka.nope=DEBUG",
    "kafka-configs.sh --bootstrap-server A --alter --broker-logger 0 --add-config kafka=LOUD",
    "kafka-configs.sh --bootstrap-server A --alter --broker-logger 0 --delete-config root",
    "kafka-configs.sh --bootstrap-server A --describe --entity-type broker-loggers --entity-name 0",
    "kafka-configs.sh --bootstrap-server A --describe --topic plain --topic x",
    "kafka-configs.sh --describe --topic plain",
    "kafka-topics.sh --bootstrap-server A --list --exclude-internal",
    "kafka-topics.sh --bootstrap-server A --describe --topic pl.*",
    "kafka-topics.sh --bootstrap-server A --describe --topics-with-overrides",
    "kafka-topics.sh --bootstrap-server A --describe --at-min-isr-partitions",
    "kafka-topics.sh --bootstrap-server A --describe --topic nothere --if-exists",
    "kafka-topics.sh --bootstrap-server A --create --topic x --replica-assignment 0:0",
    "kafka-topics.sh --bootstrap-server A --create --topic x --partitions y",
    "kafka-topics.sh --bootstrap-server A --describe --topic-id bad",
    "kafka-topics.sh --bootstrap-server A --alter --topic plain --partitions 9 --config a=b",
    "kafka-topics.sh --bootstrap-server A --delete --topic plain --delete-config a",
    "kafka-topics.sh --bootstrap-server A --create --topic plain --topic x",
    "kafka-topics.sh --bootstrap-server A --list --topic a(",
    "kafka-topics.sh --bootstrap-server nowhere --list",
    "kafka-topics.sh --list",
    "kafka-topics.sh --nope",
    "kafka-topics.sh --list --partitions 1 --bootstrap-server A",
    "kafka-get-offsets.sh --bootstrap-server A --topic-partitions pl.*:1-3,:0",
    "kafka-get-offsets.sh --bootstrap-server A --topic nothere",
    "kafka-get-offsets.sh --bootstrap-server A --time soon",
    "kafka-get-offsets.sh --topic x",
    "kafka-get-offsets.sh --bootstrap-server A --topic-partitions a:b",
    "kafka-delete-records.sh --bootstrap-server A --offset-json-file /no/such/file",
    "kafka-dump-log.sh --nope",
    "kafka-dump-log.sh --print-data-log",
    "kafka-reassign-partitions.sh --nope",
    "kafka-reassign-partitions.sh --list",
    "kafka-reassign-partitions.sh --bootstrap-server A --list",
    "kafka-reassign-partitions.sh --bootstrap-server A --list --execute",
    "kafka-reassign-partitions.sh --bootstrap-server A --generate --broker-list 0",
    "kafka-reassign-partitions.sh --bootstrap-server A --verify --reassignment-json-file x --throttle 5",
    "kafka-reassign-partitions.sh --bootstrap-server A --execute --reassignment-json-file /no/such/file",
    "kafka-reassign-partitions.sh --bootstrap-server A --execute --reassignment-json-file D/now.json --throttle x",
    "kafka-reassign-partitions.sh --bootstrap-server A --execute --reassignment-json-file D/now.json --throttle 5000",
    "kafka-reassign-partitions.sh --bootstrap-server A --verify --reassignment-json-file D/now.json --preserve-throttles",
    "kafka-reassign-partitions.sh --bootstrap-server A --verify --reassignment-json-file D/now.json",
    "kafka-reassign-partitions.sh --bootstrap-server A --cancel --reassignment-json-file D/now.json",
    "kafka-reassign-partitions.sh --bootstrap-server A --verify --reassignment-json-file D/unknown.json --preserve-throttles",
    "kafka-reassign-partitions.sh --bootstrap-server A --execute --reassignment-json-file D/unknown.json",
    "kafka-reassign-partitions.sh --bootstrap-server A --execute --reassignment-json-file D/broker.json",
    "kafka-reassign-partitions.sh --bootstrap-server A --execute --reassignment-json-file D/partition.json",
    "kafka-reassign-partitions.sh --bootstrap-server A --execute --reassignment-json-file D/twice.json",
    "kafka-reassign-partitions.sh --bootstrap-server A --execute --reassignment-json-file D/dirs.json",
    "kafka-reassign-partitions.sh --bootstrap-server A --execute --reassignment-json-file D/version.json",
    "kafka-reassign-partitions.sh --bootstrap-server A --generate --broker-list 0,7 --topics-to-move-json-file D/topics.json",
    "kafka-reassign-partitions.sh --bootstrap-server A --generate --broker-list 7 --topics-to-move-json-file D/topics.json",
    "kafka-reassign-partitions.sh --bootstrap-server A --generate --broker-list 0,0 --topics-to-move-json-file D/topics.json",
    "kafka-reassign-partitions.sh --bootstrap-server A --generate --broker-list 0,x --topics-to-move-json-file D/topics.json",
    "kafka-reassign-partitions.sh --bootstrap-server A --generate --broker-list 0 --topics-to-move-json-file D/now.json",
    "kafka-replica-verification.sh --broker-list x",
    "kafka-replica-verification.sh --nope",
    "kafka-replica-verification.sh --time 1",
    "kafka-replica-verification.sh --broker-list A --topics-include a --topic-white-list b",
    "kafka-replica-verification.sh --broker-list A --topics-include nothere",
    "kafka-replica-verification.sh --broker-list A --topics-include a(",
    "kafka-replica-verification.sh --broker-list A --fetch-size x",
    "kafka-transactions.sh --version",
    "kafka-transactions.sh list",
    "kafka-transactions.sh describe",
    "kafka-transactions.sh --bootstrap-server A nope",
    "kafka-transactions.sh --bootstrap-server A list",
    "kafka-transactions.sh --bootstrap-server A list --duration-filter 5",
    "kafka-transactions.sh --bootstrap-server A list extra",
    "kafka-get-offsets.sh --bootstrap-server x",
    "kafka-transactions.sh --bootstrap-server A describe-producers --topic plain --partition x",
    "kafka-transactions.sh --bootstrap-server A describe-producers --topic plain --partition 0",
    "kafka-transactions.sh --bootstrap-server A abort --topic plain",
    "kafka-transactions.sh --bootstrap-server A abort --topic plain --partition 0",
    "kafka-transactions.sh --bootstrap-server A abort --topic plain --partition 0 --start-offset 5",
    "kafka-transactions.sh --bootstrap-server A abort --topic plain --partition 0 --producer-id 5",
    "kafka-transactions.sh --bootstrap-server A abort --topic plain --partition 0 --producer-id 5 --producer-epoch 1",
    "kafka-transactions.sh --bootstrap-server A find-hanging",
    "kafka-transactions.sh --bootstrap-server A find-hanging --partition 0 --broker-id 0",
    "kafka-transactions.sh --bootstrap-server A find-hanging --broker-id 0",
    "kafka-transactions.sh --bootstrap-server A find-hanging --topic plain",
    "kafka-transactions.sh --bootstrap-server A find-hanging --topic nothere",
    "kafka-log-dirs.sh --bootstrap-server A --describe --broker-list 7,8",
    "kafka-log-dirs.sh --describe",
    "kafka-cluster.sh unregister --bootstrap-server A --id 3",
    "kafka-cluster.sh nope",
    "kafka-features.sh --bootstrap-server A upgrade --feature foo=1",
    "kafka-features.sh describe",
    "kafka-console-producer.sh --bootstrap-server nowhere --topic t",
    "kafka-console-producer.sh --bootstrap-server A --topic t --compression-codec bad",
    "kafka-console-producer.sh --bootstrap-server A --topic t --producer-property linger.ms=x",
    "kafka-console-producer.sh --bootstrap-server A --topic t --property null.marker=,",
    "kafka-console-consumer.sh --bootstrap-server nowhere --topic plain",
    "kafka-console-consumer.sh --bootstrap-server A --topic plain --isolation-level bad",
    "kafka-console-consumer.sh --bootstrap-server A --topic plain --max-messages x",
    "kafka-console-consumer.sh --bootstrap-server A --topic plain --from-beginning --consumer-property auto.offset.reset=latest",
    "kafka-console-consumer.sh --bootstrap-server A --topic plain --partition 0 --offset earliest --timeout-ms 800",
    "kafka-producer-perf-test.sh --topic plain --num-records 1 --throughput -1 --record-size 1 --producer-props a",
    "kafka-verifiable-producer.sh --topic plain --bootstrap-server nowhere",
    "kafka-verifiable-consumer.sh --topic plain --bootstrap-server A --group-id g --reset-policy bad",
    "kafka-consumer-groups.sh --bootstrap-server A --list --type classic,consumer --state",
    "kafka-consumer-groups.sh --bootstrap-server A --list --state nope",
    "kafka-consumer-groups.sh --bootstrap-server A --describe --group nope --members",
    "kafka-consumer-groups.sh --bootstrap-server A --describe --group nope --state",
    "kafka-consumer-groups.sh --bootstrap-server A --delete --group nope",
    "kafka-consumer-groups.sh --bootstrap-server A --group nope --topic plain --reset-offsets --shift-by 1 --dry-run",
    "kafka-consumer-groups.sh --bootstrap-server A --group g --reset-offsets --to-earliest --to-latest --topic t",
    "kafka-consumer-groups.sh --bootstrap-server A --group nope --topic nothere --reset-offsets --to-latest --dry-run",
    "kafka-consumer-groups.sh --bootstrap-server A --group nope --topic plain --reset-offsets --to-datetime x --dry-run",
    "kafka-consumer-groups.sh --bootstrap-server A --group nope --topic plain --reset-offsets --by-duration x --dry-run",
    "kafka-consumer-groups.sh --bootstrap-server A --members",
];

/// Files that the commands above name.
const FILES: &[(&str, &str)] = &[
    (
        "now.json",
        r#"{"version":1,"partitions":[{"topic":"plain","partition":0,"replicas":[0]},{"topic":"plain","partition":1,"replicas":[0]}]}"#,
    ),
    ("unknown.json", r#"{"partitions":[{"topic":"nothere","partition":0,"replicas":[0]}]}"#),
    ("broker.json", r#"{"partitions":[{"topic":"plain","partition":0,"replicas":[0,7]}]}"#),
    (
        "partition.json",
        r#"{"partitions":[{"topic":"plain","partition":8,"replicas":[0]},{"topic":"plain","partition":9,"replicas":[0]}]}"#,
    ),
    ("twice.json", r#"{"partitions":[{"topic":"plain","partition":0,"replicas":[0,0]}]}"#),
    ("dirs.json", r#"{"partitions":[{"topic":"plain","partition":0,"replicas":[0],"log_dirs":["any","/a"]}]}"#),
    ("version.json", r#"{"version":2,"partitions":[]}"#),
    ("topics.json", r#"{"topics":[{"topic":"plain"}]}"#),
];

/// Whatever broker is under test: two clients that see the same print the same.
#[test]
fn java_tools_print_the_same_on_the_same_broker() {
    let cluster = Cluster::new("tools_twins");
    let broker = cluster.broker(0).with("broker.rack", "r0").with_flag("--accept-unenforced").start();
    let address = broker.address();
    let create = [
        "--bootstrap-server",
        &address,
        "--create",
        "--topic",
        "plain",
        "--partitions",
        "3",
        "--config",
        "retention.ms=7",
    ];
    tool("kafka-topics.sh", &create).ok();
    for (name, text) in FILES {
        fs::write(cluster.dir.join(name), text).unwrap();
    }
    let dir = cluster.dir.display().to_string();
    assert_none(twins(TWINS, &[(" A", &format!(" {address}")), (" D/", &format!(" {dir}/"))], &address));
}

/// Runs commands with our tool and with Kafka's, some of their words exchanged: all that differs.
pub fn twins(lines: &[&str], exchanged: &[(&str, &str)], address: &str) -> Vec<String> {
    let mut differences = Vec::new();
    for line in lines {
        let line = exchanged.iter().fold((*line).to_owned(), |line, (from, to)| line.replace(from, to));
        let words = words(&line);
        let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let (ours, theirs) = (tool(&words[0], &args), java(&words[0], &args, ""));
        for (what, ours, theirs) in [
            ("stdout", normal(&ours.out, address), normal(&theirs.out, address)),
            ("stderr", normal(&ours.err, address), normal(&theirs.err, address)),
            ("code", ours.code.to_string(), theirs.code.to_string()),
        ] {
            differences.extend(difference(&format!("{line} {what}"), &theirs, &ours));
        }
    }
    differences
}

#[test]
fn scripts_work_through_links_and_from_anywhere() {
    let cluster = Cluster::new("tools_links");
    let link = cluster.dir.join("topics");
    std::os::unix::fs::symlink(script("kafka-topics.sh"), &link).unwrap();
    let ran = command(&link, &["--version"], &[("OTTLA_BIN", env!("CARGO_BIN_EXE_ottla"))], "");
    assert_eq!((ran.ok().as_str(), ran_in(Path::new("/"), &link).as_str()), ("3.9.2\n", "3.9.2\n"));
}

fn ran_in(dir: &Path, program: &Path) -> String {
    let out = std::process::Command::new(program)
        .arg("--version")
        .env("OTTLA_BIN", env!("CARGO_BIN_EXE_ottla"))
        .current_dir(dir)
        .output()
        .unwrap();
    String::from_utf8(out.stdout).unwrap()
}
