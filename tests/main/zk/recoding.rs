//! Decodes a znode by its path and encodes it again: what samples and recordings are held to.

use ottla::base::TopicPartition;
use ottla::zk::znode::acl::{AclChange, Pattern};
use ottla::zk::znode::broker_ids::BrokerNode;
use ottla::zk::znode::config::{ConfigEntity, ConfigMap};
use ottla::zk::znode::controller::ControllerNode;
use ottla::zk::znode::feature::FeatureNode;
use ottla::zk::znode::migration::MigrationNode;
use ottla::zk::znode::partition_state::PartitionState;
use ottla::zk::znode::producer_ids::ProducerIdBlock;
use ottla::zk::znode::tokens::{self, TokenNode};
use ottla::zk::znode::topic::TopicNode;
use ottla::zk::znode::{
    ZnodeError, acl, cluster_id, config_change, consumer_offsets, controller_epoch, isr_change, log_dir_event,
    preferred_election, reassign,
};

/// What the codec of `path` makes of `data`; none for a path without a codec.
pub fn recode(path: &str, data: &str) -> Option<Result<String, ZnodeError>> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let bytes = data.as_bytes();
    let encoded = match parts.as_slice() {
        ["cluster", "id"] => cluster_id::decode(bytes).map(|id| cluster_id::encode(&id)),
        ["controller"] => ControllerNode::decode(bytes).map(|node| node.encode()),
        ["controller_epoch"] => controller_epoch::decode(bytes).map(controller_epoch::encode),
        ["brokers", "ids", id] => BrokerNode::decode(id.parse().unwrap(), bytes).map(|node| node.encode()),
        ["brokers", "topics", topic] => TopicNode::decode(topic, bytes).map(|node| node.encode()),
        ["brokers", "topics", topic, "partitions", index, "state"] => {
            let partition = TopicPartition::new(*topic, index.parse().unwrap());
            PartitionState::decode(&partition, bytes).map(|state| state.encode())
        }
        ["admin", "reassign_partitions"] => reassign::decode(bytes).map(|targets| reassign::encode(&targets)),
        ["admin", "preferred_replica_election"] => {
            preferred_election::decode(bytes).map(|partitions| preferred_election::encode(&partitions))
        }
        ["isr_change_notification", name] => isr_change::decode(name, bytes).map(|p| isr_change::encode(&p)),
        ["log_dir_event_notification", name] => log_dir_event::decode(name, bytes).map(log_dir_event::encode),
        ["config", "changes", name] => config_change::decode(name, bytes).map(|entity| config_change::encode(&entity)),
        ["config", rest @ ..] => {
            let entity = ConfigEntity::from_entity_path(&rest.join("/")).expect("an entity's path");
            assert_eq!(entity.path(), path);
            ConfigMap::decode(path, bytes).map(|config| config.encode())
        }
        ["latest_producer_id_block"] => {
            ProducerIdBlock::decode(bytes).map(|block| block.map(|block| block.encode()).unwrap_or_default())
        }
        ["feature"] => FeatureNode::decode(bytes).map(|node| node.encode()),
        ["migration"] => MigrationNode::decode(bytes).map(|node| node.encode()),
        ["consumers", _, "offsets", ..] => {
            consumer_offsets::decode(path, bytes).map(|offset| consumer_offsets::encode(offset.unwrap()))
        }
        ["kafka-acl", _, _] | ["kafka-acl-extended", "prefixed", _, _] => {
            acl::decode(path, bytes).map(|entries| acl::encode(&entries))
        }
        ["kafka-acl-changes", name] => AclChange::decode(Pattern::Literal, name, bytes).map(|change| change.encode()),
        ["kafka-acl-extended-changes", name] => {
            AclChange::decode(Pattern::Prefixed, name, bytes).map(|change| change.encode())
        }
        ["delegation_token", "tokens", id] => TokenNode::decode(id, bytes).map(|token| token.encode()),
        ["delegation_token", "token_changes", name] => {
            tokens::decode_change(name, bytes).map(|id| tokens::encode_change(&id))
        }
        _ => return None,
    };
    Some(encoded.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()))
}
