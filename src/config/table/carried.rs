//! Keys a ZooKeeper-mode broker accepts and lists but does nothing with: KRaft, the new group protocols, tiered storage, internal ones.
//!
//! One row a key: name, type, default, check, update mode, effect in Ottla, one line of documentation. Compared with Kafka 3.9.2's own
//! definition by the tests over its recorded `--describe --all`; the order of rows is the order of the printed documentation.

use super::Check::{Any, AtLeast};
use super::Effect::NoEffect;
use super::Mode::{Cluster, ReadOnly};
use super::why::{KRAFT, NEW_GROUPS, NOT_HERE, TIERED};
use super::{Key, Type, keys};

keys! { CARRIED =
    "broker.heartbeat.interval.ms" Int "2000", Any, ReadOnly, NoEffect(KRAFT),
        "A KRaft broker's heartbeats to the controller.";
    "broker.session.timeout.ms" Int "9000", Any, ReadOnly, NoEffect(KRAFT),
        "A KRaft broker without heartbeat for this long is fenced.";
    "controller.listener.names" Str null, Any, ReadOnly, NoEffect(KRAFT),
        "Listeners of KRaft controllers; must be empty here.";
    "controller.quorum.append.linger.ms" Int "25", Any, ReadOnly, NoEffect(KRAFT),
        "How long a KRaft leader gathers records before it writes.";
    "controller.quorum.bootstrap.servers" List "", Any, ReadOnly, NoEffect(KRAFT),
        "Where KRaft controllers are found.";
    "controller.quorum.election.backoff.max.ms" Int "1000", Any, ReadOnly, NoEffect(KRAFT),
        "Longest pause between KRaft elections.";
    "controller.quorum.election.timeout.ms" Int "1000", Any, ReadOnly, NoEffect(KRAFT),
        "How long a KRaft candidate waits for votes.";
    "controller.quorum.fetch.timeout.ms" Int "2000", Any, ReadOnly, NoEffect(KRAFT),
        "How long a KRaft follower waits for its leader.";
    "controller.quorum.request.timeout.ms" Int "2000", Any, ReadOnly, NoEffect(KRAFT),
        "How long a KRaft request may take.";
    "controller.quorum.retry.backoff.ms" Int "20", Any, ReadOnly, NoEffect(KRAFT),
        "Pause between tries of a KRaft request.";
    "controller.quorum.voters" List "", Any, ReadOnly, NoEffect(KRAFT),
        "KRaft voters: `id@host:port,...`.";
    "eligible.leader.replicas.enable" Bool "false", Any, ReadOnly, NoEffect(KRAFT),
        "Keep eligible leader replicas (KRaft).";
    "initial.broker.registration.timeout.ms" Int "60000", Any, ReadOnly, NoEffect(KRAFT),
        "How long a KRaft broker tries to register.";
    "metadata.log.dir" Str null, Any, ReadOnly, NoEffect(KRAFT),
        "Directory of KRaft's metadata log.";
    "metadata.log.max.record.bytes.between.snapshots" Long "20971520", Any, ReadOnly, NoEffect(KRAFT),
        "Metadata bytes after which a snapshot is made.";
    "metadata.log.max.snapshot.interval.ms" Long "3600000", Any, ReadOnly, NoEffect(KRAFT),
        "Time after which a snapshot is made.";
    "metadata.log.segment.bytes" Int "1073741824", Any, ReadOnly, NoEffect(KRAFT),
        "Segment size of the metadata log.";
    "metadata.log.segment.ms" Long "604800000", Any, ReadOnly, NoEffect(KRAFT),
        "Segment age of the metadata log.";
    "metadata.max.idle.interval.ms" Int "500", Any, ReadOnly, NoEffect(KRAFT),
        "How often an idle KRaft controller writes a no-op.";
    "metadata.max.retention.bytes" Long "104857600", Any, ReadOnly, NoEffect(KRAFT),
        "Size of metadata log and snapshots kept.";
    "metadata.max.retention.ms" Long "604800000", Any, ReadOnly, NoEffect(KRAFT),
        "Age of metadata log and snapshots kept.";
    "process.roles" List "", Any, ReadOnly, NoEffect(KRAFT),
        "KRaft roles; must be empty here.";
    "sasl.mechanism.controller.protocol" Str "GSSAPI", Any, ReadOnly, NoEffect(KRAFT),
        "SASL mechanism towards KRaft controllers.";
    "zookeeper.metadata.migration.enable" Bool "false", Any, ReadOnly, NoEffect(KRAFT),
        "Hand this cluster's metadata over to KRaft.";
    "group.consumer.assignors" List "org.apache.kafka.coordinator.group.assignor.UniformAssignor,org.apache.kafka.coordinator.group.assignor.RangeAssignor", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Assignors of the new consumer groups.";
    "group.consumer.heartbeat.interval.ms" Int "5000", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Heartbeat interval of the new consumer groups.";
    "group.consumer.max.heartbeat.interval.ms" Int "15000", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Longest heartbeat interval of a new consumer group.";
    "group.consumer.max.session.timeout.ms" Int "60000", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Longest session time-out of a new consumer group.";
    "group.consumer.max.size" Int "2147483647", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Members of a new consumer group at most.";
    "group.consumer.min.heartbeat.interval.ms" Int "5000", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Shortest heartbeat interval of a new consumer group.";
    "group.consumer.min.session.timeout.ms" Int "45000", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Shortest session time-out of a new consumer group.";
    "group.consumer.session.timeout.ms" Int "45000", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Session time-out of the new consumer groups.";
    "group.coordinator.append.linger.ms" Int "10", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "How long the new coordinator gathers records.";
    "group.coordinator.threads" Int "1", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Threads of the new coordinator.";
    "group.share.delivery.count.limit" Int "5", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Deliveries of a share group's record at most.";
    "group.share.heartbeat.interval.ms" Int "5000", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Heartbeat interval of share groups.";
    "group.share.max.groups" Short "10", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Share groups at most.";
    "group.share.max.heartbeat.interval.ms" Int "15000", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Longest heartbeat interval of a share group.";
    "group.share.max.record.lock.duration.ms" Int "60000", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Longest lock of a share group's record.";
    "group.share.max.session.timeout.ms" Int "60000", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Longest session time-out of a share group.";
    "group.share.max.size" Short "200", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Members of a share group at most.";
    "group.share.min.heartbeat.interval.ms" Int "5000", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Shortest heartbeat interval of a share group.";
    "group.share.min.record.lock.duration.ms" Int "15000", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Shortest lock of a share group's record.";
    "group.share.min.session.timeout.ms" Int "45000", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Shortest session time-out of a share group.";
    "group.share.partition.max.record.locks" Int "200", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Locked records of a partition at most.";
    "group.share.record.lock.duration.ms" Int "30000", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Lock of a share group's record.";
    "group.share.session.timeout.ms" Int "45000", Any, ReadOnly, NoEffect(NEW_GROUPS),
        "Session time-out of share groups.";
    "log.local.retention.bytes" Long "-2", AtLeast(-2), Cluster, NoEffect(TIERED),
        "Bytes kept locally with tiered storage; -2 follows retention.";
    "log.local.retention.ms" Long "-2", AtLeast(-2), Cluster, NoEffect(TIERED),
        "Time kept locally with tiered storage; -2 follows retention.";
    "remote.fetch.max.wait.ms" Int "500", Any, Cluster, NoEffect(TIERED),
        "How long a remote fetch may wait.";
    "remote.log.index.file.cache.total.size.bytes" Long "1073741824", Any, Cluster, NoEffect(TIERED),
        "Local cache of remote indexes.";
    "remote.log.manager.copier.thread.pool.size" Int "-1", Any, ReadOnly, NoEffect(TIERED),
        "Threads that copy segments away.";
    "remote.log.manager.copy.max.bytes.per.second" Long "9223372036854775807", Any, Cluster, NoEffect(TIERED),
        "Bytes a second copied away at most.";
    "remote.log.manager.copy.quota.window.num" Int "11", Any, ReadOnly, NoEffect(TIERED),
        "Windows that is measured over.";
    "remote.log.manager.copy.quota.window.size.seconds" Int "1", Any, ReadOnly, NoEffect(TIERED),
        "Length of such a window.";
    "remote.log.manager.expiration.thread.pool.size" Int "-1", Any, ReadOnly, NoEffect(TIERED),
        "Threads that expire remote segments.";
    "remote.log.manager.fetch.max.bytes.per.second" Long "9223372036854775807", Any, Cluster, NoEffect(TIERED),
        "Bytes a second fetched back at most.";
    "remote.log.manager.fetch.quota.window.num" Int "11", Any, ReadOnly, NoEffect(TIERED),
        "Windows that is measured over.";
    "remote.log.manager.fetch.quota.window.size.seconds" Int "1", Any, ReadOnly, NoEffect(TIERED),
        "Length of such a window.";
    "remote.log.manager.task.interval.ms" Long "30000", Any, ReadOnly, NoEffect(TIERED),
        "How often remote tasks run.";
    "remote.log.manager.thread.pool.size" Int "10", Any, ReadOnly, NoEffect(TIERED),
        "Threads of remote tasks.";
    "remote.log.metadata.custom.metadata.max.bytes" Int "128", Any, ReadOnly, NoEffect(TIERED),
        "Custom metadata of a remote segment at most.";
    "remote.log.metadata.manager.class.name" Str "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager", Any, ReadOnly, NoEffect(TIERED),
        "Class that keeps remote metadata.";
    "remote.log.metadata.manager.class.path" Str null, Any, ReadOnly, NoEffect(TIERED),
        "Where that class is.";
    "remote.log.metadata.manager.impl.prefix" Str "rlmm.config.", Any, ReadOnly, NoEffect(TIERED),
        "Prefix of that class's own keys.";
    "remote.log.metadata.manager.listener.name" Str null, Any, ReadOnly, NoEffect(TIERED),
        "Listener that class uses.";
    "remote.log.reader.max.pending.tasks" Int "100", Any, ReadOnly, NoEffect(TIERED),
        "Remote reads waiting at most.";
    "remote.log.reader.threads" Int "10", Any, ReadOnly, NoEffect(TIERED),
        "Threads of remote reads.";
    "remote.log.storage.manager.class.name" Str null, Any, ReadOnly, NoEffect(TIERED),
        "Class that stores segments.";
    "remote.log.storage.manager.class.path" Str null, Any, ReadOnly, NoEffect(TIERED),
        "Where that class is.";
    "remote.log.storage.manager.impl.prefix" Str "rsm.config.", Any, ReadOnly, NoEffect(TIERED),
        "Prefix of that class's own keys.";
    "remote.log.storage.system.enable" Bool "false", Any, ReadOnly, NoEffect(TIERED),
        "Tiered storage at all.";
    "group.consumer.migration.policy" Str "disabled", Any, ReadOnly internal, NoEffect(NEW_GROUPS),
        "Which groups may change between old and new protocol.";
    "group.coordinator.new.enable" Bool "false", Any, ReadOnly internal, NoEffect(NEW_GROUPS),
        "Use the new group coordinator.";
    "group.share.enable" Bool "false", Any, ReadOnly internal, NoEffect(NEW_GROUPS),
        "Allow share groups.";
    "metadata.log.segment.min.bytes" Int "8388608", Any, ReadOnly internal, NoEffect(KRAFT),
        "Smallest segment size of the metadata log.";
    "remote.log.manager.task.retry.backoff.max.ms" Long "30000", Any, ReadOnly internal, NoEffect(TIERED),
        "Longest pause after a failed remote task.";
    "remote.log.manager.task.retry.backoff.ms" Long "500", Any, ReadOnly internal, NoEffect(TIERED),
        "First pause after a failed remote task.";
    "remote.log.manager.task.retry.jitter" Double "0.2", Any, ReadOnly internal, NoEffect(TIERED),
        "Randomness in that pause.";
    "server.max.startup.time.ms" Long "9223372036854775807", Any, ReadOnly internal, NoEffect(NOT_HERE),
        "Give up a start-up longer than this.";
    "unstable.api.versions.enable" Bool "false", Any, ReadOnly internal, NoEffect(NOT_HERE),
        "Offer API versions still in development.";
    "unstable.feature.versions.enable" Bool "false", Any, ReadOnly internal, NoEffect(NOT_HERE),
        "Offer feature versions still in development.";
    "zookeeper.metadata.migration.min.batch.size" Int "200", Any, ReadOnly internal, NoEffect(KRAFT),
        "Records of one batch of that migration.";
}
