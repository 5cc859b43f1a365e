//! What DescribeConfigs answers for a topic, a broker and the cluster default (Kafka's `ConfigHelper`).
//!
//! Pure: `api/config` filters by the names asked for and drops synonyms and documentation the request didn't want. Topic entries come in
//! Kafka's constant order, broker entries by name. A synonym list starts at the key's own name, so that stronger names of the same
//! setting (`log.retention.ms` before `.hours`) don't show, and a key whose own name is set nowhere has none.

use super::dynamic::DynamicConfig;
use super::load::StaticConfig;
use super::loggers::{Level, Loggers};
use super::table::{self, Mode};
use super::topic;
use super::value::{self, Value};
use super::values::{ConfigMap, Values};

/// Where a value comes from; the number goes on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(i8)]
pub enum Source {
    /// A topic's override.
    Topic = 1,
    /// `/config/brokers/<id>`.
    DynamicBroker = 2,
    /// `/config/brokers/<default>`.
    DynamicDefault = 3,
    /// File, environment, override at start.
    Static = 4,
    /// Kafka's default.
    Default = 5,
    /// The level of a logger.
    Logger = 6,
}

impl Source {
    /// The number on the wire.
    pub fn code(self) -> i8 {
        self as i8
    }

    /// Kafka's name, as the tools print it.
    pub fn name(self) -> &'static str {
        match self {
            Source::Topic => "DYNAMIC_TOPIC_CONFIG",
            Source::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
            Source::DynamicDefault => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            Source::Static => "STATIC_BROKER_CONFIG",
            Source::Default => "DEFAULT_CONFIG",
            Source::Logger => "DYNAMIC_BROKER_LOGGER_CONFIG",
        }
    }
}

/// One place a key's value stands, strongest first in [`Entry::synonyms`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Synonym {
    /// The name it stands under.
    pub name: String,
    /// `None` when sensitive.
    pub value: Option<String>,
    /// Which layer.
    pub source: Source,
}

/// One described key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Key.
    pub name: String,
    /// `None`: null, or sensitive.
    pub value: Option<String>,
    /// Not changeable while running.
    pub read_only: bool,
    /// The strongest synonym's, else [`Source::Default`].
    pub source: Source,
    /// Never shown.
    pub sensitive: bool,
    /// Every place the value stands.
    pub synonyms: Vec<Synonym>,
    /// [`table::Type::wire_code`]; 0 for a key nobody knows.
    pub config_type: i8,
    /// One line; `None` for a key nobody knows.
    pub documentation: Option<String>,
}

/// All keys of a topic with `overrides` (what `/config/topics/<t>` holds), in Kafka's order.
pub fn topic(statics: &StaticConfig, dynamic: &DynamicConfig, broker: &Values, overrides: &ConfigMap) -> Vec<Entry> {
    let (values, _) = topic::resolve(broker, overrides);
    let entries = values.into_iter().map(|(key, value)| {
        let text = value.text();
        let mut found = key.broker.map_or_else(Vec::new, |name| synonyms(statics, dynamic, name, false));
        if overrides.contains_key(key.name) {
            found.insert(0, Synonym { name: key.name.into(), value: text.clone(), source: Source::Topic });
        }
        Entry {
            name: key.name.into(),
            value: text,
            read_only: false,
            source: found.first().map_or(Source::Default, |s| s.source),
            sensitive: false,
            synonyms: found,
            config_type: key.ty.wire_code(),
            documentation: Some(key.doc.into()),
        }
    });
    entries.collect()
}

/// All keys of this broker: the described keys of the table and whatever else any layer sets, by name. `broker` are the effective values.
pub fn broker(statics: &StaticConfig, dynamic: &DynamicConfig, broker: &Values) -> Vec<Entry> {
    let mut names: Vec<&str> = table::all().filter(|k| !k.internal).map(|k| k.name).collect();
    let layers = [&statics.raw, &dynamic.default, &dynamic.per_broker];
    names.extend(layers.into_iter().flatten().map(|(name, _)| name.as_str()));
    names.sort_unstable();
    names.dedup();
    let described = |name: &str| {
        let value = match table::get(name) {
            Some(key) => broker.get(key).text(),
            // Not a key of the file's table: shown as written in the strongest layer.
            None => layers.iter().rev().find_map(|layer| layer.get(name)).cloned(),
        };
        broker_entry(statics, dynamic, name, value, true)
    };
    names.into_iter().map(described).collect()
}

/// What is set for all brokers at once (`/config/brokers/<default>`), by name.
pub fn cluster_default(statics: &StaticConfig, dynamic: &DynamicConfig) -> Vec<Entry> {
    let described = |(name, text): (&String, &String)| broker_entry(statics, dynamic, name, Some(text.clone()), false);
    dynamic.default.iter().map(described).collect()
}

/// The level of every logger of this broker, by name. Kafka tells neither type nor documentation of them.
pub fn loggers(loggers: &Loggers) -> Vec<Entry> {
    let entry = |(name, level): (&str, Level)| Entry {
        name: name.into(),
        value: Some(level.name().into()),
        read_only: false,
        source: Source::Logger,
        sensitive: false,
        synonyms: Vec::new(),
        config_type: 0,
        documentation: None,
    };
    loggers.levels().into_iter().map(entry).collect()
}

fn broker_entry(
    statics: &StaticConfig,
    dynamic: &DynamicConfig,
    name: &str,
    value: Option<String>,
    per_broker: bool,
) -> Entry {
    let key = table::get_dynamic(name).or_else(|| table::get_dynamic(table::listener_base(name)?));
    // A key nobody knows may be anything: Kafka hides it.
    let sensitive = key.is_none_or(table::Key::sensitive);
    let mut found = synonyms(statics, dynamic, name, sensitive);
    if !per_broker {
        found.retain(|s| s.source == Source::DynamicDefault);
    }
    // By its exact name: a listener-prefixed key is not in Kafka's list of dynamic ones, nor are the throttles.
    let read_only = table::get(name).is_none_or(|k| k.mode == Mode::ReadOnly);
    Entry {
        name: name.into(),
        value: value.filter(|_| !sensitive),
        read_only,
        source: found.first().map_or(Source::Default, |s| s.source),
        sensitive,
        synonyms: found,
        config_type: key.map_or(0, |k| k.ty.wire_code()),
        documentation: key.map(|k| k.doc.into()),
    }
}

/// Every layer's value of every name of a broker key, from the key's own name on.
fn synonyms(statics: &StaticConfig, dynamic: &DynamicConfig, name: &str, sensitive: bool) -> Vec<Synonym> {
    let names = table::synonyms(name);
    let layers = [
        (Source::DynamicBroker, &dynamic.per_broker),
        (Source::DynamicDefault, &dynamic.default),
        (Source::Static, &statics.raw),
    ];
    let mut found: Vec<Synonym> = Vec::new();
    let mut add = |name: &str, text: String, source| {
        found.push(Synonym { name: name.into(), value: (!sensitive).then_some(text), source });
    };
    for (source, layer) in layers {
        for name in &names {
            if let Some(text) = layer.get(*name) {
                add(name, text.clone(), source);
            }
        }
    }
    for name in &names {
        // Only what the file's table knows has a default to show.
        let default = table::get(name).map_or(Value::Null, value::default_of);
        if let Some(text) = default.text() {
            add(name, text, Source::Default);
        }
    }
    found.drain(..).skip_while(|s| s.name != name).collect()
}
