//! Start-up: the layers of a broker's configuration, put on top of each other by the crate `config`, then parsed, checked and warned about.
//!
//! File < environment (`KAFKA_CFG_LOG_DIRS` is `log.dirs`) < `--override key=value`. Beware: the crate takes a dot in a key for a path
//! (`broker.id` and `broker.id.generation.enable` would overwrite each other), so keys go in escaped, from a source of our own.

use std::fmt;

use config::{Map, Source, ValueKind};

use super::broker_config::BrokerConfig;
use super::not_built;
use super::properties::Properties;
use super::table::{self, Effect};
use super::value::ConfigError;
use super::values::{ConfigMap, Redacted, Values};

/// Where a broker's configuration comes from.
#[derive(Clone, Default)]
pub struct Sources {
    /// The properties file.
    pub file: Properties,
    /// The process's environment; only the names below are looked at.
    pub env: Vec<(String, String)>,
    /// Also take plain `KAFKA_LOG_DIRS`, as Kafka's container does.
    pub plain_kafka_env: bool,
    /// `--override key=value`, in order.
    pub overrides: Vec<(String, String)>,
}

/// What a broker starts with.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Typed and checked.
    pub config: BrokerConfig,
    /// As texts: what dynamic changes are laid upon and DescribeConfigs shows.
    pub statics: StaticConfig,
    /// One line each: unknown keys, keys without effect here.
    pub warnings: Vec<String>,
}

/// What was set at start, by any layer, unknown keys included.
#[derive(Clone, PartialEq, Default)]
pub struct StaticConfig {
    /// Key to text, as written.
    pub raw: ConfigMap,
}

impl fmt::Debug for StaticConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticConfig").field("raw", &Redacted(&self.raw)).finish()
    }
}

/// Everything that keeps a broker from starting.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct LoadError {
    /// One line each; never empty.
    pub errors: Vec<ConfigError>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl From<ConfigError> for LoadError {
    fn from(error: ConfigError) -> Self {
        Self { errors: vec![error] }
    }
}

/// Environment names that Kafka's scripts and container read for themselves.
const SCRIPT_ENV: &[&str] = &[
    "KAFKA_VERSION",
    "KAFKA_HOME",
    "KAFKA_OPTS",
    "KAFKA_DEBUG",
    "KAFKA_HEAP_OPTS",
    "KAFKA_LOG4J_OPTS",
    "KAFKA_LOG4J_ROOT_LOGLEVEL",
    "KAFKA_LOG4J_LOGGERS",
    "KAFKA_TOOLS_LOG4J_LOGLEVEL",
    "KAFKA_JMX_OPTS",
    "KAFKA_JMX_HOSTNAME",
    "KAFKA_JMX_PORT",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_GC_LOG_OPTS",
];

/// The prefix of environment names that are always taken.
const ENV_PREFIX: &str = "KAFKA_CFG_";
/// The prefix of those taken when asked for; weaker.
const PLAIN_PREFIX: &str = "KAFKA_";

/// Puts the layers together.
///
/// # Errors
/// Every bad value, every refused setting, or the first pair of settings that don't go together.
pub fn load(sources: &Sources) -> Result<Loaded, LoadError> {
    let raw = layer(sources)?;
    let statics = StaticConfig::new(raw);
    let values = Values::parse(&statics.raw).map_err(|errors| LoadError { errors })?;
    same_broker_id(&values)?;
    let config = BrokerConfig::from_values(&values)?;
    let errors = not_built::refusals(&statics.raw, &values, &config);
    if !errors.is_empty() {
        return Err(LoadError { errors });
    }
    let warnings = warnings(&statics.raw, &values, &config);
    Ok(Loaded { config, statics, warnings })
}

impl StaticConfig {
    /// Of raw settings. `broker.id` and `node.id` are one setting: where one is set, both are, as Kafka shows them.
    pub fn new(mut raw: ConfigMap) -> Self {
        for (from, to) in [("broker.id", "node.id"), ("node.id", "broker.id")] {
            if let (Some(id), None) = (raw.get(from).cloned(), raw.get(to)) {
                raw.insert(to.into(), id);
            }
        }
        Self { raw }
    }

    /// The typed values, bad ones left out: [`load`] saw to it that there are none.
    pub fn values(&self) -> Values {
        Values::parse_lenient(&self.raw).0
    }
}

fn same_broker_id(values: &Values) -> Result<(), ConfigError> {
    let (broker, node) = (values.int("broker.id"), values.int("node.id"));
    if broker == node {
        return Ok(());
    }
    Err(ConfigError(format!("You must set `node.id` to the same value as `broker.id`: they are {node} and {broker}.")))
}

/// The raw settings of all layers, by the crate `config`.
fn layer(sources: &Sources) -> Result<ConfigMap, LoadError> {
    let file = sources.file.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let env = |prefix: &str| {
        let mut found: Vec<(String, String)> =
            sources.env.iter().filter_map(|(k, v)| Some((env_key(k, prefix)?, v.clone()))).collect();
        // The environment has no order: two names of one key must not depend on chance.
        found.sort();
        Flat(found)
    };
    let plain = if sources.plain_kafka_env { env(PLAIN_PREFIX) } else { Flat(Vec::new()) };
    let built = config::Config::builder()
        .add_source(Flat(file))
        .add_source(plain)
        .add_source(env(ENV_PREFIX))
        .add_source(Flat(sources.overrides.clone()))
        .build();
    let merged = built.and_then(|config| config.collect()).map_err(|e| ConfigError(e.to_string()))?;
    merged
        .into_iter()
        .map(|(key, value)| match (unescape(&key), value.into_string()) {
            (Some(key), Ok(text)) => Ok((key, text)),
            (key, _) => Err(ConfigError(format!("unreadable setting {}", key.unwrap_or_default())).into()),
        })
        .collect()
}

/// The key an environment name stands for. `_` is a dot, `__` an underscore, `___` a dash, as in Kafka's container.
fn env_key(name: &str, prefix: &str) -> Option<String> {
    let rest = name.strip_prefix(prefix).filter(|rest| !rest.is_empty())?;
    if prefix == PLAIN_PREFIX && (name.starts_with(ENV_PREFIX) || SCRIPT_ENV.contains(&name)) {
        return None;
    }
    let key = rest.to_lowercase().replace("___", "-").replace("__", "\0").replace('_', ".").replace('\0', "_");
    // A key with capitals can't be spelled in the environment: `zookeeper.clientCnxnSocket`.
    Some(table::all().find(|k| k.name.eq_ignore_ascii_case(&key)).map_or(key, |k| k.name.to_owned()))
}

/// A layer as the crate takes it: flat, keys escaped, all values text.
#[derive(Clone, Debug)]
struct Flat(Vec<(String, String)>);

impl Source for Flat {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, config::Value>, config::ConfigError> {
        let text = |v: &String| config::Value::new(None, ValueKind::String(v.clone()));
        Ok(self.0.iter().map(|(k, v)| (escape(k), text(v))).collect())
    }
}

/// Letters and digits stay, every other byte becomes `_` and two hexadecimal digits; `k` in front keeps an empty key a key.
fn escape(key: &str) -> String {
    let mut out = String::from("k");
    for byte in key.bytes() {
        match byte.is_ascii_alphanumeric() {
            true => out.push(byte.into()),
            false => out.push_str(&format!("_{byte:02x}")),
        }
    }
    out
}

fn unescape(escaped: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.strip_prefix('k')?.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'_' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// Settings of other parts of Kafka that stand in the same file without being the broker's.
const FOREIGN: &[&str] = &["super.users", "allow.everyone.if.no.acl.found"];

fn warnings(raw: &ConfigMap, values: &Values, config: &BrokerConfig) -> Vec<String> {
    let mut found = Vec::new();
    for name in raw.keys() {
        let base = table::listener_base(name).unwrap_or(name);
        let Some(key) = table::get_dynamic(base) else {
            match FOREIGN.contains(&base) || base.starts_with("authorizer.") {
                true => found.push(format!("{name}: no effect here: no authorizer is configured")),
                false => found.push(format!("{name}: unknown configuration, ignored")),
            }
            continue;
        };
        // A value equal to the default changes nothing: stock files spell out many.
        let changed = table::listener_base(name).is_some() || values.get(key) != super::value::default_of(key);
        let read = not_built::has_secure_listener(config) && key.effect == Effect::NoEffect(table::SECURE);
        if let Effect::NoEffect(why) = not_built::effect(key)
            && changed
            && !read
        {
            found.push(format!("{name}: no effect here: {why}"));
        }
    }
    found
}

/// `key=value` of `--override`.
///
/// # Errors
/// No `=`, or nothing before it.
pub fn parse_override(text: &str) -> Result<(String, String), ConfigError> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err(ConfigError(format!("--override wants key=value, not `{text}`"))),
    }
}
