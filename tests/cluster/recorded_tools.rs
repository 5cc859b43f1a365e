//! The recorded commands of Kafka's own tools, in their order, on one broker: what ours print is what theirs printed.
//!
//! `tests/golden/tools` was recorded on three brokers, so a step may say how its command and its output differ on one; what is compared
//! is then the recorded text with these words exchanged. Ids, times, addresses and measured numbers are made the same, and the frames of
//! Java's stack traces left out. A command that is not run stands in [`EXCEPTIONS`] with its reason: a test holds that none is forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::harness::client::{Ran, command, kcat};
use super::harness::process::Process;
use super::harness::{Broker, Cluster, eventually, repository, script};

/// One recorded command.
#[derive(Clone, Copy)]
struct Step {
    /// Its files in `tests/golden/tools`.
    name: &'static str,
    /// Words of the command that are others on one broker.
    command: &'static [(&'static str, &'static str)],
    /// Words of the output that are.
    output: &'static [(&'static str, &'static str)],
    /// What of the output may differ.
    how: How,
}

/// What of two outputs is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// All of it.
    Exact,
    /// The lines: their order is that in which partitions answer.
    AnyOrder,
    /// All but Kafka's warnings on standard error, and ours of the same kind: whether a producer meets a topic while its leader is being
    /// elected is a matter of moments.
    NoWarnings,
    /// The words, in any order.
    Words,
    /// All but the digits of measured numbers; how many there are behind a point counts.
    Measured,
    /// JSON lines but for when, where and how fast.
    Events,
    /// JSON lines of a consumer: how many records a poll gives is not compared, their sum is.
    Polls,
}

const fn step(name: &'static str) -> Step {
    Step { name, command: &[], output: &[], how: How::Exact }
}

const fn asked(name: &'static str, command: &'static [(&'static str, &'static str)]) -> Step {
    Step { command, ..step(name) }
}

const fn compared(name: &'static str, how: How) -> Step {
    Step { how, ..step(name) }
}

/// One broker instead of three.
const ONE_REPLICA: &[(&str, &str)] =
    &[("--replication-factor 3", "--replication-factor 1"), ("--replication-factor 2", "--replication-factor 1")];
/// Broker 0 instead of 1.
const BROKER: &[(&str, &str)] = &[
    ("--entity-name 1", "--entity-name 0"),
    // Two cleaner threads need more memory than the test broker's cleaner has.
    ("log.cleaner.threads=2", "log.cleaner.backoff.ms=20000"),
];

const TOPICS: &[Step] = &[
    step("001-features"),
    step("002-cluster-id"),
    step("004-topics-list-empty"),
    asked("005-topics-create", ONE_REPLICA),
    asked("006-topics-create-cfg", ONE_REPLICA),
    asked("007-topics-create-assigned", &[("0:1,1:2,2:0", "0,0,0")]),
    step("008-topics-create-exists"),
    step("009-topics-create-if-not-exists"),
    step("010-topics-create-bad-name"),
    step("011-topics-create-dots"),
    Step {
        output: &[("larger than available brokers: 3", "larger than available brokers: 1")],
        ..step("012-topics-create-rf")
    },
    step("013-topics-create-zero"),
    step("014-topics-create-bad-config"),
    step("015-topics-create-bad-value"),
    step("016-topics-list"),
    step("017-topics-describe"),
    step("018-topics-describe-one"),
    step("019-topics-describe-missing"),
    step("020-topics-alter-partitions"),
    step("021-topics-alter-fewer"),
    step("022-topics-alter-missing"),
    step("023-topics-under-replicated"),
    step("024-topics-no-args"),
    step("025-topics-both"),
    step("026-topics-help"),
];

/// Keys land where Java's producer puts them: k1 on 2, k2 on 0, `key` on 1. What has no key goes anywhere: elsewhere, so that the
/// offsets below are the recorded ones. Topics that are created by producing are unknown for a moment, which a producer may or may not see.
const RECORDS: &[Step] = &[
    Step { how: How::NoWarnings, ..asked("027-producer", &[("--topic plain", "--topic unkeyed")]) },
    step("027-producer-keys"),
    step("027-producer-headers"),
    compared("027-producer-auto-create", How::NoWarnings),
    compared("027-producer-gzip", How::NoWarnings),
    compared("027-producer-snappy", How::NoWarnings),
    compared("027-producer-lz4", How::NoWarnings),
    compared("027-producer-zstd", How::NoWarnings),
];

/// With one, two and three in `plain` 2, each at a time of its own.
const READS: &[Step] = &[
    compared("027-consumer", How::AnyOrder),
    step("028-consumer-props"),
    step("029-consumer-earliest"),
    step("030-consumer-latest"),
];

/// The one broker is the coordinator.
const COORDINATOR: &[(&str, &str)] = &[("  (2)", "  (0)")];

const GROUP: &[Step] = &[
    step("031-groups-list"),
    step("032-groups-list-state"),
    compared("033-groups-describe", How::AnyOrder),
    step("034-groups-describe-missing"),
    Step { output: COORDINATOR, ..step("035-groups-describe-state") },
    step("036-groups-describe-members"),
];

/// With a consumer in the group `live` that has read and committed all there is.
const LIVE_GROUP: &[Step] = &[
    step("037-groups-live-members"),
    step("038-groups-live-state"),
    compared("039-groups-live", How::AnyOrder),
    step("040-groups-reset-active"),
    step("041-groups-delete-active"),
];

/// Kafka puts the rows of these tables on one line; ours have a line each.
const GROUP_OFFSETS: &[Step] = &[
    compared("042-groups-reset-dry", How::Words),
    compared("043-groups-reset-exec", How::Words),
    compared("044-groups-reset-shift", How::AnyOrder),
    compared("045-groups-delete-offsets", How::Words),
];

const MEASURES: &[Step] = &[
    step("046-get-offsets"),
    step("047-get-offsets-earliest"),
    step("048-get-offsets-max"),
    compared("049-producer-perf", How::Measured),
    compared("050-consumer-perf", How::Measured),
    step("056-producer-compact"),
    compared("056-verifiable-producer", How::Events),
    compared("057-verifiable-consumer", How::Polls),
];

const CONFIGS: &[Step] = &[
    step("058-configs-topic-add"),
    step("059-configs-topic"),
    step("060-configs-topic-all"),
    step("061-configs-topic-del"),
    step("062-configs-topic-bad"),
    step("063-configs-topic-unknown"),
    Step { output: &[("broker 1", "broker 0")], ..asked("064-configs-broker", BROKER) },
    step("065-configs-broker-default"),
    asked("066-configs-broker-ro", BROKER),
    Step {
        output: &[
            ("broker 1", "broker 0"),
            ("log.cleaner.threads=2", "log.cleaner.backoff.ms=20000"),
            ("log.cleaner.threads=1", "log.cleaner.backoff.ms=15000"),
        ],
        ..asked("067-configs-broker-describe", BROKER)
    },
    step("069-configs-scram"),
    step("070-configs-scram-describe"),
    step("071-configs-quota"),
    step("072-configs-quota-uc"),
    step("073-configs-quota-cd"),
    step("074-configs-quota-ip"),
    step("075-configs-quota-describe"),
    step("076-configs-quota-describe2"),
    step("086-delete-records"),
    step("087-describe-broker-down"),
    compared("093-perf-fill", How::Measured),
    step("103-topics-delete"),
    step("104-topics-delete-missing"),
    step("105-groups-delete"),
];

const THREE_BROKERS: &str = "takes three brokers: run by tests/cluster/recorded_cluster.rs";
const TRANSACTIONS: &str =
    "shows what only a transactional producer leaves behind: run by tests/cluster/cluster_tools.rs";
const SECURITY: &str = "ACLs and delegation tokens are not built";

/// Recorded commands that are not run here, by the start of their names.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("003-", "lists three brokers: held in tests/main/tools, and against Java's tool in tests/cluster/tools.rs"),
    ("051-", TRANSACTIONS),
    ("052-", TRANSACTIONS),
    ("053-", TRANSACTIONS),
    ("054-", TRANSACTIONS),
    ("055-", TRANSACTIONS),
    (
        "068-",
        "the configuration of brokers with another properties file: tests/main/config has it, tools.rs against Java's tool",
    ),
    ("077-", SECURITY),
    ("078-", SECURITY),
    ("079-", SECURITY),
    ("080-", SECURITY),
    ("081-", SECURITY),
    ("082-", SECURITY),
    ("083-", SECURITY),
    ("084-", SECURITY),
    ("085-", "lists the directories of three brokers: in tests/cluster/tools.rs with one's own"),
    ("088-", THREE_BROKERS),
    ("089-", THREE_BROKERS),
    ("090-", THREE_BROKERS),
    ("091-", THREE_BROKERS),
    ("092-", THREE_BROKERS),
    ("094-", THREE_BROKERS),
    ("095-", THREE_BROKERS),
    ("096-", THREE_BROKERS),
    ("097-", THREE_BROKERS),
    ("098-", THREE_BROKERS),
    ("099-", THREE_BROKERS),
    ("100-", THREE_BROKERS),
    ("101-", THREE_BROKERS),
    ("102-", THREE_BROKERS),
    ("106-", "ZooKeeper's own shell on the znodes of three brokers: tests/cluster/scripts.rs runs it"),
];

fn golden(name: &str) -> PathBuf {
    repository().join("tests/golden/tools").join(name)
}

fn recorded(step: &Step, kind: &str) -> String {
    fs::read_to_string(golden(&format!("{}.{kind}", step.name))).unwrap_or_default()
}

fn exchange(mut text: String, words: &[(&str, &str)]) -> String {
    words.iter().for_each(|(from, to)| text = text.replace(from, to));
    text
}

/// The words of a recorded command. The recorder did not keep quotes; one command has a blank in a word.
pub fn words(command: &str) -> Vec<String> {
    let command = command.trim_end().replace(" a b ", " a\u{0}b ");
    command.split(' ').map(|word| word.replace('\u{0}', " ")).collect()
}

/// One of `scripts/`, with the binary under test.
pub fn tool(name: &str, args: &[&str], input: &str) -> Ran {
    let words = [("OTTLA_BIN", env!("CARGO_BIN_EXE_ottla")), ("LC_ALL", "C")];
    command(&script(name), args, &words, input)
}

/// A tool left running, its output in a file.
pub fn started(dir: &Path, name: &str, args: &[&str]) -> Process {
    let mut command = Command::new(script(name));
    command.args(args).env("OTTLA_BIN", env!("CARGO_BIN_EXE_ottla"));
    Process::start(name, command, dir.join(format!("{name}.log")))
}

/// What differs from run to run made the same.
pub fn normal(text: &str, address: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.starts_with("\tat ") || line.starts_with("\t... ") {
            continue; // frames of a Java stack trace
        }
        let mut line = line.to_owned();
        for port in [address, "127.0.0.1:19093", "127.0.0.1:19094"] {
            line = line.replace(port, "127.0.0.1:19092");
        }
        for before in ["TopicId: ", "Cluster ID: "] {
            if let Some(at) = line.find(before).map(|at| at + before.len()) {
                let id = line[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).count();
                assert_eq!(id, 22, "not an id: {line}");
                line.replace_range(at..at + id, "<id>");
            }
        }
        if let Some(at) = line.find("CreateTime:").map(|at| at + "CreateTime:".len()) {
            let digits = line[at..].chars().take_while(char::is_ascii_digit).count();
            line.replace_range(at..at + digits, "<time>");
        }
        // `console-consumer-837eda0d-9f6c-4918-8e57-e793e5f3037f`
        if let Some(at) = line.find("console-consumer-").map(|at| at + "console-consumer-".len()) {
            let uuid = |c: char| c.is_ascii_hexdigit() || c == '-';
            if line[at..].chars().take_while(|c| uuid(*c)).count() == 36 {
                line.replace_range(at..at + 36, "<member>");
            }
        }
        // `[2026-11-20 13:18:13,478] `
        let is_time = |time: &str| time.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ' ' | ':' | ','));
        if line.get(24..26) == Some("] ") && line.starts_with('[') && is_time(&line[1..24]) {
            line.replace_range(1..24, "<time>");
        }
        lines.push(line);
    }
    let mut text = lines.join("\n");
    text.push_str(if text.is_empty() { "" } else { "\n" });
    text
}

/// Where several topics are described, Kafka's order is that of a hash map: here by name. Three brokers' places become one's.
fn described_on_one_broker(text: &str) -> String {
    let mut topics: Vec<Vec<String>> = Vec::new();
    for line in text.lines() {
        let fields: Vec<String> = line
            .split('\t')
            .map(|field| match field.split_once(": ") {
                Some((name @ ("Leader" | "Replicas" | "Isr"), _)) => format!("{name}: 0"),
                Some(("ReplicationFactor", _)) => "ReplicationFactor: 1".to_owned(),
                _ => field.to_owned(),
            })
            .collect();
        if line.starts_with("Topic: ") {
            topics.push(Vec::new());
        }
        topics.last_mut().expect("a topic's line comes first").push(fields.join("\t"));
    }
    topics.sort();
    topics.concat().iter().map(|line| format!("{line}\n")).collect()
}

/// The digits of numbers made the same: `12.345` as `N.NNN`, for how a number is written is Kafka's too.
/// Lines that a slow run writes every five seconds are left out.
fn measured(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.ends_with(" ms max latency."));
    lines.map(|line| measured_line(line) + "\n").collect()
}

fn measured_line(text: &str) -> String {
    // How many records were sent is no measure.
    let (counted, text) = match text.split_once(" records sent, ") {
        Some((counted, rest)) => (format!("{counted} records sent, "), rest),
        None => (String::new(), text),
    };
    let mut out = counted;
    let mut fraction = false;
    for c in text.chars() {
        match c {
            '0'..='9' if fraction => out.push('N'),
            '0'..='9' if out.ends_with('N') => {}
            '0'..='9' => out.push('N'),
            '.' if out.ends_with('N') && !fraction => {
                out.push('.');
                fraction = true;
                continue;
            }
            _ => {
                out.push(c);
                fraction = false;
            }
        }
    }
    out
}

/// JSON lines without their times, places and rates; for [`How::Polls`] also as if there had been one poll.
fn events(text: &str, one_poll: bool) -> String {
    let mut events: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect();
    let mut consumed = 0;
    for event in &mut events {
        let fields = event.as_object_mut().expect("an object");
        for field in ["timestamp", "avg_throughput"] {
            fields.entry(field).and_modify(|value| assert!(value.take().is_number(), "{field}"));
        }
        if !one_poll {
            for field in ["offset", "partition"] {
                fields.entry(field).and_modify(|value| assert!(value.take().is_number(), "{field}"));
            }
            continue;
        }
        if fields["name"] == "records_consumed" {
            fields.remove("count");
            let partitions = fields["partitions"].take();
            consumed += partitions.as_array().unwrap().iter().map(|p| p["count"].as_u64().unwrap()).sum::<u64>();
        }
        if fields["name"] == "offsets_committed" {
            fields["offsets"].take();
        }
    }
    let mut lines: Vec<String> = events.iter().map(ToString::to_string).collect();
    if one_poll {
        let mut seen = BTreeSet::new();
        lines.retain(|line| seen.insert(line.clone()));
        lines.push(format!("{consumed} records"));
    }
    lines.join("\n") + "\n"
}

fn one_a_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join("\n")
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n") + "\n"
}

/// Both texts, made the same where they may differ.
pub fn difference(what: &str, expected: &str, found: &str) -> Option<String> {
    (expected != found).then(|| format!("{what}: expected\n{expected}--- found\n{found}---\n"))
}

/// Runs the steps; all that differs, in words.
fn run_steps(steps: &[Step], broker: &Broker, dir: &Path) -> Vec<String> {
    let address = broker.address();
    let mut differences = Vec::new();
    for step in steps {
        let line = exchange(recorded(step, "cmd"), step.command);
        let line = line.replace("dr.json", dir.join("dr.json").to_str().unwrap());
        let line = ["127.0.0.1:19092", "127.0.0.1:19093"].iter().fold(line, |line, port| line.replace(port, &address));
        let words = words(&line);
        let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let ran = tool(&words[0], &args, &recorded(step, "in"));
        let mut out = normal(&exchange(recorded(step, "out"), step.output), &address);
        let mut found = normal(&ran.out, &address);
        if out.starts_with("Topic: ") {
            out = described_on_one_broker(&out);
        }
        (out, found) = match step.how {
            How::Exact | How::NoWarnings => (out, found),
            How::AnyOrder => (sorted(&out), sorted(&found)),
            How::Words => (sorted(&one_a_line(&out)), sorted(&one_a_line(&found))),
            How::Measured => (measured(&out), measured(&found)),
            How::Events => (sorted(&events(&out, false)), sorted(&events(&found, false))),
            How::Polls => (events(&out, true), events(&found, true)),
        };
        let err = exchange(recorded(step, "err"), step.output);
        let err = normal(&exchange(err, step.command), &address);
        let told = normal(&ran.err, &address);
        let (err, told) = match step.how {
            How::NoWarnings => (without(&err, "] WARN "), without(&told, "reported a recoverable issue")),
            _ => (err, told),
        };
        let code: i32 = recorded(step, "rc").trim().parse().expect("a code");
        let name = step.name;
        differences.extend(difference(&format!("{name} stdout"), &out, &found));
        differences.extend(difference(&format!("{name} stderr"), &err, &told));
        differences.extend(difference(&format!("{name} code"), &code.to_string(), &ran.code.to_string()));
    }
    differences
}

fn without(text: &str, warning: &str) -> String {
    text.lines().filter(|line| !line.contains(warning)).collect()
}

pub fn assert_none(differences: Vec<String>) {
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.concat());
}

#[test]
fn recorded_commands_print_what_kafkas_tools_printed() {
    let cluster = Cluster::new("tools_recorded");
    let broker = cluster.broker(0).with_flag("--accept-unenforced").start();
    let dir = &cluster.dir;
    assert_none(run_steps(TOPICS, &broker, dir));
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        let name = format!("c-{codec}");
        let address = broker.address();
        let create = ["--bootstrap-server", &address, "--create", "--topic", &name, "--partitions", "1"];
        tool("kafka-topics.sh", &create, "").ok();
    }
    assert_none(run_steps(RECORDS, &broker, dir));
    for value in ["one", "two", "three"] {
        kcat(&broker.address(), &["-P", "-t", "plain", "-p", "2", "-X", "acks=all"], &format!("{value}\n")).ok();
    }
    assert_none(run_steps(READS, &broker, dir));
    assert_none(run_steps(GROUP, &broker, dir));
    let address = broker.address();
    let group = ["--consumer-property", "group.id=live", "--consumer-property", "auto.commit.interval.ms=100"];
    let args = [&["--bootstrap-server", &address, "--topic", "plain", "--from-beginning"][..], &group].concat();
    let mut live = started(dir, "kafka-console-consumer.sh", &args);
    eventually("the group's offsets", Duration::from_secs(30), || {
        let args = ["--bootstrap-server", &address, "--describe", "--group", "live"];
        let shown = tool("kafka-consumer-groups.sh", &args, "").out;
        (shown.lines().count() == 5 && !shown.contains(" - ")).then_some(())
    });
    assert_none(run_steps(LIVE_GROUP, &broker, dir));
    live.signal(Signal::INT);
    assert_eq!(live.wait(Duration::from_secs(20)).code(), Some(130));
    assert_none(run_steps(GROUP_OFFSETS, &broker, dir));
    assert_none(run_steps(MEASURES, &broker, dir));
    let before = r#"{"partitions":[{"topic":"autocreated","partition":0,"offset":300}],"version":1}"#;
    fs::write(dir.join("dr.json"), before).unwrap();
    assert_none(run_steps(CONFIGS, &broker, dir));
}

/// Each recorded command is run, or an exception with its reason; and no exception is run or unknown.
#[test]
fn no_recorded_command_is_forgotten() {
    let mut names: Vec<String> = fs::read_dir(golden(""))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().unwrap().strip_suffix(".cmd").map(String::from))
        .collect();
    names.sort();
    let run: BTreeSet<&str> = [TOPICS, RECORDS, READS, GROUP, LIVE_GROUP, GROUP_OFFSETS, MEASURES, CONFIGS]
        .concat()
        .iter()
        .map(|step| step.name)
        .collect();
    let excepted = |name: &str| EXCEPTIONS.iter().filter(|(start, _)| name.starts_with(start)).count();
    for name in &names {
        assert_eq!(usize::from(run.contains(name.as_str())) + excepted(name), 1, "{name}");
    }
    for name in
        names.iter().filter(|name| EXCEPTIONS.iter().any(|(s, why)| *why == THREE_BROKERS && name.starts_with(s)))
    {
        assert!(super::recorded_cluster::STEPS.contains(&name.as_str()), "{name}");
    }
    for (start, reason) in EXCEPTIONS {
        assert!(names.iter().any(|name| name.starts_with(start)) && !reason.is_empty(), "{start}");
    }
    assert!(run.iter().all(|name| names.iter().any(|known| known == name)));
}

#[test]
fn the_comparison_sees_a_single_blank() {
    let said = "[2026-11-20 13:18:13,478] ERROR java.lang.X: y\n\tat a.b(C.java:1)\n (z)\n";
    assert_eq!(normal(said, "h:1"), "[<time>] ERROR java.lang.X: y\n (z)\n");
    assert_ne!(normal(said, "h:1"), normal(&said.replace("X: y", "X:  y"), "h:1"));
    assert_ne!(normal(said, "h:1"), normal(&said.replace("ERROR", "WARN"), "h:1"));
    assert!(difference("d", "Configs: \n", "Configs:\n").is_some());
    assert_eq!(measured("500 records sent, 1.25 ms, 7"), "500 records sent, N.NN ms, N\n");
    assert_ne!(measured("1.25  ms"), measured("1.25 ms"));
    assert_ne!(measured("1.250 ms"), measured("1.25 ms"));
    let event =
        r#"{"timestamp":1,"name":"producer_send_success","key":null,"value":"0","offset":0,"topic":"t","partition":0}"#;
    assert_eq!(events(event, false), events(&event.replace(":0,", ":7,"), false));
    assert_ne!(events(event, false), events(&event.replace(r#"value":"0"#, r#"value":"0 "#), false));
    let line = "Topic: a\tTopicId: 2fjw5uWoQMmeHWG2JZ4Aeg\tConfigs: \n";
    assert_eq!(normal(line, "h:1"), "Topic: a\tTopicId: <id>\tConfigs: \n");
}
