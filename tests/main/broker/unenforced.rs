//! Quotas, ACLs, SCRAM users and tokens in ZooKeeper refuse a start by name while nobody enforces them, unless that is accepted.

use ottla::base::Env;
use ottla::base::env::SimNet;
use ottla::zk::session::sim::SimZk;
use tokio::sync::watch;

use super::bed::start;

async fn started(server: &SimZk, settings: &[(&str, &str)]) -> Result<(), String> {
    let env = Env::sim(3, 1_700_000_000_000, SimNet::default());
    let (_stop, stopping) = watch::channel(false);
    let broker = start(&env, server.connect().await, settings, stopping).await.map_err(|error| error.to_string())?;
    broker.stop().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn start_is_refused_by_name_and_nothing_is_written_before() {
    for (path, data, words) in [
        ("/config/users/alice", r#"{"version":1,"config":{"producer_byte_rate":"1"}}"#, ["quotas", "users/alice"]),
        ("/config/users/bob", r#"{"version":1,"config":{"SCRAM-SHA-512":"x"}}"#, ["SCRAM users", "users/bob"]),
        ("/kafka-acl/Cluster/kafka-cluster", r#"{"version":1,"acls":[]}"#, ["ACLs", "Cluster:kafka-cluster"]),
        ("/delegation_token/tokens/t1", "{}", ["delegation tokens", "t1"]),
    ] {
        let server = SimZk::new();
        server.put(path, data);
        let before = server.dump();
        let refusal = started(&server, &[]).await.expect_err(path);
        for word in words.iter().chain(&["--accept-unenforced"]) {
            assert!(refusal.contains(word), "{word} in {refusal}");
        }
        assert_eq!(server.dump(), before);
        assert_eq!(started(&server, &[("ottla.accept.unenforced", "true")]).await, Ok(()), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_that_hold_nothing_refuse_nothing() {
    let server = SimZk::new();
    server.put("/config/users/alice", r#"{"version":1,"config":{}}"#);
    server.put("/config/clients/<default>", "");
    server.put("/kafka-acl/Topic", "");
    server.put("/kafka-acl-extended/prefixed/Topic", "");
    server.put("/delegation_token/tokens", "");
    assert_eq!(started(&server, &[]).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_long_list_is_cut() {
    let server = SimZk::new();
    for n in 0..9 {
        server.put(&format!("/config/users/u{n}"), r#"{"version":1,"config":{"consumer_byte_rate":"1"}}"#);
    }
    let refusal = started(&server, &[]).await.expect_err("quotas");
    assert!(refusal.contains("(users/u0, users/u1, users/u2, users/u3, users/u4 and 4 more)"), "{refusal}");
}
