//! Log directories, segments, retention, flushing and compaction.
//!
//! One row a key: name, type, default, check, update mode, effect in Ottla, one line of documentation. Compared with Kafka 3.9.2's own
//! definition by the tests over its recorded `--describe --all`; the order of rows is the order of the printed documentation.

use super::Check::{Any, AtLeast, ListOf, OneOf, Ratio, ReleaseName};
use super::Effect::{NoEffect, Works};
use super::Mode::{Cluster, ReadOnly};
use super::why::{DOWN, FORMAT, KRAFT, NOT_HERE};
use super::{Key, TIMESTAMPS, Type, keys};

keys! { LOG =
    "num.partitions" Int "1", AtLeast(1), ReadOnly, Works,
        "Partitions of a topic made without saying how many.";
    "log.dir" Str "/tmp/kafka-logs", Any, ReadOnly, Works,
        "Log directory, when `log.dirs` is unset.";
    "log.dirs" Str null, Any, ReadOnly, Works,
        "Log directories, comma separated.";
    "log.segment.bytes" Int "1073741824", AtLeast(14), Cluster, Works,
        "Size at which a segment rolls.";
    "log.roll.ms" Long null, Any, Cluster, Works,
        "Age at which a segment rolls; `log.roll.hours` when unset.";
    "log.roll.hours" Int "168", AtLeast(1), ReadOnly, Works,
        "Age at which a segment rolls, in hours.";
    "log.roll.jitter.ms" Long null, Any, Cluster, Works,
        "Random time taken off that age; `log.roll.jitter.hours` when unset.";
    "log.roll.jitter.hours" Int "0", AtLeast(0), ReadOnly, Works,
        "Random time taken off that age, in hours.";
    "log.retention.ms" Long null, Any, Cluster, Works,
        "Age at which a segment is deleted, -1 never; `log.retention.minutes` when unset.";
    "log.retention.minutes" Int null, Any, ReadOnly, Works,
        "Age at which a segment is deleted, in minutes; `log.retention.hours` when unset.";
    "log.retention.hours" Int "168", Any, ReadOnly, Works,
        "Age at which a segment is deleted, in hours.";
    "log.retention.bytes" Long "-1", Any, Cluster, Works,
        "Size of a partition above which old segments go; -1 is no limit.";
    "log.retention.check.interval.ms" Long "300000", AtLeast(1), ReadOnly, Works,
        "How often retention is looked at.";
    "log.cleanup.policy" List "delete", ListOf(&["compact", "delete"]), Cluster, Works,
        "`delete`, `compact` or both.";
    "log.index.size.max.bytes" Int "10485760", AtLeast(4), Cluster, Works,
        "Size of an index file.";
    "log.index.interval.bytes" Int "4096", AtLeast(0), Cluster, Works,
        "Bytes of log between two index entries.";
    "log.flush.interval.messages" Long "9223372036854775807", AtLeast(1), Cluster, Works,
        "Messages after which a log is flushed.";
    "log.segment.delete.delay.ms" Long "60000", AtLeast(0), Cluster, Works,
        "Time between taking a segment out and removing its files.";
    "log.flush.scheduler.interval.ms" Long "9223372036854775807", Any, ReadOnly, Works,
        "How often logs are looked at for a timed flush.";
    "log.flush.interval.ms" Long null, Any, Cluster, Works,
        "Time after which a log is flushed; the scheduler's interval when unset.";
    "log.flush.offset.checkpoint.interval.ms" Int "60000", AtLeast(0), ReadOnly, Works,
        "How often recovery points are written.";
    "log.flush.start.offset.checkpoint.interval.ms" Int "60000", AtLeast(0), ReadOnly, Works,
        "How often log start offsets are written.";
    "log.preallocate" Bool "false", Any, Cluster, Works,
        "Allocate a segment's file whole.";
    "num.recovery.threads.per.data.dir" Int "1", AtLeast(1), Cluster, Works,
        "Logs of a directory opened at once.";
    "auto.create.topics.enable" Bool "true", Any, ReadOnly, Works,
        "Make a topic when a client asks for one that is not there.";
    "min.insync.replicas" Int "1", AtLeast(1), Cluster, Works,
        "Replicas in sync that acks=all needs.";
    "log.message.format.version" Str "3.0-IV1", ReleaseName, ReadOnly, NoEffect(FORMAT),
        "Message format of an inter-broker version below 3.0.";
    "log.message.timestamp.type" Str "CreateTime", OneOf(TIMESTAMPS), Cluster, Works,
        "`CreateTime` or `LogAppendTime`.";
    "log.message.timestamp.difference.max.ms" Long "9223372036854775807", AtLeast(0), Cluster, Works,
        "Old name of the two below; they follow it where they are left alone.";
    "log.message.timestamp.before.max.ms" Long "9223372036854775807", AtLeast(0), Cluster, Works,
        "How far a record's time may lie before the broker's.";
    "log.message.timestamp.after.max.ms" Long "9223372036854775807", AtLeast(0), Cluster, Works,
        "How far a record's time may lie after the broker's.";
    "create.topic.policy.class.name" Class null, Any, ReadOnly, Works,
        "Class that may refuse new topics.";
    "alter.config.policy.class.name" Class null, Any, ReadOnly, Works,
        "Class that may refuse config changes.";
    "alter.config.policy.kraft.compatibility.enable" Bool "false", Any, ReadOnly, NoEffect(NOT_HERE),
        "Show that class the value a key will have.";
    "log.message.downconversion.enable" Bool "true", Any, Cluster, NoEffect(DOWN),
        "Answer old consumers in old formats.";
    "log.dir.failure.timeout.ms" Long "30000", AtLeast(1), ReadOnly, NoEffect(KRAFT),
        "Stop a KRaft broker that cannot report a failed directory.";
    "log.initial.task.delay.ms" Long "30000", AtLeast(0), ReadOnly internal, Works,
        "Wait before the first background pass over the logs.";
    "log.cleaner.threads" Int "1", AtLeast(0), Cluster, Works,
        "Logs compacted at once.";
    "log.cleaner.io.max.bytes.per.second" Double "1.7976931348623157E308", Any, Cluster, Works,
        "Bytes a second compaction reads and writes at most.";
    "log.cleaner.dedupe.buffer.size" Long "134217728", Any, Cluster, Works,
        "Memory for the offsets of keys, all cleaner threads together.";
    "log.cleaner.io.buffer.size" Int "524288", AtLeast(0), Cluster, Works,
        "Memory for reading and writing, all cleaner threads together.";
    "log.cleaner.io.buffer.load.factor" Double "0.9", Any, Cluster, Works,
        "How full the offset map may get.";
    "log.cleaner.backoff.ms" Long "15000", AtLeast(0), Cluster, Works,
        "Pause when no log needs compaction.";
    "log.cleaner.min.cleanable.ratio" Double "0.5", Ratio, Cluster, Works,
        "Share of dirty bytes that makes a log worth compacting.";
    "log.cleaner.enable" Bool "true", Any, ReadOnly, Works,
        "Compact logs at all.";
    "log.cleaner.delete.retention.ms" Long "86400000", AtLeast(0), Cluster, Works,
        "How long tombstones stay.";
    "log.cleaner.min.compaction.lag.ms" Long "0", AtLeast(0), Cluster, Works,
        "A record stays uncompacted at least this long.";
    "log.cleaner.max.compaction.lag.ms" Long "9223372036854775807", AtLeast(1), Cluster, Works,
        "A record becomes compactable after this long.";
}
