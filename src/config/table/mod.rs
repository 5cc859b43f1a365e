//! Every key of a ZooKeeper-mode broker in one declarative table: type, default, check, update mode, effect in Ottla, documentation.
//!
//! Start-up, dynamic changes, DescribeConfigs and `ottla config` all read this table. A row says what Kafka 3.9 says of the key; the
//! `effect` column alone is ours. What refuses a start is not here but in [`super::not_built`], which shrinks.

mod carried;
mod groups;
mod log;
mod ottla;
mod quota;
mod security;
mod server;
mod zookeeper;

use std::collections::HashMap;
use std::sync::LazyLock;

/// A key's type (`ConfigDef.Type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// `true` or `false`, any case.
    Bool,
    /// Text.
    Str,
    /// 32 bits.
    Int,
    /// 16 bits.
    Short,
    /// 64 bits.
    Long,
    /// Floating point.
    Double,
    /// Comma separated texts.
    List,
    /// The name of a Java class; never loaded here.
    Class,
    /// Text that is never shown.
    Password,
}

impl Type {
    /// Kafka's name, as in its error messages.
    pub fn name(self) -> &'static str {
        match self {
            Type::Bool => "BOOLEAN",
            Type::Str => "STRING",
            Type::Int => "INT",
            Type::Short => "SHORT",
            Type::Long => "LONG",
            Type::Double => "DOUBLE",
            Type::List => "LIST",
            Type::Class => "CLASS",
            Type::Password => "PASSWORD",
        }
    }

    /// The number in a DescribeConfigs answer (`DescribeConfigsResponse.ConfigType`); 0 there is "unknown".
    pub fn wire_code(self) -> i8 {
        match self {
            Type::Bool => 1,
            Type::Str => 2,
            Type::Int => 3,
            Type::Short => 4,
            Type::Long => 5,
            Type::Double => 6,
            Type::List => 7,
            Type::Class => 8,
            Type::Password => 9,
        }
    }
}

/// When a key's value may change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Only by a restart.
    ReadOnly,
    /// While running, each broker for itself.
    PerBroker,
    /// While running, for one broker or as the default of all.
    Cluster,
}

impl Mode {
    /// Kafka's words for it in its documentation.
    pub fn name(self) -> &'static str {
        match self {
            Mode::ReadOnly => "read-only",
            Mode::PerBroker => "per-broker",
            Mode::Cluster => "cluster-wide",
        }
    }
}

/// What a value must satisfy beside its type (`ConfigDef.Validator`). Numbers bound int, short, long and double alike.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Check {
    /// Nothing more.
    Any,
    /// Not below this.
    AtLeast(i64),
    /// Within both, inclusive.
    Between(i64, i64),
    /// A double from 0 to 1.
    Ratio,
    /// One of these texts, exactly.
    OneOf(&'static [&'static str]),
    /// A list of none but these.
    ListOf(&'static [&'static str]),
    /// 1 to 9, or -1.
    GzipLevel,
    /// A Kafka release as `inter.broker.protocol.version` names it.
    MetadataVersion,
    /// Any Kafka release.
    ReleaseName,
    /// `*` or `partition:broker,...`.
    ThrottledReplicas,
}

/// What setting the key does in Ottla.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// What Kafka's documentation says.
    Works,
    /// Nothing, for the reason given; setting it warns.
    NoEffect(&'static str),
    /// Some values end start-up: the feature is not built ([`super::not_built`]).
    Refused(&'static str),
}

/// One row.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Key {
    /// Kafka's name of the key.
    pub name: &'static str,
    /// Type.
    pub ty: Type,
    /// Default as text; `None` is Java's null.
    pub default: Option<&'static str>,
    /// What a value must satisfy.
    pub check: Check,
    /// When it may change.
    pub mode: Mode,
    /// Settable but never described.
    pub internal: bool,
    /// What setting it does here, before [`super::not_built`] is asked.
    pub effect: Effect,
    /// One line.
    pub doc: &'static str,
}

impl Key {
    /// May its value never be shown?
    pub fn sensitive(&self) -> bool {
        self.ty == Type::Password
    }
}

/// Codecs a topic may name (`BrokerCompressionType`), in the order of Kafka's messages.
pub(in crate::config) const COMPRESSION: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
/// Values of `message.timestamp.type`.
pub(in crate::config) const TIMESTAMPS: &[&str] = &["CreateTime", "LogAppendTime"];

/// Why SSL and SASL keys have no effect while every listener is plain.
pub(in crate::config) const SECURE: &str = "only a listener with SSL or SASL reads it";

/// Why a key has no effect here.
mod why {
    pub(super) const JAVA: &str = "belongs to the Java virtual machine or names a Java class";
    pub(super) const ZK_TLS: &str = "TLS to ZooKeeper is not built (zookeeper.ssl.client.enable=true refuses to start)";
    pub(super) const THREADS: &str = "Ottla has no such thread pool or queue: tasks share a few threads";
    pub(super) const PURGATORY: &str = "Ottla has no purgatory: a finished wait leaves nothing behind";
    pub(super) const METRICS: &str = "Ottla's metrics are counted without samples and read at /metrics";
    pub(super) const ENCODER: &str = "dynamic passwords are not built";
    pub(super) const TOKENS: &str = "delegation tokens are not built (a secret key refuses to start)";
    pub(super) use super::SECURE;
    pub(super) const KRAFT: &str = "belongs to KRaft, not to ZooKeeper mode";
    pub(super) const NEW_GROUPS: &str = "the new group protocols need KRaft";
    pub(super) const TIERED: &str = "tiered storage is off";
    pub(super) const FORMAT: &str = "always v2: ignored from inter-broker version 3.0 on";
    pub(super) const KERNEL: &str =
        "the kernel sizes socket buffers by what each connection needs; a fixed size would only hold it back";
    pub(super) const LZ4: &str = "batches that the broker compresses anew are compressed fast: the level changes how hard is searched, not the format";
    pub(super) const STEADY: &str = "every try to connect has the first time-out";
    pub(super) const DOWN: &str =
        "records are never converted down: a client too old for them is told so, as Kafka does where this is false";
    pub(super) const NOT_HERE: &str = "nothing here reads it";
}

/// Rows of one file: `"name" Type default, check, mode [internal], effect, "doc";`.
macro_rules! keys {
    ($name:ident = $( $key:literal $ty:ident $default:tt, $check:expr, $mode:ident $($internal:ident)?, $effect:expr, $doc:literal; )*) => {
        /// The rows of this file.
        pub(super) const $name: &[Key] = &[$( Key {
            name: $key,
            ty: Type::$ty,
            default: keys!(@default $default),
            check: $check,
            mode: $mode,
            internal: keys!(@internal $($internal)?),
            effect: $effect,
            doc: $doc,
        } ),*];
    };
    (@default null) => { None };
    (@default $text:literal) => { Some($text) };
    (@internal internal) => { true };
    (@internal) => { false };
}
use keys;

/// The sections of the table with their titles, in the order they are printed.
pub const SECTIONS: &[(&str, &[Key])] = &[
    ("ZooKeeper", zookeeper::ZOOKEEPER),
    ("Server, sockets, replication", server::SERVER),
    ("Log and cleaner", log::LOG),
    ("Quotas, metrics, password encoder, delegation tokens", quota::QUOTA),
    ("Security", security::SECURITY),
    ("Groups and transactions", groups::GROUPS),
    ("Carried only", carried::CARRIED),
    ("Ottla's own", ottla::OTTLA),
];

/// Broker throttles: not keys of the file, only dynamic (`DynamicConfig.Broker`).
pub const DYNAMIC_ONLY: &[Key] = &[
    throttle("leader.replication.throttled.rate", "Bytes a second throttled leaders send at most."),
    throttle("follower.replication.throttled.rate", "Bytes a second throttled followers take at most."),
    throttle("replica.alter.log.dirs.io.max.bytes.per.second", "Bytes a second moved between directories at most."),
];

const fn throttle(name: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        ty: Type::Long,
        default: Some("9223372036854775807"),
        check: Check::AtLeast(0),
        mode: Mode::Cluster,
        internal: false,
        effect: Effect::Works,
        doc,
    }
}

static INDEX: LazyLock<HashMap<&'static str, &'static Key>> = LazyLock::new(|| all().map(|k| (k.name, k)).collect());
static DYNAMIC_INDEX: LazyLock<HashMap<&'static str, &'static Key>> =
    LazyLock::new(|| DYNAMIC_ONLY.iter().map(|k| (k.name, k)).collect());

/// Every key of a properties file.
pub fn all() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|(_, keys)| keys.iter())
}

/// The row of a properties file's key.
pub fn get(name: &str) -> Option<&'static Key> {
    INDEX.get(name).copied()
}

/// The row of a key a broker resource may hold: [`get`] and [`DYNAMIC_ONLY`].
pub fn get_dynamic(name: &str) -> Option<&'static Key> {
    get(name).or_else(|| DYNAMIC_INDEX.get(name).copied())
}

/// Keys that may stand as `listener.name.<l>.<mechanism>.<key>`.
const LISTENER_MECHANISM: &[&str] = &[
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.server.callback.handler.class",
    "connections.max.reauth.ms",
];

/// `listener.name.<listener>.<rest>` split into listener (lower case) and rest.
pub fn listener_prefix(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("listener.name.")?.split_once('.').filter(|(listener, _)| !listener.is_empty())
}

/// The key a listener-prefixed name overrides: `listener.name.internal.ssl.keystore.location` is `ssl.keystore.location`, and
/// `listener.name.internal.plain.sasl.jaas.config` is `sasl.jaas.config`. `None` when the name has no listener prefix.
pub fn listener_base(name: &str) -> Option<&str> {
    let (_, rest) = listener_prefix(name)?;
    Some(LISTENER_MECHANISM.iter().find(|m| rest.ends_with(**m)).copied().unwrap_or(rest))
}

/// The names under which a key's value may be set, strongest first (`DynamicBrokerConfig.brokerConfigSynonyms`).
pub fn synonyms(name: &str) -> Vec<&str> {
    const ROLL: &[&str] = &["log.roll.ms", "log.roll.hours"];
    const JITTER: &[&str] = &["log.roll.jitter.ms", "log.roll.jitter.hours"];
    const FLUSH: &[&str] = &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"];
    const RETENTION: &[&str] = &["log.retention.ms", "log.retention.minutes", "log.retention.hours"];
    match name {
        "log.roll.ms" | "log.roll.hours" => ROLL.to_vec(),
        "log.roll.jitter.ms" | "log.roll.jitter.hours" => JITTER.to_vec(),
        "log.flush.interval.ms" => FLUSH.to_vec(),
        "log.retention.ms" | "log.retention.minutes" | "log.retention.hours" => RETENTION.to_vec(),
        _ => match listener_base(name) {
            Some(base) => vec![name, base],
            None => vec![name],
        },
    }
}
