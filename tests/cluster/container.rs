//! The entry point of the container image, run as a container would run it, but without one: what the environment makes of a broker, and
//! what it refuses. `scripts/docker-test.sh` tries the images themselves.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::harness::client::{Ran, command, create_topic, kcat, kcat_values};
use super::harness::process::Process;
use super::harness::zookeeper::free_port;
use super::harness::{Cluster, repository, tree};

const LIMIT: Duration = Duration::from_secs(60);

fn script() -> PathBuf {
    repository().join("scripts/container.sh")
}

fn start(cluster: &Cluster, name: &str, variables: &[(&str, &str)]) -> Process {
    let mut command = Command::new(script());
    command.env("OTTLA_BIN", env!("CARGO_BIN_EXE_ottla")).env("OTTLA_VOLUME", &cluster.dir);
    command.envs(variables.iter().copied());
    let mut broker = Process::start(name, command, cluster.dir.join(format!("{name}.log")));
    let serves = |broker: &Process| broker.output().contains("] started (kafka.server.KafkaServer)");
    broker.await_ready(LIMIT, serves).unwrap_or_else(|why| panic!("{name}: {why}"));
    broker
}

fn ended(variables: &[(&str, &str)]) -> Ran {
    command(&script(), &[], variables, "")
}

#[test]
fn a_broker_is_what_the_environment_says_and_tells_how_it_is() {
    let cluster = Cluster::new("container");
    let (port, admin) = (free_port(), free_port());
    let address = format!("127.0.0.1:{port}");
    let listener = format!("PLAINTEXT://{address}");
    let admin = format!("127.0.0.1:{admin}");
    let health = || command(&script(), &["health"], &[("KAFKA_CFG_OTTLA_ADMIN_LISTENER", &admin)], "");
    assert!(!health().success, "nothing runs yet");

    let mut broker = start(
        &cluster,
        "broker",
        &[
            ("ALLOW_PLAINTEXT_LISTENER", "yes"),
            ("KAFKA_ZOOKEEPER_CONNECT", &cluster.connect),
            ("KAFKA_LISTENERS", "PLAINTEXT://weaker.invalid:1"),
            ("KAFKA_CFG_LISTENERS", &listener),
            ("KAFKA_CFG_OTTLA_ADMIN_LISTENER", &admin),
            ("KAFKA_CFG_NUM_PARTITIONS", "3"),
        ],
    );
    health().ok();
    let ids = tree::children(&cluster.connect, "/brokers/ids");
    assert_eq!(ids, ["1001"], "no id was given: ZooKeeper gave the first after the reserved ones");
    let meta = std::fs::read_to_string(cluster.dir.join("data/meta.properties")).unwrap();
    assert!(meta.contains("broker.id=1001"), "{meta}");
    create_topic(&address, "topic", 1, &[]);
    kcat(&address, &["-P", "-t", "topic"], "a\nb\n").ok();
    assert_eq!(kcat_values(&address, "topic", 0), ["a", "b"]);
    broker.signal(rustix::process::Signal::TERM);
    assert!(broker.wait(LIMIT).success(), "a container is stopped by a signal to its first process");

    // A mounted file is used as it is, whatever the variables say.
    std::fs::create_dir_all(cluster.dir.join("config")).unwrap();
    let properties = [
        format!("listeners={listener}"),
        format!("zookeeper.connect={}", cluster.connect),
        format!("log.dirs={}", cluster.dir.join("data").display()),
    ];
    std::fs::write(cluster.dir.join("config/server.properties"), properties.join("\n")).unwrap();
    let mounted = start(&cluster, "mounted", &[("KAFKA_CFG_BROKER_ID", "8")]);
    assert!(mounted.output().contains("KAFKA_CFG_BROKER_ID has no effect"), "{}", mounted.output());
    assert_eq!(kcat_values(&address, "topic", 0), ["a", "b"], "the same broker, with its data");
}

#[test]
fn older_variables_become_todays_or_are_refused_by_name() {
    let plain = ("ALLOW_PLAINTEXT_LISTENER", "yes");
    let zookeeper = ("KAFKA_CFG_ZOOKEEPER_CONNECT", "127.0.0.1:1");
    for (variables, name) in [
        (vec![zookeeper], "ALLOW_PLAINTEXT_LISTENER"),
        (vec![plain], "KAFKA_CFG_ZOOKEEPER_CONNECT"),
        (vec![plain, zookeeper, ("KAFKA_CREATE_TOPICS", "a:1:1")], "KAFKA_CREATE_TOPICS"),
        (vec![plain, zookeeper, ("BROKER_ID_COMMAND", "hostname")], "BROKER_ID_COMMAND"),
        (vec![plain, zookeeper, ("KAFKA_ENABLE_KRAFT", "yes")], "KAFKA_ENABLE_KRAFT"),
        (vec![plain, zookeeper, ("KAFKA_CLIENT_USERS", "me")], "KAFKA_CLIENT_USERS"),
        (vec![plain, zookeeper, ("KAFKA_ZOOKEEPER_PROTOCOL", "SASL")], "KAFKA_ZOOKEEPER_PROTOCOL"),
    ] {
        let ran = ended(&variables);
        assert_eq!(ran.code, 1, "{variables:?}");
        assert!(ran.err.contains(name), "{variables:?}: {}", ran.err);
    }

    let cluster = Cluster::new("container_older");
    let port = free_port();
    let listener = format!("PLAINTEXT://127.0.0.1:{port}");
    let advertised_port = port.to_string();
    let admin = format!("127.0.0.1:{}", free_port());
    let broker = start(
        &cluster,
        "broker",
        &[
            plain,
            ("KAFKA_BROKER_ID", "5"),
            ("KAFKA_ZOOKEEPER_CONNECT", &cluster.connect),
            ("KAFKA_CFG_LISTENERS", &listener),
            ("KAFKA_CFG_OTTLA_ADMIN_LISTENER", &admin),
            ("KAFKA_ADVERTISED_HOST_NAME", "localhost"),
            ("KAFKA_ADVERTISED_PORT", &advertised_port),
        ],
    );
    let node = tree::get(&cluster.connect, "/brokers/ids/5").expect("it is registered");
    assert!(node.contains(&format!("PLAINTEXT://localhost:{port}")), "{node}");
    assert!(broker.output().contains("KAFKA_ADVERTISED_HOST_NAME is of an older image"), "{}", broker.output());
}
