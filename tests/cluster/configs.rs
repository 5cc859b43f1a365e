//! The configuration of a broker process as its operator meets it: stock files, environment, what tools show and change, listeners that
//! come and go, log files.

use std::path::Path;
use std::time::Duration;

use kafka_protocol::messages::ApiVersionsRequest;

use super::harness::client::{Ran, command, kcat, kcat_values};
use super::harness::zookeeper::free_port;
use super::harness::{Broker, Cluster, Kind, eventually, raw, repository, script, target, tree};

const LIMIT: Duration = Duration::from_secs(30);

fn tool(name: &str, args: &[&str]) -> Ran {
    command(&script(name), args, &[("OTTLA_BIN", env!("CARGO_BIN_EXE_ottla")), ("LC_ALL", "C")], "")
}

fn configs(broker: &Broker, args: &[&str]) -> Ran {
    let address = broker.address();
    tool("kafka-configs.sh", &[&["--bootstrap-server", &address], args].concat())
}

/// The settings that Kafka's own `config/server.properties` makes: 3.4's and 3.9's, and with the last line 2.8's.
const STOCK: &str = "\
# as it comes with Kafka
broker.id=0
#listeners=PLAINTEXT://:9092
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kafka-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
#log.flush.interval.messages=10000
log.retention.hours=168
#log.retention.bytes=1073741824
log.retention.check.interval.ms=300000
zookeeper.connect=localhost:2181
zookeeper.connection.timeout.ms=18000
group.initial.rebalance.delay.ms=0
";

#[test]
fn kafkas_stock_files_start_a_broker_unchanged() {
    if target() == Kind::Apache {
        return; // of itself
    }
    for (version, more) in [("2.8", "log.segment.bytes=1073741824\n"), ("3.4", ""), ("3.9", "")] {
        let cluster = Cluster::new(&format!("stock-{version}"));
        // Only where it is: by the environment and on the command line, the two other ways to set a key.
        let broker = cluster.broker(0).with_file(&format!("{STOCK}{more}"));
        let broker = broker
            .with_variable("KAFKA_CFG_ZOOKEEPER_CONNECT", &cluster.connect)
            .with_variable("KAFKA_CFG_LOG_DIRS", &cluster.dir.join("logs0").display().to_string())
            .start();
        raw::create_and_await(&broker.address(), "topic", &[]);
        assert_eq!(raw::produce(&broker.address(), "topic", raw::batch(&["a"])), (0, 0));
        let warned: Vec<String> = broker
            .output()
            .lines()
            .filter(|line| line.contains("(kafka.server.KafkaConfig)"))
            .map(String::from)
            .collect();
        assert_eq!(warned, Vec::<String>::new(), "a stock file is nothing to warn of");
        for said in ["no effect here", "unknown configuration"] {
            assert!(!broker.output().contains(said), "{version}: {}", broker.output());
        }
    }
}

#[test]
fn a_stock_brokers_configs_are_described_as_recorded_key_by_key() {
    if target() == Kind::Apache {
        return; // the recording is its own, of a broker with a larger heap
    }
    let cluster = Cluster::new("stock-described");
    let broker = cluster
        .broker(0)
        .with_file(
            "broker.id=0\ngroup.initial.rebalance.delay.ms=0\noffsets.topic.replication.factor=1\n\
             transaction.state.log.min.isr=1\ntransaction.state.log.replication.factor=1\n",
        )
        .with_variable("KAFKA_CFG_ZOOKEEPER_CONNECT", &cluster.connect)
        .with_variable("KAFKA_CFG_LOG_DIRS", &cluster.dir.join("logs0").display().to_string())
        .start();
    let golden = repository().join("tests/golden/config/200-stock-broker-configs.out");
    let recorded = std::fs::read_to_string(golden).expect("the recording");
    let here = recorded
        .replace("PLAINTEXT://127.0.0.1:9092", &format!("PLAINTEXT://127.0.0.1:{}", broker.plan.port))
        .replace("/tmp/kafka/logs0", &broker.plan.logs.display().to_string())
        .replace("127.0.0.1:2181", &cluster.connect);
    let described = configs(&broker, &["--describe", "--entity-type", "brokers", "--entity-name", "0", "--all"]).ok();
    let (found, wanted): (Vec<&str>, Vec<&str>) = (described.lines().collect(), here.lines().collect());
    let missing: Vec<_> = wanted.iter().filter(|line| !found.contains(line)).collect();
    let more: Vec<_> = found.iter().filter(|line| !wanted.contains(line)).collect();
    assert!(missing.is_empty() && more.is_empty(), "missing {missing:#?}\ntoo much {more:#?}");
    assert_eq!(found, wanted, "in this order");
}

#[test]
fn log_levels_of_a_broker_are_shown_and_changed() {
    if target() == Kind::Apache {
        return; // its loggers are its classes
    }
    let cluster = Cluster::new("broker-loggers");
    let broker = cluster.broker(0).start();
    let level = |logger: &str| {
        let shown = configs(&broker, &["--describe", "--entity-type", "broker-loggers", "--entity-name", "0"]).ok();
        let line = shown.lines().map(str::trim).find(|line| line.starts_with(&format!("{logger}="))).map(String::from);
        line.unwrap_or_else(|| panic!("no {logger} in\n{shown}"))
    };
    assert_eq!(level("kafka.server.KafkaApis"), "kafka.server.KafkaApis=INFO sensitive=false synonyms={}");
    let alter = |change: &[&str]| {
        configs(&broker, &[&["--alter", "--entity-type", "broker-loggers", "--entity-name", "0"], change].concat())
    };
    let requests = || broker.output().lines().filter(|line| line.ends_with("(kafka.request.logger)")).count();
    assert_eq!(requests(), 0);
    let changed = alter(&["--add-config", "kafka.request.logger=DEBUG,kafka=WARN"]).ok();
    assert_eq!(changed, "Completed updating config for broker-logger 0.\n");
    assert_eq!(level("kafka.server.KafkaApis"), "kafka.server.KafkaApis=WARN sensitive=false synonyms={}");
    raw::assert_serves(&broker.address());
    eventually("a line for the request", LIMIT, || (requests() > 0).then_some(()));
    alter(&["--delete-config", "kafka.request.logger,kafka"]).ok();
    assert_eq!(level("kafka.request.logger"), "kafka.request.logger=INFO sensitive=false synonyms={}", "root's");
    let lines = requests();
    raw::assert_serves(&broker.address());
    assert_eq!(requests(), lines, "no more of them");

    for (change, words) in [
        (
            ["--add-config", "kafka=LOUD"],
            "Cannot set the log level of kafka to LOUD as it is not a supported log level",
        ),
        (["--delete-config", "root"], "Removing the log level of the root logger is not allowed"),
        (["--add-config", "no.such=INFO"], "Invalid broker logger(s): no.such"),
    ] {
        let refused = alter(&change);
        assert!(refused.code == 1 && refused.err.contains(words), "{change:?}: {}", refused.err);
    }
}

/// `[2026-11-20 12:07:22,718] INFO text (logger)`.
fn assert_kafkas_form(line: &str) {
    let digits: String = line.chars().take(25).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(digits, "[0000-00-00 00:00:00,000]", "{line}");
    let level = line[26..].split(' ').next().expect("a level");
    assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level), "{line}");
    assert!(line.ends_with(')') && line.contains(" ("), "{line}");
}

#[test]
fn log_files_lie_in_log_dir_under_kafkas_names() {
    if target() == Kind::Apache {
        return; // as log4j is told
    }
    let cluster = Cluster::new("log-files");
    let dir = cluster.dir.join("lines");
    let broker = cluster.broker(0).with_variable("LOG_DIR", &dir.display().to_string()).start();
    raw::create_and_await(&broker.address(), "topic", &[]);
    let text = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap_or_default();
    let started = "[KafkaServer id=0] started (kafka.server.KafkaServer)";
    assert!(broker.output().contains(started), "on standard output");
    eventually("the lines of a new leader", LIMIT, || text("state-change.log").contains("topic-0").then_some(()));
    eventually("the lines of the controller", LIMIT, || text("controller.log").contains("elected").then_some(()));
    broker.stop();
    for (name, what) in [
        ("server.log", started),
        ("controller.log", "(kafka.controller)"),
        ("state-change.log", "leader elected partition=topic-0 leader=0"),
        ("state-change.log", "(state.change.logger)"),
    ] {
        assert!(text(name).contains(what), "{name} has not {what}:\n{}", text(name));
    }
    assert!(text("server.log").contains("shut down completed"), "the last line is not lost");
    for name in ["server.log", "controller.log", "state-change.log"] {
        text(name).lines().for_each(assert_kafkas_form);
    }
    assert!(!text("server.log").contains("(kafka.controller)"), "what has a file of its own is only there");
}

#[test]
fn a_listener_added_while_running_serves_clients_and_goes_again() {
    let cluster = Cluster::new("added-listener");
    let broker = cluster.broker(0).with("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SIDE:PLAINTEXT").start();
    raw::create_and_await(&broker.address(), "topic", &[]);
    let (own, side) = (broker.plan.port, free_port());
    let set = |listeners: &str| {
        let change = format!("listeners=[{listeners}]");
        configs(&broker, &["--alter", "--entity-type", "brokers", "--entity-name", "0", "--add-config", &change]).ok();
    };
    set(&format!("PLAINTEXT://127.0.0.1:{own},SIDE://127.0.0.1:{side}"));
    let address = format!("127.0.0.1:{side}");
    eventually("the listener", LIMIT, || std::net::TcpStream::connect(&address).is_ok().then_some(()));
    eventually("its registration", LIMIT, || {
        tree::get(&cluster.connect, "/brokers/ids/0").unwrap_or_default().contains("SIDE").then_some(())
    });
    eventually("it in the metadata", LIMIT, || {
        kcat(&address, &["-L"], "").ok().contains(&format!("127.0.0.1:{side}")).then_some(())
    });
    kcat(&address, &["-P", "-t", "topic", "-p", "0", "-X", "acks=all"], "through the side\n").ok();
    assert_eq!(kcat_values(&broker.address(), "topic", 0), ["through the side"]);

    let mut open = raw::Connection::to(&address);
    open.call(&ApiVersionsRequest::default(), 0);
    set(&format!("PLAINTEXT://127.0.0.1:{own}"));
    open.assert_closed();
    eventually("the free port", LIMIT, || std::net::TcpListener::bind(&address).is_ok().then_some(()));
    assert_eq!(kcat_values(&broker.address(), "topic", 0), ["through the side"], "the other serves on");
}

#[test]
fn at_the_total_a_broker_is_let_in_and_the_idlest_client_goes() {
    let cluster = Cluster::new("protected-listener");
    let clients = free_port();
    let plan = cluster.broker(0);
    let listeners = format!("PLAINTEXT://127.0.0.1:{},CLIENTS://127.0.0.1:{clients}", plan.port);
    let broker = plan
        .with("listeners", listeners)
        .with("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CLIENTS:PLAINTEXT")
        .with("inter.broker.listener.name", "PLAINTEXT")
        .start();
    let address = format!("127.0.0.1:{clients}");
    let mut idle = raw::Connection::to(&address);
    idle.call(&ApiVersionsRequest::default(), 0);
    let mut busy = raw::Connection::to(&address);
    busy.call(&ApiVersionsRequest::default(), 0);
    // As many as there are, with the controller's own and this tool's.
    let change = ["--alter", "--entity-type", "brokers", "--entity-default", "--add-config", "max.connections=3"];
    configs(&broker, &change).ok();
    let mut peers: Vec<raw::Connection> = Vec::new();
    for _ in 0..2 {
        let mut peer = raw::Connection::to(&broker.address());
        peer.call(&ApiVersionsRequest::default(), 0);
        peers.push(peer);
    }
    idle.assert_closed();
    for peer in &mut peers {
        peer.call(&ApiVersionsRequest::default(), 0);
    }
}

#[test]
fn every_key_is_printed() {
    let binary = Path::new(env!("CARGO_BIN_EXE_ottla"));
    let text = command(binary, &["config"], &[], "").ok();
    let markdown = command(binary, &["config", "--markdown"], &[], "").ok();
    for key in [
        "zookeeper.connect",
        "num.io.threads",
        "ssl.keystore.location",
        "retention.ms",
        "leader.replication.throttled.rate",
    ] {
        assert!(text.contains(&format!("\n  {key} (")) && markdown.contains(&format!("\n| `{key}` | ")), "{key}");
    }
    assert!(text.contains("[none: Ottla has no such thread pool"), "and what has no effect says why");
}
