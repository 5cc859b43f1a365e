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

async fn recorded() -> Bench {
    let bench = Bench::new().await;
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
    let bench = Bench::new().await;
    let both = Entity { client: name("app"), ..user("carol") };
    bench.admin.alter_client_quotas(&both, &[set("producer_byte_rate", 1.0)], false).await.expect("altered");
    bench.admin.alter_client_quotas(&both, &[("producer_byte_rate".into(), None)], false).await.expect("altered");
    assert_eq!(bench.text("/config/users/carol"), None);
    assert_eq!(bench.changes().len(), 2);
}

#[tokio::test]
async fn names_are_encoded_in_paths_and_come_back() {
    let bench = Bench::new().await;
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

#[tokio::test]
async fn credentials_are_set_described_and_removed() {
    let bench = Bench::new().await;
    bench.server.put("/config/users/ann", r#"{"version":1,"config":{"producer_byte_rate":"1"}}"#);
    let upsertion = Upsertion {
        user: "ann".into(),
        mechanism: 1,
        iterations: 4096,
        salt: b"salt".to_vec(),
        salted_password: vec![7; 32],
    };
    let deletion = |user: &str| Deletion { user: user.into(), mechanism: 1 };
    let done = bench.admin.alter_scram_users(&[deletion("bob")], &[upsertion]).await;
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
