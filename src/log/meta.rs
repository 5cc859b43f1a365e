//! `meta.properties` of a log directory and `partition.metadata` of a partition: pure codecs.
//!
//! ZooKeeper mode has version 0 (`broker.id`, `cluster.id`, perhaps `directory.id` of a migration); version 1 is KRaft's and refused by
//! the caller. Keys we do not know are kept. Kafka's `MetaProperties` and `PartitionMetadataFile`.

use std::str::FromStr;

use crate::base::TopicId;
use crate::config::properties;

/// File name in a log directory.
pub const META: &str = "meta.properties";
/// File name in a partition directory.
pub const PARTITION_METADATA: &str = "partition.metadata";
const BEFORE_TOPIC_ID: &str = "version: 0\ntopic_id: ";
/// Either file is a handful of lines.
pub const MAX_BYTES: usize = 64 << 10;

/// What `meta.properties` says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MetaProperties {
    /// 0 in ZooKeeper mode, 1 in KRaft.
    pub version: i32,
    /// Whose directory it is.
    pub broker_id: Option<i32>,
    /// Of which cluster.
    pub cluster_id: Option<String>,
    /// The directory's own id; only after a migration.
    pub directory_id: Option<String>,
    /// Other keys, kept as they are.
    pub others: Vec<(String, String)>,
}

impl MetaProperties {
    /// Reads the file's text.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "not text".to_string())?;
        let all = properties::parse(text).map_err(|e| e.to_string())?;
        let mut meta = MetaProperties::default();
        let mut version = None;
        for (key, value) in all.iter() {
            let number = || value.trim().parse::<i32>().map_err(|_| format!("{key} is no number: {value:?}"));
            match key {
                "version" => version = Some(number()?),
                "broker.id" => meta.broker_id = Some(number()?),
                "cluster.id" => meta.cluster_id = Some(value.to_string()),
                "directory.id" => meta.directory_id = Some(value.to_string()),
                _ => meta.others.push((key.to_string(), value.to_string())),
            }
        }
        meta.version = version.ok_or("version is missing")?;
        Ok(meta)
    }

    /// The file's text; `date` goes into Java's comment line.
    pub fn write(&self, date: &str) -> String {
        let mut all = properties::Properties::default();
        if let Some(id) = self.broker_id {
            all.insert("broker.id", id.to_string());
        }
        all.insert("version", self.version.to_string());
        if let Some(id) = &self.cluster_id {
            all.insert("cluster.id", id.clone());
        }
        if let Some(id) = &self.directory_id {
            all.insert("directory.id", id.clone());
        }
        for (key, value) in &self.others {
            all.insert(key.clone(), value.clone());
        }
        properties::write(&all, &["", date])
    }
}

/// Reads `partition.metadata`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read_partition_metadata(bytes: &[u8]) -> Result<TopicId, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not text".to_string())?;
    let mut lines = text.lines();
    let value = |line: Option<&str>, key: &str| {
        let (k, v) = line.and_then(|l| l.split_once(':')).ok_or(format!("a line `{key}: ...` is missing"))?;
        if k.trim() == key { Ok(v.trim().to_string()) } else { Err(format!("{k:?} instead of {key:?}")) }
    };
    if value(lines.next(), "version")? != "0" {
        return Err("version is not 0".into());
    }
    let id = TopicId::from_str(&value(lines.next(), "topic_id")?).map_err(|e| e.to_string())?;
    if id.is_zero() { Err("the topic id is zero".into()) } else { Ok(id) }
}

/// The text of `partition.metadata`; no newline at the end.
pub fn write_partition_metadata(id: TopicId) -> String {
    format!("{BEFORE_TOPIC_ID}{id}")
}

/// Is that what a loss of power leaves of a `partition.metadata` which was not on the device yet: nothing, nothing but zeros, or its
/// beginning?
pub fn is_torn(bytes: &[u8]) -> bool {
    let head = BEFORE_TOPIC_ID.as_bytes();
    let is_beginning = match bytes.strip_prefix(head) {
        Some(id) => id.len() < TopicId::TEXT_LEN && id.iter().all(|byte| !byte.is_ascii_whitespace()),
        None => head.starts_with(bytes),
    };
    is_beginning || bytes.iter().all(|&byte| byte == 0)
}
