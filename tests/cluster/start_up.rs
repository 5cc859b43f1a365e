//! Starts that must fail do so with exit code 1 and a message that says what to do; the broker that is in the right goes on. One that starts
//! takes little memory.

use std::fs;
use std::time::{Duration, Instant};

use crate::harness::zookeeper::free_port;
use crate::harness::{Cluster, Kind, raw, target, tree};

/// Apache Kafka says less in places: its words are asked for only where Ottla runs.
fn words<'a>(of_ottla: &[&'a str], of_both: &[&'a str]) -> Vec<&'a str> {
    match target() {
        Kind::Ottla => [of_ottla, of_both].concat(),
        Kind::Apache => of_both.to_vec(),
    }
}

#[test]
fn second_broker_on_the_same_log_directory_is_refused() {
    let cluster = Cluster::new("same-log-dir");
    let mut first = cluster.broker(0).start();
    let logs = first.plan.logs.display().to_string();
    let second = cluster.broker(0).with("log.dirs", &logs);
    second.clone().fails_to_start().says(&[&logs, "lock"]);
    second.with("broker.id", 1).fails_to_start().says(&[&logs]);
    raw::create_and_await(&first.address(), "still", &[]);
    first.assert_alive();
}

#[test]
fn second_broker_with_the_same_id_is_refused() {
    let cluster = Cluster::new("same-id");
    let mut first = cluster.broker(0).start();
    let owner = tree::get(&cluster.connect, "/brokers/ids/0");
    let second = cluster.broker(0).with("log.dirs", cluster.dir.join("other-logs").display());
    let failed = second.fails_to_start();
    failed.says(&words(&["/brokers/ids/0", "in use"], &["0"]));
    assert_eq!(tree::get(&cluster.connect, "/brokers/ids/0"), owner, "the first broker's registration");
    raw::create_and_await(&first.address(), "still", &[]);
    first.assert_alive();
}

#[test]
fn log_directory_of_another_cluster_is_refused() {
    let cluster = Cluster::new("foreign-meta");
    let plan = cluster.broker(0).start().stop();
    let meta = plan.logs.join("meta.properties");
    let text = fs::read_to_string(&meta).expect("meta.properties");
    let ours = text.lines().find_map(|line| line.strip_prefix("cluster.id=")).expect("a cluster id").to_string();
    fs::write(&meta, text.replace(&ours, "AAAAAAAAAAAAAAAAAAAAAQ")).expect("written");
    let failed = plan.clone().fails_to_start();
    failed.says(&words(&["meta.properties"], &["AAAAAAAAAAAAAAAAAAAAAQ", &ours]));
    assert!(
        fs::read_to_string(&meta).expect("meta.properties").contains("AAAAAAAAAAAAAAAAAAAAAQ"),
        "it was left as it was"
    );
    fs::write(&meta, text).expect("written");
    plan.start().stop();
}

#[test]
fn log_directory_of_another_broker_id_is_refused() {
    let cluster = Cluster::new("foreign-id");
    let plan = cluster.broker(0).start().stop();
    plan.with("broker.id", 7).fails_to_start().says(&words(&["broker.id"], &["meta.properties", "0", "7"]));
}

#[test]
fn absent_zookeeper_is_reported_within_the_connection_timeout() {
    let cluster = Cluster::on(&format!("127.0.0.1:{}", free_port()), "no-zookeeper");
    let start = Instant::now();
    let failed = cluster.broker(0).with("zookeeper.connection.timeout.ms", 3000).fails_to_start();
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert!(start.elapsed() >= Duration::from_secs(3), "it retries for the time given: {:?}", start.elapsed());
    failed.says(&words(&["zookeeper.connect", &cluster.connect], &["zookeeper"]));
}

#[test]
fn bad_config_value_is_reported_with_key_and_value() {
    let cluster = Cluster::new("bad-value");
    for (key, value) in [
        ("log.segment.bytes", "many"),
        ("log.segment.bytes", "1"),
        ("num.partitions", "0"),
        ("compression.type", "brotli"),
        ("log.message.timestamp.type", "Yesterday"),
        ("auto.create.topics.enable", "perhaps"),
        ("log.cleanup.policy", "forget"),
        ("listeners", "PLAINTEXT://127.0.0.1:notaport"),
        ("advertised.listeners", "PLAINTEXT://0.0.0.0:9092"),
        ("inter.broker.protocol.version", "4.2"),
    ] {
        let failed = cluster.broker(0).with(key, value).fails_to_start();
        // Of a listener Kafka repeats only the part that is wrong.
        let wrong = value.trim_start_matches("PLAINTEXT://").trim_end_matches(":9092");
        failed.says(&words(&[key], &[wrong]));
    }
    assert!(tree::dump(&cluster.connect).iter().all(|node| node.path != "/brokers/ids/0"), "nothing was registered");
}

#[test]
fn known_key_whose_feature_is_missing_is_refused_by_name() {
    if target() == Kind::Apache {
        return; // Apache Kafka has these features
    }
    let cluster = Cluster::new("unbuilt");
    for (key, value) in [
        ("listeners", "SSL://127.0.0.1:9093"),
        ("listeners", "SASL_PLAINTEXT://127.0.0.1:9093"),
        ("authorizer.class.name", "kafka.security.authorizer.AclAuthorizer"),
        ("create.topic.policy.class.name", "com.example.Policy"),
        ("remote.log.storage.system.enable", "true"),
        ("process.roles", "broker"),
    ] {
        cluster.broker(0).with(key, value).fails_to_start().says(&[key]);
    }
}

#[test]
fn unknown_key_is_no_reason_not_to_start() {
    let cluster = Cluster::new("unknown-key");
    let broker = cluster.broker(0).with("no.such.key", "x").start();
    raw::create_and_await(&broker.address(), "topic", &[]);
}

#[test]
fn unusable_log_directory_is_refused_alone_and_passed_over_beside_a_good_one() {
    let cluster = Cluster::new("unusable-dir");
    let file = cluster.dir.join("file");
    fs::write(&file, "in the way").expect("written");
    let bad = file.join("logs").display().to_string();
    cluster.broker(0).with("log.dirs", &bad).fails_to_start().says(&[&bad]);

    let good = cluster.dir.join("good").display().to_string();
    let mut broker = cluster.broker(0).with("log.dirs", format!("{bad},{good}")).start();
    raw::create_and_await(&broker.address(), "topic", &[]);
    assert_eq!(raw::produce(&broker.address(), "topic", raw::batch(&["a"])), (0, 0));
    broker.assert_alive();
}

#[test]
fn taken_port_is_refused() {
    let cluster = Cluster::new("taken-port");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    let failed = cluster.broker(0).with("listeners", format!("PLAINTEXT://127.0.0.1:{port}")).fails_to_start();
    failed.says(&words(&["in use"], &[&port.to_string()]));
}

#[test]
fn generated_id_is_refused_when_it_is_switched_off() {
    let cluster = Cluster::new("no-generated-id");
    let failed = cluster.broker(0).with("broker.id", -1).with("broker.id.generation.enable", false).fails_to_start();
    failed.says(&["broker.id"]);
}

/// Where the system gives them to who asks, the allocator's first pages would be huge: 8 MB for one or two. Ottla's own matter alone.
#[test]
fn broker_has_no_huge_pages_of_memory() {
    let cluster = Cluster::new("small-pages");
    let broker = cluster.broker(0).kind(Kind::Ottla).start();
    let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", broker.pid())).expect("a process");
    let huge = rollup.lines().find_map(|line| line.strip_prefix("AnonHugePages:")).map(str::trim);
    assert_eq!(huge, Some("0 kB"), "{rollup}");
}
