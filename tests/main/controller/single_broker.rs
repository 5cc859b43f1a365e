//! The life of a cluster of one broker: first start, first topic, growth, deletion, restart, expiry.

use std::collections::BTreeMap;

use ottla::base::{ErrorCode, TopicId};
use ottla::zk::session::sim::SimZk;
use ottla::zk::store;
use ottla::zk::znode::topic::{PartitionAssignment, TopicNode};
use serde_json::Value;

use super::world::{Received, World, settle, tp};

/// One znode: ephemeral, version of its data, data.
type Tree = BTreeMap<String, (bool, i32, Value)>;

/// Paths that ZooKeeper itself has, and the one that is left absent until its first block.
fn is_compared(path: &str) -> bool {
    path != "/" && !path.starts_with("/zookeeper") && path != "/latest_producer_id_block"
}

/// Data without what differs from run to run.
fn normal(data: &str) -> Value {
    let Ok(mut json) = serde_json::from_str::<Value>(data) else { return Value::String(data.into()) };
    if let Some(object) = json.as_object_mut() {
        for key in ["timestamp", "id", "topic_id"] {
            if let Some(value) = object.get_mut(key) {
                *value = Value::String("-".into());
            }
        }
    }
    json
}

fn tree(zk: &SimZk) -> Tree {
    let nodes = zk.dump().into_iter().filter(|(path, _)| is_compared(path));
    nodes.map(|(path, (data, stat))| (path, (stat.ephemeral_owner != 0, stat.version, normal(&data)))).collect()
}

fn golden(name: &str) -> Tree {
    let path = format!("{}/tests/golden/zk/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("golden file");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let node = |line: Value| {
        let path = line["path"].as_str().expect("path").to_owned();
        let data = normal(line["data"].as_str().unwrap_or_default());
        (path, (line["ephemeral"] == true, line["version"].as_i64().expect("version") as i32, data))
    };
    lines.map(node).filter(|(path, _)| is_compared(path)).collect()
}

#[tokio::test(start_paused = true)]
async fn first_start_and_first_topic_leave_the_tree_that_kafka_leaves() {
    let world = World::new();
    let mut broker = world.broker_at(0, 9092, 19092).await;
    store::ids::cluster_id_get_or_create(&broker.session(), "0bipMVzYRieCDjPA-PU3tw").await.expect("cluster id");
    let controller = broker.start();

    // Over its own bound address: nobody listens at the advertised one.
    let first = broker.next().await;
    assert_eq!(first.header.client_id.as_deref(), Some("0"));
    assert_eq!((first.header.api_version, first.header.correlation_id), (8, 0));
    let Received::UpdateMetadata(first) = first.request else { panic!("not UpdateMetadata") };
    assert_eq!((first.controller_id, first.controller_epoch, first.broker_epoch), (0, 1, broker.epoch));
    assert_eq!(first.live_brokers.len(), 1);
    broker.silent().await;
    assert!(controller.is_active());
    assert_eq!(tree(&world.zk), golden("20-stock-broker.jsonl"));

    world.create_topic(&broker.session(), "first", &[&[0], &[0]]).await;
    assert_eq!(
        broker.told().await,
        "LeaderAndIsr first-0 leader 0 epoch 0 isr [0] new; first-1 leader 0 epoch 0 isr [0] new"
    );
    assert_eq!(broker.told().await, "UpdateMetadata brokers [0]; first-0 leader 0 epoch 0; first-1 leader 0 epoch 0");
    broker.silent().await;
    assert_eq!(tree(&world.zk), golden("21-stock-first-topic.jsonl"));
    assert_eq!(controller.status().partitions, 2);
    assert_eq!(controller.status().offline_partitions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_topic_grows_by_the_partitions_added_to_its_node() {
    let world = World::new();
    let mut broker = world.broker(0).await;
    let _controller = broker.start();
    broker.forget().await;
    let id = world.create_topic(&broker.session(), "t", &[&[0]]).await;
    broker.forget().await;
    let node = TopicNode {
        topic_id: Some(id),
        partitions: (0..3).map(|p| (p, PartitionAssignment::stable(vec![0]))).collect(),
    };
    store::topics::set_unfenced(&broker.session(), "t", &node).await.expect("written");
    assert_eq!(broker.told().await, "LeaderAndIsr t-1 leader 0 epoch 0 isr [0] new; t-2 leader 0 epoch 0 isr [0] new");
    assert_eq!(broker.told().await, "UpdateMetadata brokers [0]; t-1 leader 0 epoch 0; t-2 leader 0 epoch 0");
    broker.silent().await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_goes_through_metadata_stop_and_delete_and_then_out_of_zookeeper() {
    let world = World::new();
    let mut broker = world.broker(0).await;
    let controller = broker.start();
    broker.forget().await;
    world.create_topic(&broker.session(), "gone", &[&[0], &[0]]).await;
    broker.forget().await;
    store::topics::mark_for_deletion(&broker.session(), "gone").await.expect("marked");
    let told = broker.told_until("StopReplica gone-0 epoch -2 delete").await;
    assert_eq!(
        told,
        [
            "UpdateMetadata brokers [0]; gone-0 leader -2 epoch 0; gone-1 leader -2 epoch 0",
            "StopReplica gone-0 epoch -2; gone-1 epoch -2",
            "StopReplica gone-0 epoch -2 delete; gone-1 epoch -2 delete",
        ]
    );
    broker.silent().await;
    for path in ["/brokers/topics/gone", "/config/topics/gone", "/admin/delete_topics/gone"] {
        assert!(!world.exists(path), "{path} is still there");
    }
    assert_eq!(controller.status().topics, 0);
    assert_eq!(controller.status().topics_to_delete, 0);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_a_broker_refuses_waits_for_its_return() {
    let world = World::new();
    let mut broker = world.broker(0).await;
    let controller = broker.start();
    broker.forget().await;
    world.create_topic(&broker.session(), "t", &[&[0]]).await;
    broker.forget().await;
    let refused = (ottla::wire::ApiKey::StopReplica, tp("t", 0));
    broker.answers.lock().insert(refused.clone(), ErrorCode::KafkaStorageError.code());
    store::topics::mark_for_deletion(&broker.session(), "t").await.expect("marked");
    settle().await;
    assert!(world.exists("/brokers/topics/t"));
    assert_eq!(controller.status().topics_ineligible, 1);
    assert!(controller.is_being_deleted("t") && !controller.is_being_deleted("u"));
}

#[tokio::test(start_paused = true)]
async fn a_mark_for_an_unknown_topic_is_taken_away() {
    let world = World::new();
    let mut broker = world.broker(0).await;
    let _controller = broker.start();
    broker.forget().await;
    store::topics::mark_for_deletion(&broker.session(), "nope").await.expect("marked");
    settle().await;
    assert!(!world.exists("/admin/delete_topics/nope"));
}

#[tokio::test(start_paused = true)]
async fn a_topic_without_id_gets_one_at_failover() {
    let world = World::new();
    let mut broker = world.broker(0).await;
    world.zk.put("/brokers/topics/old", r#"{"version":1,"partitions":{"0":[0]}}"#.as_bytes());
    let _controller = broker.start();
    broker.forget().await;
    let (node, version) = store::topics::get(&broker.session(), "old").await.expect("read").expect("there");
    assert!(node.topic_id.is_some_and(|id| id != TopicId::ZERO));
    assert_eq!(version, 1);
}

#[tokio::test(start_paused = true)]
async fn after_expiry_the_broker_leads_again_in_its_new_session() {
    let world = World::new();
    let mut broker = world.broker(0).await;
    let controller = broker.start();
    broker.forget().await;
    world.create_topic(&broker.session(), "t", &[&[0]]).await;
    broker.forget().await;
    world.zk.expire(broker.session().id());
    controller.expire().await;
    settle().await;
    assert!(!controller.is_active());
    let answer = controller.allocate_producer_ids(0, broker.epoch).await;
    assert_eq!(answer, Err(ErrorCode::NotController));
    let answer = controller.controlled_shutdown(0, broker.epoch).await;
    assert_eq!(answer, Err(ErrorCode::StaleControllerEpoch));

    let session = broker.zk.reopen().await.expect("a new session");
    let node = super::world::registration(0, 9092);
    let epoch = store::brokers::register(&session, &node, &[]).await.expect("registered");
    assert!(epoch > broker.epoch);
    controller.reelect();
    let told = broker.told_until("LeaderAndIsr").await;
    assert_eq!(told, ["UpdateMetadata brokers [0]", "LeaderAndIsr t-0 leader 0 epoch 0 isr [0]"]);
    assert!(controller.is_active());
    assert_eq!(controller.status().epoch, 2);
    assert_eq!(controller.allocate_producer_ids(0, epoch).await.map(|b| (b.first, b.count)), Ok((0, 1000)));
    assert_eq!(controller.allocate_producer_ids(0, epoch).await.map(|b| (b.first, b.count)), Ok((1000, 1000)));
    assert_eq!(controller.allocate_producer_ids(0, epoch - 1).await, Err(ErrorCode::StaleBrokerEpoch));
    assert_eq!(controller.allocate_producer_ids(9, epoch).await, Err(ErrorCode::BrokerIdNotRegistered));
}

#[tokio::test(start_paused = true)]
async fn what_happened_while_the_connection_was_lost_is_found_after_it() {
    let world = World::new();
    let mut broker = world.broker(0).await;
    let controller = broker.start();
    broker.forget().await;
    world.create_topic(&broker.session(), "kept", &[&[0]]).await;
    broker.forget().await;
    let other = world.zk.connect().await;
    world.zk.disconnect(broker.session().id());
    world.create_topic(&other.session(), "missed", &[&[0]]).await;
    store::topics::mark_for_deletion(&other.session(), "kept").await.expect("marked");
    settle().await;
    assert_eq!(controller.status().topics, 1);
    world.zk.resume(broker.session().id());
    settle().await;
    assert!(controller.is_active(), "the same session is the same term");
    assert_eq!(controller.status().epoch, 1);
    assert!(world.exists("/brokers/topics/missed/partitions/0/state"));
    assert!(!world.exists("/brokers/topics/kept"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_not_taken_for_another_controller() {
    let world = World::new();
    let mut broker = world.broker(0).await;
    world.zk.lose_replies(broker.session().id(), 3);
    let controller = broker.start();
    broker.forget().await;
    assert!(controller.is_active());
    world.zk.lose_replies(broker.session().id(), 2);
    world.create_topic(&world.zk.connect().await.session(), "t", &[&[0]]).await;
    settle().await;
    assert!(controller.is_active());
    let state = r#"{"controller_epoch":1,"leader":0,"version":1,"leader_epoch":0,"isr":[0]}"#;
    assert_eq!(world.state(&tp("t", 0)), (state.to_owned(), 0));
    assert_eq!(controller.status().offline_partitions, 0);
}

#[tokio::test(start_paused = true)]
async fn with_deletion_disabled_marks_are_taken_away() {
    let world = World::new();
    let mut broker = world.broker(0).await;
    broker.settings.delete_topic_enable = false;
    world.create_topic_unchecked("t");
    world.zk.put("/admin/delete_topics/t", "".as_bytes());
    let _controller = broker.start();
    broker.forget().await;
    assert!(!world.exists("/admin/delete_topics/t"), "at failover");
    store::topics::mark_for_deletion(&broker.session(), "t").await.expect("marked");
    settle().await;
    assert!(!world.exists("/admin/delete_topics/t"), "by event");
    assert!(world.exists("/brokers/topics/t"));
}

#[tokio::test(start_paused = true)]
async fn notices_of_before_a_term_are_dropped_and_of_leaders_in_it_are_told() {
    let world = World::new();
    let mut broker = world.broker(0).await;
    world.create_topic_unchecked("t");
    world.zk.put("/isr_change_notification/isr_change_0000000000", "{}".as_bytes());
    world.zk.put("/log_dir_event_notification/log_dir_event_0000000000", "{}".as_bytes());
    let _controller = broker.start();
    broker.forget().await;
    assert!(!world.exists("/isr_change_notification/isr_change_0000000000"));
    assert!(!world.exists("/log_dir_event_notification/log_dir_event_0000000000"));
    // A leader of an old version writes the state itself and leaves a notice.
    let state = r#"{"controller_epoch":1,"leader":0,"version":1,"leader_epoch":0,"isr":[0]}"#;
    world.zk.put("/brokers/topics/t/partitions/0/state", state.as_bytes());
    store::notices::propagate_isr_changes(&broker.session(), &[tp("t", 0), tp("no", 0)]).await.expect("written");
    assert_eq!(broker.told().await, "UpdateMetadata brokers [0]; t-0 leader 0 epoch 0");
    broker.silent().await;
    assert!(!world.zk.dump().keys().any(|path| path.starts_with("/isr_change_notification/")));
}

#[tokio::test(start_paused = true)]
async fn partitions_added_to_a_topic_that_is_being_deleted_are_taken_out_of_its_node() {
    let world = World::new();
    let mut broker = world.broker(0).await;
    let controller = broker.start();
    broker.forget().await;
    let id = world.create_topic(&broker.session(), "t", &[&[0]]).await;
    broker.forget().await;
    let refused = (ottla::wire::ApiKey::StopReplica, tp("t", 0));
    broker.answers.lock().insert(refused, ErrorCode::KafkaStorageError.code());
    store::topics::mark_for_deletion(&broker.session(), "t").await.expect("marked");
    settle().await;
    let node = TopicNode {
        topic_id: Some(id),
        partitions: (0..2).map(|p| (p, PartitionAssignment::stable(vec![0]))).collect(),
    };
    store::topics::set_unfenced(&broker.session(), "t", &node).await.expect("written");
    settle().await;
    let (restored, _) = store::topics::get(&broker.session(), "t").await.expect("read").expect("there");
    assert_eq!(restored.partitions.keys().copied().collect::<Vec<_>>(), [0]);
    assert_eq!(controller.status().partitions, 1);
}

#[tokio::test(start_paused = true)]
async fn shutdown_writes_nothing_and_answers_whoever_still_asks() {
    let world = World::new();
    let mut broker = world.broker(0).await;
    let controller = broker.start();
    broker.forget().await;
    let before = tree(&world.zk);
    controller.shutdown().await;
    assert!(!controller.is_active());
    assert_eq!(tree(&world.zk), before);
    assert_eq!(controller.list_reassignments(None).await, Err(ErrorCode::NotController));
    controller.expire().await;
    controller.shutdown().await;
}
