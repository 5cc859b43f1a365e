//! Tests of `src/cluster`: the image under updates, epochs, the stock of producer ids.

use ottla::base::TopicId;
use ottla::cluster::{Cluster, Epochs, IdBlock, ProducerIds, StaleEpoch};
use ottla::wire::{
    UpdateMetadataRequest, UpdateMetadataRequestBroker, UpdateMetadataRequestEndpoint,
    UpdateMetadataRequestPartitionState, UpdateMetadataRequestTopicState,
};

fn id(n: u8) -> TopicId {
    TopicId::from_bytes([n; 16])
}

fn update(topic: &str, topic_id: TopicId, partitions: &[(i32, i32)]) -> UpdateMetadataRequest {
    UpdateMetadataRequest {
        controller_id: 4,
        controller_epoch: 1,
        topic_states: vec![UpdateMetadataRequestTopicState {
            topic_name: topic.into(),
            topic_id,
            partition_states: partitions
                .iter()
                .map(|(index, leader)| UpdateMetadataRequestPartitionState {
                    partition_index: *index,
                    leader: *leader,
                    isr: vec![1],
                    replicas: vec![1],
                    ..Default::default()
                })
                .collect(),
        }],
        live_brokers: vec![UpdateMetadataRequestBroker {
            id: 1,
            endpoints: vec![UpdateMetadataRequestEndpoint {
                port: 9092,
                host: "h".into(),
                listener: "PLAINTEXT".into(),
                security_protocol: 0,
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[test]
fn partitions_accumulate_and_brokers_are_replaced() {
    let cluster = Cluster::new("c".into(), 1);
    cluster.metadata.update(&update("a", id(1), &[(0, 1)]));
    cluster.metadata.update(&UpdateMetadataRequest { live_brokers: vec![], ..update("a", id(1), &[(1, 1)]) });
    let image = cluster.metadata.load();
    assert_eq!(image.controller, Some(4));
    assert!(image.brokers.is_empty(), "the list is always whole");
    assert_eq!(image.topics["a"].partitions.len(), 2);
    assert_eq!(image.name_of(id(1)).map(|name| &**name), Some("a"));
}

#[test]
fn deleted_partitions_take_the_topic_with_them() {
    let cluster = Cluster::new("c".into(), 1);
    cluster.metadata.update(&update("a", id(1), &[(0, 1), (1, 1)]));
    assert_eq!(cluster.metadata.update(&update("a", id(1), &[(0, -2)])).len(), 1);
    assert!(cluster.metadata.load().contains("a"));
    cluster.metadata.update(&update("a", id(1), &[(1, -2)]));
    let image = cluster.metadata.load();
    assert!(!image.contains("a") && image.name_of(id(1)).is_none());
}

#[test]
fn recreated_topic_is_found_by_its_new_id_only() {
    let cluster = Cluster::new("c".into(), 1);
    cluster.metadata.update(&update("a", id(1), &[(0, 1)]));
    cluster.metadata.update(&update("a", id(2), &[(0, 1)]));
    let image = cluster.metadata.load();
    assert!(image.name_of(id(1)).is_none());
    assert!(image.name_of(id(2)).is_some());
}

#[test]
fn update_without_an_id_keeps_the_known_one() {
    let cluster = Cluster::new("c".into(), 1);
    cluster.metadata.update(&update("a", id(1), &[(0, 1)]));
    cluster.metadata.update(&update("a", TopicId::ZERO, &[(1, 1)]));
    assert_eq!(cluster.metadata.load().topics["a"].id, id(1));
}

#[tokio::test]
async fn waiter_sees_a_change_that_came_before_it_waited() {
    let cluster = Cluster::new("c".into(), 1);
    cluster.metadata.update(&update("a", id(1), &[(0, 1)]));
    cluster.metadata.wait_until(|image| image.contains("a")).await;
}

#[tokio::test]
async fn waiter_is_woken_by_the_change_it_waits_for() {
    let cluster = Cluster::new("c".into(), 1);
    let (waited, ()) = tokio::join!(cluster.metadata.wait_until(|image| image.contains("b")), async {
        cluster.metadata.update(&update("a", id(1), &[(0, 1)]));
        cluster.metadata.update(&update("b", id(2), &[(0, 1)]));
    });
    waited
}

#[test]
fn old_epochs_are_refused_and_unknown_ones_are_not() {
    let epochs = Epochs::default();
    epochs.registered(100);
    assert_eq!(epochs.check_broker(-1), Ok(()));
    assert_eq!(epochs.check_broker(101), Ok(()));
    assert_eq!(epochs.check_broker(99), Err(StaleEpoch::Broker { sent: 99, current: 100 }));
    assert_eq!(epochs.check_controller(5), Ok(()));
    assert_eq!(epochs.check_controller(5), Ok(()));
    assert_eq!(epochs.check_controller(4), Err(StaleEpoch::Controller { sent: 4, current: 5 }));
}

#[tokio::test]
async fn producer_ids_are_fetched_ahead_and_each_is_given_once() {
    let ids = ProducerIds::default();
    assert_eq!(ids.next(), None);
    ids.wanted().await;
    ids.fill(IdBlock { first: 1000, count: 10 });
    let first: Vec<_> = (0..9).filter_map(|_| ids.next()).collect();
    assert_eq!(first, (1000..1009).collect::<Vec<_>>());
    ids.wanted().await;
    ids.fill(IdBlock { first: 5000, count: 10 });
    assert_eq!(ids.next(), Some(1009), "the current block is used up first");
    assert_eq!(ids.next(), Some(5000));
}
