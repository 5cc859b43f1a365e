//! Brokers that died and came back while nobody looked: what the next controller makes of them.

use ottla::zk::store;

use super::several_brokers::{forget, three};
use super::world::{Received, World, registration, settle, tp};

#[tokio::test(start_paused = true)]
async fn leader_that_restarted_unseen_is_replaced_by_one_that_has_not_before_anybody_hears_of_it() {
    let world = World::new();
    let (mut nodes, controller) = three(&world).await;
    world.create_topic(&nodes[0].session(), "t", &[&[1, 2, 0], &[2, 1, 0], &[1]]).await;
    forget(&mut nodes).await;
    // The controller is gone; while nobody looks, broker 1 dies and comes back.
    controller.shutdown().await;
    world.zk.expire(nodes[0].session().id());
    world.zk.expire(nodes[1].session().id());
    let session = nodes[1].zk.reopen().await.expect("reopened");
    store::brokers::register(&session, &registration(1, 9093), &[]).await.expect("registered");
    let second = nodes[2].start();
    settle().await;
    assert!(second.is_active());
    // Partition 0: broker 2 leads, and broker 1 has to come back into the ISR. Partition 1: its leader has not restarted.
    // Partition 2: there is nobody else.
    let leader_and_isr = |index: i32| {
        let state: serde_json::Value = serde_json::from_str(&world.state(&tp("t", index)).0).expect("JSON");
        (state["leader"].clone(), state["isr"].clone())
    };
    assert_eq!(leader_and_isr(0), (2.into(), serde_json::json!([2])));
    assert_eq!(leader_and_isr(1).0, 2);
    assert_eq!(leader_and_isr(2), (1.into(), serde_json::json!([1])));
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
    let world = World::new();
    let (mut nodes, controller) = three(&world).await;
    world.create_topic(&nodes[0].session(), "t", &[&[1, 2], &[1], &[0, 2]]).await;
    forget(&mut nodes).await;
    controller.shutdown().await;
    for (id, port) in [(1, 9093), (2, 9094)] {
        world.zk.expire(nodes[id].session().id());
        let session = nodes[id].zk.reopen().await.expect("reopened");
        store::brokers::register(&session, &registration(id as i32, port), &[]).await.expect("registered");
    }
    let second = nodes[0].start();
    settle().await;
    assert!(second.is_active());
    let state = |index: i32| {
        let state: serde_json::Value = serde_json::from_str(&world.state(&tp("t", index)).0).expect("JSON");
        (state["leader"].clone(), state["leader_epoch"].clone(), state["isr"].clone())
    };
    assert_eq!(state(0), (1.into(), 1.into(), serde_json::json!([1, 2])));
    assert_eq!(state(1), (1.into(), 0.into(), serde_json::json!([1])), "nobody else has records of it");
    assert_eq!(state(2), (0.into(), 1.into(), serde_json::json!([0])), "only its follower has");
}

/// It may lack what the others have, and would be elected before it has copied that if its leader died now.
#[tokio::test(start_paused = true)]
async fn follower_that_restarted_unseen_leaves_the_isr_and_its_leader_stays() {
    let world = World::new();
    let (mut nodes, controller) = three(&world).await;
    world.create_topic(&nodes[0].session(), "t", &[&[1, 2], &[2, 1], &[0, 1]]).await;
    forget(&mut nodes).await;
    controller.shutdown().await;
    world.zk.expire(nodes[0].session().id());
    world.zk.expire(nodes[1].session().id());
    let session = nodes[1].zk.reopen().await.expect("reopened");
    store::brokers::register(&session, &registration(1, 9093), &[]).await.expect("registered");
    let second = nodes[2].start();
    settle().await;
    assert!(second.is_active());
    let state = |index: i32| {
        let state: serde_json::Value = serde_json::from_str(&world.state(&tp("t", index)).0).expect("JSON");
        (state["leader"].clone(), state["leader_epoch"].clone(), state["isr"].clone())
    };
    assert_eq!(state(0), (2.into(), 1.into(), serde_json::json!([2])), "the leader has restarted");
    assert_eq!(state(1), (2.into(), 1.into(), serde_json::json!([2])), "the follower has");
    assert_eq!(state(2).0, 1, "nobody is left who has not");
}
