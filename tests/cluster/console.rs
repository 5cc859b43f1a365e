//! `/health` and `/metrics`, as a supervisor and a Prometheus ask for them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::partitions::{LIMIT, create, produce, topic_on};
use crate::harness::zookeeper::{ZooKeeper, free_port};
use crate::harness::{Cluster, Kind, client, eventually, raw, target};

/// Status and body of a GET.
pub fn get(port: u16, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the console listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, body.to_string())
}

/// The value of a sample, by its name with labels.
pub fn sample(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Apache Kafka has neither.
fn is_ottla() -> bool {
    target() == Kind::Ottla
}

#[test]
fn metrics_have_the_names_of_the_jmx_exporter_and_count_what_happens() {
    if !is_ottla() {
        return;
    }
    let cluster = Cluster::new("console-metrics");
    let port = free_port();
    let broker = cluster.broker(0).with("ottla.admin.listener", format!("127.0.0.1:{port}")).start();
    // The second replica is on a broker that does not come back: under-replicated, and below the minimum.
    let other = cluster.broker(1).start();
    create(&broker, &topic_on("pair", &[&[0, 1]], &[("min.insync.replicas", "2")]));
    eventually("a record on both", LIMIT, || {
        (produce(&broker.address(), "pair", 0, -1, raw::batch(&["a", "b", "c"])) == 0).then_some(())
    });
    let before = get(port, "/metrics").1;
    assert_eq!(sample(&before, "kafka_controller_kafkacontroller_activecontrollercount"), Some(1.0), "{before}");
    assert_eq!(sample(&before, "kafka_server_replicamanager_underreplicatedpartitions"), Some(0.0));
    // A group reads the records and leaves.
    let read = ["-G", "group", "-e", "-q", "-X", "auto.offset.reset=earliest", "pair"];
    crate::harness::client::kcat(&broker.address(), &read, "").ok();
    let grouped = get(port, "/metrics").1;
    let group = |name: &str| sample(&grouped, &format!("kafka_coordinator_group_groupmetadatamanager_{name}"));
    // The coordinator may be either broker: its numbers are there in any case.
    assert!(group("numgroups") <= Some(1.0) && group("numoffsets") == group("numgroupsempty"), "{grouped}");
    let happened = |name: &str| sample(&grouped, &format!("kafka_server_group_coordinator_metrics_{name}"));
    assert!(happened("offset_commit_count") >= group("numoffsets"), "{grouped}");
    assert!(happened("group_completed_rebalance_count") >= group("numgroups"), "{grouped}");
    let manager = "kafka_coordinator_transaction_transactionmarkerchannelmanager";
    assert_eq!(sample(&grouped, &format!("{manager}_unknowndestinationqueuesize")), Some(0.0));
    assert_eq!(sample(&grouped, &format!("{manager}_logappendretryqueuesize")), Some(0.0));
    assert_eq!(sample(&before, "kafka_server_replicamanager_isrshrinks_total"), Some(0.0));
    assert!(sample(&before, "kafka_server_brokertopicmetrics_messagesin_total") >= Some(3.0), "{before}");
    assert!(sample(&before, r#"kafka_server_brokertopicmetrics_bytesin_total{topic="pair"}"#) > Some(60.0));
    assert!(sample(&before, "kafka_server_brokertopicmetrics_replicationbytesout_total") > Some(60.0));
    assert!(
        sample(&before, r#"kafka_network_requestmetrics_requests_total{request="Produce",version="9"}"#) >= Some(1.0)
    );
    assert!(
        sample(&before, r#"kafka_network_requestmetrics_totaltimems{request="Produce",quantile="0.99"}"#) > Some(0.0)
    );
    assert!(before.ends_with("# EOF\n"), "the end that OpenMetrics wants");

    other.kill();
    let after = eventually("the loss to show", LIMIT, || {
        let text = get(port, "/metrics").1;
        (sample(&text, "kafka_server_replicamanager_underreplicatedpartitions") == Some(1.0)).then_some(text)
    });
    assert_eq!(sample(&after, "kafka_server_replicamanager_underminisrpartitioncount"), Some(1.0), "{after}");
    assert_eq!(client::kcat_values(&broker.address(), "pair", 0), ["a", "b", "c"]);
    let out = sample(&get(port, "/metrics").1, "kafka_server_brokertopicmetrics_bytesout_total");
    assert!(out > Some(60.0), "{out:?} bytes to a consumer");
    assert_eq!(get(port, "/else").0, 404);
    let (status, health) = get(port, "/health");
    assert!(status == 200 && health.contains(r#""status":"degraded""#), "{health}");
}

#[test]
fn broker_without_zookeeper_is_degraded_and_not_for_a_supervisor_to_restart() {
    if !is_ottla() {
        return;
    }
    let mut zookeeper = ZooKeeper::start();
    let cluster = Cluster::on(&zookeeper.address(), "console-health");
    let port = free_port();
    let mut broker = cluster.broker(0).with("ottla.admin.listener", format!("127.0.0.1:{port}")).start();
    let is = |status: &'static str| {
        eventually(status, LIMIT, || {
            let (code, text) = get(port, "/health");
            assert_eq!(code, 200, "{text}");
            text.contains(&format!(r#""status":"{status}""#)).then_some(())
        });
    };
    is("ok");
    zookeeper.kill();
    is("degraded");
    zookeeper.start_again();
    is("ok");
    broker.assert_alive();
}

#[test]
fn console_is_closed_unless_asked_for_and_a_bad_address_ends_the_start() {
    if !is_ottla() {
        return;
    }
    let cluster = Cluster::new("console-off");
    let broker = cluster.broker(0).start();
    assert!(!broker.output().contains("/metrics"));
    let bad = cluster.broker(1).with("ottla.admin.listener", "nowhere").fails_to_start();
    bad.says(&["ottla.admin.listener", "nowhere", "host:port"]);
    let taken = format!("127.0.0.1:{}", broker.plan.port);
    cluster.broker(2).with("ottla.admin.listener", &taken).fails_to_start().says(&["could not listen", &taken]);
}
