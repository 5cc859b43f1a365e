//! Quotas, metrics, the password encoder and delegation tokens.
//!
//! One row a key: name, type, default, check, update mode, effect in Ottla, one line of documentation. Compared with Kafka 3.9.2's own
//! definition by the tests over its recorded `--describe --all`; the order of rows is the order of the printed documentation.

use super::Check::{Any, AtLeast, OneOf};
use super::Effect::{NoEffect, Works};
use super::Mode::{Cluster, ReadOnly};
use super::why::{ENCODER, JAVA, METRICS, TOKENS};
use super::{Key, Type, keys};

keys! { QUOTA =
    "quota.window.num" Int "11", AtLeast(1), ReadOnly, Works,
        "Windows a client quota is measured over.";
    "replication.quota.window.num" Int "11", AtLeast(1), ReadOnly, Works,
        "Windows a replication quota is measured over.";
    "alter.log.dirs.replication.quota.window.num" Int "11", AtLeast(1), ReadOnly, Works,
        "Windows the directory move quota is measured over.";
    "controller.quota.window.num" Int "11", AtLeast(1), ReadOnly, Works,
        "Windows the mutation quota is measured over.";
    "quota.window.size.seconds" Int "1", AtLeast(1), ReadOnly, Works,
        "Length of such a window, client quotas.";
    "replication.quota.window.size.seconds" Int "1", AtLeast(1), ReadOnly, Works,
        "Length of such a window, replication quotas.";
    "alter.log.dirs.replication.quota.window.size.seconds" Int "1", AtLeast(1), ReadOnly, Works,
        "Length of such a window, directory moves.";
    "controller.quota.window.size.seconds" Int "1", AtLeast(1), ReadOnly, Works,
        "Length of such a window, mutations.";
    "client.quota.callback.class" Class null, Any, ReadOnly, Works,
        "Class that computes client quotas.";
    "metrics.num.samples" Int "2", AtLeast(1), ReadOnly, NoEffect(METRICS),
        "Samples a Java metric keeps.";
    "metrics.sample.window.ms" Long "30000", AtLeast(1), ReadOnly, NoEffect(METRICS),
        "Length of such a sample.";
    "metric.reporters" List "", Any, Cluster, NoEffect(JAVA),
        "Classes that receive metrics.";
    "metrics.recording.level" Str "INFO", OneOf(&["INFO", "DEBUG", "TRACE"]), ReadOnly, NoEffect(METRICS),
        "Least important metrics that are recorded.";
    "auto.include.jmx.reporter" Bool "true", Any, ReadOnly, NoEffect(JAVA),
        "Report metrics over JMX.";
    "kafka.metrics.reporters" List "", Any, ReadOnly, NoEffect(JAVA),
        "Classes that receive the broker's older metrics.";
    "kafka.metrics.polling.interval.secs" Int "10", AtLeast(1), ReadOnly, NoEffect(JAVA),
        "How often those are asked.";
    "telemetry.max.bytes" Int "1048576", AtLeast(1), ReadOnly, NoEffect(METRICS),
        "Largest telemetry a client may push.";
    "password.encoder.secret" Password null, Any, ReadOnly, NoEffect(ENCODER),
        "Secret that encodes dynamic passwords in ZooKeeper.";
    "password.encoder.old.secret" Password null, Any, ReadOnly, NoEffect(ENCODER),
        "The secret before the present one.";
    "password.encoder.keyfactory.algorithm" Str null, Any, ReadOnly, NoEffect(ENCODER),
        "How the key is made of the secret.";
    "password.encoder.cipher.algorithm" Str "AES/CBC/PKCS5Padding", Any, ReadOnly, NoEffect(ENCODER),
        "Cipher of those passwords.";
    "password.encoder.key.length" Int "128", AtLeast(8), ReadOnly, NoEffect(ENCODER),
        "Bits of the key.";
    "password.encoder.iterations" Int "4096", AtLeast(1024), ReadOnly, NoEffect(ENCODER),
        "Rounds of making the key.";
    "delegation.token.master.key" Password null, Any, ReadOnly, Works,
        "Old name of `delegation.token.secret.key`.";
    "delegation.token.secret.key" Password null, Any, ReadOnly, Works,
        "Key that makes and checks delegation tokens.";
    "delegation.token.max.lifetime.ms" Long "604800000", AtLeast(1), ReadOnly, NoEffect(TOKENS),
        "Longest life of a token.";
    "delegation.token.expiry.time.ms" Long "86400000", AtLeast(1), ReadOnly, NoEffect(TOKENS),
        "Life of a token until renewed.";
    "delegation.token.expiry.check.interval.ms" Long "3600000", AtLeast(1), ReadOnly, NoEffect(TOKENS),
        "How often expired tokens are removed.";
}
