//! Configs altered over a simulated ZooKeeper: what is written, what is told, what is refused.

use ottla::base::ErrorCode;
use ottla::config::ConfigMap;
use ottla::config::ops::{AlterOp, Op};

use super::bench::Bench;

const NODE: &str = r#"{"partitions":{"0":[0]},"topic_id":"Nl8G2bdgTL-tmkgpgFhvnQ","adding_replicas":{},"removing_replicas":{},"version":3}"#;
const TOLD: &str = r#"{"version":2,"entity_path":"topics/plain"}"#;

async fn bench() -> Bench {
    Bench::new().await.with_topic("plain", NODE)
}

fn op(op: Op, key: &str, value: &str) -> AlterOp {
    AlterOp { key: key.into(), op, value: (op != Op::Delete).then(|| value.into()) }
}

fn map(pairs: &[(&str, &str)]) -> ConfigMap {
    pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

#[tokio::test]
async fn keys_are_set_and_all_brokers_told() {
    let bench = bench().await;
    let ops = [op(Op::Set, "retention.ms", "86400000"), op(Op::Set, "cleanup.policy", "delete,compact")];
    bench.admin.alter_topic_keys("plain", &ops, false).await.expect("altered");
    assert_eq!(
        bench.text("/config/topics/plain").as_deref(),
        Some(r#"{"version":1,"config":{"cleanup.policy":"delete,compact","retention.ms":"86400000"}}"#)
    );
    assert_eq!(bench.changes(), [TOLD]);
    bench.admin.alter_topic_keys("plain", &[op(Op::Delete, "cleanup.policy", "")], false).await.expect("altered");
    assert_eq!(bench.admin.topic_config("plain").await.expect("read"), map(&[("retention.ms", "86400000")]));
}

#[tokio::test]
async fn an_alteration_that_changes_nothing_is_written_and_told() {
    let bench = bench().await;
    bench.server.put("/config/topics/plain", r#"{"version":1,"config":{}}"#);
    bench.admin.alter_topic_keys("plain", &[op(Op::Delete, "retention.ms", "")], false).await.expect("altered");
    assert_eq!(bench.server.dump()["/config/topics/plain"].1.version, 1);
    assert_eq!(bench.changes(), [TOLD]);
}

#[tokio::test]
async fn lists_start_from_kafkas_default() {
    let bench = bench().await;
    bench
        .admin
        .alter_topic_keys("plain", &[op(Op::Append, "cleanup.policy", "compact")], false)
        .await
        .expect("altered");
    assert_eq!(bench.admin.topic_config("plain").await.expect("read"), map(&[("cleanup.policy", "delete,compact")]));
}

#[tokio::test]
async fn refusals_are_those_the_tools_printed_and_write_nothing() {
    let bench = bench().await;
    let refused =
        async |ops: &[AlterOp]| bench.admin.alter_topic_keys("plain", ops, false).await.expect_err("refused").answer();
    assert_eq!(
        refused(&[op(Op::Set, "retention.ms", "x")]).await,
        (
            ErrorCode::InvalidConfig,
            Some(
                "Invalid config value for resource ConfigResource(type=TOPIC, name='plain'): Invalid value x for \
                 configuration retention.ms: Not a number of type LONG"
                    .into()
            )
        )
    );
    assert_eq!(
        refused(&[op(Op::Set, "nope", "x")]).await,
        (ErrorCode::InvalidConfig, Some("Unknown topic config name: nope".into()))
    );
    assert_eq!(bench.text("/config/topics/plain"), None);
    assert!(bench.changes().is_empty());
}

#[tokio::test]
async fn unknown_topics_are_refused_before_a_path_is_made() {
    let bench = bench().await;
    let refused = async |topic: &str| {
        bench.admin.alter_topic_config(topic, &ConfigMap::new(), false).await.expect_err("refused").answer()
    };
    assert_eq!(
        refused("nothere").await,
        (ErrorCode::UnknownTopicOrPartition, Some("The topic 'nothere' does not exist.".into()))
    );
    assert_eq!(refused("../brokers/0").await.0, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(refused("").await, (ErrorCode::InvalidRequest, Some("Default topic resources are not allowed.".into())));
    bench.tell(&["gone"]);
    assert_eq!(refused("gone").await.1.as_deref(), Some("Topic 'gone' does not exist."));
}

#[tokio::test]
async fn replacing_drops_what_is_not_named() {
    let bench = bench().await;
    bench.server.put("/config/topics/plain", r#"{"version":1,"config":{"retention.ms":"1","flush.ms":"2"}}"#);
    bench.admin.alter_topic_config("plain", &map(&[("flush.ms", "3")]), false).await.expect("altered");
    assert_eq!(bench.admin.topic_config("plain").await.expect("read"), map(&[("flush.ms", "3")]));
}

#[tokio::test]
async fn validating_writes_nothing() {
    let bench = bench().await;
    bench.admin.alter_topic_keys("plain", &[op(Op::Set, "retention.ms", "1")], true).await.expect("valid");
    bench.admin.alter_broker_config(Some(0), &map(&[("log.cleaner.threads", "2")]), true).await.expect("valid");
    assert_eq!(bench.text("/config/topics/plain"), None);
    assert_eq!(bench.text("/config/brokers/0"), None);
    assert!(bench.changes().is_empty());
}

#[tokio::test]
async fn brokers_and_their_default_have_nodes_of_their_own() {
    let bench = bench().await;
    let threads = map(&[("log.cleaner.threads", "2"), ("leader.replication.throttled.rate", "1000000")]);
    bench.admin.alter_broker_config(Some(0), &threads, false).await.expect("altered");
    bench.admin.alter_broker_keys(None, &[op(Op::Set, "num.io.threads", "9")], false).await.expect("altered");
    assert_eq!(
        bench.text("/config/brokers/0").as_deref(),
        Some(r#"{"version":1,"config":{"leader.replication.throttled.rate":"1000000","log.cleaner.threads":"2"}}"#)
    );
    assert_eq!(
        bench.text("/config/brokers/<default>").as_deref(),
        Some(r#"{"version":1,"config":{"num.io.threads":"9"}}"#)
    );
    assert_eq!(
        bench.changes(),
        [r#"{"version":2,"entity_path":"brokers/0"}"#, r#"{"version":2,"entity_path":"brokers/<default>"}"#]
    );
}

#[tokio::test]
async fn read_only_keys_are_refused() {
    let bench = bench().await;
    let error = bench.admin.alter_broker_config(Some(0), &map(&[("zookeeper.connect", "x")]), false).await;
    assert_eq!(
        error.expect_err("refused").answer(),
        (ErrorCode::InvalidRequest, Some("Cannot update these configs dynamically: Set(zookeeper.connect)".into()))
    );
    assert_eq!(bench.text("/config/brokers/0"), None);
}

#[tokio::test]
async fn without_a_controller_no_config_is_written() {
    let bench = bench().await;
    bench.server.remove("/controller");
    let error = bench.admin.alter_topic_config("plain", &ConfigMap::new(), false).await.expect_err("refused");
    assert_eq!(error.code(), ErrorCode::StaleControllerEpoch);
    assert!(bench.changes().is_empty());
}

#[tokio::test]
async fn a_map_of_too_many_keys_is_refused() {
    let bench = bench().await;
    let many: ConfigMap = (0..5000).map(|at| (format!("custom.{at}"), String::new())).collect();
    let error = bench.admin.alter_broker_config(Some(0), &many, false).await.expect_err("refused");
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
    assert_eq!(bench.text("/config/brokers/0"), None);
}
