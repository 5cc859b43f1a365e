//! `/brokers/ids/<id>`: a live broker and where to reach it; ephemeral. Its czxid is the broker epoch.
//!
//! Written in version 5, 4 or 2 as `inter.broker.protocol.version` says; read in 1 to 5.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ZnodeError, parse, print};
use crate::base::BrokerId;

/// The parent.
pub const PATH: &str = "/brokers/ids";

/// The node of a broker.
pub fn path(broker: BrokerId) -> String {
    format!("{PATH}/{broker}")
}

/// One advertised listener.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointNode {
    /// Listener name, for instance `INTERNAL`.
    pub listener: String,
    /// Security protocol: `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    pub protocol: String,
    /// Host name or address, IPv6 without brackets; may be empty in what others wrote.
    pub host: String,
    /// Port.
    pub port: i32,
}

/// What a broker says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrokerNode {
    /// Broker id (from the path).
    pub id: BrokerId,
    /// JSON version: 5 from IBP 2.7 on, 4 from 0.10, else 2.
    pub version: i32,
    /// Advertised listeners, in order.
    pub endpoints: Vec<EndpointNode>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// JMX port; -1 for none.
    pub jmx_port: i32,
    /// Registration, ms since 1970.
    pub timestamp_ms: i64,
    /// Supported features, name to (min, max); empty for a ZooKeeper-mode broker.
    pub features: BTreeMap<String, (i16, i16)>,
}

#[derive(Serialize, Deserialize)]
struct Range {
    min_version: i16,
    max_version: i16,
}

impl BrokerNode {
    /// Host and port for the oldest readers: the first PLAINTEXT listener's; else none and -1.
    pub fn legacy_address(&self) -> (Option<&str>, i32) {
        let plain = self.endpoints.iter().find(|e| e.protocol == "PLAINTEXT");
        plain.map_or((None, -1), |e| (Some(e.host.as_str()), e.port))
    }

    /// The listener of a name.
    pub fn endpoint(&self, listener: &str) -> Option<&EndpointNode> {
        self.endpoints.iter().find(|e| e.listener == listener)
    }

    /// The node's data.
    pub fn encode(&self) -> Bytes {
        let mut json = Map::new();
        if self.version >= 5 {
            let features = self.features.iter().map(|(name, (min, max))| {
                let range = Range { min_version: *min, max_version: *max };
                (name.clone(), serde_json::to_value(range).unwrap_or_default())
            });
            json.insert("features".into(), Value::Object(features.collect()));
        }
        if self.version >= 4 {
            let protocols = self.endpoints.iter().map(|e| (e.listener.clone(), e.protocol.clone().into()));
            json.insert("listener_security_protocol_map".into(), Value::Object(protocols.collect()));
        }
        let endpoints: Vec<Value> = self.endpoints.iter().map(|e| connection(e).into()).collect();
        json.insert("endpoints".into(), endpoints.into());
        if let (Some(rack), true) = (&self.rack, self.version >= 3) {
            json.insert("rack".into(), rack.clone().into());
        }
        let (host, port) = self.legacy_address();
        json.insert("jmx_port".into(), self.jmx_port.into());
        json.insert("port".into(), port.into());
        json.insert("host".into(), host.into());
        json.insert("version".into(), self.version.into());
        json.insert("timestamp".into(), self.timestamp_ms.to_string().into());
        print(&json)
    }

    /// Reads the node of broker `id`.
    ///
    /// # Errors
    /// When it is not that JSON, or an endpoint is none.
    pub fn decode(id: BrokerId, data: &[u8]) -> Result<Self, ZnodeError> {
        #[derive(Deserialize)]
        struct Read {
            version: i32,
            #[serde(default)]
            host: Option<String>,
            #[serde(default)]
            port: Option<i32>,
            #[serde(default)]
            jmx_port: Option<i32>,
            #[serde(default)]
            timestamp: Value,
            #[serde(default)]
            endpoints: Vec<String>,
            #[serde(default)]
            listener_security_protocol_map: Option<BTreeMap<String, String>>,
            #[serde(default)]
            rack: Option<String>,
            #[serde(default)]
            features: Option<BTreeMap<String, Range>>,
        }
        let node = path(id);
        let json: Read = parse(&node, data)?;
        let bad = |why: String| ZnodeError::new(&node, why, data);
        let endpoints = match json.version {
            ..1 => return Err(bad(format!("version {}", json.version))),
            1 => {
                let host = json.host.ok_or_else(|| bad("no host".into()))?;
                let port = json.port.ok_or_else(|| bad("no port".into()))?;
                vec![EndpointNode { listener: "PLAINTEXT".into(), protocol: "PLAINTEXT".into(), host, port }]
            }
            _ => {
                let protocols = json.listener_security_protocol_map;
                let read =
                    |text: &String| endpoint(text, protocols.as_ref()).ok_or_else(|| bad(format!("endpoint {text:?}")));
                json.endpoints.iter().map(read).collect::<Result<_, _>>()?
            }
        };
        let timestamp_ms = match &json.timestamp {
            Value::String(text) => text.parse().unwrap_or(-1),
            other => other.as_i64().unwrap_or(-1),
        };
        let features = json.features.unwrap_or_default();
        Ok(Self {
            id,
            version: json.version,
            endpoints,
            rack: json.rack,
            jmx_port: json.jmx_port.unwrap_or(-1),
            timestamp_ms,
            features: features.into_iter().map(|(name, r)| (name, (r.min_version, r.max_version))).collect(),
        })
    }
}

/// `LISTENER://host:port`, IPv6 in brackets.
fn connection(endpoint: &EndpointNode) -> String {
    let EndpointNode { listener, host, port, .. } = endpoint;
    if host.contains(':') { format!("{listener}://[{host}]:{port}") } else { format!("{listener}://{host}:{port}") }
}

fn endpoint(text: &str, protocols: Option<&BTreeMap<String, String>>) -> Option<EndpointNode> {
    let (listener, address) = text.split_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // Without a map (before version 4) a listener's name is its protocol.
    let protocol = match protocols {
        Some(protocols) => protocols.get(listener)?.clone(),
        None => listener.to_owned(),
    };
    let port = port.parse().ok()?;
    Some(EndpointNode { listener: listener.to_owned(), protocol, host: host.to_owned(), port })
}
