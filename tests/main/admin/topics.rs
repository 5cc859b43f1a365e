//! Topics made, grown and marked over a simulated ZooKeeper. Error texts are those that Kafka's tools printed.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla::admin::{AdminError, Growth, NewTopic};
use ottla::base::ErrorCode;

use super::bench::{Bench, CONTROLLER};

const PLACED: &str = r#"{"partitions":{"0":[0,1],"1":[1,2],"2":[2,0]},"topic_id":"Nl8G2bdgTL-tmkgpgFhvnQ","adding_replicas":{},"removing_replicas":{},"version":3}"#;

fn topic(name: &str) -> NewTopic {
    NewTopic::new(name, 3, 3)
}

fn set(key: &str, value: &str) -> (String, Option<String>) {
    (key.into(), Some(value.into()))
}

async fn refused(bench: &Bench, new: &NewTopic) -> (ErrorCode, String) {
    let (code, message) = bench.admin.create_topic(new, false).await.expect_err("refused").answer();
    (code, message.unwrap_or_default())
}

#[tokio::test]
async fn creating_writes_config_then_topic_and_no_notification() {
    let bench = Bench::new().await;
    let new = NewTopic { configs: vec![set("retention.ms", "1000")], ..topic("plain") };
    let created = bench.admin.create_topic(&new, false).await.expect("created");
    assert_eq!((created.partitions, created.replication), (3, 3));
    assert_eq!(
        bench.text("/config/topics/plain").as_deref(),
        Some(r#"{"version":1,"config":{"retention.ms":"1000"}}"#)
    );
    let node = bench.text("/brokers/topics/plain").expect("the topic");
    assert!(node.contains(&format!(r#""topic_id":"{}""#, created.id)), "{node}");
    assert!(node.ends_with(r#""adding_replicas":{},"removing_replicas":{},"version":3}"#), "{node}");
    assert!(bench.changes().is_empty());
    assert_eq!(bench.text("/brokers/topics/plain/partitions"), None);
}

#[tokio::test]
async fn an_empty_config_is_written_too() {
    let bench = Bench::new().await;
    bench.admin.create_topic(&topic("plain"), false).await.expect("created");
    assert_eq!(bench.text("/config/topics/plain").as_deref(), Some(r#"{"version":1,"config":{}}"#));
}

#[tokio::test]
async fn the_answer_lists_all_configs_with_their_sources() {
    let bench = Bench::with(&[("log.retention.ms", "5")]).await;
    let new = NewTopic { configs: vec![set("cleanup.policy", "compact")], ..topic("plain") };
    let created = bench.admin.create_topic(&new, false).await.expect("created");
    assert_eq!(created.configs.len(), 36);
    assert_eq!(created.configs[0].name, "compression.type");
    let of = |name: &str| created.configs.iter().find(|e| e.name == name).expect("listed");
    assert_eq!((of("cleanup.policy").value.as_deref(), of("cleanup.policy").source.code()), (Some("compact"), 1));
    assert_eq!((of("retention.ms").value.as_deref(), of("retention.ms").source.code()), (Some("5"), 4));
    assert_eq!(of("segment.bytes").source.code(), 5);
}

#[tokio::test]
async fn validating_writes_nothing() {
    let bench = Bench::new().await;
    let created = bench.admin.create_topic(&topic("plain"), true).await.expect("valid");
    assert!(created.id.is_zero());
    assert_eq!(created.partitions, 3);
    assert_eq!(bench.text("/brokers/topics/plain"), None);
    assert_eq!(bench.text("/config/topics/plain"), None);
}

#[tokio::test]
async fn counts_default_to_the_brokers() {
    let bench = Bench::with(&[("num.partitions", "5"), ("default.replication.factor", "2")]).await;
    let created = bench.admin.create_topic(&NewTopic::new("plain", -1, -1), true).await.expect("valid");
    assert_eq!((created.partitions, created.replication), (5, 2));
}

#[tokio::test]
async fn an_assignment_by_hand_is_written_as_it_is() {
    let bench = Bench::new().await;
    let by_hand = BTreeMap::from([(0, vec![0, 1]), (1, vec![1, 2]), (2, vec![2, 0])]);
    let new = NewTopic { assignment: Some(by_hand), ..NewTopic::new("placed", -1, -1) };
    bench.admin.create_topic(&new, false).await.expect("created");
    let node = bench.text("/brokers/topics/placed").expect("the topic");
    assert!(node.starts_with(r#"{"partitions":{"0":[0,1],"1":[1,2],"2":[2,0]},"#), "{node}");
    let both = NewTopic { partitions: 3, ..new };
    assert_eq!(refused(&bench, &NewTopic { name: "other".into(), ..both }).await.0, ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn refusals_are_those_the_tools_printed() {
    let bench = Bench::new().await.with_topic("plain", PLACED);
    let exists = (ErrorCode::TopicAlreadyExists, "Topic 'plain' already exists.".to_owned());
    assert_eq!(refused(&bench, &topic("plain")).await, exists);
    assert_eq!(
        refused(&bench, &topic("a b")).await,
        (
            ErrorCode::InvalidTopicException,
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
                .into()
        )
    );
    assert_eq!(
        refused(&bench, &NewTopic::new("toobig", 1, 9)).await,
        (ErrorCode::InvalidReplicationFactor, "Replication factor: 9 larger than available brokers: 3.".into())
    );
    let unknown = NewTopic { configs: vec![set("nope", "1")], ..topic("badcfg") };
    assert_eq!(refused(&bench, &unknown).await, (ErrorCode::InvalidConfig, "Unknown topic config name: nope".into()));
    let bad = NewTopic { configs: vec![set("retention.ms", "abc")], ..topic("badval") };
    assert_eq!(
        refused(&bench, &bad).await,
        (
            ErrorCode::InvalidConfig,
            "Invalid value abc for configuration retention.ms: Not a number of type LONG".into()
        )
    );
    let null = NewTopic { configs: vec![("retention.ms".into(), None)], ..topic("nulls") };
    assert_eq!(
        refused(&bench, &null).await,
        (ErrorCode::InvalidConfig, "Null value not supported for topic configs: retention.ms".into())
    );
    for name in ["toobig", "badcfg", "badval", "nulls", "a b"] {
        assert_eq!(bench.text(&format!("/config/topics/{name}")), None, "{name}");
    }
}

#[tokio::test]
async fn a_topic_that_only_zookeeper_knows_exists_too() {
    let bench = Bench::new().await;
    bench.server.put("/brokers/topics/plain", PLACED);
    assert_eq!(refused(&bench, &topic("plain")).await.0, ErrorCode::TopicAlreadyExists);
    bench.server.put("/brokers/topics/a.b", PLACED);
    assert_eq!(refused(&bench, &topic("a.b")).await.0, ErrorCode::TopicAlreadyExists);
}

#[tokio::test]
async fn names_that_differ_in_dots_and_underscores_collide() {
    let bench = Bench::new().await;
    bench.server.put("/brokers/topics/with.dot_under", PLACED);
    assert_eq!(
        refused(&bench, &topic("with_dot.under")).await,
        (
            ErrorCode::InvalidTopicException,
            "Topic 'with_dot.under' collides with existing topics: with.dot_under".into()
        )
    );
}

#[tokio::test]
async fn a_topic_on_its_way_out_can_not_be_made_again() {
    let bench = Bench::new().await;
    bench.server.put("/admin/delete_topics/plain", "");
    assert_eq!(
        refused(&bench, &topic("plain")).await,
        (ErrorCode::TopicAlreadyExists, "Topic 'plain' is marked for deletion.".into())
    );
}

#[tokio::test]
async fn without_a_controller_nothing_is_written() {
    let bench = Bench::new().await;
    bench.server.remove("/controller");
    assert_eq!(
        refused(&bench, &topic("plain")).await,
        (
            ErrorCode::StaleControllerEpoch,
            "Cannot set entity configs for topics plain when there is no controller.".into()
        )
    );
    assert_eq!(bench.text("/brokers/topics/plain"), None);
    bench.server.put("/controller", CONTROLLER);
    bench.admin.create_topic(&topic("plain"), false).await.expect("created");
}

#[tokio::test]
async fn lost_replies_do_not_show() {
    let bench = Bench::new().await;
    bench.server.lose_replies(bench.zk.session().id(), 10);
    let created = bench.admin.create_topic(&topic("plain"), false).await.expect("created");
    let node = bench.text("/brokers/topics/plain").expect("the topic");
    assert!(node.contains(&created.id.to_string()), "{node}");
}

#[tokio::test(start_paused = true)]
async fn an_expired_session_is_told_as_a_timeout() {
    let bench = Bench::new().await;
    bench.server.expire(bench.zk.session().id());
    let error = bench.admin.create_topic(&topic("plain"), false).await.expect_err("no session");
    assert_eq!(error.answer(), (ErrorCode::RequestTimedOut, None));
}

#[tokio::test(start_paused = true)]
async fn an_operation_waits_for_the_next_session() {
    let bench = Bench::new().await;
    bench.server.expire(bench.zk.session().id());
    let new = topic("plain");
    let (created, reopened) = tokio::join!(bench.admin.create_topic(&new, false), bench.zk.reopen());
    reopened.expect("a session");
    created.expect("created");
}

#[tokio::test]
async fn a_node_larger_than_zookeeper_takes_is_refused() {
    let bench = Bench::new().await;
    let huge =
        NewTopic { configs: vec![set("leader.replication.throttled.replicas", &"0:1,".repeat(300_000))], ..topic("t") };
    let error = bench.admin.create_topic(&huge, false).await.expect_err("refused");
    assert!(matches!(error, AdminError::InvalidRequest(_) | AdminError::InvalidConfig(_)), "{error}");
    let many = NewTopic::new("t", 100_000, 3);
    let error = bench.admin.create_topic(&many, false).await.expect_err("refused");
    assert_eq!(error.code(), ErrorCode::InvalidPartitions);
    assert_eq!(bench.text("/config/topics/t"), None);
}

fn names(topics: &[&str]) -> Vec<Arc<str>> {
    topics.iter().map(|topic| Arc::from(*topic)).collect()
}

#[tokio::test]
async fn auto_creation_answers_what_metadata_tells() {
    let bench = Bench::new().await;
    bench.server.put("/brokers/topics/there", PLACED);
    let codes = bench.admin.auto_create(&names(&["new", "there", "a b", "new"])).await;
    let expected = [
        ("a b", ErrorCode::InvalidTopicException),
        ("new", ErrorCode::LeaderNotAvailable),
        ("there", ErrorCode::LeaderNotAvailable),
    ];
    assert_eq!(codes, expected.map(|(name, code)| (Arc::from(name), code)).into());
    assert!(bench.text("/brokers/topics/new").is_some());
}

#[tokio::test]
async fn a_topic_under_creation_is_not_created_twice() {
    let bench = Bench::new().await;
    let wanted = names(&["new"]);
    let (one, two) = tokio::join!(bench.admin.auto_create(&wanted), bench.admin.auto_create(&wanted));
    let mut codes: Vec<ErrorCode> = one.into_values().chain(two.into_values()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [ErrorCode::UnknownTopicOrPartition, ErrorCode::LeaderNotAvailable]);
    let again = bench.admin.auto_create(&wanted).await;
    assert_eq!(again[&wanted[0]], ErrorCode::LeaderNotAvailable);
}

#[tokio::test]
async fn internal_topics_get_what_their_coordinators_need() {
    let bench = Bench::with(&[
        ("offsets.topic.num.partitions", "3"),
        ("transaction.state.log.num.partitions", "3"),
        ("transaction.state.log.min.isr", "2"),
    ])
    .await;
    bench.admin.auto_create(&names(&["__consumer_offsets", "__transaction_state"])).await;
    assert_eq!(
        bench.text("/config/topics/__consumer_offsets").as_deref(),
        Some(
            r#"{"version":1,"config":{"cleanup.policy":"compact","compression.type":"producer","segment.bytes":"104857600"}}"#
        )
    );
    assert_eq!(
        bench.text("/config/topics/__transaction_state").as_deref(),
        Some(
            r#"{"version":1,"config":{"cleanup.policy":"compact","compression.type":"uncompressed","min.insync.replicas":"2","segment.bytes":"104857600","unclean.leader.election.enable":"false"}}"#
        )
    );
    let node = bench.text("/brokers/topics/__consumer_offsets").expect("the topic");
    assert!(node.contains(r#""2":["#) && !node.contains(r#""3":["#), "{node}");
}

fn to(count: i32) -> Growth {
    Growth { topic: "placed".into(), count, assignments: None }
}

#[tokio::test]
async fn growth_is_written_once_and_keeps_the_rest() {
    let bench = Bench::new().await.with_topic("placed", PLACED);
    assert_eq!(bench.admin.create_partitions(&to(5), true).await.expect("valid"), 5);
    assert_eq!(bench.text("/brokers/topics/placed").as_deref(), Some(PLACED));
    assert_eq!(bench.admin.create_partitions(&to(5), false).await.expect("grown"), 5);
    // As recorded from Apache Kafka.
    assert_eq!(
        bench.text("/brokers/topics/placed").as_deref(),
        Some(
            r#"{"partitions":{"0":[0,1],"1":[1,2],"2":[2,0],"3":[0,2],"4":[1,0]},"topic_id":"Nl8G2bdgTL-tmkgpgFhvnQ","adding_replicas":{},"removing_replicas":{},"version":3}"#
        )
    );
    assert_eq!(bench.server.dump()["/brokers/topics/placed"].1.version, 1);
}

#[tokio::test]
async fn growth_that_is_none_is_refused() {
    let bench = Bench::new().await.with_topic("placed", PLACED);
    let refused =
        async |growth: Growth| bench.admin.create_partitions(&growth, false).await.expect_err("refused").answer();
    assert_eq!(
        refused(to(2)).await,
        (
            ErrorCode::InvalidPartitions,
            Some("Topic currently has 3 partitions, which is higher than the requested 2.".into())
        )
    );
    assert_eq!(refused(to(3)).await, (ErrorCode::InvalidPartitions, Some("Topic already has 3 partitions.".into())));
    assert_eq!(refused(to(i32::MAX)).await.0, ErrorCode::InvalidPartitions);
    assert_eq!(
        refused(Growth { topic: "nothere".into(), ..to(5) }).await,
        (ErrorCode::UnknownTopicOrPartition, Some("The topic 'nothere' does not exist.".into()))
    );
    assert_eq!(refused(Growth { topic: "../ids/0".into(), ..to(5) }).await.0, ErrorCode::UnknownTopicOrPartition);
    let unknown = Growth { assignments: Some(vec![vec![0, 7]]), ..to(4) };
    assert_eq!(
        refused(unknown).await,
        (ErrorCode::InvalidReplicaAssignment, Some("Unknown broker(s) in replica assignment: 7.".into()))
    );
}

#[tokio::test]
async fn growth_waits_for_reassignment_and_deletion() {
    let moving = PLACED.replace(r#""adding_replicas":{}"#, r#""adding_replicas":{"0":[2]}"#);
    let bench = Bench::new().await.with_topic("placed", &moving);
    assert_eq!(
        bench.admin.create_partitions(&to(5), false).await.expect_err("refused").answer(),
        (
            ErrorCode::ReassignmentInProgress,
            Some("A partition reassignment is in progress for the topic 'placed'.".into())
        )
    );
    bench.server.put("/admin/delete_topics/placed", "");
    assert_eq!(
        bench.admin.create_partitions(&to(5), false).await.expect_err("refused").answer(),
        (ErrorCode::InvalidTopicException, Some("The topic is queued for deletion.".into()))
    );
}

#[tokio::test]
async fn marking_for_deletion_may_be_repeated() {
    let bench = Bench::new().await.with_topic("placed", PLACED);
    bench.admin.mark_for_deletion("placed").await.expect("marked");
    bench.admin.mark_for_deletion("placed").await.expect("marked already");
    assert_eq!(bench.text("/admin/delete_topics/placed").as_deref(), Some(""));
    let error = bench.admin.mark_for_deletion("nothere").await.expect_err("refused");
    assert_eq!(error.code(), ErrorCode::UnknownTopicOrPartition);
    let error = bench.admin.mark_for_deletion("../topics/placed").await.expect_err("refused");
    assert_eq!(error.code(), ErrorCode::UnknownTopicOrPartition);
    assert!(bench.changes().is_empty());
}
