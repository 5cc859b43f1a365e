//! Identity, sockets, requests and replication.
//!
//! One row a key: name, type, default, check, update mode, effect in Ottla, one line of documentation. Compared with Kafka 3.9.2's own
//! definition by the tests over its recorded `--describe --all`; the order of rows is the order of the printed documentation.

use super::Check::{Any, AtLeast, Between, GzipLevel, MetadataVersion, OneOf};
use super::Effect::{NoEffect, Works};
use super::Mode::{Cluster, PerBroker, ReadOnly};
use super::why::{KERNEL, KRAFT, LZ4, NOT_HERE, PURGATORY, SECURE, STEADY, THREADS};
use super::{COMPRESSION, Key, Type, keys};

keys! { SERVER =
    "broker.id.generation.enable" Bool "true", Any, ReadOnly, Works,
        "Take an id from ZooKeeper when `broker.id` is -1.";
    "reserved.broker.max.id" Int "1000", AtLeast(0), ReadOnly, Works,
        "Highest id a file may name; generated ids lie above.";
    "broker.id" Int "-1", Any, ReadOnly, Works,
        "This broker's id; -1 asks for a generated one.";
    "node.id" Int "-1", Any, ReadOnly, Works,
        "Another name of `broker.id`; both must agree when both are set.";
    "message.max.bytes" Int "1048588", AtLeast(0), Cluster, Works,
        "Largest record batch a topic accepts.";
    "num.io.threads" Int "8", AtLeast(1), Cluster, NoEffect(THREADS),
        "Request handler threads.";
    "num.replica.alter.log.dirs.threads" Int null, Any, ReadOnly, Works,
        "Threads that move replicas between log directories; one a directory when unset.";
    "background.threads" Int "10", AtLeast(1), Cluster, NoEffect(THREADS),
        "Threads for background work.";
    "request.timeout.ms" Int "30000", Any, ReadOnly, Works,
        "How long the broker waits for an answer of another broker.";
    "socket.connection.setup.timeout.ms" Long "10000", Any, ReadOnly, Works,
        "First time-out of connecting to another broker.";
    "socket.connection.setup.timeout.max.ms" Long "30000", Any, ReadOnly, NoEffect(STEADY),
        "Longest time-out of connecting to another broker, after growing with each failure.";
    "authorizer.class.name" Str "", Any, ReadOnly, Works,
        "Authorizer; empty allows everything.";
    "early.start.listeners" Str null, Any, ReadOnly, NoEffect(NOT_HERE),
        "Listeners that open before the authorizer is ready.";
    "broker.rack" Str null, Any, ReadOnly, Works,
        "Rack of this broker, for replica placement.";
    "controlled.shutdown.max.retries" Int "3", Any, ReadOnly, Works,
        "Tries to hand leadership over before stopping anyway.";
    "controlled.shutdown.retry.backoff.ms" Long "5000", Any, ReadOnly, Works,
        "Pause between two such tries.";
    "controlled.shutdown.enable" Bool "true", Any, ReadOnly, Works,
        "Hand leadership over before stopping.";
    "delete.topic.enable" Bool "true", Any, ReadOnly, Works,
        "Let topics be deleted.";
    "compression.type" Str "producer", OneOf(COMPRESSION), Cluster, Works,
        "Codec the broker stores; `producer` keeps the producer's.";
    "compression.gzip.level" Int "-1", GzipLevel, Cluster, Works,
        "gzip level, 1 to 9; -1 is the codec's own.";
    "compression.lz4.level" Int "9", Between(1, 17), Cluster, NoEffect(LZ4),
        "LZ4 level, 1 to 17.";
    "compression.zstd.level" Int "3", Between(-131072, 22), Cluster, Works,
        "Zstandard level, -131072 to 22.";
    "max.incremental.fetch.session.cache.slots" Int "1000", AtLeast(0), ReadOnly, Works,
        "Fetch sessions kept at most.";
    "fetch.max.bytes" Int "57671680", AtLeast(1024), ReadOnly, Works,
        "Largest answer to one fetch.";
    "max.request.partition.size.limit" Int "2000", AtLeast(1), ReadOnly, NoEffect(KRAFT),
        "Partitions answered at most by DescribeTopicPartitions.";
    "listeners" Str "PLAINTEXT://:9092", Any, PerBroker, Works,
        "Where the broker listens: `NAME://host:port`, comma separated.";
    "advertised.listeners" Str null, Any, PerBroker, Works,
        "What clients are told to connect to; `listeners` when unset.";
    "listener.security.protocol.map" Str "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT", Any, PerBroker, Works,
        "Security protocol of each listener name.";
    "control.plane.listener.name" Str null, Any, ReadOnly, Works,
        "Listener for the controller's requests only.";
    "socket.send.buffer.bytes" Int "102400", Any, ReadOnly, NoEffect(KERNEL),
        "SO_SNDBUF of accepted connections; -1 leaves the system's.";
    "socket.receive.buffer.bytes" Int "102400", Any, ReadOnly, NoEffect(KERNEL),
        "SO_RCVBUF of accepted connections; -1 leaves the system's.";
    "socket.request.max.bytes" Int "104857600", AtLeast(1), ReadOnly, Works,
        "Largest request accepted.";
    "socket.listen.backlog.size" Int "50", AtLeast(1), ReadOnly, Works,
        "Connections that may wait to be accepted.";
    "max.connections.per.ip" Int "2147483647", AtLeast(0), Cluster, Works,
        "Connections from one address at most.";
    "max.connections.per.ip.overrides" Str "", Any, Cluster, Works,
        "Other limits for named addresses: `host:count,...`.";
    "max.connections" Int "2147483647", AtLeast(0), Cluster, Works,
        "Connections at most.";
    "max.connection.creation.rate" Int "2147483647", AtLeast(0), Cluster, Works,
        "New connections a second at most.";
    "connections.max.idle.ms" Long "600000", Any, ReadOnly, Works,
        "Close a connection idle for this long.";
    "connection.failed.authentication.delay.ms" Int "100", AtLeast(0), ReadOnly, NoEffect(SECURE),
        "Delay before a connection that failed to authenticate is closed.";
    "queued.max.requests" Int "500", AtLeast(1), ReadOnly, NoEffect(THREADS),
        "Requests waiting for a handler thread.";
    "queued.max.request.bytes" Long "-1", Any, ReadOnly, Works,
        "Bytes of requests in memory at most; -1 is no limit of its own.";
    "num.network.threads" Int "3", AtLeast(1), Cluster, NoEffect(THREADS),
        "Network threads of each listener.";
    "controller.socket.timeout.ms" Int "30000", Any, ReadOnly, Works,
        "How long the controller waits for a broker's answer.";
    "default.replication.factor" Int "1", Any, ReadOnly, Works,
        "Replicas of a topic made without saying how many.";
    "replica.lag.time.max.ms" Long "30000", Any, ReadOnly, Works,
        "A follower not caught up for this long leaves the ISR.";
    "replica.socket.timeout.ms" Int "30000", Any, ReadOnly, Works,
        "How long a follower waits for a fetch's answer.";
    "replica.socket.receive.buffer.bytes" Int "65536", Any, ReadOnly, NoEffect(KERNEL),
        "SO_RCVBUF of a follower's connection.";
    "replica.fetch.max.bytes" Int "1048576", AtLeast(0), ReadOnly, Works,
        "Bytes a follower asks of one partition.";
    "replica.fetch.wait.max.ms" Int "500", Any, ReadOnly, Works,
        "How long a leader may hold a follower's fetch.";
    "replica.fetch.backoff.ms" Int "1000", AtLeast(0), ReadOnly, Works,
        "A follower's pause after a fetch error.";
    "replica.fetch.min.bytes" Int "1", Any, ReadOnly, Works,
        "Bytes a leader waits for before it answers a follower.";
    "replica.fetch.response.max.bytes" Int "10485760", AtLeast(0), ReadOnly, Works,
        "Bytes a follower asks of one fetch.";
    "num.replica.fetchers" Int "1", Any, Cluster, Works,
        "Fetchers towards each other broker.";
    "replica.high.watermark.checkpoint.interval.ms" Long "5000", Any, ReadOnly, Works,
        "How often high watermarks are written to disk.";
    "fetch.purgatory.purge.interval.requests" Int "1000", Any, ReadOnly, NoEffect(PURGATORY),
        "Finished fetches kept before a clean-up.";
    "producer.purgatory.purge.interval.requests" Int "1000", Any, ReadOnly, NoEffect(PURGATORY),
        "Finished produces kept before a clean-up.";
    "delete.records.purgatory.purge.interval.requests" Int "1", Any, ReadOnly, NoEffect(PURGATORY),
        "Finished record deletions kept before a clean-up.";
    "auto.leader.rebalance.enable" Bool "true", Any, ReadOnly, Works,
        "Give leadership back to preferred replicas from time to time.";
    "leader.imbalance.per.broker.percentage" Int "10", Any, ReadOnly, Works,
        "Share of partitions not led by their preferred replica that is borne.";
    "leader.imbalance.check.interval.seconds" Long "300", AtLeast(1), ReadOnly, Works,
        "How often that is checked.";
    "unclean.leader.election.interval.ms" Long "300000", AtLeast(1), ReadOnly internal, NoEffect(NOT_HERE),
        "How often the controller looks for unclean elections to make.";
    "unclean.leader.election.enable" Bool "false", Any, Cluster, Works,
        "Let a replica out of the ISR become leader, losing data.";
    "security.inter.broker.protocol" Str "PLAINTEXT", OneOf(&["SASL_SSL", "PLAINTEXT", "SSL", "SASL_PLAINTEXT"]), ReadOnly, Works,
        "Security protocol between brokers, when no listener is named for it.";
    "inter.broker.protocol.version" Str "3.9-IV0", MetadataVersion, ReadOnly, Works,
        "Version brokers speak to each other, 2.8 to 3.9.";
    "inter.broker.listener.name" Str null, Any, ReadOnly, Works,
        "Listener brokers use among themselves.";
    "replica.selector.class" Str null, Any, ReadOnly, Works,
        "Picks the replica a consumer reads from.";
}
