//! The store on the simulated arm: registration, election, fenced batches, lost replies, topics, configurations, notifications.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use ottla::base::{TopicId, TopicPartition};
use ottla::zk::session::sim::SimZk;
use ottla::zk::session::{Op, OpResult, Session, SessionId, WatchKind, Zk, ZkErrorKind};
use ottla::zk::store::brokers::RegisterError;
use ottla::zk::store::controller::{ElectError, Term};
use ottla::zk::store::partitions::SetOutcome;
use ottla::zk::store::{
    StoreError, acls, admin, brokers, configs, controller, features, fenced, ids, notices, offsets, partitions, tokens,
    topics,
};
use ottla::zk::znode::acl::{AclEntry, Pattern};
use ottla::zk::znode::broker_ids::{BrokerNode, EndpointNode};
use ottla::zk::znode::config::{ConfigEntity, ConfigMap, ConfigType};
use ottla::zk::znode::feature::FeatureNode;
use ottla::zk::znode::partition_state::PartitionState;
use ottla::zk::znode::tokens::TokenNode;
use ottla::zk::znode::topic::{PartitionAssignment, TopicNode};

fn broker(id: i32) -> BrokerNode {
    let endpoint = EndpointNode { listener: "P".into(), protocol: "PLAINTEXT".into(), host: "h".into(), port: 9092 };
    BrokerNode {
        id,
        version: 5,
        endpoints: vec![endpoint],
        rack: None,
        jmx_port: -1,
        timestamp_ms: 7,
        features: BTreeMap::new(),
    }
}

/// A server with the nodes every broker makes, and a client of it.
async fn cluster() -> (SimZk, Zk, Session) {
    let server = SimZk::new();
    let zk = server.connect().await;
    let session = zk.session();
    ids::create_top_level_paths(&session).await.unwrap();
    (server, zk, session)
}

async fn elected(session: &Session, broker: i32) -> Term {
    controller::elect(session, broker, 5).await.unwrap()
}

fn state(leader: i32) -> PartitionState {
    PartitionState { controller_epoch: 1, leader, leader_epoch: 0, isr: vec![leader], recovering: false }
}

fn topic(replicas: &[i32]) -> TopicNode {
    let partitions = BTreeMap::from([(0, PartitionAssignment::stable(replicas.to_vec()))]);
    TopicNode { topic_id: Some(TopicId::from_bytes([7; 16])), partitions }
}

#[tokio::test]
async fn a_fresh_cluster_has_exactly_the_nodes_brokers_make() {
    let (server, _zk, s) = cluster().await;
    ids::create_top_level_paths(&s).await.unwrap();
    let paths: Vec<String> = server.dump().into_keys().collect();
    let expected = [
        "/",
        "/admin",
        "/admin/delete_topics",
        "/brokers",
        "/brokers/ids",
        "/brokers/seqid",
        "/brokers/topics",
        "/config",
        "/config/brokers",
        "/config/changes",
        "/config/clients",
        "/config/ips",
        "/config/topics",
        "/config/users",
        "/consumers",
        "/isr_change_notification",
        "/log_dir_event_notification",
    ];
    assert_eq!(paths, expected);
}

#[tokio::test]
async fn the_first_proposal_becomes_the_cluster_id() {
    let (server, _zk, s) = cluster().await;
    let other = server.connect().await;
    assert_eq!(ids::cluster_id(&s).await.unwrap(), None);
    assert_eq!(ids::cluster_id_get_or_create(&s, "first").await.unwrap(), "first");
    assert_eq!(ids::cluster_id_get_or_create(&other.session(), "second").await.unwrap(), "first");
    assert_eq!(server.text("/cluster/id").unwrap(), r#"{"version":"1","id":"first"}"#);
}

#[tokio::test]
async fn a_lost_reply_to_the_cluster_id_is_no_other_cluster() {
    let (server, _zk, s) = cluster().await;
    s.make_path("/cluster").await.unwrap();
    server.lose_replies(s.id(), 1);
    assert_eq!(ids::cluster_id_get_or_create(&s, "mine").await.unwrap(), "mine");
}

#[tokio::test]
async fn generated_broker_ids_start_above_the_reserved_ones() {
    let (_server, _zk, s) = cluster().await;
    assert_eq!(ids::generate_broker_id(&s, 1000).await.unwrap(), 1001);
    assert_eq!(ids::generate_broker_id(&s, 1000).await.unwrap(), 1002);
    assert_eq!(ids::generate_broker_id(&s, i32::MAX).await.unwrap_err(), StoreError::Exhausted("no broker ids left"));
}

#[tokio::test]
async fn producer_id_blocks_never_overlap_whoever_asks() {
    let (server, _zk, a) = cluster().await;
    let other = server.connect().await;
    let b = other.session();
    let (mut starts, (one, two)) =
        (Vec::new(), tokio::join!(ids::allocate_producer_ids(&a, 1), ids::allocate_producer_ids(&b, 2)));
    starts.extend([one.unwrap().start, two.unwrap().start]);
    server.lose_replies(a.id(), 1);
    starts.push(ids::allocate_producer_ids(&a, 1).await.unwrap().start);
    server.put("/latest_producer_id_block", ""); // as a Kafka broker leaves it before the first block
    starts.sort_unstable();
    assert_eq!(starts, [0, 1000, 2000]);
    assert_eq!(ids::allocate_producer_ids(&a, 1).await.unwrap().start, 0);
}

#[tokio::test]
async fn a_registration_has_data_version_1_and_its_creation_as_epoch() {
    let (server, _zk, s) = cluster().await;
    let epoch = brokers::register(&s, &broker(3), &[]).await.unwrap();
    let (text, stat) = server.dump().remove("/brokers/ids/3").unwrap();
    assert_eq!((stat.version, stat.czxid, stat.owner()), (1, epoch, Some(s.id())));
    assert_eq!(text.as_bytes(), broker(3).encode());
    let all = brokers::all(&s).await.unwrap();
    assert_eq!((all[0].epoch, all[0].owner, &all[0].node), (epoch, s.id(), &broker(3)));
}

#[tokio::test]
async fn a_registration_whose_reply_was_lost_is_accepted() {
    let (server, _zk, s) = cluster().await;
    server.lose_replies(s.id(), 1);
    let epoch = brokers::register(&s, &broker(3), &[]).await.unwrap();
    assert_eq!(server.dump()["/brokers/ids/3"].1.czxid, epoch);
}

#[tokio::test]
async fn an_id_of_another_session_is_in_use_and_one_of_an_own_earlier_session_is_taken_over() {
    let (server, _zk, old) = cluster().await;
    let first = brokers::register(&old, &broker(3), &[]).await.unwrap();
    let next = server.connect().await;
    let s = next.session();
    let error = brokers::register(&s, &broker(3), &[]).await.unwrap_err();
    assert_eq!(error, RegisterError::InUse { id: 3, owner: old.id() });
    assert!(error.to_string().contains("broker id 3 is in use"));
    let second = brokers::register(&s, &broker(3), &[old.id()]).await.unwrap();
    assert!(second > first, "a new broker epoch");
    assert_eq!(server.dump()["/brokers/ids/3"].1.owner(), Some(s.id()));
}

#[tokio::test(start_paused = true)]
async fn an_id_in_use_is_waited_for_as_long_as_patience_lasts() {
    let (server, zk, old) = cluster().await;
    brokers::register(&old, &broker(3), &[]).await.unwrap();
    let next = server.connect().await;
    let (s, node) = (next.session(), broker(3));
    let patience = Duration::from_secs(20);
    let start = tokio::time::Instant::now();
    let error = brokers::register_or_wait(&s, &node, &[], patience).await.unwrap_err();
    assert_eq!(error, RegisterError::InUse { id: 3, owner: old.id() });
    assert_eq!(start.elapsed(), patience);
    let (registered, ()) = tokio::join!(brokers::register_or_wait(&s, &node, &[], patience), async {
        tokio::time::sleep(patience / 2).await;
        zk.close().await;
    });
    registered.unwrap();
    assert_eq!(server.dump()["/brokers/ids/3"].1.owner(), Some(s.id()));
}

#[tokio::test]
async fn after_a_kill_the_next_process_takes_only_the_nodes_of_the_dead_one() {
    let (server, _zk, old) = cluster().await;
    brokers::register(&old, &broker(3), &[]).await.unwrap();
    elected(&old, 3).await;
    let next = server.connect().await;
    let s = next.session();
    let id = SessionId::import(&old.id().export()).unwrap();
    assert!(!brokers::end_previous(&s, 3, SessionId(id.0 + 77)).await.unwrap());
    assert!(server.text("/controller").is_some());
    assert!(brokers::end_previous(&s, 3, id).await.unwrap());
    assert_eq!((server.text("/brokers/ids/3"), server.text("/controller")), (None, None));
    brokers::register(&s, &broker(3), &[]).await.unwrap();
    assert!(!brokers::end_previous(&s, 3, id).await.unwrap());
    assert!(!brokers::end_previous(&s, 3, s.id()).await.unwrap(), "never its own");
    assert!(server.text("/brokers/ids/3").is_some());
}

#[tokio::test]
async fn brokers_are_watched_as_they_come_and_change_and_go() {
    let (server, _zk, s) = cluster().await;
    let (none, came) = brokers::ids_and_watch(&s).await.unwrap();
    assert!(none.is_empty());
    let other = server.connect().await;
    brokers::register(&other.session(), &broker(10), &[]).await.unwrap();
    assert_eq!(came.await.kind, WatchKind::ChildrenChanged);
    brokers::register(&s, &broker(9), &[]).await.unwrap();
    assert_eq!(brokers::ids(&s).await.unwrap(), [9, 10]);
    let (_, changed) = brokers::get_and_watch(&s, 10).await.unwrap();
    brokers::update(&other.session(), &BrokerNode { rack: Some("r".into()), ..broker(10) }).await.unwrap();
    assert_eq!(changed.await.kind, WatchKind::DataChanged);
    let (found, gone) = brokers::get_and_watch(&s, 10).await.unwrap();
    assert_eq!(found.unwrap().node.rack.as_deref(), Some("r"));
    other.close().await;
    assert_eq!(gone.await.kind, WatchKind::Deleted);
    assert!(brokers::unregister(&s, 9).await.unwrap());
    assert!(!brokers::unregister(&s, 9).await.unwrap());
}

#[tokio::test]
async fn the_first_controller_has_epoch_1_and_the_next_one_more() {
    let (server, zk, s) = cluster().await;
    let term = elected(&s, 1).await;
    assert_eq!((term.epoch, term.epoch_version, term.session), (1, 1, s.id()));
    assert_eq!(server.text("/controller_epoch").as_deref(), Some("1"));
    let other = server.connect().await;
    assert_eq!(controller::elect(&other.session(), 2, 5).await.unwrap_err(), ElectError::Other(1));
    zk.close().await;
    let next = elected(&other.session(), 2).await;
    assert_eq!((next.epoch, next.epoch_version), (2, 2));
}

#[tokio::test]
async fn an_election_whose_reply_was_lost_is_won() {
    let (server, _zk, s) = cluster().await;
    s.create_recursive("/controller_epoch", "4").await.unwrap();
    server.lose_replies(s.id(), 1);
    let term = elected(&s, 1).await;
    assert_eq!((term.epoch, term.epoch_version), (5, 1));
    assert_eq!(elected(&s, 1).await, term, "asked again, it is the same term");
}

#[tokio::test]
async fn a_controller_node_of_an_own_earlier_session_is_not_ours() {
    let (server, _zk, old) = cluster().await;
    elected(&old, 1).await;
    let next = server.connect().await;
    assert_eq!(controller::elect(&next.session(), 1, 5).await.unwrap_err(), ElectError::Other(1));
}

#[tokio::test]
async fn a_controller_that_lost_its_office_writes_nothing_more() {
    let (server, _zk, old) = cluster().await;
    let other = server.connect().await;
    let term = elected(&old, 1).await;
    server.remove("/controller");
    elected(&other.session(), 2).await;
    let moved = StoreError::ControllerMoved;
    assert_eq!(topics::set(&old, &term, "t", &topic(&[1])).await.unwrap_err(), moved);
    assert_eq!(controller::resign(&old, &term).await.unwrap_err(), moved);
    assert_eq!(partitions::set(&old, &term, &[(TopicPartition::new("t", 0), state(1), 0)]).await.unwrap_err(), moved);
    assert_eq!(topics::unmark(&old, &term, &["t".into()]).await.unwrap_err(), moved);
    assert!(server.text("/controller").unwrap().contains("\"brokerid\":2"));
}

#[tokio::test]
async fn a_term_ends_with_its_session_even_when_nobody_else_was_elected() {
    let (server, zk, old) = cluster().await;
    let term = elected(&old, 1).await;
    server.expire(old.id());
    let new = zk.reopen().await.unwrap();
    assert_eq!(controller::epoch(&new).await.unwrap(), Some((term.epoch, term.epoch_version)));
    assert_eq!(topics::set(&new, &term, "t", &topic(&[1])).await.unwrap_err(), StoreError::ControllerMoved);
    assert!(topics::set(&old, &term, "t", &topic(&[1])).await.unwrap_err().session_over());
    assert_eq!(elected(&new, 1).await.epoch, term.epoch + 1);
}

#[tokio::test]
async fn resigning_deletes_the_node_and_is_fine_twice() {
    let (server, _zk, s) = cluster().await;
    let term = elected(&s, 1).await;
    controller::resign(&s, &term).await.unwrap();
    controller::resign(&s, &term).await.unwrap();
    assert_eq!(server.text("/controller"), None);
    assert_eq!(controller::current(&s).await.unwrap(), None);
}

#[tokio::test]
async fn many_operations_ride_behind_one_check() {
    let (server, _zk, s) = cluster().await;
    let term = elected(&s, 1).await;
    let before = server.multis().len();
    let ops: Vec<Op> = (0..900).map(|i| Op::create(format!("/admin/{i}"), "x")).collect();
    let results = fenced::write(&s, &term, ops).await.unwrap();
    assert!(results.iter().all(Result::is_ok));
    let multis = server.multis();
    assert_eq!(multis.len() - before, 1);
    assert_eq!(multis[before][0], Op::check("/controller_epoch", term.epoch_version));
}

#[tokio::test]
async fn a_batch_stays_below_256_kilobytes_unless_one_operation_is_larger() {
    let (server, _zk, s) = cluster().await;
    let term = elected(&s, 1).await;
    let before = server.multis().len();
    let mut ops: Vec<Op> = (0..20).map(|i| Op::create(format!("/admin/{i}"), vec![b'x'; 60_000])).collect();
    ops.push(Op::create("/admin/large", vec![b'x'; 400_000]));
    assert!(fenced::write(&s, &term, ops).await.unwrap().iter().all(Result::is_ok));
    let multis = server.multis();
    assert_eq!(multis.len() - before, 6);
    for multi in &multis[before..multis.len() - 1] {
        assert!(multi.iter().map(Op::wire_bytes).sum::<usize>() <= 257 * 1024);
    }
}

#[tokio::test]
async fn each_operation_of_a_batch_has_its_own_result() {
    let (server, _zk, s) = cluster().await;
    let term = elected(&s, 1).await;
    for failing in [vec![0], vec![40], vec![99], vec![0, 1, 2, 50, 51, 98], (0..100).collect::<Vec<_>>(), vec![]] {
        s.delete_recursive("/t").await.unwrap();
        s.make_path("/t").await.unwrap();
        for i in 0..100 {
            s.create_recursive(&format!("/t/{i}"), "old").await.unwrap();
        }
        let before = server.multis().len();
        let version = |i| if failing.contains(&i) { 7 } else { 0 };
        let ops = (0..100).map(|i| Op::set(format!("/t/{i}"), "new", Some(version(i)))).collect();
        let results = fenced::write(&s, &term, ops).await.unwrap();
        assert_eq!(results.len(), 100);
        for (i, result) in results.iter().enumerate() {
            match result {
                Ok(OpResult::Set { stat }) => assert!(!failing.contains(&i) && stat.version == 1),
                Err(error) => {
                    assert!(failing.contains(&i), "{i}: {error}");
                    assert_eq!((&error.kind, error.path.clone()), (&ZkErrorKind::BadVersion, format!("/t/{i}")));
                }
                other => panic!("{other:?}"),
            }
        }
        let done = server.multis().len() - before;
        assert!(done <= 6 + 4 * failing.len(), "{done} multis for {} failures", failing.len());
    }
}

#[tokio::test]
async fn a_child_follows_its_parent_in_one_batch() {
    let (_server, _zk, s) = cluster().await;
    let term = elected(&s, 1).await;
    let ops = vec![Op::create("/a", ""), Op::create("/a/b", ""), Op::create("/x/y", ""), Op::create("/a/b/c", "")];
    let results = fenced::write(&s, &term, ops).await.unwrap();
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, true]);
}

#[tokio::test]
async fn a_batch_whose_reply_was_lost_is_not_done_twice_and_fails_nowhere() {
    let (server, _zk, s) = cluster().await;
    let term = elected(&s, 1).await;
    s.create_recursive("/t/del", "").await.unwrap();
    s.create_recursive("/t/set", "old").await.unwrap();
    s.create_recursive("/t/any", "old").await.unwrap();
    let ops = vec![
        Op::set("/t/any", "new", None),
        Op::set("/t/set", "new", Some(0)),
        Op::delete("/t/del", None),
        Op::create("/t/new", "x"),
    ];
    server.lose_replies(s.id(), 1);
    let results = fenced::write(&s, &term, ops).await.unwrap();
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let Ok(OpResult::Set { stat }) = &results[1] else { panic!("{results:?}") };
    assert_eq!(stat.version, 1);
    assert_eq!(server.dump()["/t/set"].1.version, 1);
    assert_eq!(server.text("/t/new").as_deref(), Some("x"));
}

#[tokio::test]
async fn a_refusal_that_a_lost_reply_does_not_explain_stays_a_refusal() {
    let (server, _zk, s) = cluster().await;
    let term = elected(&s, 1).await;
    s.create_recursive("/t/set", "others").await.unwrap();
    server.lose_replies(s.id(), 1); // of a multi that is refused anyway
    let ops = vec![Op::create("/t/a", ""), Op::set("/t/set", "mine", Some(5)), Op::create("/t/b", "")];
    let results = fenced::write(&s, &term, ops).await.unwrap();
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true], "{results:?}");
    assert_eq!(server.text("/t/set").as_deref(), Some("others"));
}

#[tokio::test]
async fn a_topic_is_its_configuration_and_its_node_and_needs_a_controller() {
    let (server, _zk, s) = cluster().await;
    let config = ConfigMap::from_iter([("cleanup.policy", "compact")]);
    let error = topics::create(&s, "t", &config, &topic(&[1])).await.unwrap_err();
    assert_eq!(error, StoreError::NoController);
    assert_eq!(server.text("/brokers/topics/t"), None);
    elected(&s, 1).await;
    topics::create(&s, "t", &config, &topic(&[1])).await.unwrap();
    assert_eq!(server.text("/config/topics/t").unwrap(), r#"{"version":1,"config":{"cleanup.policy":"compact"}}"#);
    assert_eq!(topics::get(&s, "t").await.unwrap(), Some((topic(&[1]), 0)));
    assert!(!server.dump().contains_key("/brokers/topics/t/partitions"), "the controller's to make");
    let exists = StoreError::TopicExists("t".into());
    assert_eq!(topics::create(&s, "t", &ConfigMap::new(), &topic(&[2])).await.unwrap_err(), exists);
    assert_eq!(topics::get_all(&s, &["none".into(), "t".into()]).await.unwrap(), [None, Some(topic(&[1]))]);
}

/// Whoever creates one may die at any moment.
#[tokio::test]
async fn a_topic_and_its_configuration_are_there_both_or_neither() {
    let (server, _zk, s) = cluster().await;
    elected(&s, 1).await;
    topics::create(&s, "new", &ConfigMap::new(), &topic(&[1])).await.unwrap();
    // Left behind by an Apache broker that died, and by one that lost the race to create it.
    server.put("/config/topics/left", "{}");
    topics::create(&s, "left", &ConfigMap::from_iter([("flush.ms", "5")]), &topic(&[1])).await.unwrap();
    assert_eq!(server.text("/config/topics/left").unwrap(), r#"{"version":1,"config":{"flush.ms":"5"}}"#);
    let changes = server.multis();
    for name in ["new", "left"] {
        let config = format!("/config/topics/{name}");
        let with_both: Vec<Vec<&str>> = changes
            .iter()
            .map(|ops| ops.iter().map(Op::path).collect())
            .filter(|paths: &Vec<_>| paths.contains(&&*config))
            .collect();
        assert_eq!(with_both, [["/controller", &*config, &*format!("/brokers/topics/{name}")]], "{name}");
    }
    for path in ["/config/topics", "/brokers/topics"] {
        for name in ["new", "left"] {
            server.remove(&format!("{path}/{name}"));
        }
        server.remove(path);
    }
    topics::create(&s, "new", &ConfigMap::new(), &topic(&[1])).await.unwrap();
    assert_eq!(topics::names(&s).await.unwrap(), ["new"]);
}

#[tokio::test]
async fn a_topic_whose_reply_was_lost_is_created() {
    let (server, _zk, s) = cluster().await;
    elected(&s, 1).await;
    server.put("/config/topics/t", "");
    server.lose_replies(s.id(), 2);
    topics::create(&s, "t", &ConfigMap::new(), &topic(&[1])).await.unwrap();
    assert_eq!(topics::names(&s).await.unwrap(), ["t"]);
}

#[tokio::test]
async fn partition_states_are_made_with_their_parents_and_set_by_version() {
    let (server, _zk, s) = cluster().await;
    let term = elected(&s, 1).await;
    topics::create(&s, "t", &ConfigMap::new(), &topic(&[1])).await.unwrap();
    let p = |i| TopicPartition::new("t", i);
    let new = [(p(0), state(1)), (p(1), state(1))];
    assert!(partitions::create(&s, &term, &new).await.unwrap().iter().all(Result::is_ok));
    let more = [(p(1), state(2)), (p(2), state(2))];
    let results = partitions::create(&s, &term, &more).await.unwrap();
    assert_eq!(results[0].as_ref().unwrap_err().kind, ZkErrorKind::NodeExists);
    assert!(results[1].is_ok());
    let found = partitions::states(&s, &[p(0), p(7), p(2)]).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|found| found.map(|(state, stat)| (state, stat.version))).collect();
    assert_eq!(found, [Some((state(1), 0)), None, Some((state(2), 0))]);

    let sets = [(p(0), state(3), 0), (p(1), state(3), 4), (p(2), state(3), 0), (p(7), state(3), 0)];
    let outcomes = partitions::set(&s, &term, &sets).await.unwrap();
    assert_eq!(outcomes[..3], [SetOutcome::Done(1), SetOutcome::BadVersion, SetOutcome::Done(1)]);
    assert!(matches!(&outcomes[3], SetOutcome::Failed(error) if error.kind == ZkErrorKind::NoNode));
    server.lose_replies(s.id(), 1);
    let again = partitions::set(&s, &term, &[(p(0), state(4), 1), (p(2), state(4), 1)]).await.unwrap();
    assert_eq!(again, [SetOutcome::Done(2), SetOutcome::Done(2)]);
}

#[tokio::test]
async fn a_deleted_topic_leaves_nothing_behind() {
    let (server, _zk, s) = cluster().await;
    let term = elected(&s, 1).await;
    let before: Vec<String> = server.dump().into_keys().collect();
    topics::create(&s, "t", &ConfigMap::new(), &topic(&[1])).await.unwrap();
    partitions::create(&s, &term, &[(TopicPartition::new("t", 0), state(1))]).await.unwrap();
    assert!(topics::mark_for_deletion(&s, "t").await.unwrap());
    assert!(!topics::mark_for_deletion(&s, "t").await.unwrap());
    assert_eq!(topics::marked(&s).await.unwrap(), ["t"]);
    topics::delete(&s, &term, "t").await.unwrap();
    topics::delete(&s, &term, "t").await.unwrap();
    assert_eq!(server.dump().into_keys().collect::<Vec<_>>(), before);
}

#[tokio::test]
async fn configurations_are_written_behind_the_controller_and_told_of() {
    let (server, _zk, s) = cluster().await;
    let entity = ConfigEntity::user_client(Some("al/ice"), Some("app"));
    let config = ConfigMap::from_iter([("producer_byte_rate", "1")]);
    assert_eq!(configs::write(&s, &entity, &config).await.unwrap_err(), StoreError::NoController);
    elected(&s, 1).await;
    let (none, told) = configs::changes_and_watch(&s, -1).await.unwrap();
    assert!(none.is_empty());
    configs::write(&s, &entity, &config).await.unwrap();
    configs::notify(&s, &entity).await.unwrap();
    told.await;
    assert_eq!(
        server.text("/config/users/al%2Fice/clients/app").unwrap(),
        r#"{"version":1,"config":{"producer_byte_rate":"1"}}"#
    );
    server.put("/config/changes/config_change_0000000001x", "not a number");
    server.put("/config/changes/config_change_0000000007", "not JSON");
    let changes = configs::changes(&s, -1).await.unwrap();
    assert_eq!(
        changes.iter().map(|c| (c.number, c.entity.clone())).collect::<Vec<_>>(),
        [(0, Some(entity.clone())), (7, None)]
    );
    assert_eq!(configs::changes(&s, 0).await.unwrap().len(), 1);

    configs::write(&s, &ConfigEntity::user(None), &config).await.unwrap();
    let all = configs::read_all(&s, ConfigType::Users).await.unwrap();
    let names: Vec<&str> = all.iter().map(|(entity, _)| entity.entity_path()).collect();
    assert_eq!(names, ["users/<default>", "users/al%2Fice", "users/al%2Fice/clients/app"]);
    assert_eq!((all[1].1.is_empty(), &all[2].1), (true, &config));
    configs::delete(&s, &entity).await.unwrap();
    configs::delete(&s, &entity).await.unwrap();
    assert_eq!(configs::read_all(&s, ConfigType::Users).await.unwrap().len(), 1, "emptied parents go too");
    assert!(configs::read(&s, &entity).await.unwrap().is_empty());
}

#[tokio::test]
async fn notifications_are_purged_after_15_minutes() {
    let (server, _zk, s) = cluster().await;
    server.set_now_ms(1_000);
    configs::notify(&s, &ConfigEntity::topic("a")).await.unwrap();
    server.set_now_ms(500_000);
    configs::notify(&s, &ConfigEntity::topic("b")).await.unwrap();
    assert_eq!(configs::purge_changes(&s, 901_000, 1).await.unwrap(), 0);
    assert_eq!(configs::purge_changes(&s, 901_001, -1).await.unwrap(), 0, "what was not read stays");
    assert_eq!(configs::purge_changes(&s, 901_001, 1).await.unwrap(), 1);
    assert_eq!(configs::changes(&s, -1).await.unwrap()[0].number, 1);
}

#[tokio::test]
async fn events_of_log_directories_and_isrs_are_read_in_order_and_deleted() {
    let (server, _zk, s) = cluster().await;
    let term = elected(&s, 1).await;
    for broker in [3, 2] {
        notices::propagate_log_dir_event(&s, broker).await.unwrap();
    }
    server.put("/log_dir_event_notification/log_dir_event_0000000009", "broken");
    let (events, _watch) = notices::log_dir_events_and_watch(&s).await.unwrap();
    assert_eq!(events.iter().map(|(_, broker)| *broker).collect::<Vec<_>>(), [Some(3), Some(2), None]);
    let names: Vec<String> = events.into_iter().map(|(name, _)| name).collect();
    notices::delete_log_dir_events(&s, &term, &names).await.unwrap();
    notices::delete_log_dir_events(&s, &term, &names).await.unwrap();
    let partitions = vec![TopicPartition::new("t", 1)];
    notices::propagate_isr_changes(&s, &partitions).await.unwrap();
    let (changes, watch) = notices::isr_changes_and_watch(&s).await.unwrap();
    assert_eq!(changes[0].1.as_ref(), Some(&partitions));
    notices::delete_all(&s, &term).await.unwrap();
    assert_eq!(watch.await.kind, WatchKind::ChildrenChanged);
    assert!(notices::isr_changes_and_watch(&s).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn requests_of_old_tools_are_watched_for_trimmed_and_deleted() {
    let (server, _zk, s) = cluster().await;
    let term = elected(&s, 1).await;
    let (there, watch) = admin::watch_reassignments(&s).await.unwrap();
    assert!(!there);
    server.put("/admin/reassign_partitions", r#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1,2]},{"topic":"t","partition":1,"replicas":[2]}]}"#);
    assert_eq!(watch.await.kind, WatchKind::Created);
    let asked = admin::reassignments(&s).await.unwrap().unwrap();
    admin::set_reassignments(&s, &term, &asked[1..]).await.unwrap();
    assert_eq!(admin::reassignments(&s).await.unwrap().unwrap(), asked[1..]);
    admin::set_reassignments(&s, &term, &[]).await.unwrap();
    admin::set_reassignments(&s, &term, &[]).await.unwrap();
    assert_eq!(admin::reassignments(&s).await.unwrap(), None);
    server.put("/admin/preferred_replica_election", r#"{"version":1,"partitions":[{"topic":"t","partition":0}]}"#);
    assert_eq!(admin::preferred_elections(&s).await.unwrap().unwrap(), [TopicPartition::new("t", 0)]);
    admin::delete_preferred_elections(&s, &term).await.unwrap();
    assert!(!admin::watch_preferred_elections(&s).await.unwrap().0);
}

#[tokio::test]
async fn features_offsets_and_tokens_are_made_and_replaced() {
    let (server, _zk, s) = cluster().await;
    assert_eq!(features::read(&s).await.unwrap(), None);
    assert_eq!(features::write(&s, &FeatureNode::enabled()).await.unwrap(), 0);
    assert_eq!(features::write(&s, &FeatureNode::enabled()).await.unwrap(), 1);
    assert_eq!(features::read(&s).await.unwrap(), Some((FeatureNode::enabled(), 1)));

    let p = TopicPartition::new("t", 4);
    assert_eq!(offsets::read(&s, "g", &p).await.unwrap(), None);
    for offset in [5, 6] {
        offsets::write(&s, "g", &p, offset).await.unwrap();
        assert_eq!(offsets::read(&s, "g", &p).await.unwrap(), Some(offset));
    }
    assert_eq!(server.text("/consumers/g/offsets/t/4").as_deref(), Some("6"));

    tokens::create_paths(&s).await.unwrap();
    let token = TokenNode {
        token_id: "i".into(),
        owner: "User:a".into(),
        requester: "User:b".into(),
        renewers: vec![],
        issue_ms: 1,
        expiry_ms: 2,
        max_ms: 3,
    };
    tokens::write(&s, &token).await.unwrap();
    assert_eq!(tokens::read_all(&s).await.unwrap(), [token]);
    tokens::delete(&s, "i").await.unwrap();
    assert_eq!(tokens::read(&s, "i").await.unwrap(), None);
    let (changed, last, _watch) = tokens::changes_and_watch(&s, -1).await.unwrap();
    assert_eq!((changed, last), (vec!["i".to_owned(), "i".to_owned()], 1));
}

#[tokio::test]
async fn acls_are_written_only_on_what_was_read() {
    let (server, _zk, s) = cluster().await;
    acls::create_paths(&s).await.unwrap();
    let entry = |principal: &str| AclEntry {
        principal: principal.into(),
        permission_type: "Allow".into(),
        host: "*".into(),
        operation: "Read".into(),
    };
    let resource =
        acls::Resource { pattern: Pattern::Prefixed, resource_type: "TransactionalId".into(), name: "a:b".into() };
    assert_eq!(acls::write(&s, &resource, &[entry("User:a")], None).await.unwrap(), Some(0));
    assert_eq!(acls::write(&s, &resource, &[entry("User:b")], None).await.unwrap(), None, "it has a node now");
    server.lose_replies(s.id(), 1);
    assert_eq!(acls::write(&s, &resource, &[entry("User:b")], Some(0)).await.unwrap(), Some(1));
    assert_eq!(acls::write(&s, &resource, &[entry("User:c")], Some(0)).await.unwrap(), None);
    acls::notify(&s, &resource).await.unwrap();
    let (changed, last, _watch) = acls::changes_and_watch(&s, Pattern::Prefixed, -1).await.unwrap();
    assert_eq!((changed, last), (vec![resource.clone()], 0));
    assert_eq!(acls::read_all(&s).await.unwrap(), [(resource.clone(), vec![entry("User:b")], 1)]);
    assert_eq!(acls::write(&s, &resource, &[], Some(1)).await.unwrap(), Some(-1));
    assert_eq!(acls::read(&s, &resource).await.unwrap(), None);
}

/// The slow and obvious version of a fenced batch: every operation in a multi of its own.
async fn one_by_one(session: &Session, term: &Term, ops: &[Op]) -> Vec<Result<OpResult, ZkErrorKind>> {
    let check = Op::check("/controller_epoch", term.epoch_version);
    let mut results = Vec::new();
    for op in ops {
        let done = session.multi(&[check.clone(), op.clone()]).await;
        results.push(done.map(|mut done| done.remove(1)).map_err(|error| error.kind));
    }
    results
}

fn any_op() -> impl Strategy<Value = Op> {
    let path = prop::sample::select(vec!["/p/a", "/p/b", "/p/c", "/p/a/x", "/p/b/x", "/p/none/x"]);
    let data = prop::sample::select(vec!["1", "2"]);
    let version = prop::option::of(0..3_i32);
    (0..3_u8, path, data, version).prop_map(|(kind, path, data, version)| match kind {
        0 => Op::create(path, data),
        1 => Op::set(path, data, version),
        _ => Op::delete(path, version),
    })
}

/// A server with some nodes below `/p`, and a controller.
async fn with_nodes() -> (SimZk, Zk, Session, Term) {
    let (server, zk, s) = cluster().await;
    let term = elected(&s, 1).await;
    for (path, data) in [("/p", ""), ("/p/a", "1"), ("/p/b", "2"), ("/p/b/x", "1")] {
        s.create_recursive(path, data).await.unwrap();
    }
    (server, zk, s, term)
}

fn versionless(result: &OpResult) -> OpResult {
    match result {
        OpResult::Set { stat } => {
            OpResult::Set { stat: ottla::zk::session::Stat { version: stat.version, ..Default::default() } }
        }
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn batches_do_what_operations_one_by_one_would_do(ops in prop::collection::vec(any_op(), 1..40), losses in 0..4_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        // An unconditional set that is sent twice raises the version twice; whoever compares versions must set conditionally.
        let conditional = |op: Op| match op {
            Op::Set { path, data, version: None } if losses > 0 => Op::set(path, data, Some(0)),
            op => op,
        };
        let ops: Vec<Op> = ops.into_iter().map(conditional).collect();
        runtime.block_on(async {
            let (server, _zk, s, term) = with_nodes().await;
            let (slow_server, _slow_zk, slow, slow_term) = with_nodes().await;
            server.lose_replies(s.id(), losses);
            let batched = fenced::write(&s, &term, ops.clone()).await.unwrap();
            let single = one_by_one(&slow, &slow_term, &ops).await;
            assert_eq!(batched.len(), single.len());
            for ((op, batched), single) in ops.iter().zip(&batched).zip(&single) {
                match (batched, single) {
                    (Ok(batched), Ok(single)) if losses == 0 => assert_eq!(versionless(batched), versionless(single)),
                    (Ok(_), Ok(_)) => {}
                    (Err(batched), Err(single)) => assert_eq!(&batched.kind, single),
                    // Without its reply, "already so" can't be told from "done by the lost attempt"; both leave the same contents.
                    (Ok(_), Err(_)) if losses > 0 => {}
                    _ => panic!("{op:?}: batched {batched:?}, one by one {single:?}"),
                }
            }
            let contents = |server: &SimZk| -> BTreeMap<String, String> {
                server.dump().into_iter().map(|(path, (data, _))| (path, data)).collect()
            };
            assert_eq!(contents(&server), contents(&slow_server));
        });
    }
}
