//! Which replica a consumer is sent to: by rack, only to who is in sync and has the offset.

use std::collections::BTreeMap;

use ottla::cluster::{Cluster, MetadataImage};
use ottla::replica::selector::{Consumer, preferred};
use ottla::replica::state::Follower;
use ottla::wire::{UpdateMetadataRequest, UpdateMetadataRequestBroker, UpdateMetadataRequestEndpoint};

const LEADER: i32 = 1;

fn image() -> std::sync::Arc<MetadataImage> {
    let broker = |id: i32, rack: &str| UpdateMetadataRequestBroker {
        id,
        endpoints: vec![UpdateMetadataRequestEndpoint {
            port: 9092,
            host: "h".into(),
            listener: "PLAINTEXT".into(),
            security_protocol: 0,
        }],
        rack: Some(rack.into()),
        ..Default::default()
    };
    let cluster = Cluster::new("c".into(), LEADER);
    let live_brokers = vec![broker(1, "a"), broker(2, "b"), broker(3, "b"), broker(4, "c")];
    cluster.metadata.update(&UpdateMetadataRequest { live_brokers, ..Default::default() });
    cluster.metadata.load()
}

fn follower(end: i64, start: i64) -> Follower {
    Follower { end_offset: Some(end), log_start_offset: start, ..Default::default() }
}

fn select(rack: &str, offset: i64, followers: &[(i32, Follower)]) -> Option<i32> {
    let followers: BTreeMap<i32, Follower> = followers.iter().copied().collect();
    let consumer = Consumer { rack, listener: "PLAINTEXT" };
    preferred(&image(), LEADER, consumer, offset, followers.iter())
}

#[test]
fn consumer_is_sent_to_the_replica_of_its_rack_that_has_most() {
    let followers = [(2, follower(10, 0)), (3, follower(12, 0)), (4, follower(20, 0))];
    assert_eq!(select("b", 5, &followers), Some(3));
    assert_eq!(select("c", 5, &followers), Some(4));
    assert_eq!(select("a", 5, &followers), None, "the leader is in the rack itself");
    assert_eq!(select("z", 5, &followers), None, "nobody is in the rack");
}

#[test]
fn replica_without_the_offset_is_passed_over() {
    let followers = [(2, follower(10, 4)), (3, follower(12, 8))];
    assert_eq!(select("b", 5, &followers), Some(2), "the other starts above");
    assert_eq!(select("b", 11, &followers), Some(3), "the other ends below");
    assert_eq!(select("b", 13, &followers), None);
    assert_eq!(select("b", 5, &[(2, Follower::default())]), None, "it has not fetched yet");
}

#[test]
fn of_equals_the_smaller_id_is_taken_and_one_that_the_listener_does_not_reach_never() {
    let followers = [(2, follower(10, 0)), (3, follower(10, 0))];
    assert_eq!(select("b", 5, &followers), Some(2));
    let followers: BTreeMap<i32, Follower> = followers.into_iter().collect();
    let elsewhere = Consumer { rack: "b", listener: "SSL" };
    assert_eq!(preferred(&image(), LEADER, elsewhere, 5, followers.iter()), None);
}
