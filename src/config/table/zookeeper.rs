//! The connection to ZooKeeper.
//!
//! One row a key: name, type, default, check, update mode, effect in Ottla, one line of documentation. Compared with Kafka 3.9.2's own
//! definition by the tests over its recorded `--describe --all`; the order of rows is the order of the printed documentation.

use super::Check::{Any, AtLeast};
use super::Effect::{NoEffect, Works};
use super::Mode::ReadOnly;
use super::why::{JAVA, ZK_TLS};
use super::{Key, Type, keys};

keys! { ZOOKEEPER =
    "zookeeper.connect" Str null, Any, ReadOnly, Works,
        "Servers of the ZooKeeper ensemble and an optional chroot: `host:port,host:port/chroot`. Required.";
    "zookeeper.session.timeout.ms" Int "18000", Any, ReadOnly, Works,
        "How long ZooKeeper keeps this broker's session without a word from it.";
    "zookeeper.connection.timeout.ms" Int null, Any, ReadOnly, Works,
        "How long start-up waits for a first connection; the session timeout when unset.";
    "zookeeper.set.acl" Bool "false", Any, ReadOnly, Works,
        "Write znodes so that only the broker's own identity may change them.";
    "zookeeper.max.in.flight.requests" Int "10", AtLeast(1), ReadOnly, Works,
        "Unanswered requests sent ahead to ZooKeeper.";
    "zookeeper.ssl.client.enable" Bool "false", Any, ReadOnly, Works,
        "Speak TLS to ZooKeeper.";
    "zookeeper.clientCnxnSocket" Str null, Any, ReadOnly, NoEffect(JAVA),
        "Class of the Java client's connection.";
    "zookeeper.ssl.cipher.suites" List null, Any, ReadOnly, NoEffect(ZK_TLS),
        "Cipher suites offered to ZooKeeper.";
    "zookeeper.ssl.crl.enable" Bool "false", Any, ReadOnly, NoEffect(ZK_TLS),
        "Check certificate revocation lists of ZooKeeper's certificate.";
    "zookeeper.ssl.enabled.protocols" List null, Any, ReadOnly, NoEffect(ZK_TLS),
        "TLS versions offered to ZooKeeper.";
    "zookeeper.ssl.endpoint.identification.algorithm" Str "HTTPS", Any, ReadOnly, NoEffect(ZK_TLS),
        "Check ZooKeeper's host name against its certificate; empty does not.";
    "zookeeper.ssl.keystore.location" Str null, Any, ReadOnly, NoEffect(ZK_TLS),
        "Key store shown to ZooKeeper.";
    "zookeeper.ssl.keystore.password" Password null, Any, ReadOnly, NoEffect(ZK_TLS),
        "Password of that key store.";
    "zookeeper.ssl.keystore.type" Str null, Any, ReadOnly, NoEffect(ZK_TLS),
        "Format of that key store.";
    "zookeeper.ssl.ocsp.enable" Bool "false", Any, ReadOnly, NoEffect(ZK_TLS),
        "Ask OCSP about ZooKeeper's certificate.";
    "zookeeper.ssl.protocol" Str "TLSv1.2", Any, ReadOnly, NoEffect(ZK_TLS),
        "Preferred TLS version towards ZooKeeper.";
    "zookeeper.ssl.truststore.location" Str null, Any, ReadOnly, NoEffect(ZK_TLS),
        "Authorities trusted for ZooKeeper's certificate.";
    "zookeeper.ssl.truststore.password" Password null, Any, ReadOnly, NoEffect(ZK_TLS),
        "Password of that trust store.";
    "zookeeper.ssl.truststore.type" Str null, Any, ReadOnly, NoEffect(ZK_TLS),
        "Format of that trust store.";
}
