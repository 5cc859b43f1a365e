//! What Apache Kafka does not have. Never described, so that DescribeConfigs answers as a Kafka broker does.

use super::Check::AtLeast;
use super::Effect::Works;
use super::Mode::ReadOnly;
use super::{Key, Type, keys};

keys! { OTTLA =
    "ottla.dead.process.detect.ms" Int "300", AtLeast(0), ReadOnly internal, Works,
        "How long a broker's port must be refused by its host before its leaderships move, without waiting for its session to end; 0 waits.";
}
