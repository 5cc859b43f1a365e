//! Znodes that can't be understood: logged and skipped, and the rest of the cluster goes on, also under a new controller.

use std::collections::BTreeMap;

use super::world::{World, settle, tp};

#[tokio::test(start_paused = true)]
async fn nodes_that_can_not_be_understood_keep_no_controller_from_its_other_work() {
    let world = World::new();
    let mut nodes = Vec::new();
    for id in 0..3 {
        nodes.push(world.broker(id).await);
    }
    let first = nodes[0].start();
    settle().await;
    let session = nodes[1].session();
    for topic in ["good", "bad-topic", "bad-state", "bad-config"] {
        world.create_topic(&session, topic, &[&[0, 1, 2], &[0]]).await;
    }
    settle().await;
    let good_node = session.get("/brokers/topics/bad-topic").await.expect("read").expect("there").0;
    let nonsense = [
        "/brokers/topics/bad-topic",
        "/brokers/topics/bad-state/partitions/0/state",
        "/config/topics/bad-config",
        "/admin/reassign_partitions",
        "/admin/preferred_replica_election",
    ];
    for path in nonsense {
        world.zk.put(path, r#"{"version":1,"partitions":[{"topic":"good","#);
    }
    for notice in ["/isr_change_notification/isr_change_", "/log_dir_event_notification/log_dir_event_"] {
        world.zk.put(&format!("{notice}0000000007"), "[]");
    }
    settle().await;
    assert!(first.is_active());
    assert!(!world.exists("/isr_change_notification/isr_change_0000000007"), "dealt with");
    assert!(!world.exists("/admin/preferred_replica_election"), "dealt with");

    // The broker that leads all dies, and the controller with it.
    world.zk.put("/admin/preferred_replica_election", "nonsense");
    first.shutdown().await;
    world.zk.expire(nodes[0].session().id());
    let second = nodes[1].start();
    settle().await;
    assert!(second.is_active());
    for topic in ["good", "bad-config"] {
        assert!(world.state(&tp(topic, 0)).0.contains(r#""leader":1"#), "{topic}: {:?}", world.state(&tp(topic, 0)));
        assert!(world.state(&tp(topic, 1)).0.contains(r#""leader":-1"#), "nobody else has it");
    }
    let target = BTreeMap::from([(tp("good", 0), Some(vec![1, 2]))]);
    let moved = second.alter_reassignments(target).await.expect("active");
    assert_eq!(moved[&tp("good", 0)], Ok(()));

    // Mended, it is taken up without another controller.
    world.zk.put("/brokers/topics/bad-topic", good_node);
    settle().await;
    assert!(world.state(&tp("bad-topic", 0)).0.contains(r#""leader":1"#), "{:?}", world.state(&tp("bad-topic", 0)));
    assert!(second.is_active());
}
