//! Brokers whose process dies while their session lives on, and those of whom this is said wrongly.

use std::time::Duration;

use ottla::client::{Beat, Pulse};
use tokio::time::Instant;

use super::world::{Node, World, settle, tp};

async fn cluster(world: &World, brokers: i32) -> (Vec<Node>, ottla::controller::ControllerHandle) {
    let mut nodes = Vec::new();
    for id in 0..brokers {
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

#[tokio::test(start_paused = true)]
async fn leaderships_of_a_dead_process_move_while_its_session_lives_on() {
    let world = World::new();
    let (mut nodes, _controller) = cluster(&world, 3).await;
    world.create_topic(&nodes[0].session(), "led", &[&[2, 0, 1]]).await;
    world.create_topic(&nodes[0].session(), "followed", &[&[1, 2]]).await;
    forget(&mut nodes).await;
    let begin = Instant::now();
    nodes[2].die();
    let told = nodes[1].told_until("LeaderAndIsr led-0").await;
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
    assert_eq!(told, ["LeaderAndIsr led-0 leader 0 epoch 1 isr [0, 1]"]);
    settle().await;
    // Nobody waits for it as a follower either: a write to all in-sync replicas goes on.
    let state = r#"{"controller_epoch":1,"leader":1,"version":1,"leader_epoch":1,"isr":[1]}"#;
    assert_eq!(world.state(&tp("followed", 0)).0, state);
    assert!(world.exists("/brokers/ids/2"), "its registration is for its session to end");
    forget(&mut nodes).await;

    // The end of the session finds everything done.
    let before = world.state(&tp("led", 0));
    world.zk.expire(nodes[2].session().id());
    settle().await;
    assert_eq!(world.state(&tp("led", 0)), before);
}

#[tokio::test(start_paused = true)]
async fn no_leader_outside_the_isr_takes_over_from_a_dead_process() {
    let world = World::new();
    let (mut nodes, _controller) = cluster(&world, 3).await;
    world.create_topic(&nodes[0].session(), "alone", &[&[2]]).await;
    world.create_topic(&nodes[0].session(), "pair", &[&[2, 1]]).await;
    forget(&mut nodes).await;
    // The follower leaves the ISR, and is back before its leader dies, but not in sync.
    world.zk.expire(nodes[1].session().id());
    settle().await;
    let session = nodes[1].zk.reopen().await.expect("reopened");
    let registration = super::world::registration(1, 9093);
    ottla::zk::store::brokers::register(&session, &registration, &[]).await.expect("registered");
    forget(&mut nodes).await;
    let before = [world.state(&tp("alone", 0)), world.state(&tp("pair", 0))];
    assert!(before[1].0.contains(r#""isr":[2]"#), "{before:?}");
    nodes[2].die();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!([world.state(&tp("alone", 0)), world.state(&tp("pair", 0))], before);
}

#[tokio::test(start_paused = true)]
async fn process_that_listens_again_takes_part_again() {
    let world = World::new();
    let (mut nodes, controller) = cluster(&world, 3).await;
    world.create_topic(&nodes[0].session(), "t", &[&[2, 0]]).await;
    forget(&mut nodes).await;
    nodes[2].die();
    nodes[0].told_until("LeaderAndIsr t-0 leader 0 epoch 1").await;
    forget(&mut nodes).await;
    nodes[2].listen();
    // What it missed, in its order, and then what holds now: it follows.
    nodes[2].told_until("LeaderAndIsr t-0 leader 0 epoch 1 isr [0]").await;
    nodes[0].told_until("UpdateMetadata brokers [0, 1, 2]").await;
    settle().await;
    forget(&mut nodes).await;
    // It may lead again: the other one dies.
    let topic = ottla::base::TopicId::from_bytes([18; 16]);
    let proposal = ottla::controller::AlterPartition {
        topic: ottla::controller::TopicRef::Id(topic),
        partition: 0,
        leader_epoch: 1,
        isr: vec![0, 2],
        recovering: false,
        partition_epoch: 1,
    };
    let altered = controller.alter_partition(0, nodes[0].epoch, 3, vec![proposal]).await.expect("answered");
    assert!(altered[0].result.is_ok(), "{altered:?}");
    let kind = ottla::controller::ElectionKind::Preferred;
    let elected = controller.elect_leaders(Some(vec![tp("t", 0)]), kind).await.expect("the controller");
    assert_eq!(elected[&tp("t", 0)], Ok(2));
}

/// An Apache broker registers before it listens, on a busy machine longer than it is given. It takes no LeaderAndIsr in an epoch that it
/// knows: had a StopReplica ended its fetchers in between, nothing would start them again.
#[tokio::test(start_paused = true)]
async fn process_that_listens_late_is_not_stopped_where_it_follows() {
    let world = World::new();
    let (mut nodes, _controller) = cluster(&world, 3).await;
    world.create_topic(&nodes[0].session(), "t", &[&[0, 2]]).await;
    forget(&mut nodes).await;
    nodes[2].die();
    world.zk.expire(nodes[2].session().id());
    settle().await;
    assert!(world.state(&tp("t", 0)).0.contains(r#""isr":[0]"#));
    forget(&mut nodes).await;

    let session = nodes[2].zk.reopen().await.expect("reopened");
    let registration = super::world::registration(2, 9094);
    ottla::zk::store::brokers::register(&session, &registration, &[]).await.expect("registered");
    tokio::time::sleep(Duration::from_secs(3)).await;
    nodes[2].listen();
    nodes[2].told_until("LeaderAndIsr t-0 leader 0 epoch 1 isr [0]").await;
    settle().await;
    while let Some(next) = nodes[2].try_next() {
        let told = super::world::words(&next.request);
        assert!(!told.starts_with("StopReplica"), "{told}");
    }
    nodes[0].told_until("UpdateMetadata brokers [0, 1, 2]").await;
}

#[tokio::test(start_paused = true)]
async fn zero_milliseconds_switch_it_off() {
    let world = World::new();
    let mut nodes = vec![world.broker(0).await, world.broker(1).await];
    nodes[0].settings.dead_process_detect = Duration::ZERO;
    let _controller = nodes[0].start();
    forget(&mut nodes).await;
    world.create_topic(&nodes[0].session(), "t", &[&[1, 0]]).await;
    forget(&mut nodes).await;
    let before = world.state(&tp("t", 0));
    nodes[1].die();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.state(&tp("t", 0)), before);
}

fn at(begin: Instant, ms: u64) -> Instant {
    begin + Duration::from_millis(ms)
}

#[test]
fn verdict_needs_an_unbroken_run_of_refusals() {
    let begin = Instant::now();
    let mut pulse = Pulse::new(Duration::from_millis(300));
    assert_eq!(pulse.connected(), Beat::Same);
    assert_eq!(pulse.failed(true, at(begin, 0)), Beat::Same);
    assert_eq!(pulse.failed(true, at(begin, 299)), Beat::Same);
    assert_eq!(pulse.failed(false, at(begin, 300)), Beat::Same, "a time-out says nothing, and the count begins anew");
    assert_eq!(pulse.failed(true, at(begin, 400)), Beat::Same);
    assert_eq!(pulse.failed(true, at(begin, 700)), Beat::Died);
    assert_eq!(pulse.failed(true, at(begin, 2000)), Beat::Same, "said once");
    assert_eq!(pulse.connected(), Beat::Back);
    assert_eq!(pulse.connected(), Beat::Same);
}

#[test]
fn who_never_listened_is_given_more_time_or_no_verdict() {
    let begin = Instant::now();
    let new = Pulse::new(Duration::from_millis(300));
    let verdict = |mut pulse: Pulse, ms| {
        pulse.failed(true, begin);
        pulse.failed(true, at(begin, ms))
    };
    assert_eq!(verdict(new, 899), Beat::Same);
    assert_eq!(verdict(new, 900), Beat::Died);
    assert_eq!(verdict(new.having_lived(), 300), Beat::Died);
    assert_eq!(new.found_dead().failed(true, begin), Beat::Died, "said before: one refusal more is enough");
    assert_eq!(verdict(new.only_once_connected(), 1_000_000), Beat::Same);
    assert_eq!(verdict(Pulse::new(Duration::ZERO).having_lived(), 1_000_000), Beat::Same);

    let at = |ms| begin + Duration::from_millis(ms);
    let mut weak = new.only_once_connected();
    weak.failed(true, begin);
    assert!(!weak.is_weak(at(1_000_000)), "never connected");
    weak.connected();
    assert!(!weak.is_weak(at(10)));
    weak.failed(true, at(10));
    assert!(!weak.is_weak(at(159)) && weak.is_weak(at(160)));
    weak.failed(false, at(200));
    assert!(!weak.is_weak(at(1000)), "a time-out says nothing");
}
