//! Apache Kafka and Ottla in one cluster, and one in the place of the other: the matrix of `METAMORPHOSIS.md`.
//!
//! A test is a cluster under one kind of controller; it goes through every cell with a leader of each kind, and prints the rows. In each
//! cell what is read is what was acknowledged, once and in order, and all replicas are in sync and equal byte for byte.

mod ask;
mod cells;
mod load;
mod rolling;
mod swap;
mod table;
mod world;

use cells::Roles;
use world::World;

use crate::harness::Kind::{Apache, Ottla};
use crate::harness::cache;

/// Brokers 1 and 2 lead in turn, one of each kind; broker 0 is the third.
const PAIRS: [Roles; 2] = [Roles { leader: 1, follower: 2, third: 0 }, Roles { leader: 2, follower: 1, third: 0 }];

/// Each cell of both pairs.
fn go_through(world: &mut World) {
    for roles in PAIRS {
        cells::produces_in_every_codec(world, roles);
        cells::produces_idempotently(world, roles);
        cells::reassigns(world, roles);
        cells::elects_the_preferred_leader(world, roles);
        cells::creates_and_deletes_by_the_tools_of_both(world, roles);
        cells::truncates_nothing_that_was_replicated(world, roles);
        cells::truncates_what_was_not_replicated(world, roles);
        swap::make_topic(world, roles);
        swap::swaps_and_swaps_back(world, roles);
        swap::swaps_and_swaps_back_after_kills(world, roles);
    }
}

#[test]
fn two_apache_brokers_and_an_ottla_under_an_apache_controller() {
    let mut world = World::start("morph-apache", [Apache, Apache, Ottla], 0, &[]);
    go_through(&mut world);
    swap::swaps_the_whole_cluster_at_once(&mut world);
    eprintln!("{}", world.table);
}

#[test]
fn apache_and_ottla_brokers_under_an_ottla_controller() {
    let mut world = World::start("morph-ottla", [Ottla, Apache, Ottla], 0, &[]);
    go_through(&mut world);
    eprintln!("{}", world.table);
}

/// The only Ottla is the controller: where it is killed as a leader, an Apache controller takes over in between.
#[test]
#[ignore = "a minute of Java brokers; CONTRIBUTING.md says how to run it"]
fn two_apache_brokers_and_an_ottla_that_is_the_controller() {
    let mut world = World::start("morph-lone", [Apache, Apache, Ottla], 2, &[]);
    go_through(&mut world);
    eprintln!("{}", world.table);
}

/// Some of the cells beside Apache brokers of another version and under an older protocol.
fn go_through_some(name: &str, version: &str, protocol: &str, controller: crate::harness::Kind) {
    let jars = cache().join(format!("kafka-{version}"));
    assert!(jars.exists(), "Apache Kafka {version} is missing: run scripts/apache-kafka.sh fetch peers");
    let settings = [("inter.broker.protocol.version", protocol)];
    let mut world = World::start_beside(Some(version), name, [controller, Apache, Ottla], 0, &settings);
    for roles in PAIRS {
        cells::produces_in_every_codec(&mut world, roles);
        cells::produces_idempotently(&mut world, roles);
        cells::reassigns(&mut world, roles);
        cells::elects_the_preferred_leader(&mut world, roles);
        cells::creates_and_deletes_by_the_tools_of_both(&mut world, roles);
        cells::truncates_what_was_not_replicated(&mut world, roles);
        swap::make_topic(&mut world, roles);
        swap::swaps_and_swaps_back(&mut world, roles);
    }
    eprintln!("Apache Kafka {version}, inter.broker.protocol.version={protocol}\n\n{}", world.table);
}

#[test]
#[ignore = "a minute of Java brokers; CONTRIBUTING.md says how to run it"]
fn beside_apache_3_4_at_protocol_2_8_under_an_apache_controller() {
    go_through_some("morph-34-apache", "3.4.1", "2.8", Apache);
}

#[test]
#[ignore = "a minute of Java brokers; CONTRIBUTING.md says how to run it"]
fn beside_apache_3_4_at_protocol_2_8_under_an_ottla_controller() {
    go_through_some("morph-34-ottla", "3.4.1", "2.8", Ottla);
}

#[test]
#[ignore = "a minute of Java brokers; CONTRIBUTING.md says how to run it"]
fn beside_apache_3_6_at_protocol_3_4_under_an_apache_controller() {
    go_through_some("morph-36-apache", "3.6.2", "3.4", Apache);
}

#[test]
#[ignore = "a minute of Java brokers; CONTRIBUTING.md says how to run it"]
fn beside_apache_3_6_at_protocol_3_4_under_an_ottla_controller() {
    go_through_some("morph-36-ottla", "3.6.2", "3.4", Ottla);
}
