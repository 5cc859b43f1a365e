//! Broker configuration that changes while running (KIP-226): the two dynamic layers, what they make effective, what they may hold.
//!
//! Pure. `broker/` feeds it what `/config/brokers/<id>` and `<default>` hold and publishes the result; `admin/` validates an alteration
//! before it is written. Beware: what ZooKeeper holds is taken leniently (a bad entry is left out, loudly); an alteration strictly.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::broker_config::BrokerConfig;
use super::load::StaticConfig;
use super::not_built;
use super::ops::AlterError;
use super::table::{self, Mode, Type};
use super::value::{self, ConfigError};
use super::values::{ConfigMap, Redacted, Values};

/// What ZooKeeper holds for brokers, raw.
#[derive(Clone, PartialEq, Default)]
pub struct DynamicConfig {
    /// `/config/brokers/<this broker>`: stronger.
    pub per_broker: ConfigMap,
    /// `/config/brokers/<default>`.
    pub default: ConfigMap,
}

impl fmt::Debug for DynamicConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicConfig")
            .field("per_broker", &Redacted(&self.per_broker))
            .field("default", &Redacted(&self.default))
            .finish()
    }
}

/// Which of the two is altered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// One broker.
    Broker,
    /// The default of all.
    Default,
}

/// A broker's configuration with all layers applied.
#[derive(Clone, Debug)]
pub struct Effective {
    /// Typed and checked.
    pub config: Arc<BrokerConfig>,
    /// By key, for DescribeConfigs and topic resolution.
    pub values: Arc<Values>,
    /// One line for each stored entry that was left out.
    pub warnings: Vec<String>,
}

/// Keys that hold key and trust stores: only with a listener's prefix (`SslConfigs.RECONFIGURABLE_CONFIGS`).
const LISTENER_ONLY: &[&str] = &[
    "ssl.keystore.type",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.key.password",
    "ssl.truststore.type",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.truststore.certificates",
];

/// Listener keys that may also be set for all brokers.
const CLUSTER_LISTENER: &[&str] = &["max.connections", "max.connection.creation.rate", "num.network.threads"];

/// Thread pools that may change to between half and double.
const POOLS: &[&str] = &[
    "num.io.threads",
    "num.replica.fetchers",
    "num.recovery.threads.per.data.dir",
    "background.threads",
    "num.network.threads",
];

impl DynamicConfig {
    /// The configuration with these layers over `statics`. A stored entry that may not be dynamic, doesn't parse or whose feature isn't
    /// built is left out with a warning; when the rest doesn't fit together, the layer at fault is left out whole, as Kafka keeps its
    /// last good configuration.
    ///
    /// # Errors
    /// Only when `statics` alone doesn't do, which [`super::load()`] ruled out.
    pub fn effective(&self, statics: &StaticConfig) -> Result<Effective, ConfigError> {
        let mut warnings = Vec::new();
        let default = clean(&self.default, Scope::Default, &mut warnings);
        let per_broker = clean(&self.per_broker, Scope::Broker, &mut warnings);
        let tries: [&[&ConfigMap]; 3] = [&[&default, &per_broker], &[&default], &[]];
        let mut last = None;
        for layers in tries {
            let values = overlay(statics, layers.iter().copied()).0;
            match BrokerConfig::from_values(&values).and_then(servable) {
                Ok(config) => return Ok(Effective { config: Arc::new(config), values: Arc::new(values), warnings }),
                Err(e) => {
                    let who = if layers.len() == 2 { "this broker" } else { "all brokers" };
                    warnings.push(format!("the dynamic configuration of {who} is left out: {e}"));
                    last = Some(e);
                }
            }
        }
        Err(last.unwrap_or_else(|| ConfigError("no configuration".into())))
    }

    /// These layers with one replaced.
    pub fn with(&self, scope: Scope, map: ConfigMap) -> Self {
        match scope {
            Scope::Broker => Self { per_broker: map, default: self.default.clone() },
            Scope::Default => Self { per_broker: self.per_broker.clone(), default: map },
        }
    }
}

/// Values of `statics` under `layers`, weakest first, with the entries that don't parse.
fn overlay<'a>(
    statics: &StaticConfig,
    layers: impl IntoIterator<Item = &'a ConfigMap>,
) -> (Values, Vec<(String, ConfigError)>) {
    let mut raw = statics.raw.clone();
    for layer in layers {
        raw.extend(layer.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    Values::parse_lenient(&raw)
}

/// The entries of a stored layer that count.
fn clean(layer: &ConfigMap, scope: Scope, warnings: &mut Vec<String>) -> ConfigMap {
    let mut kept = ConfigMap::new();
    for (name, text) in layer {
        match entry_problem(name, text, scope) {
            Some(why) => warnings.push(format!("dynamic configuration {name} is left out: {why}")),
            None => drop(kept.insert(name.clone(), text.clone())),
        }
    }
    kept
}

fn entry_problem(name: &str, text: &str, scope: Scope) -> Option<String> {
    let base = table::listener_base(name);
    let key = table::get_dynamic(base.unwrap_or(name))?;
    if base.is_none() && key.mode == Mode::ReadOnly {
        return Some("it needs a restart".into());
    }
    if base.is_none() && LISTENER_ONLY.contains(&name) {
        return Some("it needs a listener's prefix".into());
    }
    if scope == Scope::Default && per_broker_only(name) {
        return Some("it can't be set for all brokers".into());
    }
    if key.ty == Type::Password {
        return Some("changing it while running is not supported yet".into());
    }
    match value::parse(key, name, text) {
        Ok(value) => not_built::refuses(key.name, &value).map(|missing| format!("Ottla has no {missing}")),
        Err(e) => Some(e.to_string()),
    }
}

/// May `name` stand only at one broker?
fn per_broker_only(name: &str) -> bool {
    match table::listener_base(name) {
        Some(base) => !CLUSTER_LISTENER.contains(&base),
        None => table::get(name).is_some_and(|key| key.mode == Mode::PerBroker),
    }
}

/// May `map` replace the layer `scope` of `current`? Nothing is written here. The texts are Kafka's, the code of all is INVALID_REQUEST.
///
/// # Errors
/// Read-only keys, key stores without a listener's prefix, bad values, per-broker keys for all brokers, what is not built, settings that
/// don't fit together, a thread pool changed past half or double.
pub fn validate_alter(
    statics: &StaticConfig,
    current: &DynamicConfig,
    scope: Scope,
    map: &ConfigMap,
) -> Result<(), AlterError> {
    let read_only = |name: &str| table::get(name).is_some_and(|key| key.mode == Mode::ReadOnly);
    refuse_names(map, read_only, "Cannot update these configs dynamically")?;
    let bare_store = |name: &str| LISTENER_ONLY.contains(&name);
    let why = "These security configs can be dynamically updated only per-listener using the listener prefix";
    refuse_names(map, bare_store, why)?;
    for (name, text) in map {
        let base = table::listener_base(name).unwrap_or(name);
        if let Some(key) = table::get_dynamic(base) {
            // Kafka takes the prefix off before it validates, so its error names the bare key.
            let value = value::parse(key, base, text).map_err(|e| AlterError::request(e.to_string()))?;
            if let Some(missing) = not_built::refuses(key.name, &value) {
                return Err(AlterError::request(format!("{name} is not supported yet: Ottla has no {missing}")));
            }
        }
    }
    if scope == Scope::Default {
        let why = "Cannot update these configs at default cluster level, broker id must be specified";
        refuse_names(map, per_broker_only, why)?;
    }
    let missing = |name: &str| {
        let base = table::listener_base(name).unwrap_or(name);
        table::get_dynamic(base).is_some_and(|key| key.ty == Type::Password)
    };
    refuse_changed(map, current, scope, missing)?;
    fits(statics, current, scope, map)
}

/// Names as Scala prints a set.
fn refuse_names(map: &ConfigMap, bad: impl Fn(&str) -> bool, why: &str) -> Result<(), AlterError> {
    let names: BTreeSet<&str> = map.keys().map(String::as_str).filter(|name| bad(name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = names.into_iter().collect();
    Err(AlterError::request(format!("{why}: Set({})", names.join(", "))))
}

/// What Kafka could change but Ottla can't yet. An entry that is already there, unchanged, may stay.
fn refuse_changed(
    map: &ConfigMap,
    current: &DynamicConfig,
    scope: Scope,
    missing: impl Fn(&str) -> bool,
) -> Result<(), AlterError> {
    let old = if scope == Scope::Broker { &current.per_broker } else { &current.default };
    match map.iter().find(|(name, text)| missing(name) && old.get(*name) != Some(*text)) {
        Some((name, _)) => Err(AlterError::request(format!(
            "{name} cannot be changed dynamically in Ottla yet: set it in the properties file and restart"
        ))),
        None => Ok(()),
    }
}

/// Would the whole configuration still do?
fn fits(statics: &StaticConfig, current: &DynamicConfig, scope: Scope, map: &ConfigMap) -> Result<(), AlterError> {
    let refuse = |e: ConfigError| AlterError::request(e.to_string());
    let Effective { config: old_config, values: old, .. } = current.effective(statics).map_err(refuse)?;
    let new = current.with(scope, map.clone());
    let (values, _) = overlay(statics, [&new.default, &new.per_broker]);
    let config = BrokerConfig::from_values(&values).and_then(servable).map_err(refuse)?;
    listeners_stay(&old_config, &config).map_err(AlterError::request)?;
    listener_settings_stay(&config, &old, &values).map_err(AlterError::request)?;
    for name in POOLS {
        pool(name, old.int(name), values.int(name)).map_err(AlterError::request)?;
    }
    cleaner_threads(old.int("log.cleaner.threads"), values.int("log.cleaner.threads")).map_err(AlterError::request)
}

/// Only what can be served may take effect.
fn servable(config: BrokerConfig) -> Result<BrokerConfig, ConfigError> {
    match not_built::refused_listeners(&config).into_iter().next() {
        Some((listener, missing)) => {
            Err(ConfigError(format!("listeners={listener} is not supported yet: Ottla has no {missing}")))
        }
        None => Ok(config),
    }
}

/// Listeners come and go by name; one that stays keeps its protocol (`DynamicListenerConfig.validateReconfiguration`) and its address,
/// which Kafka would advertise anew without listening there.
fn listeners_stay(old: &BrokerConfig, new: &BrokerConfig) -> Result<(), String> {
    for was in &old.listeners {
        let Some(is) = new.listener(&was.name) else { continue };
        if was.protocol != is.protocol {
            return Err(format!("Security protocol cannot be updated for existing listener {}", was.name));
        }
        if (&was.host, was.port) != (&is.host, is.port) {
            return Err(format!(
                "The address of the existing listener {} cannot be updated from {was} to {is}: restart the broker, or add a listener \
                 of another name",
                was.name
            ));
        }
    }
    Ok(())
}

/// What belongs to a listener that is there may change only where Kafka says so.
fn listener_settings_stay(config: &BrokerConfig, old: &Values, new: &Values) -> Result<(), String> {
    let fixed = |values: &Values| -> BTreeMap<String, value::Value> {
        let is_fixed = |name: &str| {
            let key = table::listener_base(name).and_then(table::get_dynamic);
            key.is_some_and(|key| key.mode == Mode::ReadOnly)
        };
        let found = values.listener_values().filter(|(name, _)| is_fixed(name));
        found.map(|(name, value)| (name.to_owned(), value.clone())).collect()
    };
    let (old, new) = (fixed(old), fixed(new));
    let changed = |name: &&String| old.get(*name) != new.get(*name);
    for name in old.keys().chain(new.keys()).filter(changed) {
        let listener = table::listener_prefix(name).map_or("", |(listener, _)| listener).to_uppercase();
        if config.listener(&listener).is_some() {
            return Err(format!(
                "Configs cannot be updated dynamically for existing listener {listener}, restart broker or create a new listener for update"
            ));
        }
    }
    Ok(())
}

/// A pool may shrink to half and grow to double in one step (`DynamicThreadPool`).
fn pool(name: &str, old: i32, new: i32) -> Result<(), String> {
    let fail = |why: String| Err(format!("Dynamic thread count update validation failed for {name}={new}, {why}"));
    match new {
        _ if new == old => Ok(()),
        ..=0 => fail("value should be at least 1".into()),
        _ if new < old / 2 => fail(format!("value should be at least half the current value {old}")),
        _ if i64::from(new) > i64::from(old) * 2 => {
            fail(format!("value should not be greater than double the current value {old}"))
        }
        _ => Ok(()),
    }
}

/// The same rule in the log cleaner's own words (`LogCleaner.validateReconfiguration`).
fn cleaner_threads(old: i32, new: i32) -> Result<(), String> {
    match new {
        _ if new == old => Ok(()),
        ..=0 => Err("Log cleaner threads should be at least 1".into()),
        _ if new < old / 2 => {
            Err(format!("Log cleaner threads cannot be reduced to less than half the current value {old}"))
        }
        _ if i64::from(new) > i64::from(old) * 2 => {
            Err(format!("Log cleaner threads cannot be increased to more than double the current value {old}"))
        }
        _ => Ok(()),
    }
}
