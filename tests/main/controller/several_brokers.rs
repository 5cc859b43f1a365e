//! Clusters of several brokers: death and return, bounce, controlled shutdown, ISR changes, failed directories, two controllers.

use std::time::Duration;

use ottla::base::{ErrorCode, TopicId};
use ottla::controller::context::LeaderAndIsr;
use ottla::controller::{AlterPartition, AlteredPartition, ElectionKind, TopicRef};
use ottla::wire::ApiKey;
use ottla::zk::session::SessionId;
use ottla::zk::store;

use super::world::{Node, World, registration, settle, tp};

/// Three brokers, the first of them the controller, with what they were told at the start forgotten.
pub(super) async fn three(world: &World) -> (Vec<Node>, ottla::controller::ControllerHandle) {
    let mut nodes = Vec::new();
    for id in 0..3 {
        nodes.push(world.broker(id).await);
    }
    let controller = nodes[0].start();
    for node in &mut nodes {
        node.forget().await;
    }
    (nodes, controller)
}

pub(super) async fn forget(nodes: &mut [Node]) {
    for node in nodes {
        node.forget().await;
    }
}

fn proposal(topic: TopicId, leader_epoch: i32, isr: &[i32], partition_epoch: i32) -> AlterPartition {
    AlterPartition {
        topic: TopicRef::Id(topic),
        partition: 0,
        leader_epoch,
        isr: isr.to_vec(),
        recovering: false,
        partition_epoch,
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_leader_is_replaced_and_its_return_wins_nothing_back_by_itself() {
    let world = World::new();
    let (mut nodes, controller) = three(&world).await;
    world.create_topic(&nodes[0].session(), "t", &[&[2, 0, 1]]).await;
    forget(&mut nodes).await;
    world.zk.expire(nodes[2].session().id());
    assert_eq!(
        nodes[0].told_until("UpdateMetadata").await,
        [
            "LeaderAndIsr t-0 leader 0 epoch 1 isr [0, 1]",
            "UpdateMetadata brokers [0, 1]; t-0 leader 0 epoch 1 offline [2]"
        ]
    );
    nodes[2].silent().await;
    let state = r#"{"controller_epoch":1,"leader":0,"version":1,"leader_epoch":1,"isr":[0,1]}"#;
    assert_eq!(world.state(&tp("t", 0)), (state.to_owned(), 1));

    // The replica is out of the ISR already: going offline writes nothing more, but the others hear of it once more.
    forget(&mut nodes).await;
    let session = nodes[2].zk.reopen().await.expect("reopened");
    store::brokers::register(&session, &registration(2, 9094), &[]).await.expect("registered");
    assert_eq!(nodes[0].told().await, "UpdateMetadata brokers [0, 1, 2]");
    assert_eq!(
        nodes[2].told_until("LeaderAndIsr").await,
        ["UpdateMetadata brokers [0, 1, 2]; t-0 leader 0 epoch 1", "LeaderAndIsr t-0 leader 0 epoch 1 isr [0, 1]"]
    );
    assert_eq!(world.state(&tp("t", 0)).1, 1);
    assert_eq!(controller.status().preferred_imbalance, 1);
}

/// Leaders of old inter-broker protocols write their in-sync replicas themselves: what the controller knows of them may be out of date.
#[tokio::test(start_paused = true)]
async fn an_election_goes_by_what_stands_in_zookeeper_at_last() {
    let world = World::new();
    let (mut nodes, controller) = three(&world).await;
    let session = nodes[0].session();
    let of = |isr: &str| format!(r#"{{"controller_epoch":1,"leader":2,"version":1,"leader_epoch":0,"isr":[{isr}]}}"#);
    let by_leader = async |topic: &str, isr: &str| {
        let path = format!("/brokers/topics/{topic}/partitions/0/state");
        session.set(&path, of(isr), None).await.expect("the leader writes its state");
    };
    world.create_topic(&session, "shrunk", &[&[2, 0, 1]]).await;
    settle().await;
    by_leader("shrunk", "2,1").await;
    let id = world.create_topic(&session, "grown", &[&[2, 1]]).await;
    settle().await;
    let answer = controller.alter_partition(2, nodes[2].epoch, 3, vec![proposal(id, 0, &[2], 0)]).await;
    assert!(answer.is_ok_and(|a| a[0].result.is_ok()));
    by_leader("grown", "2,1").await;
    forget(&mut nodes).await;
    world.zk.expire(nodes[2].session().id());
    settle().await;
    let elected =
        |version| (r#"{"controller_epoch":1,"leader":1,"version":1,"leader_epoch":1,"isr":[1]}"#.to_owned(), version);
    assert_eq!(world.state(&tp("shrunk", 0)), elected(2));
    assert_eq!(world.state(&tp("grown", 0)), elected(3));
}

#[tokio::test(start_paused = true)]
async fn the_last_in_sync_replica_is_waited_for() {
    let world = World::new();
    let (mut nodes, controller) = three(&world).await;
    world.create_topic(&nodes[0].session(), "t", &[&[2]]).await;
    forget(&mut nodes).await;
    world.zk.expire(nodes[2].session().id());
    settle().await;
    let state = r#"{"controller_epoch":1,"leader":-1,"version":1,"leader_epoch":1,"isr":[2]}"#;
    assert_eq!(world.state(&tp("t", 0)), (state.to_owned(), 1));
    assert_eq!(controller.status().offline_partitions, 1);
    let session = nodes[2].zk.reopen().await.expect("reopened");
    store::brokers::register(&session, &registration(2, 9094), &[]).await.expect("registered");
    settle().await;
    let state = r#"{"controller_epoch":1,"leader":2,"version":1,"leader_epoch":2,"isr":[2]}"#;
    assert_eq!(world.state(&tp("t", 0)), (state.to_owned(), 2));
    assert_eq!(controller.status().offline_partitions, 0);
}

#[tokio::test(start_paused = true)]
async fn an_unclean_leader_is_elected_only_when_it_is_allowed() {
    let world = World::new();
    let (mut nodes, controller) = three(&world).await;
    let id = world.create_topic(&nodes[0].session(), "t", &[&[2, 1]]).await;
    forget(&mut nodes).await;
    let answer = controller.alter_partition(2, nodes[2].epoch, 3, vec![proposal(id, 0, &[2], 0)]).await;
    assert!(answer.is_ok_and(|a| a[0].result.is_ok()));
    world.zk.expire(nodes[2].session().id());
    settle().await;
    assert_eq!(controller.status().offline_partitions, 1);
    controller.unclean_election_changed(true);
    settle().await;
    let (state, _) = world.state(&tp("t", 0));
    assert_eq!(
        state,
        r#"{"controller_epoch":1,"leader":1,"version":1,"leader_epoch":2,"isr":[1],"leader_recovery_state":1}"#
    );
    assert_eq!(controller.status().unclean_elections, 1);
}

#[tokio::test(start_paused = true)]
async fn a_bounced_broker_gets_everything_under_its_new_epoch() {
    let world = World::new();
    let (mut nodes, _controller) = three(&world).await;
    world.create_topic(&nodes[0].session(), "t", &[&[0, 1]]).await;
    forget(&mut nodes).await;
    // Gone and back before the controller has looked.
    let old: SessionId = nodes[1].session().id();
    world.zk.expire(old);
    let session = nodes[1].zk.reopen().await.expect("reopened");
    let epoch = store::brokers::register(&session, &registration(1, 9093), &[]).await.expect("registered");
    let mut request = nodes[1].next().await;
    while !matches!(request.request, super::world::Received::LeaderAndIsr(_)) {
        request = nodes[1].next().await;
    }
    let super::world::Received::LeaderAndIsr(request) = request.request else { panic!("checked above") };
    assert_eq!(request.broker_epoch, epoch);
    assert!(epoch > nodes[1].epoch);
}

#[tokio::test(start_paused = true)]
async fn controlled_shutdown_moves_leaderships_and_answers_with_what_stays() {
    let world = World::new();
    let (mut nodes, controller) = three(&world).await;
    let stuck = world.create_topic(&nodes[0].session(), "stuck", &[&[1, 2]]).await;
    world.create_topic(&nodes[0].session(), "led", &[&[1, 2]]).await;
    world.create_topic(&nodes[0].session(), "followed", &[&[2, 1]]).await;
    world.create_topic(&nodes[0].session(), "single", &[&[1]]).await;
    forget(&mut nodes).await;
    let epoch = nodes[1].epoch;
    let answer = controller.alter_partition(1, epoch, 3, vec![proposal(stuck, 0, &[1], 0)]).await;
    assert!(answer.is_ok_and(|a| a[0].result.is_ok()));
    forget(&mut nodes).await;
    assert_eq!(controller.controlled_shutdown(1, epoch - 1).await, Err(ErrorCode::StaleBrokerEpoch));
    assert_eq!(controller.controlled_shutdown(7, 5).await, Err(ErrorCode::UnknownServerError));
    assert_eq!(controller.controlled_shutdown(7, -1).await, Err(ErrorCode::BrokerNotAvailable));
    assert_eq!(controller.controlled_shutdown(1, epoch).await, Ok(vec![tp("stuck", 0)]));
    assert_eq!(
        nodes[1].told_until("StopReplica").await,
        [
            "LeaderAndIsr led-0 leader 2 epoch 1 isr [2]",
            "UpdateMetadata brokers [0, 1, 2]; led-0 leader 2 epoch 1 offline [1]",
            "StopReplica followed-0 epoch 0",
        ]
    );
    assert_eq!(
        nodes[2].told_until("LeaderAndIsr followed").await,
        [
            "LeaderAndIsr led-0 leader 2 epoch 1 isr [2]",
            "UpdateMetadata brokers [0, 1, 2]; led-0 leader 2 epoch 1 offline [1]",
            "LeaderAndIsr followed-0 leader 2 epoch 1 isr [2]",
        ]
    );
    // Nobody may be taken into an ISR while it shuts down.
    let led = TopicId::from_bytes([3 + 17; 16]);
    let answer = controller.alter_partition(2, nodes[2].epoch, 3, vec![proposal(led, 1, &[2, 1], 1)]).await;
    assert_eq!(answer.expect("answered")[0].result, Err(ErrorCode::IneligibleReplica));
    let answer = controller
        .alter_partition(
            2,
            nodes[2].epoch,
            1,
            vec![AlterPartition { topic: TopicRef::Name("led".into()), ..proposal(led, 1, &[2, 1], 1) }],
        )
        .await;
    assert_eq!(answer.expect("answered")[0].result, Err(ErrorCode::OperationNotAttempted));
}

#[tokio::test(start_paused = true)]
async fn alter_partition_is_judged_in_kafkas_order() {
    let world = World::new();
    let (mut nodes, controller) = three(&world).await;
    let id = world.create_topic(&nodes[0].session(), "t", &[&[0, 1, 2]]).await;
    forget(&mut nodes).await;
    let epoch = nodes[0].epoch;
    assert_eq!(controller.alter_partition(0, epoch + 1, 3, vec![]).await, Err(ErrorCode::StaleBrokerEpoch));
    assert_eq!(controller.alter_partition(8, epoch, 3, vec![]).await, Err(ErrorCode::StaleBrokerEpoch));
    let ask = |proposal: AlterPartition| {
        let controller = controller.clone();
        async move {
            let answer = controller.alter_partition(0, epoch, 3, vec![proposal]).await.expect("answered");
            answer.into_iter().next().expect("one answer").result
        }
    };
    let written = LeaderAndIsr { leader: 0, leader_epoch: 0, isr: vec![0, 2], recovering: false, partition_epoch: 1 };
    assert_eq!(ask(proposal(id, 0, &[0, 2], 0)).await, Ok(written.clone()));
    assert_eq!(
        nodes[1].told().await,
        "UpdateMetadata brokers [0, 1, 2]; t-0 leader 0 epoch 0",
        "metadata to all, no LeaderAndIsr"
    );
    nodes[1].silent().await;
    assert_eq!(ask(proposal(id, 0, &[0, 2], 0)).await, Ok(written), "said again: the same answer, no write");
    assert_eq!(world.state(&tp("t", 0)).1, 1);
    assert_eq!(ask(proposal(id, 0, &[0], 0)).await, Err(ErrorCode::InvalidUpdateVersion));
    assert_eq!(ask(proposal(id, 0, &[0], 7)).await, Err(ErrorCode::NotController));
    assert_eq!(ask(proposal(id, 1, &[0], 1)).await, Err(ErrorCode::NotController));
    assert_eq!(ask(proposal(id, -1, &[0], 1)).await, Err(ErrorCode::FencedLeaderEpoch));
    assert_eq!(ask(proposal(id, 0, &[0, 9], 1)).await, Err(ErrorCode::IneligibleReplica));
    let recovering = AlterPartition { recovering: true, ..proposal(id, 0, &[0], 1) };
    assert_eq!(ask(recovering).await, Err(ErrorCode::InvalidRequest));
    assert_eq!(ask(proposal(TopicId::from_bytes([1; 16]), 0, &[0], 1)).await, Err(ErrorCode::UnknownTopicId));
    let beyond = AlterPartition { partition: 5, ..proposal(id, 0, &[0], 1) };
    let unknown = controller.alter_partition(0, epoch, 3, vec![beyond.clone()]).await;
    let expected =
        AlteredPartition { topic: beyond.topic, partition: 5, result: Err(ErrorCode::UnknownTopicOrPartition) };
    assert_eq!(unknown, Ok(vec![expected]));
    // Somebody else has written the node: refused once, known after.
    let other = r#"{"controller_epoch":1,"leader":0,"version":1,"leader_epoch":0,"isr":[0,2,1]}"#;
    world.zk.put("/brokers/topics/t/partitions/0/state", other.as_bytes());
    assert_eq!(ask(proposal(id, 0, &[0], 1)).await, Err(ErrorCode::InvalidUpdateVersion));
    assert!(ask(proposal(id, 0, &[0], 2)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn replicas_in_a_failed_directory_go_offline_and_their_partitions_move() {
    let world = World::new();
    let (mut nodes, _controller) = three(&world).await;
    world.create_topic(&nodes[0].session(), "bad", &[&[1, 0]]).await;
    world.create_topic(&nodes[0].session(), "good", &[&[1, 0]]).await;
    forget(&mut nodes).await;
    let storage = ErrorCode::KafkaStorageError.code();
    let stale = ErrorCode::StaleControllerEpoch.code();
    nodes[1].answers.lock().insert((ApiKey::LeaderAndIsr, tp("bad", 0)), storage);
    nodes[1].answers.lock().insert((ApiKey::LeaderAndIsr, tp("good", 0)), stale);
    store::notices::propagate_log_dir_event(&nodes[1].session(), 1).await.expect("written");
    assert_eq!(
        nodes[1].told_until("StopReplica").await,
        [
            "LeaderAndIsr bad-0 leader 1 epoch 0 isr [1, 0]; good-0 leader 1 epoch 0 isr [1, 0]",
            "UpdateMetadata brokers [0, 1, 2]; bad-0 leader 1 epoch 0; good-0 leader 1 epoch 0",
            "UpdateMetadata brokers [0, 1, 2]; bad-0 leader 0 epoch 1 offline [1]",
            "UpdateMetadata brokers [0, 1, 2]; bad-0 leader 0 epoch 1 offline [1]",
            "StopReplica bad-0 epoch 1",
        ]
    );
    assert!(world.zk.dump().keys().all(|path| !path.contains("log_dir_event_0")), "the notice is deleted");
    assert_eq!(world.state(&tp("good", 0)).1, 0);
}

#[tokio::test(start_paused = true)]
async fn a_deposed_controller_is_refused_by_the_fence_and_resigns() {
    let world = World::new();
    let mut old = world.broker(0).await;
    let mut new = world.broker(1).await;
    let first = old.start();
    old.forget().await;
    let second = new.start();
    new.forget().await;
    assert!(first.is_active() && !second.is_active());
    assert_eq!(second.status().controller_id, 0);

    // The old one loses its node without noticing, as after a long pause, and the new one takes over before the watch is heard.
    world.zk.disconnect(old.session().id());
    world.zk.remove("/controller");
    settle().await;
    assert!(second.is_active());
    assert_eq!(second.status().epoch, 2);
    new.forget().await;
    let multis = world.zk.multis().len();
    world.zk.reconnect(old.session().id());
    let by_old = first.clone();
    let epoch = old.epoch;
    let answer = by_old.controlled_shutdown(0, epoch).await;
    settle().await;
    assert!(!first.is_active(), "it has seen that another leads: {answer:?}");
    assert_eq!(first.status().controller_id, 1);
    assert_eq!(world.zk.multis().len(), multis, "nothing of the old one was written");
    assert!(second.is_active());
}

/// Its node was deleted by somebody else: it lets others run first, for a second in which it answers all the same.
#[tokio::test(start_paused = true)]
async fn a_deposed_controller_waits_before_it_runs_again_and_answers_meanwhile() {
    let world = World::new();
    let mut only = world.broker(0).await;
    let _other = world.broker(1).await; // registered, but it does not run
    let controller = only.start();
    only.forget().await;
    let begin = tokio::time::Instant::now();
    world.zk.remove("/controller");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!controller.is_active());
    let answer = controller.controlled_shutdown(1, 0).await;
    assert!(answer.is_err(), "{answer:?}");
    assert!(begin.elapsed() < Duration::from_millis(500), "answered after {:?}", begin.elapsed());
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!controller.is_active() && !world.exists("/controller"), "others have their turn");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(controller.is_active() && controller.status().epoch == 2);
}

#[tokio::test(start_paused = true)]
async fn a_write_under_an_old_epoch_fails_and_ends_the_term() {
    let world = World::new();
    let mut old = world.broker(0).await;
    let first = old.start();
    old.forget().await;
    let id = world.create_topic(&old.session(), "t", &[&[0]]).await;
    old.forget().await;
    // Another controller counts up the epoch and writes itself; no watch of the old one has been heard yet when it wants to write.
    world.zk.disconnect(old.session().id());
    world.zk.put("/controller_epoch", "2".as_bytes());
    world.zk.remove("/controller");
    world.zk.put("/controller", r#"{"version":2,"brokerid":5,"timestamp":"1"}"#.as_bytes());
    let asking = first.clone();
    let epoch = old.epoch;
    let asked = old.env.tasks.spawn(ottla::base::env::Lane::Control, "asking", async move {
        asking
            .alter_partition(
                0,
                epoch,
                3,
                vec![
                    proposal(id, 0, &[0], 0),
                    AlterPartition { leader_epoch: 0, recovering: false, ..proposal(id, 0, &[], 0) },
                ],
            )
            .await
    });
    settle().await;
    world.zk.reconnect(old.session().id());
    let answer = asked.await.expect("no panic");
    assert_eq!(answer, Err(ErrorCode::NotController));
    settle().await;
    assert!(!first.is_active());
    assert_eq!(first.status().controller_id, 5);
    assert_eq!(world.state(&tp("t", 0)).1, 0);
}

#[tokio::test(start_paused = true)]
async fn when_the_controller_dies_the_other_takes_over_with_what_zookeeper_has() {
    let world = World::new();
    let mut old = world.broker(0).await;
    let mut new = world.broker(1).await;
    let first = old.start();
    old.forget().await;
    let second = new.start();
    world.create_topic(&old.session(), "t", &[&[0, 1], &[1, 0]]).await;
    new.forget().await;
    first.shutdown().await;
    world.zk.expire(old.session().id());
    let told = new.told_until("LeaderAndIsr t-0 leader 1").await;
    assert_eq!(told[0], "UpdateMetadata brokers [1]");
    assert!(second.is_active());
    settle().await;
    let state = r#"{"controller_epoch":2,"leader":1,"version":1,"leader_epoch":1,"isr":[1]}"#;
    assert_eq!(world.state(&tp("t", 0)), (state.to_owned(), 1), "elected, and so out of the ISR, in one write");
    assert_eq!(second.status().offline_partitions, 0);
}

#[tokio::test(start_paused = true)]
async fn preferred_leaders_come_back_by_request_by_znode_and_by_timer() {
    let world = World::new();
    let mut nodes = vec![world.broker(0).await, world.broker(1).await];
    nodes[0].settings.auto_leader_rebalance = true;
    let controller = nodes[0].start();
    forget(&mut nodes).await;
    let id = world.create_topic(&nodes[0].session(), "t", &[&[1, 0]]).await;
    forget(&mut nodes).await;
    let mut partition_epoch = 0;
    for round in 0..3 {
        world.zk.expire(nodes[1].session().id());
        settle().await;
        let session = nodes[1].zk.reopen().await.expect("reopened");
        store::brokers::register(&session, &registration(1, 9093), &[]).await.expect("registered");
        settle().await;
        let unavailable = controller.elect_leaders(Some(vec![tp("t", 0)]), ElectionKind::Preferred).await;
        let outcome = unavailable.expect("answered").remove(&tp("t", 0)).expect("one");
        assert_eq!(outcome.map_err(|e| e.code), Err(ErrorCode::PreferredLeaderNotAvailable), "not in sync yet");
        let (_, version) = world.state(&tp("t", 0));
        let grown = proposal(id, 2 * round + 1, &[0, 1], version);
        let answer = controller.alter_partition(0, nodes[0].epoch, 3, vec![grown]).await.expect("answered");
        assert!(answer[0].result.is_ok(), "{answer:?}");
        match round {
            0 => {
                let elected = controller.elect_leaders(None, ElectionKind::Preferred).await.expect("answered");
                assert_eq!(elected.get(&tp("t", 0)), Some(&Ok(1)));
                let again = controller.elect_leaders(Some(vec![tp("t", 0), tp("u", 0)]), ElectionKind::Preferred).await;
                let codes: Vec<_> = again.expect("answered").into_values().map(|r| r.map_err(|e| e.code)).collect();
                let needed = [Err(ErrorCode::ElectionNotNeeded), Err(ErrorCode::UnknownTopicOrPartition)];
                assert_eq!(codes, needed);
            }
            1 => {
                let asked = r#"{"version":1,"partitions":[{"topic":"t","partition":0}]}"#;
                world.zk.put("/admin/preferred_replica_election", asked.as_bytes());
                settle().await;
                assert!(!world.exists("/admin/preferred_replica_election"), "deleted when done");
            }
            _ => {
                assert_eq!(controller.status().preferred_imbalance, 1);
                tokio::time::sleep(Duration::from_secs(301)).await;
            }
        }
        let (state, version) = world.state(&tp("t", 0));
        assert!(state.contains(r#""leader":1,"#), "round {round}: {state}");
        assert!(version > partition_epoch);
        partition_epoch = version;
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_waits_for_a_dead_replica_and_ends_with_its_return() {
    let world = World::new();
    let (mut nodes, controller) = three(&world).await;
    world.create_topic(&nodes[0].session(), "t", &[&[1, 2]]).await;
    forget(&mut nodes).await;
    world.zk.expire(nodes[2].session().id());
    forget(&mut nodes).await;
    store::topics::mark_for_deletion(&nodes[0].session(), "t").await.expect("marked");
    nodes[1].told_until("StopReplica t-0 epoch -2 delete").await;
    settle().await;
    assert!(world.exists("/brokers/topics/t"));
    assert_eq!((controller.status().topics_ineligible, controller.status().replicas_to_delete), (1, 1));
    let session = nodes[2].zk.reopen().await.expect("reopened");
    store::brokers::register(&session, &registration(2, 9094), &[]).await.expect("registered");
    nodes[2].told_until("StopReplica t-0 epoch -2 delete").await;
    settle().await;
    assert!(!world.exists("/brokers/topics/t"));
    assert_eq!(controller.status().topics_to_delete, 0);
}

#[tokio::test(start_paused = true)]
async fn a_topics_own_word_on_unclean_leaders_counts_before_the_brokers() {
    let world = World::new();
    let (mut nodes, controller) = three(&world).await;
    let id = world.create_topic(&nodes[0].session(), "t", &[&[2, 1]]).await;
    let never = world.create_topic(&nodes[0].session(), "never", &[&[2, 1]]).await;
    forget(&mut nodes).await;
    for topic in [id, never] {
        let answer = controller.alter_partition(2, nodes[2].epoch, 3, vec![proposal(topic, 0, &[2], 0)]).await;
        assert!(answer.is_ok_and(|a| a[0].result.is_ok()));
    }
    let config = |value: &str| format!(r#"{{"version":1,"config":{{"unclean.leader.election.enable":"{value}"}}}}"#);
    world.zk.put("/config/topics/never", config("false"));
    world.zk.expire(nodes[2].session().id());
    settle().await;
    assert_eq!(controller.status().offline_partitions, 2);
    world.zk.put("/config/topics/t", config("true"));
    controller.topic_unclean_enabled("t");
    settle().await;
    assert!(world.state(&tp("t", 0)).0.contains(r#""leader":1,"#));
    controller.unclean_election_changed(true);
    settle().await;
    assert!(world.state(&tp("never", 0)).0.contains(r#""leader":-1,"#));
    // An administrator's election asks no configuration.
    let elected = controller.elect_leaders(Some(vec![tp("never", 0)]), ElectionKind::Unclean).await;
    assert_eq!(elected.expect("active").get(&tp("never", 0)), Some(&Ok(1)));
}

#[tokio::test(start_paused = true)]
async fn of_two_controllers_started_at_once_one_leads() {
    let world = World::new();
    let (one, two) = (world.broker(0).await, world.broker(1).await);
    let (first, second) = (one.start(), two.start());
    settle().await;
    assert!(first.is_active() != second.is_active());
    assert_eq!(first.status().controller_id, second.status().controller_id);
    let multis = world.zk.multis();
    let elections = multis.iter().filter(|ops| format!("{ops:?}").contains("kraftControllerEpoch")).count();
    assert!(elections <= 2, "{elections}");
}

#[tokio::test(start_paused = true)]
async fn changed_addresses_go_to_all_brokers() {
    let world = World::new();
    let (mut nodes, _controller) = three(&world).await;
    let mut changed = registration(2, 9999);
    store::brokers::update(&nodes[2].session(), &changed).await.expect("written");
    assert_eq!(nodes[0].told().await, "UpdateMetadata brokers [0, 1, 2]");
    changed.rack = Some("r".into());
    store::brokers::update(&nodes[2].session(), &changed).await.expect("written");
    nodes[0].silent().await;
}
