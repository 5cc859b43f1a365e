//! From a config or an AlterPartition to a new leader, through ZooKeeper, controller and applier.

use ottla::base::TopicId;
use ottla::wire::{
    AlterPartitionRequest, AlterPartitionRequestBrokerState, AlterPartitionRequestPartition, AlterPartitionRequestTopic,
};
use ottla::zk::store;
use ottla::zk::znode::config::{ConfigEntity, ConfigMap};

use super::bed::{Bed, ME, OTHER};

fn alter(id: TopicId, broker_epoch: i64, isr: &[i32]) -> AlterPartitionRequest {
    AlterPartitionRequest {
        broker_id: OTHER,
        broker_epoch,
        topics: vec![AlterPartitionRequestTopic {
            topic_id: id,
            partitions: vec![AlterPartitionRequestPartition {
                leader_epoch: 0,
                new_isr_with_epochs: isr
                    .iter()
                    .map(|id| AlterPartitionRequestBrokerState { broker_id: *id, broker_epoch: -1 })
                    .collect(),
                ..Default::default()
            }],
            ..Default::default()
        }],
    }
}

/// A topic that the other broker leads alone in the ISR, and then the other broker dies.
pub async fn without_leader(bed: &Bed, topic: &str) {
    let id = bed.topic_led_by(topic, &[OTHER, ME], OTHER).await;
    let epoch = bed.server.dump()["/brokers/ids/2"].1.czxid;
    let mut client = bed.connect().await;
    let stale = client.ask(&alter(id, epoch - 1, &[OTHER]), 3).await;
    assert_eq!(stale.error_code, 77, "STALE_BROKER_EPOCH");
    let alone = client.ask(&alter(id, epoch, &[OTHER]), 3).await;
    let partition = &alone.topics[0].partitions[0];
    assert_eq!((alone.error_code, partition.error_code, &partition.isr[..]), (0, 0, &[OTHER][..]));
    bed.server.remove("/brokers/ids/2");
    let leader = || bed.broker.api().cluster.metadata.load().partition(topic, 0).map(|p| p.leader);
    bed.until("no leader", || leader() == Some(-1)).await;
}

async fn unclean(bed: &Bed, entity: &ConfigEntity) {
    let session = bed.broker.zk().session();
    let config: ConfigMap = [("unclean.leader.election.enable", "true")].into_iter().collect();
    store::configs::write(&session, entity, &config).await.expect("written");
    store::configs::notify(&session, entity).await.expect("told");
}

#[tokio::test(start_paused = true)]
async fn topics_unclean_config_elects_who_is_left() {
    let bed = Bed::new().await;
    without_leader(&bed, "t").await;
    unclean(&bed, &ConfigEntity::topic("t")).await;
    bed.until("the unclean leader", || {
        bed.broker.api().replicas.get(&super::bed::tp("t")).is_ok_and(|p| p.check_leader(-1).is_ok())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn brokers_unclean_default_elects_who_is_left() {
    let bed = Bed::new().await;
    without_leader(&bed, "t").await;
    unclean(&bed, &ConfigEntity::broker(None)).await;
    bed.until("the unclean leader", || {
        bed.broker.api().replicas.get(&super::bed::tp("t")).is_ok_and(|p| p.check_leader(-1).is_ok())
    })
    .await;
}
