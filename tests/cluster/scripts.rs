//! The scripts that start and stop servers: what is left behind with `-daemon`, and that a stop ends only its own installation's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::harness::client::{Ran, command};
use super::harness::zookeeper::free_port;
use super::harness::{Cluster, eventually, raw, repository, tree};

/// A copy of `scripts/`, which is an installation of its own. What was started from it is killed with it.
struct Installation {
    dir: PathBuf,
}

impl Installation {
    fn new(cluster: &Cluster, name: &str) -> Self {
        let dir = cluster.dir.join(name);
        std::fs::create_dir_all(dir.join("scripts")).unwrap();
        for entry in std::fs::read_dir(repository().join("scripts")).unwrap().flatten() {
            std::fs::copy(entry.path(), dir.join("scripts").join(entry.file_name())).unwrap();
        }
        Self { dir }
    }

    fn run(&self, script: &str, args: &[&str], more: &[(&str, &str)]) -> Ran {
        let mut variables = vec![("OTTLA_BIN", env!("CARGO_BIN_EXE_ottla"))];
        variables.extend(more);
        command(&self.dir.join("scripts").join(script), args, &variables, "")
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        for script in ["kafka-server-stop.sh", "zookeeper-server-stop.sh"] {
            self.run(script, &[], &[("SIGNAL", "KILL")]);
        }
    }
}

fn write(file: &Path, lines: &[String]) -> String {
    std::fs::write(file, lines.join("\n")).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_broker_left_behind_is_stopped_by_its_own_installation_alone() {
    let cluster = Cluster::new("scripts_broker");
    let (ours, other) = (Installation::new(&cluster, "ours"), Installation::new(&cluster, "other"));
    let port = free_port();
    let file = write(
        &cluster.dir.join("server.properties"),
        &[
            "broker.id=3".into(),
            format!("zookeeper.connect={}", cluster.connect),
            format!("listeners=PLAINTEXT://127.0.0.1:{port}"),
            format!("log.dirs={}", cluster.dir.join("logs").display()),
        ],
    );
    let nothing = ours.run("kafka-server-stop.sh", &[], &[]);
    assert_eq!((nothing.code, nothing.out.as_str()), (1, "No kafka server to stop\n"));

    ours.run("kafka-server-start.sh", &["-daemon", &file, "--override", "broker.id=4"], &[]).ok();
    let log = ours.dir.join("logs/kafkaServer.out");
    let started = "[KafkaServer id=4] started (kafka.server.KafkaServer)";
    eventually("the broker's start", Duration::from_secs(60), || {
        std::fs::read_to_string(&log).unwrap_or_default().contains(started).then_some(())
    });
    raw::await_metadata(&format!("127.0.0.1:{port}"), &[]);
    assert_eq!(tree::children(&cluster.connect, "/brokers/ids"), ["4"]);

    assert_eq!(other.run("kafka-server-stop.sh", &[], &[]).code, 1, "another installation's stop finds nothing");
    assert_eq!(ours.run("kafka-server-stop.sh", &["--node-id=9"], &[]).code, 1, "no such broker");
    ours.run("kafka-server-stop.sh", &["--node-id=3"], &[]).ok();
    eventually("the broker's end", Duration::from_secs(60), || {
        std::fs::read_to_string(&log).unwrap_or_default().contains("shut down completed").then_some(())
    });
    eventually("no broker left", Duration::from_secs(10), || {
        (ours.run("kafka-server-stop.sh", &[], &[]).code == 1).then_some(())
    });
    assert!(tree::children(&cluster.connect, "/brokers/ids").is_empty());
}

#[test]
fn a_zookeeper_is_started_asked_and_stopped() {
    let cluster = Cluster::new("scripts_zookeeper");
    let (ours, other) = (Installation::new(&cluster, "ours"), Installation::new(&cluster, "other"));
    let port = free_port();
    let file = write(
        &cluster.dir.join("zookeeper.properties"),
        &[
            format!("dataDir={}", cluster.dir.join("zookeeper").display()),
            format!("clientPort={port}"),
            "admin.enableServer=false".into(),
        ],
    );
    let logs = cluster.dir.join("elsewhere");
    let variables = [("LOG_DIR", logs.to_str().unwrap()), ("KAFKA_HEAP_OPTS", "-Xmx64M")];
    ours.run("zookeeper-server-start.sh", &["-daemon", &file], &variables).ok();
    // Its port opens before it serves, and drops who connects in between.
    eventually("ZooKeeper", Duration::from_secs(60), || {
        (ours.run("zookeeper.sh", &["ready", &port.to_string()], &[]).code == 0).then_some(())
    });
    assert!(logs.join("zookeeper.out").exists());

    let address = format!("127.0.0.1:{port}");
    let script = ours.dir.join("scripts/zookeeper-shell.sh");
    let shell = command(&script, &[&address], &[], "ls /\nquit\n");
    // A thread of its own tells of the connection's begin and end, when it comes to it: before a line of the shell's, after it, or not at all.
    let of_events = |line: &&str| line.is_empty() || *line == "WATCHER::" || line.starts_with("WatchedEvent ");
    let lines: Vec<_> = shell.out.lines().filter(|line| !of_events(line)).collect();
    let connecting = format!("Connecting to {address}");
    let expected = [&connecting, "Welcome to ZooKeeper!", "JLine support is disabled", "[zookeeper]"];
    assert_eq!((&lines[..], shell.err.as_str(), shell.code), (&expected[..], "", 0), "of {:?}", shell.out);

    let nothing = other.run("zookeeper-server-stop.sh", &[], &[]);
    assert_eq!((nothing.code, nothing.out.as_str()), (1, "No zookeeper server to stop\n"));
    ours.run("zookeeper-server-stop.sh", &[], &[]).ok();
    eventually("ZooKeeper's end", Duration::from_secs(30), || {
        (ours.run("zookeeper-server-stop.sh", &[], &[]).code == 1).then_some(())
    });
}

#[test]
fn starts_without_what_they_need_say_what_they_take() {
    let cluster = Cluster::new("scripts_usage");
    let ours = Installation::new(&cluster, "ours");
    for (script, what) in [
        ("kafka-server-start.sh", "[-daemon] server.properties [--override property=value]*"),
        ("zookeeper-server-start.sh", "[-daemon] zookeeper.properties"),
        ("zookeeper-shell.sh", "zookeeper_host:port[/path] [-zk-tls-config-file file] [args...]"),
    ] {
        let ran = ours.run(script, &[], &[]);
        let expected = format!("USAGE: {} {what}\n", ours.dir.join("scripts").join(script).display());
        assert_eq!((ran.out, ran.code), (expected, 1));
    }
    let ran = ours.run("kafka-server-start.sh", &["server.properties", "more"], &[]);
    assert_eq!((ran.err.as_str(), ran.code), ("Found non argument parameters: more\n", 1));
    assert_eq!(ours.run("kafka-server-start.sh", &["--version"], &[]).ok(), "3.9.2\n");
}

/// Every script of Kafka's `bin/` answers; those that are not built say so in one line.
#[test]
fn scripts_that_are_not_built_say_so() {
    let cluster = Cluster::new("scripts_not_built");
    let ours = Installation::new(&cluster, "ours");
    for script in [
        "kafka-acls.sh",
        "kafka-delegation-tokens.sh",
        "kafka-metadata-quorum.sh",
        "kafka-preferred-replica-election.sh",
    ] {
        let ran = ours.run(script, &["--bootstrap-server", "a:1"], &[]);
        assert_eq!((ran.out.as_str(), ran.err.lines().count(), ran.code), ("", 1, 1), "{script}");
        assert!(ran.err.starts_with(&format!("{script}: ")), "{}", ran.err);
    }
    assert_eq!(ours.run("kafka-storage.sh", &["random-uuid"], &[]).ok().trim_end().len(), 22);
    let by_class =
        ours.run("kafka-run-class.sh", &["kafka.tools.GetOffsetShell", "--version", "--bootstrap-server", "a:1"], &[]);
    assert_eq!(by_class.ok(), "3.9.2\n");
}

/// The scripts of Apache Kafka 3.9's `bin/`.
const KAFKAS: &str = "connect-distributed connect-mirror-maker connect-plugin-path connect-standalone kafka-acls kafka-broker-api-versions \
     kafka-client-metrics kafka-cluster kafka-configs kafka-console-consumer kafka-console-producer kafka-consumer-groups \
     kafka-consumer-perf-test kafka-delegation-tokens kafka-delete-records kafka-dump-log kafka-e2e-latency kafka-features \
     kafka-get-offsets kafka-jmx kafka-leader-election kafka-log-dirs kafka-metadata-quorum kafka-metadata-shell kafka-mirror-maker \
     kafka-producer-perf-test kafka-reassign-partitions kafka-replica-verification kafka-run-class kafka-server-start \
     kafka-server-stop kafka-storage kafka-streams-application-reset kafka-topics kafka-transactions kafka-verifiable-consumer \
     kafka-verifiable-producer trogdor zookeeper-security-migration zookeeper-server-start zookeeper-server-stop zookeeper-shell";

/// As a harness starts and stops it: `$KAFKA_HOME/bin`, `config/`, and the list of processes searched as Kafka's own stop script does.
#[test]
fn a_kafka_home_starts_a_broker_that_other_peoples_scripts_find() {
    let cluster = Cluster::new("scripts_home");
    let home = Installation::new(&cluster, "home");
    std::fs::create_dir(home.dir.join("bin")).unwrap();
    for name in KAFKAS.split_whitespace().map(|name| format!("{name}.sh")) {
        let link =
            std::fs::read_link(repository().join("bin").join(&name)).unwrap_or_else(|e| panic!("bin/{name}: {e}"));
        assert_eq!(link, Path::new("../scripts").join(&name));
        std::os::unix::fs::symlink(&link, home.dir.join("bin").join(&name)).unwrap();
    }
    let bin = |script: &str, args: &[&str], more: &[(&str, &str)]| {
        let variables = [&[("OTTLA_BIN", env!("CARGO_BIN_EXE_ottla"))][..], more].concat();
        command(&home.dir.join("bin").join(script), args, &variables, "")
    };
    let port = free_port();
    let overrides = [
        format!("zookeeper.connect={}", cluster.connect),
        format!("listeners=PLAINTEXT://127.0.0.1:{port}"),
        format!("log.dirs={}", home.dir.join("data").display()),
    ];
    let config = repository().join("config/server.properties");
    let mut args = vec!["-daemon", config.to_str().unwrap()];
    overrides.iter().for_each(|pair| args.extend(["--override", pair]));
    let logs = home.dir.join("log dir");
    bin("kafka-server-start.sh", &args, &[("LOG_DIR", logs.to_str().unwrap())]).ok();
    let address = format!("127.0.0.1:{port}");
    eventually("the broker's start", Duration::from_secs(60), || {
        let out = std::fs::read_to_string(logs.join("kafkaServer.out")).unwrap_or_default();
        out.contains("started (kafka.server.KafkaServer)").then_some(())
    });
    raw::await_metadata(&address, &[]);
    let shell = |text: &str| command(Path::new("/bin/sh"), &["-c", text], &[], "");
    // The one broker of this home among all that run on the machine.
    let find = format!(
        "ps ax -ww -o pid,args | grep ' kafka\\.Kafka ' | grep java | grep -v grep | grep -F '{}' | awk '{{print $1}}'",
        home.dir.display()
    );
    let found = shell(&find).ok();
    assert_eq!(found.lines().count(), 1, "{found}");
    assert_eq!(bin("kafka-topics.sh", &["--bootstrap-server", &address, "--list"], &[]).ok(), "\n");
    shell(&format!("kill -s TERM {found}")).ok();
    eventually("the broker's end", Duration::from_secs(60), || shell(&find).out.is_empty().then_some(()));
    assert!(tree::children(&cluster.connect, "/brokers/ids").is_empty(), "a clean end");
}

#[test]
fn what_is_retired_says_what_to_type_instead() {
    let cluster = Cluster::new("scripts_retired");
    let ours = Installation::new(&cluster, "ours");
    for (script, args, said) in [
        ("kafka-topics.sh", &["--zookeeper", "z:2181", "--list"][..], "--bootstrap-server"),
        ("kafka-console-consumer.sh", &["--zookeeper", "z:2181", "--topic", "t"], "--bootstrap-server"),
        ("kafka-consumer-groups.sh", &["--zookeeper", "z:2181", "--list"], "--bootstrap-server"),
        ("kafka-preferred-replica-election.sh", &["--zookeeper", "z:2181"], "kafka-leader-election.sh"),
        ("kafka-run-class.sh", &["kafka.tools.ConsumerOffsetChecker", "--group", "g"], "kafka-consumer-groups.sh"),
        ("kafka-storage.sh", &["format", "-t", "x", "-c", "server.properties"], "ZooKeeper"),
    ] {
        let ran = ours.run(script, args, &[]);
        let first = ran.err.lines().next().unwrap_or_default();
        assert!(first.contains(said), "{script}: {}", ran.err);
        assert_eq!(ran.code, 1, "{script}");
    }
    for class in [
        "kafka.tools.ConsoleConsumer",
        "kafka.admin.TopicCommand",
        "org.apache.kafka.tools.GetOffsetShell",
        "kafka.Kafka",
    ] {
        let args = [class, "--version", "--bootstrap-server", "a:1"];
        assert_eq!(ours.run("kafka-run-class.sh", &args, &[]).ok(), "3.9.2\n", "{class}");
    }
}

#[test]
fn the_quickstart_works_runs_on_and_is_stopped() {
    let cluster = Cluster::new("scripts_quickstart");
    let ours = Installation::new(&cluster, "quickstart");
    let shown = ours.run("quickstart.sh", &["--single"], &[("OTTLA_PORTS", &quickstart_ports())]).ok();
    assert!(shown.contains("1000 lines came back as they were sent"), "{shown}");
    assert_runs_on_and_is_stopped(&ours);
}

#[test]
fn the_quickstart_of_a_cluster_loses_a_controller_a_leader_and_no_record() {
    let cluster = Cluster::new("scripts_quickstart_cluster");
    let ours = Installation::new(&cluster, "quickstart");
    let shown = ours.run("quickstart.sh", &[], &[("OTTLA_PORTS", &quickstart_ports())]).ok();
    let lines = |wanted: &str| shown.lines().filter(|line| line.contains(wanted)).count();
    assert_eq!(lines("(kill -9)"), 2, "{shown}");
    assert_eq!(lines("the preferred leaders lead again"), 2, "{shown}");
    assert_eq!(lines("acknowledged records is there"), 1, "{shown}");
    assert_runs_on_and_is_stopped(&ours);
}

/// Ports of its own: a broker that is away while it is killed must find its port free when it comes back.
fn quickstart_ports() -> String {
    let ports: Vec<u16> = (0..30).map(|_| free_port()).collect();
    ports[0].to_string()
}

fn assert_runs_on_and_is_stopped(ours: &Installation) {
    let again = ours.run("quickstart.sh", &[], &[]);
    assert_eq!(again.code, 1, "a second one beside it");
    assert!(again.err.contains("scripts/quickstart.sh --stop"), "{}", again.err);
    ours.run("quickstart.sh", &["--stop"], &[]).ok();
    assert!(!ours.dir.join("quickstart").exists());
    for server in ["kafka-server-stop.sh", "zookeeper-server-stop.sh"] {
        assert_eq!(ours.run(server, &[], &[]).code, 1, "{server} finds nothing");
    }
}
