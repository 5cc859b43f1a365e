//! ZooKeeper sessions that are lost, resumed and expired under a running broker.

use std::time::Duration;

use ottla::wire::{
    LeaderAndIsrRequest, LeaderAndIsrRequestPartitionState, LeaderAndIsrRequestTopicState, UpdateMetadataRequest,
};

use super::bed::{Bed, ME, produce};

async fn expire(bed: &Bed) {
    let old = bed.broker.api().cluster.epochs.broker();
    bed.server.expire(bed.broker.zk().session().id());
    let api = bed.broker.api();
    bed.until("the new registration", || api.cluster.epochs.broker() > old).await;
    bed.until("the controller again", || api.controller.is_active()).await;
}

fn update(bed: &Bed, broker_epoch: i64) -> UpdateMetadataRequest {
    let controller_epoch = bed.broker.api().cluster.epochs.controller();
    UpdateMetadataRequest { controller_id: ME, controller_epoch, broker_epoch, ..Default::default() }
}

#[tokio::test(start_paused = true)]
async fn expired_session_is_followed_by_a_new_registration_and_a_new_controller_term() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let api = bed.broker.api();
    let (old_broker, old_controller) = (api.cluster.epochs.broker(), api.cluster.epochs.controller());
    let old_session = bed.broker.zk().session().id();

    expire(&bed).await;
    let session = bed.broker.zk().session();
    assert_ne!(session.id(), old_session);
    let dump = bed.server.dump();
    let owner = |path: &str| dump[path].1.ephemeral_owner;
    assert_eq!(owner("/brokers/ids/1"), session.id().0);
    assert_eq!(owner("/controller"), session.id().0);
    assert_eq!(api.cluster.epochs.broker(), dump["/brokers/ids/1"].1.czxid);
    bed.until("the new controller's word", || api.cluster.epochs.controller() > old_controller).await;

    let mut client = bed.connect().await;
    let stale = client.ask(&update(&bed, old_broker), 8).await;
    assert_eq!(stale.error_code, 77, "STALE_BROKER_EPOCH");
    let current = client.ask(&update(&bed, api.cluster.epochs.broker()), 8).await;
    assert_eq!(current.error_code, 0);
    let old = UpdateMetadataRequest { controller_epoch: old_controller, ..update(&bed, -1) };
    assert_eq!(client.ask(&old, 8).await.error_code, 11, "STALE_CONTROLLER_EPOCH");
}

#[tokio::test(start_paused = true)]
async fn broker_serves_on_while_a_session_is_replaced() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    bed.server.expire(bed.broker.zk().session().id());
    let answer = client.ask(&produce("t", -1), 11).await;
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    let api = bed.broker.api();
    bed.until("the leader in the new term", || {
        api.controller.is_active() && api.cluster.metadata.load().partition("t", 0).is_some_and(|p| p.leader == ME)
    })
    .await;
    let answer = client.ask(&produce("t", -1), 11).await;
    assert_eq!(answer.responses[0].partition_responses[0].base_offset, 1, "the same connection, the same log");
}

#[tokio::test(start_paused = true)]
async fn expiry_is_survived_again_and_again() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    for _ in 0..20 {
        expire(&bed).await;
    }
    bed.topic("after", &[ME]).await;
    let mut client = bed.connect().await;
    let answer = client.ask(&produce("after", -1), 11).await;
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
}

#[tokio::test(start_paused = true)]
async fn watches_are_set_and_configs_read_again_in_a_new_session() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let limit = || i64::from(bed.partition("t").log().config().max_message_bytes);
    bed.server.put("/config/topics/t", r#"{"version":1,"config":{"max.message.bytes":"3000"}}"#); // nobody is told
    bed.settle().await;
    assert_ne!(limit(), 3000);
    expire(&bed).await;
    bed.until("what was written without a word", || limit() == 3000).await;
    bed.server.put("/config/topics/t", r#"{"version":1,"config":{"max.message.bytes":"4000"}}"#);
    bed.server.put("/config/changes/config_change_9000000000", r#"{"version":2,"entity_path":"topics/t"}"#);
    bed.until("the notification", || limit() == 4000).await;

    let api = bed.broker.api();
    let before = api.cluster.epochs.feature();
    let text = bed.server.text("/feature").expect("made by the controller");
    bed.server.put("/feature", text);
    bed.until("the feature epoch", || api.cluster.epochs.feature() > before).await;
}

/// The controller's requests must be served while this broker is cut off from ZooKeeper.
#[tokio::test(start_paused = true)]
async fn leader_and_isr_for_a_new_topic_is_answered_while_zookeeper_is_away() {
    let bed = Bed::new().await;
    let api = bed.broker.api();
    bed.server.disconnect(bed.broker.zk().session().id());
    let state = |partition_index| LeaderAndIsrRequestPartitionState {
        topic_name: "t".into(),
        partition_index,
        leader: ME,
        leader_epoch: 0,
        isr: vec![ME],
        replicas: vec![ME],
        is_new: true,
        ..Default::default()
    };
    let topic = |name: &str| LeaderAndIsrRequestTopicState {
        topic_name: name.into(),
        topic_id: bed.env.rng.topic_id(),
        partition_states: (0..3).map(state).collect(),
    };
    let request = LeaderAndIsrRequest {
        controller_id: ME,
        controller_epoch: api.cluster.epochs.controller(),
        broker_epoch: api.cluster.epochs.broker(),
        topic_states: (0..20).map(|n| topic(&format!("t{n}"))).collect(),
        ..Default::default()
    };
    let began = tokio::time::Instant::now();
    let answer = bed.connect().await.ask(&request, 7).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(answer.error_code, 0);
    assert!(answer.topics.iter().flat_map(|t| &t.partition_errors).all(|p| p.error_code == 0));
    assert_eq!(api.replicas.online().len(), 60);
}
