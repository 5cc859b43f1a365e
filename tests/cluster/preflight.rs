//! `ottla preflight` before a broker of a real Apache cluster is swapped, and the start that refuses what preflight names.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::harness::broker::Plan;
use crate::harness::client::{self, Ran, java};
use crate::harness::partitions::{await_led, await_state, create, put, start, topic_on};
use crate::harness::zookeeper::free_port;
use crate::harness::{Cluster, Kind, tree};

fn preflight(plan: &Plan, more: &[&str]) -> Ran {
    let file = plan.properties_file().display().to_string();
    let args = [&["preflight", file.as_str()], more].concat();
    client::command(&PathBuf::from(env!("CARGO_BIN_EXE_ottla")), &args, &[], "")
}

/// It succeeds, and says each of these.
fn passes(ran: Ran, words: &[&str]) {
    let said = ran.ok();
    assert!(said.contains("\nNothing stands in the way; "), "{said}");
    words.iter().for_each(|word| assert!(said.contains(word), "{word:?} in\n{said}"));
}

/// It fails with a line `STOP` for each of these and no other.
fn names(ran: &Ran, hindrances: &[&str]) {
    assert_eq!(ran.code, 1, "{ran:?}");
    let stops: Vec<&str> = ran.out.lines().filter(|line| line.starts_with("STOP")).collect();
    assert_eq!(stops.len(), hindrances.len(), "{}", ran.out);
    for (stop, hindrance) in stops.iter().zip(hindrances) {
        assert!(stop.contains(hindrance), "{hindrance:?} in {stop:?}");
    }
}

/// `/metrics` of a broker.
fn metrics(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the console listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("written");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

#[test]
fn hindrances_are_named_before_the_swap_and_refused_at_it() {
    let cluster = Cluster::new("preflight");
    let connect = &cluster.connect;
    let plan = |id: i32| cluster.broker(id).kind(Kind::Apache).with("auto.leader.rebalance.enable", false);
    let mut brokers = start([plan(0), plan(1)]);
    create(&brokers[&0], &topic_on("pair", &[&[1, 0]], &[]));
    await_led(connect, "pair", 0, 1, &[0, 1]);
    put(&brokers[&1].address(), "pair", 0, "before");
    let one = brokers[&1].plan.clone();
    passes(preflight(&one, &[]), &["note  brokers", "broker 1 runs at PLAINTEXT://127.0.0.1:", "stop it before"]);
    let (server, chroot) = connect.split_once('/').expect("a chroot");
    let typo = preflight(&one, &["--override", &format!("zookeeper.connect={server}/{chroot}-typo")]);
    assert_eq!(typo.code, 1);
    assert!(typo.out.contains("-typo: it does not exist"), "{typo:?}");
    assert_eq!(tree::get(server, &format!("/{chroot}-typo")), None, "preflight changes nothing");
    let hindrances = ["meta.properties has broker.id=1, the file 7", "is advertised by broker 1, too"];
    names(&preflight(&one, &["--override", "broker.id=7"]), &hindrances);
    let secure = ["--override", "listener.security.protocol.map=PLAINTEXT:SASL_PLAINTEXT"];
    assert_eq!(preflight(&one, &secure).code, 1);
    tree::put(
        connect,
        "/migration",
        r#"{"version":0,"kraft_controller_id":-1,"kraft_controller_epoch":-1,"kraft_metadata_offset":-1,"kraft_metadata_epoch":-1}"#,
    );
    names(&preflight(&one, &[]), &["/migration is left over"]);
    tree::delete(connect, "/migration");

    // As Kafka's own tool writes them.
    let address = brokers[&0].address();
    let alter = |what: &[&str]| {
        let common = ["--bootstrap-server", &address, "--alter"];
        java("kafka-configs.sh", &[&common, what].concat(), "").ok();
    };
    let quota = "producer_byte_rate=1048576";
    alter(&["--entity-type", "users", "--entity-name", "alice", "--add-config", quota]);
    alter(&["--entity-type", "users", "--entity-name", "bob", "--add-config", "SCRAM-SHA-256=[password=secret]"]);
    let hindrances = ["quotas (users/alice)", "SCRAM users (users/bob)"];
    names(&preflight(&one, &[]), &hindrances);
    passes(preflight(&one, &["--accept-unenforced"]), &hindrances);

    let console = free_port();
    let one = brokers.remove(&1).expect("it runs").stop().kind(Kind::Ottla);
    let one = one.with("ottla.admin.listener", format!("127.0.0.1:{console}"));
    one.clone().fails_to_start().says(&["quotas (users/alice)", "SCRAM users (users/bob)", "--accept-unenforced"]);
    await_state(connect, "pair", 0, "the other alone", |state| state.isr == [0]);
    names(&preflight(&brokers[&0].plan, &["--accept-unenforced"]), &["1 partition (pair-0) under-replicated"]);
    let one = one.with_flag("--accept-unenforced").start();
    await_led(connect, "pair", 0, 0, &[0, 1]);
    assert!(one.output().contains("WARN ZooKeeper holds quotas (users/alice)"), "{}", one.output());
    let shown = metrics(console);
    assert!(shown.contains("ottla_unenforced{kind=\"quotas\"} 1\n"), "{shown}");
    assert!(shown.contains("ottla_unenforced{kind=\"SCRAM users\"} 1\n"), "{shown}");
    // Seen from the other side: the peer is an Ottla now.
    passes(preflight(&brokers[&0].plan, &["--accept-unenforced"]), &["broker 0 runs at"]);

    let old = ["--accept-unenforced", "--override", "inter.broker.protocol.version=3.4"];
    passes(preflight(&brokers[&0].plan, &old), &["inter.broker.protocol.version=3.9-IV0", "rolling upgrade"]);
}

#[test]
fn a_zookeeper_out_of_reach_and_a_missing_file_are_told() {
    let cluster = Cluster::new("preflight-away");
    let plan = cluster.broker(0).with("zookeeper.connect", format!("127.0.0.1:{}/x", free_port()));
    std::fs::write(plan.properties_file(), "broker.id=0\nlog.dirs=/nowhere/at/all\n").expect("written");
    let connect = format!("zookeeper.connect={}", plan.connect.replace(':', ".invalid:"));
    let ran = preflight(&plan, &["--override", &connect]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("STOP  zookeeper  can't be read at"), "{ran:?}");
    assert!(ran.out.contains("note  log.dirs   /nowhere/at/all is new"), "{ran:?}");
    std::fs::remove_file(plan.properties_file()).expect("removed");
    let ran = preflight(&plan, &[]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("could not read") && ran.err.contains(".properties"), "{ran:?}");
}
