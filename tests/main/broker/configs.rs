//! Dynamic configs on a running broker: what is written to ZooKeeper reaches the logs.

use ottla::zk::store;
use ottla::zk::znode::config::{ConfigEntity, ConfigMap};

use super::bed::{Bed, ME, produce};

fn config(pairs: &[(&str, &str)]) -> ConfigMap {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub async fn write(bed: &Bed, entity: &ConfigEntity, pairs: &[(&str, &str)]) {
    let session = bed.broker.zk().session();
    store::configs::write(&session, entity, &config(pairs)).await.expect("written");
    store::configs::notify(&session, entity).await.expect("told");
}

fn max_message(bed: &Bed, topic: &str) -> i64 {
    i64::from(bed.partition(topic).log().config().max_message_bytes)
}

#[tokio::test(start_paused = true)]
async fn new_topic_has_its_overrides_from_its_first_record_on() {
    let bed = Bed::new().await;
    bed.topic_with("t", &[ME], &config(&[("max.message.bytes", "2000")])).await;
    assert_eq!(max_message(&bed, "t"), 2000);
}

#[tokio::test(start_paused = true)]
async fn changed_topic_config_reaches_the_log() {
    let bed = Bed::new().await;
    bed.topic("t", &[ME]).await;
    let mut client = bed.connect().await;
    assert_eq!(client.ask(&produce("t", 1), 11).await.responses[0].partition_responses[0].error_code, 0);
    write(&bed, &ConfigEntity::topic("t"), &[("max.message.bytes", "10")]).await;
    bed.until("the new limit", || max_message(&bed, "t") == 10).await;
    assert_eq!(client.ask(&produce("t", 1), 11).await.responses[0].partition_responses[0].error_code, 10);
    write(&bed, &ConfigEntity::topic("t"), &[]).await;
    bed.until("the default", || max_message(&bed, "t") == 1_048_588).await;
}

#[tokio::test(start_paused = true)]
async fn broker_default_reaches_topics_without_an_override_of_their_own() {
    let bed = Bed::new().await;
    bed.topic("plain", &[ME]).await;
    bed.topic_with("own", &[ME], &config(&[("max.message.bytes", "2000")])).await;
    write(&bed, &ConfigEntity::broker(None), &[("message.max.bytes", "5000")]).await;
    bed.until("the cluster's default", || max_message(&bed, "plain") == 5000).await;
    write(&bed, &ConfigEntity::broker(Some(ME)), &[("message.max.bytes", "6000")]).await;
    bed.until("the broker's own", || max_message(&bed, "plain") == 6000).await;
    assert_eq!(max_message(&bed, "own"), 2000);
    bed.topic("later", &[ME]).await;
    assert_eq!(max_message(&bed, "later"), 6000);
}

#[tokio::test(start_paused = true)]
async fn config_node_that_can_not_be_read_stops_nothing_else() {
    let bed = Bed::new().await;
    bed.topic_with("bad", &[ME], &config(&[("max.message.bytes", "2000")])).await;
    bed.topic("good", &[ME]).await;
    bed.server.put("/config/topics/bad", "not json");
    let session = bed.broker.zk().session();
    store::configs::notify(&session, &ConfigEntity::topic("bad")).await.expect("told");
    write(&bed, &ConfigEntity::topic("good"), &[("max.message.bytes", "3000")]).await;
    bed.until("the change behind it", || max_message(&bed, "good") == 3000).await;
    assert_eq!(max_message(&bed, "bad"), 2000, "left as it was");
    // Nor after a blip, when everything is read again.
    bed.server.put("/config/topics/good", r#"{"version":1,"config":{"max.message.bytes":"4000"}}"#);
    bed.server.resume(session.id());
    bed.until("what was changed unseen", || max_message(&bed, "good") == 4000).await;
}

#[tokio::test(start_paused = true)]
async fn overrides_of_a_deleted_topic_are_forgotten() {
    let bed = Bed::new().await;
    bed.topic_with("t", &[ME], &config(&[("max.message.bytes", "2000")])).await;
    let session = bed.broker.zk().session();
    store::topics::mark_for_deletion(&session, "t").await.expect("marked");
    let api = bed.broker.api();
    bed.until("the deletion", || !api.cluster.metadata.load().contains("t")).await;
    assert!(api.cluster.overrides.get("t").is_empty());
    bed.until("the end of the log", || api.replicas.logs.get(&super::bed::tp("t")).is_none()).await;
}
