//! Brokers that died and came back while nobody looked: what the next controller makes of them.

use ottla::base::ErrorCode;
use ottla::controller::{AlterPartition, ControllerHandle, ElectionKind, TopicRef};
use ottla::wire::ApiKey;
use ottla::zk::store;
use serde_json::{Value, json};

use super::several_brokers::{forget, three};
use super::world::{Node, Received, World, registration, settle, tp};

/// Three brokers and a topic of these partitions; then the controller, broker 0, is no more, and whoever else is named dies and comes back.
async fn bereft(partitions: &[&[i32]], returning: &[i32]) -> (World, Vec<Node>) {
    let world = World::new();
    let (mut nodes, controller) = three(&world).await;
    world.create_topic(&nodes[0].session(), "t", partitions).await;
    forget(&mut nodes).await;
    controller.shutdown().await;
    for &id in returning {
        let node = &mut nodes[usize::try_from(id).expect("an id")];
        world.zk.expire(node.session().id());
        registered_again(node).await;
    }
    (world, nodes)
}

async fn registered_again(node: &Node) -> i64 {
    let session = node.zk.reopen().await.expect("reopened");
    let port = 9092 + u16::try_from(node.id).expect("an id");
    store::brokers::register(&session, &registration(node.id, port), &[]).await.expect("registered")
}

async fn takes_over(node: &mut Node) -> ControllerHandle {
    let next = node.start();
    settle().await;
    assert!(next.is_active());
    next
}

/// Leader, its epoch and the ISR.
fn state(world: &World, partition: i32) -> (Value, Value, Value) {
    let state: Value = serde_json::from_str(&world.state(&tp("t", partition)).0).expect("JSON");
    (state["leader"].clone(), state["leader_epoch"].clone(), state["isr"].clone())
}

#[tokio::test(start_paused = true)]
async fn leader_that_restarted_unseen_is_replaced_by_one_that_has_not_before_anybody_hears_of_it() {
    let (world, mut nodes) = bereft(&[&[1, 2, 0], &[2, 1, 0], &[1]], &[1]).await;
    world.zk.expire(nodes[0].session().id());
    let _next = takes_over(&mut nodes[2]).await;
    let (leader, _, isr) = state(&world, 0);
    assert_eq!((leader, isr), (2.into(), json!([2])), "broker 1 has to come back into the ISR");
    assert_eq!(state(&world, 1).0, 2, "its leader has not restarted");
    assert_eq!(state(&world, 2), (1.into(), 0.into(), json!([1])), "there is nobody else");
    // The first that broker 1 hears of partition 0 is that another leads.
    loop {
        let arrived = nodes[1].next().await;
        let Received::LeaderAndIsr(request) = arrived.request else { continue };
        let states = request.topic_states.iter().flat_map(|topic| &topic.partition_states);
        if let Some(state) = states.into_iter().find(|state| state.partition_index == 0) {
            assert_eq!((state.leader, state.leader_epoch), (2, 1));
            break;
        }
    }
}

/// In its old epoch it would write other records where it may have lost some, and its followers would take the two for one.
#[tokio::test(start_paused = true)]
async fn leader_that_restarted_unseen_with_all_in_sync_leads_in_another_epoch() {
    let (world, mut nodes) = bereft(&[&[1, 2], &[1], &[0, 2]], &[1, 2]).await;
    let _next = takes_over(&mut nodes[0]).await;
    assert_eq!(state(&world, 0), (1.into(), 1.into(), json!([1, 2])));
    assert_eq!(state(&world, 1), (1.into(), 0.into(), json!([1])), "nobody else has records of it");
    assert_eq!(state(&world, 2), (0.into(), 1.into(), json!([0])), "only its follower has");
}

/// A registration outlives its process. Were the ISR left to the dead, nobody could lead until it is back.
#[tokio::test(start_paused = true)]
async fn process_that_died_registered_does_not_get_the_isr_for_itself() {
    let (world, mut nodes) = bereft(&[&[1, 2], &[2, 1]], &[2]).await;
    nodes[1].die();
    let _next = takes_over(&mut nodes[0]).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(state(&world, 0), (2.into(), 1.into(), json!([2])), "the leader is dead");
    let (leader, epoch, isr) = state(&world, 1);
    assert_eq!((leader, isr), (2.into(), json!([2])), "the follower is");
    assert_ne!(epoch, 0, "the leader has restarted");
}

/// What two have acknowledged is whole on one of them, of whom only this one is there.
#[tokio::test(start_paused = true)]
async fn one_that_restarted_unseen_does_not_lead_alone_what_two_have_acknowledged() {
    for min_insync_replicas in [2, 1] {
        let (world, mut nodes) = bereft(&[&[1, 2], &[2, 1]], &[1]).await;
        world.zk.expire(nodes[2].session().id());
        nodes[0].settings.min_insync_replicas = min_insync_replicas;
        let _next = takes_over(&mut nodes[0]).await;
        if min_insync_replicas == 1 {
            for partition in [0, 1] {
                let (leader, _, isr) = state(&world, partition);
                assert_eq!((leader, isr), (1.into(), json!([1])));
            }
            continue;
        }
        assert_eq!(state(&world, 0), (1.into(), 0.into(), json!([1, 2])));
        assert_eq!(state(&world, 1), (2.into(), 0.into(), json!([2, 1])));
        assert_hears_of_no_leader(&mut nodes[1]);
        // The other one returns, with less of one and with more of the other.
        nodes[2].ends.lock().extend([(tp("t", 0), (Some(0), 9)), (tp("t", 1), (Some(0), 11))]);
        registered_again(&nodes[2]).await;
        settle().await;
        assert_eq!(state(&world, 0), (1.into(), 1.into(), json!([1])));
        assert_eq!(state(&world, 1), (2.into(), 1.into(), json!([2])));
    }
}

fn assert_hears_of_no_leader(node: &mut Node) {
    while let Some(arrived) = node.try_next() {
        let Received::LeaderAndIsr(request) = arrived.request else { continue };
        let mut states = request.topic_states.iter().flat_map(|topic| &topic.partition_states);
        assert!(states.all(|state| state.leader != node.id), "it is told that it leads");
    }
}

#[tokio::test(start_paused = true)]
async fn promise_is_that_of_the_configuration_at_the_takeover() {
    let (world, mut nodes) = bereft(&[&[1, 2]], &[1]).await;
    for id in [0, 2] {
        world.zk.expire(nodes[id].session().id());
    }
    let next = nodes[0].start();
    settle().await;
    next.min_insync_replicas_changed(2);
    registered_again(&nodes[0]).await;
    next.reelect();
    settle().await;
    assert!(next.is_active());
    assert_eq!(state(&world, 0), (1.into(), 0.into(), json!([1, 2])));
    assert_hears_of_no_leader(&mut nodes[1]);
}

#[tokio::test(start_paused = true)]
async fn one_that_restarted_unseen_leads_alone_when_an_administrator_says_so() {
    let (world, mut nodes) = bereft(&[&[2, 1], &[1, 2]], &[1]).await;
    world.zk.expire(nodes[2].session().id());
    nodes[0].settings.min_insync_replicas = 2;
    let next = takes_over(&mut nodes[0]).await;
    let preferred = next.elect_leaders(None, ElectionKind::Preferred).await.expect("the controller");
    assert!(preferred.values().all(|outcome| outcome.is_err()), "{preferred:?}");
    assert_eq!(state(&world, 0).0, 2);
    for (partition, name) in [(0, tp("t", 0)), (1, tp("t", 1))] {
        let unclean =
            next.elect_leaders(Some(vec![name.clone()]), ElectionKind::Unclean).await.expect("the controller");
        assert_eq!(unclean[&name], Ok(1));
        assert_eq!(state(&world, partition).2, json!([1]));
    }
}

/// One failure costs only one of them the end of its log: the one that has more has all that was acknowledged.
#[tokio::test(start_paused = true)]
async fn of_two_that_restarted_unseen_the_one_with_the_longest_log_leads() {
    let (world, mut nodes) = bereft(&[&[1, 2, 0], &[0, 2, 1], &[1, 2], &[1, 2]], &[1, 2]).await;
    world.zk.expire(nodes[0].session().id());
    nodes[2].settings.min_insync_replicas = 2;
    nodes[2].ends.lock().extend([(tp("t", 0), (Some(0), 11)), (tp("t", 2), (None, 9)), (tp("t", 3), (Some(-1), 90))]);
    let _next = takes_over(&mut nodes[2]).await;
    assert_eq!(state(&world, 0), (2.into(), 1.into(), json!([2])), "broker 1 lacks one record of 11");
    assert_eq!(state(&world, 1), (2.into(), 1.into(), json!([2, 1])), "both have the same");
    assert_eq!(state(&world, 2), (1.into(), 1.into(), json!([1])), "broker 2 lacks one of 10");
    assert_eq!(state(&world, 3), (1.into(), 1.into(), json!([1])), "what broker 2 has more is of an earlier epoch");
    // They are asked as followers of nobody: who leads in the old epoch would write where it has lost something.
    let asked = nodes[1].told_until("ListOffsets as -2").await;
    let asking = "LeaderAndIsr t-0 leader -1 epoch 0 isr []; t-1 leader -1 epoch 0 isr []; \
                  t-2 leader -1 epoch 0 isr []; t-3 leader -1 epoch 0 isr []";
    assert_eq!(asked.iter().filter(|words| words.starts_with("LeaderAndIsr")).collect::<Vec<_>>(), [asking]);
    assert_eq!(asked.last().expect("a request"), "ListOffsets as -2 t-0 at -1; t-1 at -1; t-2 at -1; t-3 at -1");
}

/// The third may have more than both, and its session is its only sign of life.
#[tokio::test(start_paused = true)]
async fn who_restarted_unseen_and_does_not_say_how_much_it_has_is_waited_for() {
    let (world, mut nodes) = bereft(&[&[0, 1, 2]], &[0, 1, 2]).await;
    nodes[2].settings.min_insync_replicas = 2;
    nodes[2].settings.dead_process_detect = std::time::Duration::ZERO;
    nodes[1].ends.lock().insert(tp("t", 0), (Some(0), 12));
    nodes[2].ends.lock().insert(tp("t", 0), (Some(0), 11));
    nodes[1].die();
    let _next = takes_over(&mut nodes[2]).await;
    assert_eq!(state(&world, 0), (0.into(), 0.into(), json!([0, 1, 2])));
    world.zk.expire(nodes[1].session().id());
    settle().await;
    assert_eq!(state(&world, 0), (2.into(), 1.into(), json!([2])), "of the two others it has more");
    nodes[1].listen();
    registered_again(&nodes[1]).await;
    settle().await;
    assert_eq!(state(&world, 0), (2.into(), 1.into(), json!([2])), "too late");
}

/// Nobody else will come who has more: the disk of the second is empty, and there is no third.
#[tokio::test(start_paused = true)]
async fn of_two_that_restarted_unseen_one_has_lost_its_log_and_the_other_leads() {
    let (world, mut nodes) = bereft(&[&[1, 2], &[0, 1, 2]], &[1, 2]).await;
    world.zk.expire(nodes[0].session().id());
    nodes[2].settings.min_insync_replicas = 2;
    nodes[1].ends.lock().extend([(tp("t", 0), (Some(-1), -1)), (tp("t", 1), (Some(-1), -1))]);
    let next = takes_over(&mut nodes[2]).await;
    assert_eq!(state(&world, 0), (2.into(), 1.into(), json!([2])));
    assert_eq!(state(&world, 1), (0.into(), 0.into(), json!([0, 1, 2])), "broker 0 may have more than broker 2");
    assert_eq!(next.status().offline_partitions, 1);
}

/// Its disk may come back with more.
#[tokio::test(start_paused = true)]
async fn one_of_two_that_restarted_unseen_and_whose_disk_fails_does_not_make_the_other_lead() {
    let (world, mut nodes) = bereft(&[&[1, 2]], &[1, 2]).await;
    nodes[0].settings.min_insync_replicas = 2;
    nodes[2].answers.lock().insert((ApiKey::ListOffsets, tp("t", 0)), ErrorCode::KafkaStorageError.code());
    let next = takes_over(&mut nodes[0]).await;
    assert_eq!(state(&world, 0), (1.into(), 0.into(), json!([1, 2])));
    assert_hears_of_no_leader(&mut nodes[1]);
    // It comes back once more, whole.
    nodes[2].answers.lock().clear();
    world.zk.expire(nodes[2].session().id());
    settle().await;
    assert_eq!(state(&world, 0), (1.into(), 0.into(), json!([1, 2])));
    registered_again(&nodes[2]).await;
    settle().await;
    assert_eq!(state(&world, 0), (1.into(), 1.into(), json!([1, 2])));
    assert_eq!(next.status().offline_partitions, 0);
}

#[tokio::test(start_paused = true)]
async fn who_is_found_dead_is_not_asked_for_the_end_of_its_log() {
    // As one of those who were asked, and as the leader, of whom nothing was heard.
    for leader_is_dead in [false, true] {
        let returning: &[i32] = if leader_is_dead { &[0, 2] } else { &[0, 1, 2] };
        let (world, mut nodes) = bereft(&[&[1, 2, 0]], returning).await;
        nodes[2].settings.min_insync_replicas = 2;
        nodes[0].ends.lock().insert(tp("t", 0), (Some(0), 11));
        nodes[1].die();
        let _next = takes_over(&mut nodes[2]).await;
        settle().await;
        assert_eq!(
            state(&world, 0),
            (0.into(), 1.into(), json!([0])),
            "the leader is the one found dead: {leader_is_dead}"
        );
    }
}

/// Its port answers under the registration of before, but it may be another process, with another disk.
#[tokio::test(start_paused = true)]
async fn who_was_found_dead_and_answers_again_is_asked_again() {
    let (world, mut nodes) = bereft(&[&[1, 2]], &[1, 2]).await;
    nodes[0].settings.min_insync_replicas = 2;
    nodes[2].answers.lock().insert((ApiKey::ListOffsets, tp("t", 0)), ErrorCode::KafkaStorageError.code());
    let _next = takes_over(&mut nodes[0]).await;
    nodes[1].die();
    settle().await;
    nodes[1].ends.lock().insert(tp("t", 0), (Some(0), 5));
    nodes[1].listen();
    settle().await;
    nodes[2].answers.lock().clear();
    nodes[2].ends.lock().insert(tp("t", 0), (Some(0), 7));
    world.zk.expire(nodes[2].session().id());
    registered_again(&nodes[2]).await;
    settle().await;
    assert_eq!(state(&world, 0), (2.into(), 1.into(), json!([2])));
}

/// With the epoch that it knows it is fenced, and nothing but this would tell it another.
#[tokio::test(start_paused = true)]
async fn who_was_not_counted_on_hears_of_the_election_all_the_same() {
    let (world, mut nodes) = bereft(&[&[1, 0, 2]], &[0, 1]).await;
    nodes[1].settings.min_insync_replicas = 2;
    nodes[1].settings.dead_process_detect = std::time::Duration::ZERO;
    nodes[2].die();
    let _next = nodes[1].start();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(state(&world, 0), (1.into(), 1.into(), json!([1, 0])));
    nodes[2].listen();
    nodes[2].told_until("LeaderAndIsr t-0 leader 1 epoch 1 isr [1, 0]").await;
}

/// What is written while nobody leads does not make anybody whole who restarted before.
#[tokio::test(start_paused = true)]
async fn who_restarted_unseen_leaves_the_isr_after_a_change_of_it_too() {
    let (world, mut nodes) = bereft(&[&[1, 2, 0]], &[2]).await;
    world.zk.expire(nodes[0].session().id());
    nodes[2].settings.min_insync_replicas = 2;
    nodes[2].settings.dead_process_detect = std::time::Duration::ZERO;
    nodes[1].die();
    let _next = nodes[2].start();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(state(&world, 0).2, json!([1, 2]), "the one that has gone is taken out");
    nodes[1].listen();
    settle().await;
    let (leader, _, isr) = state(&world, 0);
    assert_eq!((leader, isr), (1.into(), json!([1])));
}

/// A leader that nobody has elected yet would cut the logs of those it has told of, and whom it takes out may have what it lacks.
#[tokio::test(start_paused = true)]
async fn nothing_is_changed_before_one_of_those_who_restarted_unseen_leads() {
    let (world, mut nodes) = bereft(&[&[1, 2]], &[]).await;
    world.zk.expire(nodes[1].session().id());
    let epoch = registered_again(&nodes[1]).await;
    world.zk.expire(nodes[2].session().id());
    nodes[0].settings.min_insync_replicas = 2;
    let next = takes_over(&mut nodes[0]).await;
    let target = [(tp("t", 0), Some(vec![1, 2, 0]))].into_iter().collect();
    let moving = next.alter_reassignments(target).await.expect("the controller");
    assert_eq!(moving[&tp("t", 0)], Ok(()));
    let alone = AlterPartition {
        topic: TopicRef::Name("t".into()),
        partition: 0,
        leader_epoch: 0,
        isr: vec![1],
        recovering: false,
        partition_epoch: 0,
    };
    let answer = next.alter_partition(1, epoch, 1, vec![alone]).await.expect("the controller");
    assert_eq!(answer[0].result, Err(ErrorCode::FencedLeaderEpoch));
    settle().await;
    assert_eq!(state(&world, 0), (1.into(), 0.into(), json!([1, 2])));
    assert_hears_of_no_leader(&mut nodes[1]);
    nodes[2].ends.lock().insert(tp("t", 0), (Some(0), 11));
    registered_again(&nodes[2]).await;
    settle().await;
    let (leader, _, isr) = state(&world, 0);
    assert_eq!((leader, isr), (2.into(), json!([2])));
    nodes[0].told_until("LeaderAndIsr t-0 leader 2 epoch 2 isr [2] new").await;
}

/// A follower that did not restart has all; only its answer was late.
#[tokio::test(start_paused = true)]
async fn follower_that_answers_late_leads_where_one_that_restarted_unseen_would_be_alone() {
    let (world, mut nodes) = bereft(&[&[2, 1], &[2, 1]], &[2]).await;
    nodes[1].answers.lock().insert((ApiKey::LeaderAndIsr, tp("t", 1)), ErrorCode::KafkaStorageError.code());
    nodes[0].settings.min_insync_replicas = 2;
    nodes[0].settings.dead_process_detect = std::time::Duration::ZERO;
    nodes[1].die();
    let _next = nodes[0].start();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(state(&world, 0), (2.into(), 0.into(), json!([2, 1])));
    nodes[1].listen();
    settle().await;
    assert_eq!(state(&world, 0), (1.into(), 1.into(), json!([1])));
    assert_eq!(state(&world, 1), (2.into(), 0.into(), json!([2, 1])), "its directory has failed");
}

/// It is slow, not dead: what was put off for it is done when it answers.
#[tokio::test(start_paused = true)]
async fn leader_that_answers_late_has_those_who_restarted_unseen_leave_the_isr() {
    let (world, mut nodes) = bereft(&[&[1, 2]], &[2]).await;
    nodes[0].settings.min_insync_replicas = 2;
    nodes[0].settings.dead_process_detect = std::time::Duration::ZERO;
    nodes[1].die();
    let next = nodes[0].start();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(next.is_active());
    assert_eq!(state(&world, 0), (1.into(), 0.into(), json!([1, 2])));
    nodes[1].listen();
    settle().await;
    assert_eq!(state(&world, 0), (1.into(), 1.into(), json!([1])));
}

/// Its port answers already, and its registration is still that of the process that died.
#[tokio::test(start_paused = true)]
async fn broker_that_refuses_its_old_registration_has_restarted_too() {
    let (world, mut nodes) = bereft(&[&[1, 2]], &[2]).await;
    let refused = ErrorCode::StaleBrokerEpoch.code();
    for api in [ApiKey::UpdateMetadata, ApiKey::LeaderAndIsr] {
        nodes[1].answers.lock().insert((api, tp("", -1)), refused);
    }
    nodes[0].settings.min_insync_replicas = 2;
    let _next = takes_over(&mut nodes[0]).await;
    assert_eq!(state(&world, 0), (1.into(), 0.into(), json!([1, 2])));
}

/// It may lack what the others have, and would be elected before it has copied that if its leader died now.
#[tokio::test(start_paused = true)]
async fn follower_that_restarted_unseen_leaves_the_isr_and_its_leader_stays() {
    let (world, mut nodes) = bereft(&[&[1, 2], &[2, 1], &[0, 1]], &[1]).await;
    world.zk.expire(nodes[0].session().id());
    let _next = takes_over(&mut nodes[2]).await;
    assert_eq!(state(&world, 0), (2.into(), 1.into(), json!([2])), "the leader has restarted");
    assert_eq!(state(&world, 1), (2.into(), 1.into(), json!([2])), "the follower has");
    assert_eq!(state(&world, 2).0, 1, "nobody is left who has not");
}
