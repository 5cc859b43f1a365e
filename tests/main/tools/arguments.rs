//! Arguments as Kafka's two parsers read them, the help they print, and what is refused before anything is sent.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use ottla::tools::console::Console;
use ottla::tools::options::{Options, Spec};
use ottla::tools::{
    argparse, broker_api_versions, cluster, configs, console_consumer, console_producer, consumer_groups,
    consumer_perf, delete_records, dump_log, features, get_offsets, leader_election, log_dirs, producer_perf,
    reassign_partitions, replica_verification, topics, transactions, usage, verifiable_consumer, verifiable_producer,
};
use parking_lot::Mutex;

#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An output to be read.
pub fn captured() -> Captured {
    Captured::default()
}

impl Captured {
    /// All that was written.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

type Run = fn(&[String], &Console) -> u8;

/// Standard output, standard error, exit code.
pub fn run(tool: Run, words: &[&str]) -> (String, String, u8) {
    let (out, err) = (Captured::default(), Captured::default());
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    let code = tool(&words, &Console::new(out.clone(), err.clone()));
    (out.text(), err.text(), code)
}

fn golden(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tools").join(path)).unwrap()
}

const JOPTSIMPLE: [(&str, Run, &[Spec]); 13] = [
    ("dump-log", dump_log::run, dump_log::SPECS),
    ("topics", topics::run, topics::SPECS),
    ("configs", configs::run, configs::SPECS),
    ("get-offsets", get_offsets::run, get_offsets::SPECS),
    ("delete-records", delete_records::run, delete_records::SPECS),
    ("leader-election", leader_election::run, leader_election::SPECS),
    ("reassign-partitions", reassign_partitions::run, reassign_partitions::SPECS),
    ("log-dirs", log_dirs::run, log_dirs::SPECS),
    ("broker-api-versions", broker_api_versions::run, broker_api_versions::SPECS),
    ("console-producer", console_producer::run, console_producer::flags::SPECS),
    ("console-consumer", console_consumer::run, console_consumer::flags::SPECS),
    ("consumer-perf-test", consumer_perf::run, consumer_perf::SPECS),
    ("consumer-groups", consumer_groups::run, consumer_groups::options::SPECS),
];

#[test]
fn help_is_kafkas_to_the_byte() {
    for (name, tool, _) in JOPTSIMPLE {
        let help = golden(&format!("help/kafka-{name}.txt"));
        assert_eq!(run(tool, &["--help"]), (String::new(), help.clone(), 1), "{name}");
        let (out, err, code) = run(tool, &[]);
        assert_eq!((out.as_str(), code), ("", 1), "{name}");
        let table = help.split_once('\n').unwrap().1;
        assert_eq!(err.split_once('\n').unwrap().1, table, "{name} without arguments");
    }
    let (out, err, code) = run(replica_verification::run, &["--help"]);
    let (warning, help) = err.split_once('\n').unwrap();
    let deprecated = "WARN This tool is deprecated and may be removed in a future major release.";
    assert!(warning.contains(deprecated), "{warning}");
    assert_eq!((out.as_str(), help, code), ("", golden("help/kafka-replica-verification.txt").as_str(), 1));
    for (name, tool) in [("cluster", cluster::run as Run), ("features", features::run)] {
        assert_eq!(run(tool, &["--help"]), (golden(&format!("help/kafka-{name}.txt")), String::new(), 1), "{name}");
        assert_eq!(run(tool, &["-h"]).2, 1);
    }
    let transactions = |words: &[&str], name: &str| {
        assert_eq!(run(transactions::run, words), (golden(&format!("help/{name}.txt")), String::new(), 1), "{name}");
    };
    transactions(&["--help"], "kafka-transactions");
    for command in ["list", "describe", "describe-producers", "abort", "find-hanging"] {
        transactions(&[command, "--help"], &format!("kafka-transactions-{command}"));
    }
    for (name, tool) in [
        ("producer-perf-test", producer_perf::run as Run),
        ("verifiable-producer", verifiable_producer::run),
        ("verifiable-consumer", verifiable_consumer::run),
    ] {
        let help = golden(&format!("help/kafka-{name}.txt"));
        assert_eq!(run(tool, &["--help"]), (help.clone(), String::new(), 1), "{name}");
        assert_eq!(run(tool, &[]), (help, String::new(), 0), "{name} without arguments");
    }
}

#[test]
fn usage_errors_are_kafkas_to_the_byte() {
    assert_eq!(run(topics::run, &["--bootstrap-server", "a:1"]).1, golden("024-topics-no-args.err"));
    assert_eq!(run(topics::run, &["--bootstrap-server", "a:1", "--create", "--list"]).1, golden("025-topics-both.err"));
    assert_eq!(run(topics::run, &["--help"]).1, golden("026-topics-help.err"));
}

#[test]
fn version_is_that_of_the_tools_they_stand_for() {
    for (name, tool, _) in JOPTSIMPLE {
        let words: &[&str] =
            if name == "get-offsets" { &["--bootstrap-server", "a:1", "--version"] } else { &["--version"] };
        assert_eq!(run(tool, words), ("3.9.2\n".into(), String::new(), 0), "{name}");
    }
}

#[test]
fn tables_name_an_option_once() {
    for (name, _, specs) in JOPTSIMPLE {
        let mut names: Vec<_> = specs.iter().map(|spec| spec.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), specs.len(), "{name}");
        assert!(usage::table(specs).lines().all(|line| line.chars().count() <= 80), "{name}");
    }
}

fn parse(words: &[&str]) -> Result<Options, String> {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    Options::parse(get_offsets::SPECS, &words).map_err(|e| e.to_string())
}

#[test]
fn options_are_read_as_joptsimple_reads_them() {
    let options =
        parse(&["--topic=a=b", "word", "--time", "-1", "--exclude-internal-topics", "-partitions", "0"]).unwrap();
    assert_eq!(options.value("topic").unwrap(), Some("a=b"));
    assert_eq!(options.value("time").unwrap(), Some("-1"), "a value may look like an option");
    assert_eq!(options.value("partitions").unwrap(), Some("0"), "one dash does");
    assert!(options.has("exclude-internal-topics") && !options.has("broker-list"));
    assert_eq!(parse(&[]).unwrap().value("time").unwrap(), Some("latest"), "the default");
    let twice = parse(&["--topic", "a", "--topic", "b"]).unwrap();
    assert_eq!(twice.values("topic"), ["a", "b"]);
    let error = twice.value("topic").unwrap_err().to_string();
    assert_eq!(error, "Found multiple arguments for option topic, but you asked for only one");
    assert!(!parse(&["--", "--topic", "a"]).unwrap().has("topic"), "two dashes end the options");
}

#[test]
fn unknown_and_incomplete_options_are_refused() {
    assert_eq!(parse(&["--top", "a"]).unwrap_err(), "top is not a recognized option", "abbreviations are none");
    assert_eq!(parse(&["-xyz"]).unwrap_err(), "x is not a recognized option");
    assert_eq!(parse(&["--topic"]).unwrap_err(), "Option topic requires an argument");
    let (_, err, code) = run(topics::run, &["--nope"]);
    let expected =
        "nope is not a recognized option\njoptsimple.UnrecognizedOptionException: nope is not a recognized option\n\n";
    assert_eq!((err.as_str(), code), (expected, 1));
}

/// The first line on standard error; all of these end with 1 and print nothing else.
fn refusal(tool: Run, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let (out, err, code) = run(tool, &words);
    assert_eq!((out.as_str(), code), ("", 1), "{line}");
    err.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn topics_refuses_options_that_do_not_go_together() {
    for (line, said) in [
        ("--list", "--bootstrap-server must be specified"),
        ("--bootstrap-server a:1 --create", r#"Missing required argument "[topic]""#),
        ("--bootstrap-server a:1 --alter --topic x", r#"Missing required argument "[partitions]""#),
        ("--bootstrap-server a:1 --list --partitions 1", r#"Option "[partitions]" can't be used with option "[list]""#),
        (
            "--bootstrap-server a:1 --list --if-not-exists",
            r#"Option "[if-not-exists]" can't be used with option "[list]""#,
        ),
        (
            "--bootstrap-server a:1 --create --topic x --replica-assignment 0 --partitions 1",
            r#"Option "[replica-assignment]" can't be used with option "[partitions]""#,
        ),
        (
            "--bootstrap-server a:1 --describe --unavailable-partitions --topics-with-overrides",
            r#"Option "[unavailable-partitions]" can't be used with option "[topics-with-overrides]""#,
        ),
        ("--bootstrap-server a:1 --describe --if-exists", "--topic or --topic-id is required to describe a topic"),
    ] {
        assert_eq!(refusal(topics::run, line), said, "{line}");
    }
}

#[test]
fn configs_refuses_what_is_no_entity_or_no_change() {
    let both = "users,clients";
    for (line, said) in [
        ("--describe", "At least one entity type must be specified"),
        (
            "--bootstrap-server a:1 --describe --alter --topic x",
            "Command must include exactly one action: --describe, --alter",
        ),
        (
            "--describe --user x",
            "One of the required --bootstrap-server, --boostrap-controller, or --zookeeper arguments must be specified",
        ),
        (
            "--bootstrap-server a:1 --describe --topic x --user y",
            "Only 'users' and 'clients' entity types may be specified together",
        ),
        (
            "--bootstrap-server a:1 --describe --topic x --entity-name y",
            "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
        ),
        (
            "--bootstrap-server a:1 --alter --topic x",
            "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
        ),
        (
            "--bootstrap-server a:1 --alter --entity-type topics --add-config a=b",
            "an entity name must be specified with --alter of topics",
        ),
        (
            "--bootstrap-server a:1 --alter --broker x --add-config a=b",
            "The entity name for brokers must be a valid integer broker id, but it is: x",
        ),
        (
            "--zookeeper a:1 --describe --user x",
            "Error while executing config command with args '--zookeeper a:1 --describe --user x'",
        ),
    ] {
        assert_eq!(refusal(configs::run, line), said, "{line} {both}");
    }
}

#[test]
fn argparse_tools_say_what_is_missing() {
    let (out, err, code) = run(cluster::run, &["cluster-id"]);
    assert_eq!((out.as_str(), code), ("", 1));
    assert!(err.starts_with("usage: kafka-cluster cluster-id [-h] [--config CONFIG]\n"), "{err}");
    assert!(err.ends_with(
        "kafka-cluster:  error:  one  of   the  arguments  --bootstrap-server/-b  --\nbootstrap-controller/-C is required\n"
    ));
    let (_, err, _) = run(cluster::run, &["nope"]);
    assert!(
        err.ends_with("kafka-cluster: error: invalid  choice:  'nope'  (choose  from 'cluster-id',\n'unregister')\n")
    );
    let (_, err, _) = run(cluster::run, &["unregister", "-b", "a:1"]);
    assert!(err.ends_with("kafka-cluster: error: argument --id/-i is required\n"), "{err}");
    let (_, err, _) = run(features::run, &["--bootstrap-server", "a:1"]);
    assert!(
        err.ends_with("{describe,upgrade,downgrade,disable} ...\nkafka-features: error: too few arguments\n"),
        "{err}"
    );
    let (_, err, _) = run(features::run, &["--bootstrap-server", "127.0.0.1:1", "upgrade", "--feature", "x"]);
    assert!(err.starts_with("Can't parse feature=level string x: equals sign not found.\n"), "{err}");
}

#[test]
fn producers_and_consumers_refuse_what_kafkas_refuse() {
    let last = |tool: Run, line: &str| {
        let (_, err, code) = run(tool, &line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(code, 1, "{line}");
        err
    };
    for (line, said) in [
        ("--topic t", "producer-performance: error: argument --throughput is required\n"),
        (
            "--topic t --num-records 1 --throughput -1",
            "producer-performance: error: one of  the arguments --record-size --payload-\nfile --payload-monotonic is required\n",
        ),
        (
            "--topic t --num-records x --throughput -1 --record-size 1",
            "producer-performance: error: argument --num-records:  could not convert 'x'\nto Long (For input string: \"x\")\n",
        ),
        (
            "--topic t --num-records 1 --throughput -1 --record-size 1",
            "producer-performance: error: Either  --producer-props  or --producer.config\nmust be specified.\n",
        ),
        (
            "--topic t --num-records 1 --throughput -1 --record-size 1 --payload-monotonic --producer-props a=b",
            "producer-performance:  error:  argument  --payload-monotonic:  not  allowed\nwith argument --record-size\n",
        ),
    ] {
        let err = last(producer_perf::run, line);
        assert!(err.ends_with(said), "{line}: {err}");
    }
    for (line, said) in [
        ("--topic t", "Missing required argument \"[bootstrap-server]\"\n"),
        ("--bootstrap-server a:1", "Exactly one of --include/--topic is required. \n"),
        ("--bootstrap-server a:1 --topic t --offset 3", "The partition is required when offset is specified.\n"),
        (
            "--bootstrap-server a:1 --topic t --partition 0 --offset -3",
            "The provided offset value '-3' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long.\n",
        ),
        (
            "--bootstrap-server a:1 --topic t --group g --consumer-property group.id=h",
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via \
             '--consumer.config') do not match. Detected group ids: 'g', 'h'\n",
        ),
        ("--bootstrap-server a:1 --topic t --formatter com.Nope", "com.Nope\n"),
        (
            "--bootstrap-server a:1 --topic t --new-consumer",
            "new-consumer is not a recognized option: it is retired, leave it out\n",
        ),
    ] {
        let err = last(console_consumer::run, line);
        assert!(err.starts_with(said), "{line}: {err}");
    }
    for (line, said) in [
        ("--bootstrap-server a:1", "Missing required argument \"[topic]\"\n"),
        ("--topic t", "Missing required option(s) [bootstrap-server]\n"),
        ("--bootstrap-server nowhere --topic t", "Please provide valid host:port like host1:9091,host2:9092\n \n"),
        ("--bootstrap-server a:1 --topic t --timeout x", "Cannot parse argument 'x' of option timeout\n"),
        (
            "--bootstrap-server a:1 --topic t --producer.config /no/such",
            "java.nio.file.NoSuchFileException: /no/such\n",
        ),
    ] {
        let err = last(console_producer::run, line);
        assert!(err.starts_with(said), "{line}: {err}");
    }
    let err = last(verifiable_producer::run, "--topic t --bootstrap-server a:1 --acks 3");
    assert!(
        err.ends_with("verifiable-producer: error: argument  --acks:  invalid  choice: '3' (choose\nfrom {0,1,-1})\n"),
        "{err}"
    );
}

#[test]
fn justified_lines_are_filled_from_the_middle() {
    assert_eq!(argparse::justified("a b c d", 9), "a b c d", "the last line is left alone");
    assert_eq!(argparse::justified("aa bb cc dd ee", 9), "aa bb  cc\ndd ee");
    assert_eq!(argparse::justified("unbreakable", 3), "\nunbreakable".trim_start());
}

#[test]
fn properties_that_would_change_the_way_in_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("client.properties");
    for (properties, said) in [
        (
            "security.protocol=SASL_SSL",
            "security.protocol=SASL_SSL is not supported yet: Ottla's tools speak PLAINTEXT only",
        ),
        (
            "security.protocol=TLS",
            "Invalid value TLS for configuration security.protocol: String must be one of: PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL",
        ),
        (
            "bootstrap.controllers=a:1",
            "bootstrap.controllers is not supported: a cluster with ZooKeeper has no KRaft controllers",
        ),
        (
            "request.timeout.ms=soon",
            "Invalid value soon for configuration request.timeout.ms: Not a number of type INT",
        ),
    ] {
        fs::write(&file, properties).unwrap();
        let (out, err, code) = run(
            topics::run,
            &["--bootstrap-server", "127.0.0.1:1", "--list", "--command-config", file.to_str().unwrap()],
        );
        assert_eq!((out.as_str(), code, err.lines().next()), ("", 1, Some(said)));
    }
}

#[test]
fn leader_election_wants_one_scope_and_a_partition_with_its_topic() {
    let tool = |words: &[&str]| {
        let (out, err, code) = run(leader_election::run, words);
        assert_eq!((out.as_str(), code), ("", 1));
        err.lines().next().unwrap_or_default().to_owned()
    };
    let type_and = |more: &[&'static str]| {
        let mut words = vec!["--bootstrap-server", "a:1", "--election-type", "preferred"];
        words.extend(more);
        tool(&words)
    };
    let scope = "One and only one of the following options is required: topic, all-topic-partitions, path-to-json-file";
    assert_eq!(tool(&["--topic", "t"]), "Missing required option(s): bootstrap-server, election-type");
    assert_eq!(type_and(&[]), scope);
    assert_eq!(type_and(&["--topic", "t", "--all-topic-partitions"]), scope);
    assert_eq!(type_and(&["--topic", "t"]), "Missing required option(s): partition");
    assert_eq!(
        type_and(&["--all-topic-partitions", "--partition", "1"]),
        "Option partition is only allowed if topic is used"
    );
    let bad = tool(&["--bootstrap-server", "a:1", "--election-type", "bad", "--all-topic-partitions"]);
    assert_eq!(bad, "Cannot parse argument 'bad' of option election-type");
}
