//! `ottla preflight`: a healthy cluster gives no hindrance, and each thing that stands in the way is named.

use std::path::PathBuf;

use ottla::config::{Properties, Sources};
use ottla::log::MetaProperties;
use ottla::tools::preflight::facts::{Answer, Dir, Facts, Peer, Settings};
use ottla::tools::preflight::judge::{Finding, Weight, judge};
use ottla::tools::preflight::{read, text};
use ottla::zk::session::sim::SimZk;

/// The broker that is looked at.
const ME: i32 = 1;

fn settings(changed: &[(&str, &str)]) -> Settings {
    let mut file: Properties = [
        ("broker.id", "1"),
        ("zookeeper.connect", "zk:2181/kafka"),
        ("listeners", "PLAINTEXT://h1:9092"),
        ("log.dirs", "/data/a"),
    ]
    .into_iter()
    .collect();
    changed.iter().for_each(|(key, value)| file.insert(*key, *value));
    read::settings_of(&Sources { file, ..Sources::default() }, false)
}

fn node(id: i32, protocol: &str) -> String {
    format!(
        r#"{{"features":{{}},"listener_security_protocol_map":{{"PLAINTEXT":"{protocol}"}},"endpoints":["PLAINTEXT://h{id}:9092"],"jmx_port":-1,"port":9092,"host":"h{id}","version":5,"timestamp":"1"}}"#
    )
}

fn state(leader: i32, isr: &str) -> String {
    format!(r#"{{"controller_epoch":1,"leader":{leader},"version":1,"leader_epoch":0,"isr":[{isr}]}}"#)
}

const TOPIC: &str = r#"{"partitions":{"0":[1,2,3]},"topic_id":"AAAAAAAAAAAAAAAAAAAAQQ","adding_replicas":{},"removing_replicas":{},"version":3}"#;

/// Three brokers that are well, with a topic.
fn healthy() -> SimZk {
    let server = SimZk::new();
    server.put("/cluster/id", r#"{"version":"1","id":"theCluster"}"#);
    server.put("/controller", r#"{"version":2,"brokerid":2,"timestamp":"1","kraftControllerEpoch":-1}"#);
    server.put("/feature", r#"{"features":{},"version":2,"status":1}"#);
    for id in 1..=3 {
        server.put(&format!("/brokers/ids/{id}"), node(id, "PLAINTEXT"));
    }
    server.put("/brokers/topics/t", TOPIC);
    server.put("/brokers/topics/t/partitions/0/state", state(2, "2,1,3"));
    server.put("/config/topics/t", r#"{"version":1,"config":{"min.insync.replicas":"2"}}"#);
    server
}

fn dir() -> Dir {
    let meta = MetaProperties { broker_id: Some(ME), cluster_id: Some("theCluster".into()), ..Default::default() };
    let names = ["t-0", "lost+found"].map(String::from).to_vec();
    Dir { path: PathBuf::from("/data/a"), problem: None, meta: Some(Ok(meta)), is_clean: true, names }
}

fn answer(ibp: &str, fetch_version: i16) -> Answer {
    let configs = [("inter.broker.protocol.version", ibp)].map(|(k, v)| (k.into(), v.into()));
    Answer { configs: configs.into(), from_file: Vec::new(), fetch_version }
}

async fn facts(server: &SimZk, settings: Settings) -> Facts {
    let session = server.connect().await.session();
    let zk = read::cluster(&session, &settings).await.map_err(|error| error.to_string());
    let peers = (1..=3).map(|id| Peer { id, answer: Ok(answer("3.9-IV0", 17)) }).collect();
    Facts { settings, dirs: vec![dir()], zk, peers }
}

fn stops(findings: &[Finding]) -> Vec<&str> {
    findings.iter().filter(|f| f.weight == Weight::Stop).map(|f| f.text.as_str()).collect()
}

fn notes(findings: &[Finding]) -> Vec<&str> {
    findings.iter().filter(|f| f.weight == Weight::Note).map(|f| f.text.as_str()).collect()
}

/// Exactly one hindrance, with these words.
fn hinders(facts: &Facts, words: &[&str]) {
    let findings = judge(facts);
    let [stop] = stops(&findings)[..] else { panic!("not one hindrance with {words:?}: {findings:#?}") };
    words.iter().for_each(|word| assert!(stop.contains(word), "{word:?} in {stop:?}"));
}

/// No hindrance, and a note with these words.
fn notes_that(facts: &Facts, words: &[&str]) {
    let findings = judge(facts);
    assert_eq!(stops(&findings), Vec::<&str>::new());
    let found = notes(&findings).into_iter().any(|note| words.iter().all(|word| note.contains(word)));
    assert!(found, "no note with {words:?}: {findings:#?}");
}

#[tokio::test]
async fn healthy_cluster_has_nothing_in_the_way() {
    let findings = judge(&facts(&healthy(), settings(&[])).await);
    assert_eq!(stops(&findings), Vec::<&str>::new());
    assert_eq!(notes(&findings), ["broker 1 runs at PLAINTEXT://h1:9092: stop it before Ottla takes its place"]);
    let printed = text("broker 1 at zk:2181/kafka", &findings);
    assert!(printed.starts_with("Preflight of broker 1 at zk:2181/kafka\n\nnote  brokers"), "{printed}");
    assert!(printed.ends_with("\n\nNothing stands in the way; 1 to know.\n"), "{printed}");
}

#[tokio::test]
async fn what_the_file_asks_for_and_is_not_built_is_named_and_the_rest_is_looked_at_all_the_same() {
    let settings = settings(&[
        ("authorizer.class.name", "kafka.security.authorizer.AclAuthorizer"),
        ("inter.broker.protocol.version", "2.7"),
        ("no.such.key", "1"),
    ]);
    let server = healthy();
    server.put("/migration", "{}");
    let findings = judge(&facts(&server, settings).await);
    let found = stops(&findings);
    assert!(found.iter().any(|text| text.contains("/migration")), "{found:?}");
    assert!(
        found.iter().any(|text| text.contains("inter.broker.protocol.version") && text.contains("2.7")),
        "{found:?}"
    );
    let facts = facts(&healthy(), self::settings(&[("no.such.key", "1")])).await;
    notes_that(&facts, &["no.such.key", "unknown"]);
    let facts = self::facts(&healthy(), self::settings(&[("authorizer.class.name", "x.Y")])).await;
    hinders(&facts, &["authorizer.class.name=x.Y"]);
}

#[tokio::test]
async fn listeners_with_protocols_that_are_not_built_are_named() {
    let secure = [("listeners", "SSL://h1:9093"), ("security.inter.broker.protocol", "SSL")];
    let findings = judge(&facts(&healthy(), settings(&secure)).await);
    let found = stops(&findings);
    assert!(found.iter().any(|text| text.contains("SSL://h1:9093") && text.contains("not supported yet")), "{found:?}");
    let server = healthy();
    server.put("/brokers/ids/3", node(3, "SASL_PLAINTEXT"));
    hinders(&facts(&server, settings(&[])).await, &["broker 3 speaks SASL_PLAINTEXT on PLAINTEXT"]);
}

#[tokio::test]
async fn states_of_a_migration_are_told_apart() {
    let migration = |controller: i32| {
        format!(
            r#"{{"version":0,"kraft_controller_id":{controller},"kraft_controller_epoch":1,"kraft_metadata_offset":7,"kraft_metadata_epoch":1}}"#
        )
    };
    for (data, words) in [
        (migration(-1), ["/migration is left over", "delete /migration"]),
        (migration(3000), ["KRaft controller 3000 has taken", "Finish the migration"]),
        ("nonsense".into(), ["/migration exists", "can't be understood"]),
    ] {
        let server = healthy();
        server.put("/migration", data);
        hinders(&facts(&server, settings(&[])).await, &words);
    }
    let server = healthy();
    server.put("/controller", r#"{"version":2,"brokerid":3000,"timestamp":"1","kraftControllerEpoch":4}"#);
    hinders(&facts(&server, settings(&[])).await, &["/controller is KRaft controller 3000's"]);
    server.remove("/controller");
    hinders(&facts(&server, settings(&[])).await, &["/controller is missing"]);
}

#[tokio::test]
async fn features_a_missing_cluster_and_a_zookeeper_out_of_reach_are_named() {
    let server = healthy();
    server.put("/feature", r#"{"features":{"metadata.version":{"max_version_level":9}},"version":2,"status":1}"#);
    hinders(&facts(&server, settings(&[])).await, &["/feature finalizes metadata.version"]);
    let mut away = facts(&healthy(), settings(&[])).await;
    away.zk = Err("no server answers".into());
    hinders(&away, &["can't be read at zk:2181/kafka", "no server answers"]);
    let server = healthy();
    server.remove("/cluster/id");
    hinders(&facts(&server, settings(&[])).await, &["/cluster/id is missing"]);
    let server = healthy();
    server.put("/brokers/topics/t", "nonsense");
    hinders(&facts(&server, settings(&[])).await, &["/brokers/topics/t"]);
}

/// Each of the four kinds, by name; accepted, they are good to know.
#[tokio::test]
async fn what_zookeeper_holds_and_nobody_enforces_is_named() {
    for (path, data, words) in [
        ("/config/users/alice", r#"{"version":1,"config":{"producer_byte_rate":"1024"}}"#, ["quotas", "users/alice"]),
        ("/config/clients/<default>", r#"{"version":1,"config":{"request_percentage":"9"}}"#, ["quotas", "<default>"]),
        (
            "/config/ips/10.0.0.1",
            r#"{"version":1,"config":{"connection_creation_rate":"9"}}"#,
            ["quotas", "ips/10.0.0.1"],
        ),
        (
            "/config/users/b/clients/c",
            r#"{"version":1,"config":{"consumer_byte_rate":"1"}}"#,
            ["quotas", "users/b/clients/c"],
        ),
        ("/config/users/carol", r#"{"version":1,"config":{"SCRAM-SHA-256":"salt=x"}}"#, ["SCRAM users", "users/carol"]),
        ("/config/users/dave", "nonsense", ["quotas", "users/dave, which can't be read"]),
        ("/kafka-acl/Topic/orders", r#"{"version":1,"acls":[]}"#, ["ACLs", "Topic:orders"]),
        ("/kafka-acl-extended/prefixed/Group/g", r#"{"version":1,"acls":[]}"#, ["ACLs", "Group:g*"]),
        ("/delegation_token/tokens/abc", "{}", ["delegation tokens", "abc"]),
    ] {
        let server = healthy();
        server.put(path, data);
        hinders(&facts(&server, settings(&[])).await, &words);
        notes_that(&facts(&server, settings(&[("ottla.accept.unenforced", "true")])).await, &words);
    }
    // Nodes that hold nothing, as every cluster has them.
    let server = healthy();
    server.put("/config/users/alice", r#"{"version":1,"config":{}}"#);
    server.put("/kafka-acl/Topic", "");
    assert_eq!(stops(&judge(&facts(&server, settings(&[])).await)), Vec::<&str>::new());
}

#[tokio::test]
async fn directories_of_somebody_else_are_named() {
    let good = facts(&healthy(), settings(&[])).await;
    let with = |change: &dyn Fn(&mut Dir)| {
        let mut facts = good.clone();
        change(&mut facts.dirs[0]);
        facts
    };
    let meta = |change: &dyn Fn(&mut MetaProperties)| {
        with(&|dir| {
            if let Some(Ok(meta)) = &mut dir.meta {
                change(meta);
            }
        })
    };
    hinders(&meta(&|meta| meta.broker_id = Some(7)), &["broker.id=7", "the file 1"]);
    hinders(&meta(&|meta| meta.cluster_id = Some("other".into())), &["cluster.id=other", "theCluster"]);
    hinders(&meta(&|meta| meta.version = 1), &["version 1, KRaft's"]);
    hinders(&with(&|dir| dir.meta = Some(Err("version is missing".into()))), &["meta.properties: version is missing"]);
    hinders(&with(&|dir| dir.meta = None), &["1 logs and no meta.properties"]);
    hinders(&with(&|dir| dir.problem = Some("Permission denied".into())), &["Permission denied"]);
    hinders(&with(&|dir| dir.names.push("__cluster_metadata-0".into())), &["metadata log of KRaft"]);
    hinders(&with(&|dir| dir.names.push("remote-log-index-cache".into())), &["tiered storage"]);
    hinders(&with(&|dir| dir.names.push("backup".into())), &["/data/a/backup is no partition's"]);
    let server = healthy();
    server.remove("/brokers/ids/1");
    let mut unclean = facts(&server, settings(&[])).await;
    unclean.dirs[0].is_clean = false;
    notes_that(&unclean, &["not closed by a clean stop"]);
    let mut two = facts(&server, settings(&[])).await;
    let mut other = dir();
    other.meta =
        Some(Ok(MetaProperties { broker_id: Some(2), cluster_id: Some("theCluster".into()), ..Default::default() }));
    two.settings.broker_id = -1;
    two.dirs.push(other);
    hinders(&two, &["several brokers: [1, 2]"]);
}

#[tokio::test]
async fn partitions_that_are_not_well_are_named() {
    let state_node = "/brokers/topics/t/partitions/0/state";
    let server = healthy();
    server.put(state_node, state(2, "2,1"));
    hinders(&facts(&server, settings(&[])).await, &["1 partition (t-0) under-replicated"]);
    server.put(state_node, state(-1, "3"));
    hinders(&facts(&server, settings(&[])).await, &["1 partition (t-0) without a leader"]);
    // This broker is stopped: it alone is missing.
    server.put(state_node, state(2, "2,3"));
    server.remove("/brokers/ids/1");
    assert_eq!(stops(&judge(&facts(&server, settings(&[])).await)), Vec::<&str>::new());

    let server = healthy();
    server.put("/brokers/topics/t", TOPIC.replace(r#""adding_replicas":{}"#, r#""adding_replicas":{"0":[3]}"#));
    hinders(&facts(&server, settings(&[])).await, &["t-0", "being reassigned"]);
    let server = healthy();
    server.put("/config/topics/t", r#"{"version":1,"config":{"remote.storage.enable":"true"}}"#);
    hinders(&facts(&server, settings(&[])).await, &["t has remote.storage.enable=true"]);
    server.put("/config/topics/t", r#"{"version":1,"config":{"min.insync.replicas":"3"}}"#);
    notes_that(&facts(&server, settings(&[])).await, &["t-0", "below min.insync.replicas without this broker"]);
    server.put("/brokers/topics/t", TOPIC.replace("[1,2,3]", "[1]"));
    notes_that(&facts(&server, settings(&[])).await, &["t-0", "on this broker alone"]);
    server.put("/admin/delete_topics/t", "");
    notes_that(&facts(&server, settings(&[])).await, &["being deleted: t"]);
}

#[tokio::test]
async fn peers_of_another_protocol_are_named() {
    let good = facts(&healthy(), settings(&[])).await;
    let with = |answer: Result<Answer, String>| {
        let mut facts = good.clone();
        facts.peers[2].answer = answer;
        facts
    };
    hinders(&with(Ok(answer("3.6-IV2", 15))), &["broker 3 is Apache Kafka 3.6 or older", "3.9-IV0"]);
    hinders(&with(Ok(answer("2.7-IV2", 17))), &["broker 3 has inter.broker.protocol.version=2.7-IV2", "2.8 to 3.9"]);
    notes_that(&with(Ok(answer("3.6-IV2", 17))), &["broker 3", "3.6-IV2", "rolling upgrade"]);
    notes_that(&with(Err("connection refused".into())), &["broker 3 could not be asked: connection refused"]);
    let mut old = facts(&healthy(), settings(&[("inter.broker.protocol.version", "3.4")])).await;
    old.peers.iter_mut().for_each(|peer| peer.answer = Ok(answer("3.4-IV0", 13)));
    assert_eq!(stops(&judge(&old)), Vec::<&str>::new());
    let server = healthy();
    server.put("/brokers/ids/3", node(1, "PLAINTEXT"));
    hinders(&facts(&server, settings(&[])).await, &["h1:9092 is advertised by broker 3"]);

    // The running broker was started from another file.
    let mut own = answer("3.9-IV0", 17);
    own.configs.insert("num.io.threads".into(), "16".into());
    own.from_file.push("num.io.threads".into());
    let mut facts = good.clone();
    facts.peers[0].answer = Ok(own);
    notes_that(&facts, &["the running broker has num.io.threads=16, this file 8"]);
}
