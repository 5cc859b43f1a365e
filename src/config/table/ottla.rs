//! What Apache Kafka does not have. Never described, so that DescribeConfigs answers as a Kafka broker does.

use super::Check::{Any, AtLeast};
use super::Effect::Works;
use super::Mode::ReadOnly;
use super::{Key, Type, keys};

keys! { OTTLA =
    "ottla.admin.listener" Str "", Any, ReadOnly internal, Works,
        "Where `/health` and `/metrics` are served over HTTP, as host:port; empty: nowhere. No authentication.";
    "ottla.dead.process.detect.ms" Int "300", AtLeast(0), ReadOnly internal, Works,
        "How long a broker's port must be refused by its host before its leaderships move, without waiting for its session to end; 0 waits.";
    "ottla.accept.unenforced" Bool "false", Any, ReadOnly internal, Works,
        "Starts also where ZooKeeper holds quotas, ACLs, SCRAM users or tokens, which are not enforced; says so in the log and on `/metrics`.";
}
