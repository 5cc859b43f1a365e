//! Quotas and SCRAM users over a simulated ZooKeeper.

use std::collections::BTreeMap;

use ottla::admin::quota::{Entity, Filter, Match};
use ottla::admin::scram::{Deletion, Upsertion};
use ottla::base::ErrorCode;

use super::bench::Bench;

fn name(text: &str) -> Option<Option<String>> {
    Some(Some(text.into()))
}

fn user(text: &str) -> Entity {
    Entity { user: name(text), ..Entity::default() }
}

fn set(key: &str, value: f64) -> (String, Option<f64>) {
    (key.into(), Some(value))
}

fn shown(found: Vec<(Entity, Vec<(String, f64)>)>) -> Vec<String> {
    let part = |part: &Option<Option<String>>| match part {
        None => "-".to_owned(),
        Some(None) => "<default>".to_owned(),
        Some(Some(name)) => name.clone(),
    };
    let line = |(e, values): (Entity, Vec<(String, f64)>)| {
        let values: Vec<String> = values.iter().map(|(k, v)| format!("{k}={v}")).collect();
        format!("{} {} {} {}", part(&e.user), part(&e.client), part(&e.ip), values.join(","))
    };
    found.into_iter().map(line).collect()
}

/// It keeps what it does not enforce.
async fn accepting() -> Bench {
    Bench::with(&[("ottla.accept.unenforced", "true")]).await
}

async fn recorded() -> Bench {
    let bench = accepting().await;
    let both = Entity { client: name("app"), ..user("bob") };
    let default_client = Entity { client: Some(None), ..Entity::default() };
    let ip = Entity { ip: name("10.1.2.3"), ..Entity::default() };
    for (entity, ops) in [
        (user("bob"), vec![set("request_percentage", 50.0), set("producer_byte_rate", 1024.0)]),
        (both, vec![set("producer_byte_rate", 512.0)]),
        (default_client, vec![set("controller_mutation_rate", 5.0)]),
        (ip, vec![set("connection_creation_rate", 20.0)]),
    ] {
        bench.admin.alter_client_quotas(&entity, &ops, false).await.expect("altered");
    }
    bench
}

#[tokio::test]
async fn quotas_are_written_as_apache_kafka_did() {
    let bench = recorded().await;
    let config = |text: &str| Some(format!(r#"{{"version":1,"config":{{{text}}}}}"#));
    assert_eq!(bench.text("/config/users/bob"), config(r#""producer_byte_rate":"1024","request_percentage":"50.0""#));
    assert_eq!(bench.text("/config/users/bob/clients/app"), config(r#""producer_byte_rate":"512""#));
    assert_eq!(bench.text("/config/clients/<default>"), config(r#""controller_mutation_rate":"5.0""#));
    assert_eq!(bench.text("/config/ips/10.1.2.3"), config(r#""connection_creation_rate":"20""#));
    let told = |path: &str| format!(r#"{{"version":2,"entity_path":"{path}"}}"#);
    assert_eq!(bench.changes(), ["users/bob", "users/bob/clients/app", "clients/<default>", "ips/10.1.2.3"].map(told));
}

#[tokio::test]
async fn quotas_are_found_by_filter() {
    let bench = recorded().await;
    let find = async |filter: Filter| shown(bench.admin.describe_client_quotas(&filter).await.expect("read"));
    let exact = |text: &str| Some(Match::Exact(Some(text.into())));
    let strict = Filter { user: exact("bob"), strict: true, ..Filter::default() };
    assert_eq!(find(strict.clone()).await, ["bob - - producer_byte_rate=1024,request_percentage=50"]);
    let loose = Filter { strict: false, ..strict.clone() };
    assert_eq!(
        find(loose).await,
        ["bob - - producer_byte_rate=1024,request_percentage=50", "bob app - producer_byte_rate=512"]
    );
    let both = Filter { client: exact("app"), ..strict.clone() };
    assert_eq!(find(both).await, ["bob app - producer_byte_rate=512"]);
    assert_eq!(find(Filter { user: exact("alice"), ..strict }).await, [""; 0]);
    let default = Filter { client: Some(Match::Exact(None)), strict: true, ..Filter::default() };
    assert_eq!(find(default).await, ["- <default> - controller_mutation_rate=5"]);
    let ips = Filter { ip: Some(Match::Any), ..Filter::default() };
    assert_eq!(find(ips).await, ["- - 10.1.2.3 connection_creation_rate=20"]);
    assert_eq!(find(Filter::default()).await.len(), 4);
}

#[tokio::test]
async fn the_last_quota_takes_its_node_and_empty_parents_along() {
    let bench = accepting().await;
    let both = Entity { client: name("app"), ..user("carol") };
    bench.admin.alter_client_quotas(&both, &[set("producer_byte_rate", 1.0)], false).await.expect("altered");
    bench.admin.alter_client_quotas(&both, &[("producer_byte_rate".into(), None)], false).await.expect("altered");
    assert_eq!(bench.text("/config/users/carol"), None);
    assert_eq!(bench.changes().len(), 2);
}

#[tokio::test]
async fn names_are_encoded_in_paths_and_come_back() {
    let bench = accepting().await;
    let odd = user("a b*c/ü+%");
    bench.admin.alter_client_quotas(&odd, &[set("producer_byte_rate", 1.0)], false).await.expect("altered");
    assert!(bench.text("/config/users/a%20b%2Ac%2F%C3%BC%2B%25").is_some());
    let all = bench.admin.describe_client_quotas(&Filter::default()).await.expect("read");
    assert_eq!(all[0].0, odd);
}

#[tokio::test]
async fn addresses_that_no_reader_understands_are_refused() {
    let bench = Bench::new().await;
    let v6 = Entity { ip: name("::1"), ..Entity::default() };
    let error = bench.admin.alter_client_quotas(&v6, &[set("connection_creation_rate", 1.0)], false).await;
    assert_eq!(
        error.expect_err("refused").answer(),
        (ErrorCode::InvalidRequest, Some("%3A%3A1 is not a valid IP or resolvable host.".into()))
    );
}

fn upsertion(user: &str) -> Upsertion {
    let (salt, salted_password) = (b"salt".to_vec(), vec![7; 32]);
    Upsertion { user: user.into(), mechanism: 1, iterations: 4096, salt, salted_password }
}

fn deletion(user: &str) -> Deletion {
    Deletion { user: user.into(), mechanism: 1 }
}

#[tokio::test]
async fn credentials_are_set_described_and_removed() {
    let bench = accepting().await;
    bench.server.put("/config/users/ann", r#"{"version":1,"config":{"producer_byte_rate":"1"}}"#);
    let done = bench.admin.alter_scram_users(&[deletion("bob")], &[upsertion("ann")]).await;
    assert_eq!(done["ann"], Ok(()));
    assert_eq!(done["bob"].as_ref().expect_err("refused").code, ErrorCode::ResourceNotFound);
    let stored = bench.admin.user_config("ann").await.expect("read");
    assert!(stored["SCRAM-SHA-256"].ends_with(",iterations=4096") && stored.contains_key("producer_byte_rate"));
    let all = bench.admin.user_configs().await.expect("read");
    assert_eq!(all.into_keys().collect::<Vec<_>>(), ["ann"]);
    let done = bench.admin.alter_scram_users(&[deletion("ann")], &[]).await;
    assert_eq!(done, BTreeMap::from([("ann".into(), Ok(()))]));
    assert_eq!(
        bench.text("/config/users/ann").as_deref(),
        Some(r#"{"version":1,"config":{"producer_byte_rate":"1"}}"#)
    );
    assert_eq!(bench.changes().len(), 2);
}

/// Without the setting nothing is written that would keep every broker from its next start; what is there may be removed.
#[tokio::test]
async fn what_is_not_enforced_is_not_set() {
    let bench = Bench::new().await;
    let stored = r#"{"version":1,"config":{"SCRAM-SHA-256":"salt=a,stored_key=b,server_key=c,iterations=4096","producer_byte_rate":"1"}}"#;
    bench.server.put("/config/users/ann", stored);
    for (ops, validate_only) in [
        (vec![set("producer_byte_rate", 2.0)], false),
        (vec![set("producer_byte_rate", 2.0)], true),
        (vec![("producer_byte_rate".into(), None), set("consumer_byte_rate", 2.0)], false),
    ] {
        let error = bench.admin.alter_client_quotas(&user("ann"), &ops, validate_only).await.expect_err("refused");
        let (code, message) = error.answer();
        assert_eq!(code, ErrorCode::PolicyViolation);
        let message = message.expect("it says why");
        for word in ["does not enforce quotas yet", "clients would go unthrottled", "ottla.accept.unenforced=true"] {
            assert!(message.contains(word), "{message}");
        }
    }
    let bad = bench.admin.alter_client_quotas(&user("ann"), &[set("nonsense", 1.0)], false).await.expect_err("refused");
    assert_eq!(bad.code(), ErrorCode::InvalidRequest, "a bad request is told first");
    let done = bench.admin.alter_scram_users(&[deletion("bob")], &[upsertion("ann"), upsertion("eve")]).await;
    for name in ["ann", "eve"] {
        let refusal = done[name].as_ref().expect_err("refused");
        assert_eq!(refusal.code, ErrorCode::PolicyViolation);
        let message = refusal.message.as_deref().unwrap_or_default();
        assert!(message.contains("SCRAM users") && message.contains("ottla.accept.unenforced=true"), "{message}");
    }
    assert_eq!(done["bob"].as_ref().expect_err("refused").code, ErrorCode::ResourceNotFound);
    assert_eq!(bench.text("/config/users/ann").as_deref(), Some(stored));
    assert_eq!(bench.changes(), [""; 0]);

    let removal = [("producer_byte_rate".into(), None)];
    bench.admin.alter_client_quotas(&user("ann"), &removal, false).await.expect("removing is allowed");
    assert_eq!(bench.admin.alter_scram_users(&[deletion("ann")], &[]).await["ann"], Ok(()));
    assert_eq!(bench.text("/config/users/ann"), None);
}
