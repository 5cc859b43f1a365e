//! `/feature`: finalized features of the cluster (KIP-584). Its data version is the features epoch in ApiVersions.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ZnodeError, parse, print};

/// The node.
pub const PATH: &str = "/feature";

/// The node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeatureNode {
    /// JSON version: 2 from IBP 3.3 on, else 1.
    pub version: i32,
    /// Features are in use (status 1).
    pub enabled: bool,
    /// Finalized levels: name to (min, max); version 2 has no min, and 0 stands for it.
    pub features: BTreeMap<String, (i16, i16)>,
}

impl FeatureNode {
    /// What a controller of a current IBP writes: enabled, none finalized.
    pub fn enabled() -> Self {
        Self { version: 2, enabled: true, features: BTreeMap::new() }
    }

    /// The node's data.
    pub fn encode(&self) -> Bytes {
        let features = self.features.iter().map(|(name, (min, max))| {
            let mut levels = Map::new();
            if self.version < 2 {
                levels.insert("min_version_level".into(), (*min).into());
            }
            levels.insert("max_version_level".into(), (*max).into());
            (name.clone(), Value::Object(levels))
        });
        let mut json = Map::new();
        json.insert("features".into(), Value::Object(features.collect()));
        json.insert("version".into(), self.version.into());
        json.insert("status".into(), i32::from(self.enabled).into());
        print(&json)
    }

    /// Reads the node.
    ///
    /// # Errors
    /// When it is not that JSON, or the status is neither 0 nor 1.
    pub fn decode(data: &[u8]) -> Result<Self, ZnodeError> {
        #[derive(Deserialize)]
        struct Levels {
            #[serde(default)]
            min_version_level: i16,
            max_version_level: i16,
        }
        #[derive(Deserialize)]
        struct Read {
            version: i32,
            status: i32,
            #[serde(default)]
            features: BTreeMap<String, Levels>,
        }
        let json: Read = parse(PATH, data)?;
        if !(0..=1).contains(&json.status) || !(1..=2).contains(&json.version) {
            return Err(ZnodeError::new(PATH, "unknown status or version", data));
        }
        let levels = |(name, l): (String, Levels)| (name, (l.min_version_level, l.max_version_level));
        let features = json.features.into_iter().map(levels).collect();
        Ok(Self { version: json.version, enabled: json.status == 1, features })
    }
}
