//! What Kafka 3.9.2's own tools printed, key by key: every key, default, type, sensitivity and synonym of the table.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::DescribeConfigsResponse;
use kafka_protocol::protocol::Decodable;
use ottla::config::describe::{self, Entry, Source};
use ottla::config::{ConfigMap, DynamicConfig, StaticConfig};

const TOPIC: &str = include_str!("../../golden/config/060-configs-topic-all.out");
const TOPIC_OVERRIDES: &str = include_str!("../../golden/config/059-configs-topic.out");
const BROKER: &str = include_str!("../../golden/config/068-configs-broker-all.out");
const BROKER_DYNAMIC: &str = include_str!("../../golden/config/067-configs-broker-describe.out");
const STOCK: &str = include_str!("../../golden/config/200-stock-broker-configs.out");
const WIRE: &str = include_str!("../../golden/config/describe-configs.jsonl");

const SOURCES: [Source; 5] =
    [Source::Topic, Source::DynamicBroker, Source::DynamicDefault, Source::Static, Source::Default];

/// The lines of a `--describe`, without their heading.
fn lines(recorded: &str) -> Vec<String> {
    recorded.lines().skip(1).map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect()
}

/// Entries as `kafka-configs --describe` prints them, sorted by name.
fn print(mut entries: Vec<Entry>) -> Vec<String> {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let null = |v: &Option<String>| v.clone().unwrap_or_else(|| "null".into());
    let line = |e: &Entry| {
        let synonyms: Vec<String> =
            e.synonyms.iter().map(|s| format!("{}:{}={}", s.source.name(), s.name, null(&s.value))).collect();
        format!("{}={} sensitive={} synonyms={{{}}}", e.name, null(&e.value), e.sensitive, synonyms.join(", "))
    };
    entries.iter().map(line).collect()
}

/// The settings of one layer, read back from the printed synonyms.
fn layer(recorded: &str, source: Source) -> ConfigMap {
    let mut found = BTreeMap::new();
    for line in lines(recorded) {
        let synonyms = line.split_once("synonyms={").unwrap().1.trim_end_matches('}');
        // A synonym starts with a source's name; values hold commas and colons of their own.
        let mut starts: Vec<(usize, Source)> = SOURCES
            .iter()
            .flat_map(|s| synonyms.match_indices(&format!("{}:", s.name())).map(|(at, _)| (at, *s)).collect::<Vec<_>>())
            .filter(|(at, _)| *at == 0 || synonyms[..*at].ends_with(", "))
            .collect();
        starts.sort();
        for (i, (at, s)) in starts.iter().enumerate() {
            let end = starts.get(i + 1).map_or(synonyms.len(), |(next, _)| next - 2);
            let (name, value) = synonyms[at + s.name().len() + 1..end].split_once('=').unwrap();
            if *s == source {
                found.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    found
}

fn compare(ours: Vec<String>, recorded: Vec<String>) {
    let missing: Vec<_> = recorded.iter().filter(|l| !ours.contains(l)).collect();
    let more: Vec<_> = ours.iter().filter(|l| !recorded.contains(l)).collect();
    assert!(missing.is_empty() && more.is_empty(), "Kafka prints {missing:#?}\nOttla prints {more:#?}");
    assert_eq!(ours, recorded);
}

fn describe_broker(recorded: &str) -> Vec<Entry> {
    let statics = StaticConfig::new(layer(recorded, Source::Static));
    let dynamic = DynamicConfig {
        per_broker: layer(recorded, Source::DynamicBroker),
        default: layer(recorded, Source::DynamicDefault),
    };
    let effective = dynamic.effective(&statics).unwrap();
    assert_eq!(effective.warnings, Vec::<String>::new());
    describe::broker(&statics, &dynamic, &effective.values)
}

#[test]
fn a_stock_broker_is_described_as_kafka_does() {
    compare(print(describe_broker(STOCK)), lines(STOCK));
}

#[test]
fn a_tuned_broker_is_described_as_kafka_does() {
    compare(print(describe_broker(BROKER)), lines(BROKER));
}

#[test]
fn the_dynamic_entries_of_a_broker_are_those_kafka_lists() {
    let dynamic = describe_broker(BROKER).into_iter().filter(|e| e.source == Source::DynamicBroker).collect();
    compare(print(dynamic), lines(BROKER_DYNAMIC));
}

#[test]
fn the_cluster_default_shows_only_what_is_set_there() {
    let dynamic = DynamicConfig { per_broker: ConfigMap::new(), default: layer(BROKER, Source::DynamicDefault) };
    let entries = describe::cluster_default(&StaticConfig::default(), &dynamic);
    let line = "num.io.threads=9 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:num.io.threads=9}";
    assert_eq!(print(entries), [line]);
}

fn describe_topic(overrides: &ConfigMap) -> Vec<Entry> {
    let statics = StaticConfig::default();
    describe::topic(&statics, &DynamicConfig::default(), &statics.values(), overrides)
}

#[test]
fn a_topic_is_described_as_kafka_does() {
    compare(print(describe_topic(&layer(TOPIC, Source::Topic))), lines(TOPIC));
    let plain = layer(TOPIC_OVERRIDES, Source::Topic);
    let set = describe_topic(&plain).into_iter().filter(|e| e.source == Source::Topic).collect();
    compare(print(set), lines(TOPIC_OVERRIDES));
}

#[test]
fn topic_entries_on_the_wire_are_those_of_kafka_in_its_order() {
    for frame in WIRE.lines() {
        let frame: serde_json::Value = serde_json::from_str(frame).unwrap();
        let hex = frame["hex"].as_str().unwrap();
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
        // Correlation id and the header's empty tags come first.
        let response = DescribeConfigsResponse::decode(&mut Bytes::from(bytes).slice(5..), 4).unwrap();
        let described: Vec<_> = response.results.iter().filter(|r| r.resource_type == 2).collect();
        assert!(!described.is_empty());
        for result in described {
            let set = result.configs.iter().filter(|c| c.config_source == 1);
            let overrides: ConfigMap =
                set.map(|c| (c.name.to_string(), c.value.as_ref().unwrap().to_string())).collect();
            let ours = describe_topic(&overrides);
            assert_eq!(ours.len(), result.configs.len());
            for (our, theirs) in ours.iter().zip(&result.configs) {
                assert_eq!(our.name, theirs.name.as_str());
                assert_eq!(our.value.as_deref(), theirs.value.as_deref());
                assert_eq!(our.config_type, theirs.config_type, "{}", our.name);
                assert_eq!(our.source.code(), theirs.config_source, "{}", our.name);
                assert_eq!((our.read_only, our.sensitive), (theirs.read_only, theirs.is_sensitive));
            }
        }
    }
}
