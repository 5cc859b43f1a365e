//! Every key that Kafka changes while running is changed on a running broker, and what it does is seen to change: topic keys as a topic's
//! override, as this broker's and as all brokers' default; broker keys where they stand. The tables must name every such key.
//!
//! A whole broker on simulated parts, under tokio's paused clock; the change comes as an IncrementalAlterConfigs from a client.

mod brokers;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use ottla::config::not_built;
use ottla::config::table::{self, Effect, Mode};
use ottla::config::topic::{self, TopicKey};
use ottla::wire::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsRequestConfig, IncrementalAlterConfigsRequestResource,
};

use super::bed::{Bed, Client, ME, batch, produce_records};

/// How a key is held.
enum Held<T> {
    /// This changes it and sees what it does.
    Shown(fn(T) -> Pin<Box<dyn Future<Output = ()>>>),
    /// In a test of its own, or not yet, for this reason.
    Apart(&'static str),
    /// It does nothing, for this reason.
    NoEffect(&'static str),
}

/// Where a topic's key is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Level {
    Topic,
    Broker,
    AllBrokers,
}

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Alters one key; the answer's error code.
async fn alter(client: &mut Client, kind: i8, name: &str, key: &str, value: &str) -> (i16, String) {
    let config =
        IncrementalAlterConfigsRequestConfig { name: key.into(), config_operation: 0, value: Some(value.into()) };
    let resource = IncrementalAlterConfigsRequestResource {
        resource_type: kind,
        resource_name: name.into(),
        configs: vec![config],
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let answer = client.ask(&request, 1).await.responses.remove(0);
    (answer.error_code, answer.error_message.map(|m| m.to_string()).unwrap_or_default())
}

/// Sets a key of a broker (empty: of all) and waits until it is in effect.
async fn set_broker(bed: &Bed, name: &str, key: &str, value: &str) {
    let mut client = bed.connect().await;
    let answer = alter(&mut client, BROKER, name, key, value).await;
    assert_eq!(answer, (0, String::new()), "{key}={value}");
    let layer = || {
        let current = bed.broker.api().config.current();
        let layer = if name.is_empty() { &current.dynamic.default } else { &current.dynamic.per_broker };
        layer.get(key).is_some_and(|v| v == value)
    };
    bed.until("the new value", layer).await;
    bed.settle().await; // the rest of the change
}

#[test]
fn every_topic_key_is_held() {
    let held: BTreeMap<&str, _> = topics::KEYS.iter().map(|(name, held)| (*name, held)).collect();
    assert_eq!(held.len(), topics::KEYS.len(), "a key is there twice");
    let wanted: BTreeSet<&str> = topic::KEYS.iter().map(|key| key.name).collect();
    assert_eq!(held.keys().copied().collect::<BTreeSet<_>>(), wanted);
    for key in topic::KEYS {
        let works = not_built::topic_effect(key) == Effect::Works;
        match held[key.name] {
            Held::Shown(_) => assert!(works, "{} is shown to do what the table denies", key.name),
            Held::NoEffect(why) => assert!(!works && !why.is_empty(), "{} works by the table", key.name),
            Held::Apart(why) => assert!(!why.is_empty(), "{}", key.name),
        }
    }
}

#[test]
fn every_broker_key_that_changes_while_running_is_held() {
    let held: BTreeMap<&str, _> = brokers::KEYS.iter().map(|(name, held)| (*name, held)).collect();
    assert_eq!(held.len(), brokers::KEYS.len(), "a key is there twice");
    let of_topics: BTreeSet<&str> = topic::KEYS.iter().filter_map(|key| key.broker).collect();
    for key in table::all().chain(table::DYNAMIC_ONLY).filter(|key| key.mode != Mode::ReadOnly) {
        let row = held.get(key.name);
        match not_built::effect(key) {
            Effect::Works if of_topics.contains(key.name) => assert!(row.is_none(), "{} is a topic's too", key.name),
            Effect::Works => assert!(
                matches!(row, Some(Held::Shown(_) | Held::Apart(_))),
                "{} changes while running: change it in a test",
                key.name
            ),
            // The table says why.
            Effect::NoEffect(why) | Effect::Refused(why) => {
                assert!(!why.is_empty(), "{}", key.name);
            }
        }
    }
    for (name, _) in brokers::KEYS {
        let key = table::get_dynamic(name).unwrap_or_else(|| panic!("no such key: {name}"));
        assert_ne!(key.mode, Mode::ReadOnly, "{name}");
        let works = not_built::effect(key) == Effect::Works;
        assert!(!(works && matches!(held[name], Held::NoEffect(_))), "{name} works by the table");
    }
}

/// One key at one level, on a broker and a topic of its own.
struct Trial {
    bed: Bed,
    key: &'static TopicKey,
    level: Level,
}

impl Trial {
    async fn new(key: &'static TopicKey, level: Level) -> Self {
        let quick = [
            ("log.retention.check.interval.ms", "1000"),
            ("log.flush.scheduler.interval.ms", "1000"),
            ("log.initial.task.delay.ms", "0"),
            ("log.cleaner.backoff.ms", "1000"),
        ];
        Self { bed: Bed::with(&quick).await, key, level }
    }

    /// Sets the key where this trial sets it.
    async fn set(&self, value: &str) {
        let me = ME.to_string();
        match (self.level, self.key.broker) {
            (Level::Topic, _) | (_, None) => {
                let mut client = self.bed.connect().await;
                let answer = alter(&mut client, TOPIC, "t", self.key.name, value).await;
                assert_eq!(answer, (0, String::new()), "{}={value}", self.key.name);
                let cluster = &self.bed.broker.api().cluster;
                let there = || cluster.overrides.get("t").get(self.key.name).is_some_and(|v| v == value);
                self.bed.until("the new value", there).await;
            }
            (Level::Broker, Some(key)) => set_broker(&self.bed, &me, key, value).await,
            (Level::AllBrokers, Some(key)) => set_broker(&self.bed, "", key, value).await,
        }
    }
}

async fn run_all(level: Level) {
    for (name, held) in topics::KEYS {
        let key = topic::get(name).expect("a key");
        if let Held::Shown(show) = held
            && (level == Level::Topic || key.broker.is_some())
        {
            println!("{name} as {level:?}"); // shown with a failure
            show(Trial::new(key, level).await).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn topic_overrides_take_effect_at_once() {
    run_all(Level::Topic).await;
}

#[tokio::test(start_paused = true)]
async fn this_brokers_defaults_take_effect_at_once() {
    run_all(Level::Broker).await;
}

#[tokio::test(start_paused = true)]
async fn all_brokers_defaults_take_effect_at_once() {
    run_all(Level::AllBrokers).await;
}

#[tokio::test(start_paused = true)]
async fn broker_keys_take_effect_at_once() {
    for (name, held) in brokers::KEYS {
        if let Held::Shown(show) = held {
            println!("{name}");
            show(()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn preallocated_segments_have_their_room_from_the_start() {
    use std::os::unix::fs::MetadataExt;
    const SEGMENT: u64 = 1_000_000;
    let dir = tempfile::tempdir().expect("a directory");
    let bed = Bed::real(dir.path()).await;
    bed.topic_with("t", &[ME], &[("segment.bytes", "1000000")].into_iter().collect()).await;
    let mut client = bed.connect().await;
    let fill = async |client: &mut Client| {
        let answer = client.ask(&produce_records("t", -1, batch(&[7; 600_000])), 11).await;
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    };
    let room = |offset: u64| {
        let file = dir.path().join("t-0").join(format!("{offset:020}.log"));
        std::fs::metadata(file).expect("a segment").blocks() * 512
    };
    fill(&mut client).await;
    fill(&mut client).await;
    assert!(room(1) < SEGMENT, "only what is written: {}", room(1));
    assert_eq!(alter(&mut client, TOPIC, "t", "preallocate", "true").await.0, 0);
    bed.until("the new value", || bed.partition("t").log().config().preallocate).await;
    fill(&mut client).await;
    assert!(room(2) >= SEGMENT, "the whole segment: {}", room(2));
    fill(&mut client).await;
    assert!(room(2) < SEGMENT, "what it did not need is given back: {}", room(2));
    bed.broker.stop().await;
}
