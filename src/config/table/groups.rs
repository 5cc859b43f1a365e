//! Group and transaction coordinators.
//!
//! One row a key: name, type, default, check, update mode, effect in Ottla, one line of documentation. Compared with Kafka 3.9.2's own
//! definition by the tests over its recorded `--describe --all`; the order of rows is the order of the printed documentation.

use super::Check::{Any, AtLeast, ListOf};
use super::Effect::{NoEffect, Works};
use super::Mode::{Cluster, ReadOnly};
use super::why::NEW_GROUPS;
use super::{Key, Type, keys};

keys! { GROUPS =
    "group.coordinator.rebalance.protocols" List "classic", ListOf(&["consumer", "classic", "share", "unknown"]), ReadOnly, NoEffect(NEW_GROUPS),
        "Group protocols offered.";
    "group.initial.rebalance.delay.ms" Int "3000", Any, ReadOnly, Works,
        "How long a new group waits for more members.";
    "group.max.session.timeout.ms" Int "1800000", Any, ReadOnly, Works,
        "Longest session time-out a member may ask for.";
    "group.max.size" Int "2147483647", AtLeast(1), ReadOnly, Works,
        "Members of a group at most.";
    "group.min.session.timeout.ms" Int "6000", Any, ReadOnly, Works,
        "Shortest session time-out a member may ask for.";
    "offset.metadata.max.bytes" Int "4096", Any, ReadOnly, Works,
        "Largest note beside a committed offset.";
    "offsets.commit.required.acks" Short "-1", Any, ReadOnly, Works,
        "acks of writing a commit; only -1 makes sense.";
    "offsets.commit.timeout.ms" Int "5000", AtLeast(1), ReadOnly, Works,
        "How long a commit waits for its replicas.";
    "offsets.load.buffer.size" Int "5242880", AtLeast(1), ReadOnly, Works,
        "Bytes read at once when a coordinator loads.";
    "offsets.retention.check.interval.ms" Long "600000", AtLeast(1), ReadOnly, Works,
        "How often old offsets are looked for.";
    "offsets.retention.minutes" Int "10080", AtLeast(1), ReadOnly, Works,
        "How long offsets of an empty group stay.";
    "offsets.topic.compression.codec" Int "0", Any, ReadOnly, Works,
        "Codec number of the offsets topic.";
    "offsets.topic.num.partitions" Int "50", AtLeast(1), ReadOnly, Works,
        "Partitions of the offsets topic.";
    "offsets.topic.replication.factor" Short "3", AtLeast(1), ReadOnly, Works,
        "Replicas of the offsets topic.";
    "offsets.topic.segment.bytes" Int "104857600", AtLeast(1), ReadOnly, Works,
        "Segment size of the offsets topic.";
    "producer.id.expiration.check.interval.ms" Int "600000", AtLeast(1), ReadOnly internal, Works,
        "How often idle producer ids are looked for.";
    "producer.id.expiration.ms" Int "86400000", AtLeast(1), Cluster, Works,
        "How long an idle producer id is remembered.";
    "transaction.abort.timed.out.transaction.cleanup.interval.ms" Int "10000", AtLeast(1), ReadOnly, Works,
        "How often timed out transactions are looked for.";
    "transaction.max.timeout.ms" Int "900000", AtLeast(1), ReadOnly, Works,
        "Longest transaction time-out a producer may ask for.";
    "transaction.partition.verification.enable" Bool "true", Any, Cluster, Works,
        "Ask the coordinator before a transactional append.";
    "transaction.remove.expired.transaction.cleanup.interval.ms" Int "3600000", AtLeast(1), ReadOnly, Works,
        "How often expired transactional ids are looked for.";
    "transaction.state.log.load.buffer.size" Int "5242880", AtLeast(1), ReadOnly, Works,
        "Bytes read at once when a coordinator loads.";
    "transaction.state.log.min.isr" Int "2", AtLeast(1), ReadOnly, Works,
        "min.insync.replicas of the transaction topic.";
    "transaction.state.log.num.partitions" Int "50", AtLeast(1), ReadOnly, Works,
        "Partitions of the transaction topic.";
    "transaction.state.log.replication.factor" Short "3", AtLeast(1), ReadOnly, Works,
        "Replicas of the transaction topic.";
    "transaction.state.log.segment.bytes" Int "104857600", AtLeast(1), ReadOnly, Works,
        "Segment size of the transaction topic.";
    "transactional.id.expiration.ms" Int "604800000", AtLeast(1), ReadOnly, Works,
        "How long an idle transactional id is remembered.";
}
