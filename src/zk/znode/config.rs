//! `/config/<type>/<name>`: dynamic configuration of a topic, client, user, broker or IP address.
//!
//! Names of clients and users are percent-encoded in the path; the default of a type is the literal `<default>`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::sanitize::sanitize;
use super::{ZnodeError, parse, print};
use crate::base::BrokerId;

/// The root.
pub const PATH: &str = "/config";
/// The node name of a type's default.
pub const DEFAULT: &str = "<default>";

/// A type of entity that can be configured.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ConfigType {
    /// Topics.
    Topics,
    /// Client ids (quotas).
    Clients,
    /// Users (quotas, SCRAM), and clients of a user.
    Users,
    /// Brokers.
    Brokers,
    /// IP addresses (connection rates).
    Ips,
}

impl ConfigType {
    /// All of them.
    pub const ALL: [ConfigType; 5] = [Self::Topics, Self::Clients, Self::Users, Self::Brokers, Self::Ips];

    /// Its node name.
    pub fn name(self) -> &'static str {
        match self {
            ConfigType::Topics => "topics",
            ConfigType::Clients => "clients",
            ConfigType::Users => "users",
            ConfigType::Brokers => "brokers",
            ConfigType::Ips => "ips",
        }
    }

    /// The type of a node name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// The node above all entities of the type.
    pub fn path(self) -> String {
        format!("{PATH}/{}", self.name())
    }
}

/// Something that has a configuration, by its path below `/config`, for instance `users/alice/clients/app`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConfigEntity {
    kind: ConfigType,
    path: String,
}

impl ConfigEntity {
    /// A topic.
    pub fn topic(name: &str) -> Self {
        Self::of(ConfigType::Topics, name)
    }

    /// A client id, or the default for all.
    pub fn client(id: Option<&str>) -> Self {
        Self::of(ConfigType::Clients, &node_name(id))
    }

    /// A user, or the default for all.
    pub fn user(name: Option<&str>) -> Self {
        Self::of(ConfigType::Users, &node_name(name))
    }

    /// A client id of a user; either may be the default.
    pub fn user_client(user: Option<&str>, client: Option<&str>) -> Self {
        Self::of(ConfigType::Users, &format!("{}/clients/{}", node_name(user), node_name(client)))
    }

    /// A broker, or the default for all.
    pub fn broker(id: Option<BrokerId>) -> Self {
        Self::of(ConfigType::Brokers, &id.map_or_else(|| DEFAULT.to_owned(), |id| id.to_string()))
    }

    /// An IP address, or the default for all.
    pub fn ip(address: Option<&str>) -> Self {
        Self::of(ConfigType::Ips, &node_name(address))
    }

    fn of(kind: ConfigType, name: &str) -> Self {
        Self { kind, path: format!("{}/{name}", kind.name()) }
    }

    /// An entity by its path below `/config`, as change notifications name it. None for a path of another shape, which must not
    /// become a path to something else.
    pub fn from_entity_path(path: &str) -> Option<Self> {
        let mut parts = path.split('/');
        let kind = ConfigType::from_name(parts.next()?)?;
        let rest: Vec<&str> = parts.collect();
        let shape = match rest.as_slice() {
            [name] => !name.is_empty(),
            [user, "clients", client] => kind == ConfigType::Users && !user.is_empty() && !client.is_empty(),
            _ => false,
        };
        let dots = rest.iter().any(|name| matches!(*name, "." | ".."));
        (shape && !dots).then(|| Self { kind, path: path.to_owned() })
    }

    /// Its type.
    pub fn kind(&self) -> ConfigType {
        self.kind
    }

    /// Its node name below its type: `alice/clients/app` of `users/alice/clients/app`; encoded.
    pub fn name(&self) -> &str {
        self.path.split_once('/').map_or("", |(_, name)| name)
    }

    /// Its path below `/config`, as change notifications name it.
    pub fn entity_path(&self) -> &str {
        &self.path
    }

    /// Its node.
    pub fn path(&self) -> String {
        format!("{PATH}/{}", self.path)
    }
}

fn node_name(name: Option<&str>) -> String {
    name.map_or_else(|| DEFAULT.to_owned(), sanitize)
}

/// Keys and values in the order of the node (Kafka writes a hash map's order, which nobody may depend on).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConfigMap(Vec<(String, String)>);

impl ConfigMap {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// Sets a key, in its place when it is there, else at the end.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        let (key, value) = (key.into(), value.into());
        match self.0.iter_mut().find(|(k, _)| *k == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key, value)),
        }
    }

    /// Removes a key and says its value.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        let at = self.0.iter().position(|(k, _)| k == key)?;
        Some(self.0.remove(at).1)
    }

    /// All keys with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// No key is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many keys are set.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// As a sorted map.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.0.iter().cloned().collect()
    }

    /// The node's data.
    pub fn encode(&self) -> Bytes {
        let config: Map<String, Value> = self.0.iter().map(|(k, v)| (k.clone(), v.clone().into())).collect();
        let mut json = Map::new();
        json.insert("version".into(), 1.into());
        json.insert("config".into(), Value::Object(config));
        print(&json)
    }

    /// Reads the node at `path`; no data is no keys.
    ///
    /// # Errors
    /// When it is not that JSON, or a value is no text.
    pub fn decode(path: &str, data: &[u8]) -> Result<Self, ZnodeError> {
        #[derive(Deserialize)]
        struct Read {
            version: i32,
            #[serde(default)]
            config: Map<String, Value>,
        }
        if data.is_empty() {
            return Ok(Self::default());
        }
        let json: Read = parse(path, data)?;
        if json.version != 1 {
            return Err(ZnodeError::new(path, format!("version {}", json.version), data));
        }
        let text = |(key, value): (String, Value)| match value {
            Value::String(value) => Ok((key, value)),
            _ => Err(ZnodeError::new(path, format!("the value of {key} is not text"), data)),
        };
        json.config.into_iter().map(text).collect::<Result<_, _>>().map(Self)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for ConfigMap {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut map = Self::new();
        for (key, value) in pairs {
            map.set(key, value);
        }
        map
    }
}
