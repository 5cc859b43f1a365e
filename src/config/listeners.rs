//! Listener strings: `listeners`, `advertised.listeners`, the security protocol map, and which listener brokers use among themselves.
//!
//! Pure parsing with Kafka's error texts; opening sockets is `server/`'s. Names are upper case, as Kafka normalises them.

use std::collections::BTreeMap;
use std::fmt;

use super::value::{ConfigError, Value};
use super::values::Values;

/// How bytes travel and who is asked for credentials.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum SecurityProtocol {
    /// Neither.
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL without TLS.
    SaslPlaintext,
    /// SASL within TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    /// The number in inter-broker requests (`SecurityProtocol.id`).
    pub fn id(self) -> i16 {
        match self {
            Self::Plaintext => 0,
            Self::Ssl => 1,
            Self::SaslPlaintext => 2,
            Self::SaslSsl => 3,
        }
    }

    /// The protocol of a number.
    pub fn from_id(id: i16) -> Option<Self> {
        ALL.into_iter().find(|p| p.id() == id)
    }

    /// The protocol of a name, any case.
    pub fn from_name(name: &str) -> Option<Self> {
        ALL.into_iter().find(|p| p.name().eq_ignore_ascii_case(name))
    }
}

const ALL: [SecurityProtocol; 4] =
    [SecurityProtocol::Plaintext, SecurityProtocol::Ssl, SecurityProtocol::SaslPlaintext, SecurityProtocol::SaslSsl];

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One `NAME://host:port`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listener {
    /// Upper case.
    pub name: String,
    /// `None`: all addresses when listening; when advertised, the machine's own name.
    pub host: Option<String>,
    /// 0: any free port.
    pub port: u16,
    /// From the map.
    pub protocol: SecurityProtocol,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or("");
        match host.contains(':') {
            true => write!(f, "{}://[{host}]:{}", self.name, self.port),
            false => write!(f, "{}://{host}:{}", self.name, self.port),
        }
    }
}

/// The listeners of a broker, checked against each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listeners {
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// What it tells clients.
    pub advertised: Vec<Listener>,
    /// Name of the listener brokers use among themselves.
    pub inter_broker: String,
    /// Name of the listener for the controller's requests only.
    pub control_plane: Option<String>,
}

/// What one listener may have: its own values, else those of all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListenerLimits {
    /// `listener.name.<l>.max.connections`.
    pub max_connections: i32,
    /// `listener.name.<l>.max.connection.creation.rate`, a second.
    pub max_connection_creation_rate: i32,
}

/// `NAME:PROTOCOL,...`.
///
/// # Errors
/// A pair without colon, or an unknown protocol.
pub fn parse_protocol_map(text: &str) -> Result<BTreeMap<String, SecurityProtocol>, ConfigError> {
    let key = "listener.security.protocol.map";
    let mut map = BTreeMap::new();
    for pair in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (name, protocol) = pair
            .rsplit_once(':')
            .ok_or_else(|| ConfigError::value(key, text, format_args!("`{pair}` is not LISTENER:PROTOCOL")))?;
        let protocol = SecurityProtocol::from_name(protocol.trim()).ok_or_else(|| {
            ConfigError(format!(
                "No enum constant org.apache.kafka.common.security.auth.SecurityProtocol.{protocol} (in {key})"
            ))
        })?;
        map.insert(name.trim().to_uppercase(), protocol);
    }
    Ok(map)
}

/// Parses a listener list. `distinct_ports` for `listeners`, where two may not want one port (0 aside).
///
/// # Errors
/// Kafka's `Error creating broker listeners from ...`.
pub fn parse_listeners(
    text: &str,
    map: &BTreeMap<String, SecurityProtocol>,
    distinct_ports: bool,
) -> Result<Vec<Listener>, ConfigError> {
    let fail = |why: String| ConfigError(format!("Error creating broker listeners from '{text}': {why}"));
    let mut found: Vec<Listener> = Vec::new();
    for item in text.split(',').map(str::trim).filter(|i| !i.is_empty()) {
        let (name, host, port) =
            endpoint(item).ok_or_else(|| fail(format!("Unable to parse {item} to a broker endpoint")))?;
        let name = name.to_uppercase();
        let protocol =
            *map.get(&name).ok_or_else(|| fail(format!("No security protocol defined for listener {name}")))?;
        found.push(Listener { name, host: (!host.is_empty()).then(|| host.to_owned()), port, protocol });
    }
    for (at, one) in found.iter().enumerate() {
        for other in &found[at + 1..] {
            if one.name == other.name {
                return Err(ConfigError(format!("Each listener must have a different name, listeners: {text}")));
            }
            if distinct_ports && one.port != 0 && one.port == other.port && !one_of_each_ip_version(one, other) {
                return Err(ConfigError(format!(
                    "Each listener must have a different port unless exactly one listener has an IPv4 address and the other IPv6 address, listeners: {text}"
                )));
            }
        }
    }
    Ok(found)
}

fn one_of_each_ip_version(one: &Listener, other: &Listener) -> bool {
    let address = |l: &Listener| l.host.as_deref().and_then(|h| h.parse::<std::net::IpAddr>().ok());
    match (address(one), address(other)) {
        (Some(a), Some(b)) => a.is_ipv4() != b.is_ipv4(),
        _ => false,
    }
}

/// `NAME://host:port`, the host perhaps in brackets, perhaps empty.
fn endpoint(item: &str) -> Option<(&str, &str, u16)> {
    let (name, rest) = item.split_once("://")?;
    let (host, port) = rest.rsplit_once(':')?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-%._:".contains(c);
    if name.is_empty() || !host.chars().all(allowed) {
        return None;
    }
    Some((name, host, port.parse().ok()?))
}

fn names(listeners: &[Listener]) -> String {
    listeners.iter().map(|l| l.name.as_str()).collect::<Vec<_>>().join(",")
}

impl Listeners {
    /// Reads and checks all listener keys (`KafkaConfig.validateValues`).
    ///
    /// # Errors
    /// Kafka's words.
    pub fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let map = parse_protocol_map(&values.str("listener.security.protocol.map"))?;
        let listeners = parse_listeners(&values.str("listeners"), &map, true)?;
        if listeners.is_empty() {
            return Err(ConfigError("requirement failed: listeners must name at least one listener".into()));
        }
        let advertised = match values.opt_str("advertised.listeners") {
            Some(text) => parse_listeners(&text, &map, false)?,
            None => listeners.clone(),
        };
        let inter_broker = inter_broker_name(values, &map)?;
        let control_plane = values.opt_str("control.plane.listener.name").map(|n| n.to_uppercase());
        let found = Self { listeners, advertised, inter_broker, control_plane };
        found.cross_check()?;
        Ok(found)
    }

    /// The limits of each listener, by its name.
    pub fn limits(&self, values: &Values) -> BTreeMap<String, ListenerLimits> {
        let limit =
            |name: &str, key: &str| if let Value::Int(v) = values.for_listener(name, key) { v } else { i32::MAX };
        let limits = |name: &str| ListenerLimits {
            max_connections: limit(name, "max.connections"),
            max_connection_creation_rate: limit(name, "max.connection.creation.rate"),
        };
        self.listeners.iter().map(|listener| (listener.name.clone(), limits(&listener.name))).collect()
    }

    fn cross_check(&self) -> Result<(), ConfigError> {
        let listening = |name: &str| self.listeners.iter().any(|l| l.name == name);
        let advertised = |name: &str| self.advertised.iter().any(|l| l.name == name);
        if !advertised(&self.inter_broker) {
            return Err(ConfigError(format!(
                "requirement failed: inter.broker.listener.name must be a listener name defined in advertised.listeners. \
                 The valid options based on currently configured listeners are {}",
                names(&self.advertised)
            )));
        }
        if !self.advertised.iter().all(|l| listening(&l.name)) {
            return Err(ConfigError(format!(
                "requirement failed: advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. \
                 Found {}. The valid options based on the current configuration are {}",
                names(&self.advertised),
                names(&self.listeners)
            )));
        }
        if self.advertised.iter().any(|l| l.host.as_deref() == Some("0.0.0.0")) {
            return Err(ConfigError(
                "requirement failed: advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address."
                    .into(),
            ));
        }
        let Some(control_plane) = &self.control_plane else { return Ok(()) };
        if !advertised(control_plane) {
            return Err(ConfigError(format!(
                "requirement failed: control.plane.listener.name must be a listener name defined in advertised.listeners. \
                 The valid options based on currently configured listeners are {}",
                names(&self.advertised)
            )));
        }
        if *control_plane == self.inter_broker {
            return Err(ConfigError(format!(
                "requirement failed: control.plane.listener.name, when defined, should have a different value from the inter broker listener name. \
                 Currently they both have the value {control_plane}"
            )));
        }
        Ok(())
    }
}

fn inter_broker_name(values: &Values, map: &BTreeMap<String, SecurityProtocol>) -> Result<String, ConfigError> {
    let Some(name) = values.opt_str("inter.broker.listener.name") else {
        return Ok(values.str("security.inter.broker.protocol"));
    };
    if values.is_set("security.inter.broker.protocol") {
        return Err(ConfigError(
            "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.".into(),
        ));
    }
    let name = name.to_uppercase();
    if !map.contains_key(&name) {
        return Err(ConfigError(format!(
            "Listener with name {name} defined in inter.broker.listener.name not found in listener.security.protocol.map."
        )));
    }
    Ok(name)
}
