//! Reassignment: the writes and requests of a move as recorded from Kafka, calling off, replacing, the old node, a new controller.

use std::collections::BTreeMap;

use ottla::base::{BrokerId, ErrorCode, TopicId, TopicPartition};
use ottla::controller::assignment::ReplicaAssignment;
use ottla::controller::{AlterPartition, ControllerHandle, FeatureChange, FeatureUpdate, TopicRef};
use ottla::zk::store;

use super::world::{Node, World, settle, tp};

async fn three(world: &World) -> (Vec<Node>, ControllerHandle) {
    let mut nodes = Vec::new();
    for id in 0..3 {
        nodes.push(world.broker(id).await);
    }
    let controller = nodes[0].start();
    forget(&mut nodes).await;
    (nodes, controller)
}

async fn forget(nodes: &mut [Node]) {
    for node in nodes {
        node.forget().await;
    }
}

fn one(name: &TopicPartition, target: Option<&[BrokerId]>) -> BTreeMap<TopicPartition, Option<Vec<BrokerId>>> {
    BTreeMap::from([(name.clone(), target.map(<[BrokerId]>::to_vec))])
}

async fn ask(controller: &ControllerHandle, name: &TopicPartition, target: Option<&[BrokerId]>) -> ErrorCode {
    let mut answer = controller.alter_reassignments(one(name, target)).await.expect("active");
    answer.remove(name).expect("one answer").err().map_or(ErrorCode::None, |e| e.code)
}

async fn grow(controller: &ControllerHandle, leader: &Node, topic: TopicId, leader_epoch: i32, isr: &[i32], at: i32) {
    let proposal = AlterPartition {
        topic: TopicRef::Id(topic),
        partition: 0,
        leader_epoch,
        isr: isr.to_vec(),
        recovering: false,
        partition_epoch: at,
    };
    let answer = controller.alter_partition(leader.id, leader.epoch, 3, vec![proposal]).await.expect("active");
    assert!(answer[0].result.is_ok(), "{answer:?}");
}

fn topic_node(world: &World, name: &str) -> (String, i32) {
    let dump = world.zk.dump();
    let (text, stat) = &dump[&format!("/brokers/topics/{name}")];
    let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let replicas = format!("{} +{} -{}", json["partitions"], json["adding_replicas"], json["removing_replicas"]);
    (replicas, stat.version)
}

#[tokio::test(start_paused = true)]
async fn a_move_writes_and_sends_what_kafka_was_recorded_to() {
    let world = World::new();
    let (mut nodes, controller) = three(&world).await;
    let name = tp("t", 0);
    let id = world.create_topic(&nodes[0].session(), "t", &[&[0, 1]]).await;
    settle().await;
    grow(&controller, &nodes[0], id, 0, &[1, 0], 0).await; // ISR order as recorded
    forget(&mut nodes).await;

    assert_eq!(ask(&controller, &name, Some(&[2, 1])).await, ErrorCode::None);
    assert_eq!(topic_node(&world, "t"), (r#"{"0":[2,1,0]} +{"0":[2]} -{"0":[0]}"#.into(), 1));
    let moving = ReplicaAssignment { replicas: vec![2, 1, 0], adding: vec![2], removing: vec![0] };
    let listed = BTreeMap::from([(name.clone(), moving)]);
    assert_eq!(controller.list_reassignments(None).await, Ok(listed));
    assert_eq!(
        nodes[2].told_until("LeaderAndIsr").await,
        ["LeaderAndIsr t-0 leader 0 epoch 1 isr [1, 0] new"],
        "A1: the new replica"
    );
    assert_eq!(nodes[1].told().await, "LeaderAndIsr t-0 leader 0 epoch 1 isr [1, 0]");
    assert_eq!(world.state(&name).1, 2);
    forget(&mut nodes).await;

    grow(&controller, &nodes[0], id, 1, &[1, 0, 2], 2).await;
    settle().await;
    let done = r#"{"controller_epoch":1,"leader":2,"version":1,"leader_epoch":3,"isr":[1,2]}"#;
    assert_eq!(world.state(&name), (done.to_owned(), 5), "A1, the ISR, B3, B4: four writes, leader epoch +3");
    assert_eq!(topic_node(&world, "t"), (r#"{"0":[2,1]} +{} -{}"#.into(), 2));
    assert_eq!(controller.list_reassignments(None).await, Ok(BTreeMap::new()));
    let left = nodes[0].told_until("StopReplica t-0 epoch 3 delete").await;
    assert!(left.contains(&"StopReplica t-0 epoch 2".to_owned()), "stopped before it is deleted: {left:?}");
    assert_eq!(ask(&controller, &name, None).await, ErrorCode::NoReassignmentInProgress);
}

#[tokio::test(start_paused = true)]
async fn adding_replicas_raises_the_leader_epoch_twice() {
    let world = World::new();
    let (mut nodes, controller) = three(&world).await;
    let name = tp("t", 0);
    let id = world.create_topic(&nodes[0].session(), "t", &[&[0]]).await;
    forget(&mut nodes).await;
    assert_eq!(ask(&controller, &name, Some(&[0, 1, 2])).await, ErrorCode::None);
    grow(&controller, &nodes[0], id, 1, &[0, 1], 1).await;
    settle().await;
    assert_eq!(controller.list_reassignments(None).await.map(|m| m.len()), Ok(1), "all targets must be in sync");
    grow(&controller, &nodes[0], id, 1, &[0, 1, 2], 2).await;
    settle().await;
    let done = r#"{"controller_epoch":1,"leader":0,"version":1,"leader_epoch":2,"isr":[0,1,2]}"#;
    assert_eq!(world.state(&name), (done.to_owned(), 4));
    assert_eq!(topic_node(&world, "t").0, r#"{"0":[0,1,2]} +{} -{}"#);
}

#[tokio::test(start_paused = true)]
async fn a_move_is_called_off_or_replaced_and_what_it_added_is_deleted() {
    let world = World::new();
    let (mut nodes, controller) = three(&world).await;
    let name = tp("t", 0);
    world.create_topic(&nodes[0].session(), "t", &[&[0]]).await;
    forget(&mut nodes).await;
    assert_eq!(ask(&controller, &name, Some(&[1])).await, ErrorCode::None);
    assert_eq!(ask(&controller, &name, Some(&[2])).await, ErrorCode::None, "another target");
    assert_eq!(topic_node(&world, "t").0, r#"{"0":[2,0]} +{"0":[2]} -{"0":[0]}"#);
    let told = nodes[1].told_until("StopReplica t-0 epoch 1 delete").await;
    assert_eq!(told[0], "LeaderAndIsr t-0 leader 0 epoch 1 isr [0] new");
    assert_eq!(ask(&controller, &name, None).await, ErrorCode::None, "called off");
    settle().await;
    assert_eq!(topic_node(&world, "t").0, r#"{"0":[0]} +{} -{}"#);
    assert_eq!(controller.list_reassignments(None).await, Ok(BTreeMap::new()));
    nodes[2].told_until("StopReplica t-0 epoch 2 delete").await;
}

#[tokio::test(start_paused = true)]
async fn bad_targets_are_refused_and_nothing_is_written() {
    let world = World::new();
    let (nodes, controller) = three(&world).await;
    world.create_topic(&nodes[0].session(), "t", &[&[0]]).await;
    settle().await;
    let name = tp("t", 0);
    for target in [&[][..], &[1, 1], &[-2], &[7]] {
        assert_eq!(ask(&controller, &name, Some(target)).await, ErrorCode::InvalidReplicaAssignment, "{target:?}");
    }
    assert_eq!(ask(&controller, &tp("t", 9), Some(&[1])).await, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(ask(&controller, &tp("u", 0), None).await, ErrorCode::NoReassignmentInProgress);
    assert_eq!(topic_node(&world, "t").1, 0);
}

#[tokio::test(start_paused = true)]
async fn the_old_znode_starts_moves_and_is_deleted_when_they_are_done() {
    let world = World::new();
    let (mut nodes, controller) = three(&world).await;
    let id = world.create_topic(&nodes[0].session(), "t", &[&[0]]).await;
    forget(&mut nodes).await;
    let asked = r#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1]},{"topic":"no","partition":0,"replicas":[1]}]}"#;
    world.zk.put("/admin/reassign_partitions", asked.as_bytes());
    settle().await;
    let left = world.zk.text("/admin/reassign_partitions").expect("still there");
    assert_eq!(left, r#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1]}]}"#);
    grow(&controller, &nodes[0], id, 1, &[0, 1], 1).await;
    settle().await;
    assert!(!world.exists("/admin/reassign_partitions"));
    assert_eq!(topic_node(&world, "t").0, r#"{"0":[1]} +{} -{}"#);
    // The node is watched again.
    world.zk.put("/admin/reassign_partitions", asked.replace("[1]", "[2]"));
    settle().await;
    assert_eq!(controller.list_reassignments(None).await.map(|m| m.len()), Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_new_controller_takes_a_move_up_and_deletion_waits_for_its_end() {
    let world = World::new();
    let (mut nodes, first) = three(&world).await;
    let name = tp("t", 0);
    let id = world.create_topic(&nodes[1].session(), "t", &[&[1]]).await;
    forget(&mut nodes).await;
    let second = nodes[1].start();
    assert_eq!(ask(&first, &name, Some(&[2])).await, ErrorCode::None);
    store::topics::mark_for_deletion(&nodes[1].session(), "t").await.expect("marked");
    settle().await;
    assert_eq!(first.status().topics_ineligible, 1);
    forget(&mut nodes).await;
    first.shutdown().await;
    world.zk.expire(nodes[0].session().id());
    settle().await;
    assert!(second.is_active());
    assert_eq!(second.list_reassignments(None).await.map(|m| m.len()), Ok(1));
    assert_eq!(second.status().topics_ineligible, 1);
    assert!(world.exists("/brokers/topics/t"));
    let (state, version) = world.state(&name);
    let state: serde_json::Value = serde_json::from_str(&state).expect("JSON");
    let leader_epoch = state["leader_epoch"].as_i64().expect("epoch") as i32;
    grow(&second, &nodes[1], id, leader_epoch, &[1, 2], version).await;
    settle().await;
    assert!(!world.exists("/brokers/topics/t"), "moved, then deleted");
    assert!(!world.exists("/admin/delete_topics/t"));
}

#[tokio::test(start_paused = true)]
async fn features_are_refused_each() {
    let world = World::new();
    let (_nodes, controller) = three(&world).await;
    let update = |feature: &str, level, change| FeatureUpdate { feature: feature.into(), level, change };
    let updates = vec![
        update("metadata.version", 3, FeatureChange::Upgrade),
        update("down", 0, FeatureChange::SafeDowngrade),
        update("low", 0, FeatureChange::Upgrade),
        update("odd", 1, FeatureChange::Unknown),
        update("", 1, FeatureChange::Upgrade),
    ];
    let answer = controller.update_features(updates).await.expect("active");
    assert!(answer.values().all(|error| error.code == ErrorCode::InvalidRequest));
    let told: Vec<_> = answer.iter().map(|(name, error)| (&**name, error.message.as_deref().unwrap_or(""))).collect();
    let expected = [
        ("", "Feature name can not be empty."),
        ("down", "Can not delete non-existing finalized feature."),
        ("low", "Can not provide versionLevel: 0 less than 1 without setting the SAFE downgradeType in the request."),
        ("metadata.version", "Could not apply finalized feature update because the provided feature is not supported."),
        ("odd", "Received unknown upgrade type."),
    ];
    assert_eq!(told, expected);
}
