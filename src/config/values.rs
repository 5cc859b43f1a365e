//! Layers of raw texts and the typed values of every key under them.
//!
//! [`ConfigMap`] is what a file or a znode holds; [`Values`] is all of it parsed, unknown keys left out. [`super::broker_config`] turns
//! values into the plain struct the broker reads; nothing else should ask for a key by name at run time.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::table::{self, Key};
use super::value::{self, ConfigError, Value};

/// Raw keys and texts: what a properties file or a config znode holds.
pub type ConfigMap = BTreeMap<String, String>;

/// Raw settings for `Debug`: what may be secret (passwords, keys nobody knows) shows its name only.
pub(in crate::config) struct Redacted<'a>(pub &'a ConfigMap);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |name: &str| {
            let key = table::get_dynamic(table::listener_base(name).unwrap_or(name));
            key.is_some_and(|key| !key.sensitive())
        };
        let entry = |(name, text): (&'_ String, &'_ String)| {
            (name.clone(), if shown(name) { text.clone() } else { "[hidden]".into() })
        };
        f.debug_map().entries(self.0.iter().map(entry)).finish()
    }
}

/// Every known key's typed value; unset keys have their default.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Values {
    set: HashMap<&'static str, Value>,
    /// `listener.name.<listener>.<...>` by full name, parsed as the key it overrides.
    listener: BTreeMap<String, Value>,
}

impl Values {
    /// Parses and checks every known key of `raw`.
    ///
    /// # Errors
    /// All bad values, in the order of their names.
    pub fn parse(raw: &ConfigMap) -> Result<Self, Vec<ConfigError>> {
        let (values, errors) = Self::parse_lenient(raw);
        if errors.is_empty() { Ok(values) } else { Err(errors.into_iter().map(|(_, e)| e).collect()) }
    }

    /// Like [`Values::parse`], but a bad value is left out and returned beside, with its key.
    pub fn parse_lenient(raw: &ConfigMap) -> (Self, Vec<(String, ConfigError)>) {
        let mut values = Self::default();
        let mut errors = Vec::new();
        for (name, text) in raw {
            let prefixed = table::listener_base(name);
            let Some(key) = table::get_dynamic(prefixed.unwrap_or(name)) else { continue };
            match value::parse(key, name, text) {
                Ok(value) if prefixed.is_some() => drop(values.listener.insert(name.clone(), value)),
                Ok(value) => drop(values.set.insert(key.name, value)),
                Err(e) => errors.push((name.clone(), e)),
            }
        }
        (values, errors)
    }

    /// Was `name` set?
    pub fn is_set(&self, name: &str) -> bool {
        self.set.contains_key(name)
    }

    /// The value of a key of the table; its default when unset.
    pub fn get(&self, key: &Key) -> Value {
        self.set.get(key.name).cloned().unwrap_or_else(|| value::default_of(key))
    }

    /// The value of `name`, and null for a name that is not in the table.
    pub fn by_name(&self, name: &str) -> Value {
        debug_assert!(table::get_dynamic(name).is_some(), "no such key: {name}");
        table::get_dynamic(name).map_or(Value::Null, |key| self.get(key))
    }

    /// The value of `name` on `listener` (any case): `listener.name.<listener>.<name>`, else the plain key.
    pub fn for_listener(&self, listener: &str, name: &str) -> Value {
        let prefixed = format!("listener.name.{}.{name}", listener.to_lowercase());
        self.listener.get(&prefixed).cloned().unwrap_or_else(|| self.by_name(name))
    }

    /// Listener-prefixed values by full name.
    pub fn listener_values(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.listener.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// A boolean key; false when null.
    pub fn bool(&self, name: &str) -> bool {
        matches!(self.by_name(name), Value::Bool(true))
    }

    /// An int or short key; `None` when null.
    pub fn opt_int(&self, name: &str) -> Option<i32> {
        match self.by_name(name) {
            Value::Int(v) => Some(v),
            Value::Short(v) => Some(v.into()),
            _ => None,
        }
    }

    /// An int or short key; 0 when null.
    pub fn int(&self, name: &str) -> i32 {
        self.opt_int(name).unwrap_or(0)
    }

    /// A long or int key; `None` when null.
    pub fn opt_long(&self, name: &str) -> Option<i64> {
        match self.by_name(name) {
            Value::Long(v) => Some(v),
            Value::Int(v) => Some(v.into()),
            _ => None,
        }
    }

    /// A long or int key; 0 when null.
    pub fn long(&self, name: &str) -> i64 {
        self.opt_long(name).unwrap_or(0)
    }

    /// A double key; 0 when null.
    pub fn double(&self, name: &str) -> f64 {
        if let Value::Double(v) = self.by_name(name) { v } else { 0.0 }
    }

    /// A string or class key; `None` when null.
    pub fn opt_str(&self, name: &str) -> Option<String> {
        match self.by_name(name) {
            Value::Str(v) | Value::Class(v) => Some(v),
            _ => None,
        }
    }

    /// A string or class key; empty when null.
    pub fn str(&self, name: &str) -> String {
        self.opt_str(name).unwrap_or_default()
    }

    /// A list key; empty when null.
    pub fn list(&self, name: &str) -> Vec<String> {
        if let Value::List(v) = self.by_name(name) { v } else { Vec::new() }
    }

    /// `log.retention.ms` > `.minutes` > `.hours`; any negative is -1.
    pub fn log_retention_ms(&self) -> i64 {
        let ms = match (self.opt_long("log.retention.ms"), self.opt_int("log.retention.minutes")) {
            (Some(ms), _) => ms,
            (None, Some(minutes)) => i64::from(minutes) * 60_000,
            (None, None) => self.long("log.retention.hours") * 3_600_000,
        };
        ms.max(-1)
    }

    /// `log.roll.ms` > `.hours`.
    pub fn log_roll_ms(&self) -> i64 {
        self.opt_long("log.roll.ms").unwrap_or_else(|| self.long("log.roll.hours") * 3_600_000)
    }

    /// `log.roll.jitter.ms` > `.hours`.
    pub fn log_roll_jitter_ms(&self) -> i64 {
        self.opt_long("log.roll.jitter.ms").unwrap_or_else(|| self.long("log.roll.jitter.hours") * 3_600_000)
    }

    /// `log.flush.interval.ms` > `log.flush.scheduler.interval.ms`.
    pub fn log_flush_ms(&self) -> i64 {
        self.opt_long("log.flush.interval.ms").unwrap_or_else(|| self.long("log.flush.scheduler.interval.ms"))
    }
}
