//! Java's client properties as librdkafka's: names, values, and the defaults in which the two clients differ.
//!
//! Users have files and flags with the names of Java's `ProducerConfig` and `ConsumerConfig`. [`translate`] is the one place where they
//! become librdkafka's. Types are checked here, so that a bad value gets Java's error. What has no counterpart is named in a warning;
//! what would change how the cluster is reached and is not built is refused. A name that only librdkafka knows passes as it is.

use rdkafka::ClientConfig;

use crate::config::Properties;
use crate::tools::java::Exception;

/// Which client a property is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// `KafkaProducer`.
    Producer,
    /// `KafkaConsumer`.
    Consumer,
}

/// What librdkafka is told, and what the user is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Translated {
    /// librdkafka's keys and values.
    pub settings: Vec<(String, String)>,
    /// A line for each property that has no effect.
    pub warnings: Vec<String>,
}

impl Translated {
    /// The value of one of librdkafka's keys.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.settings.iter().rev().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    fn set(&mut self, key: &str, value: impl Into<String>) {
        self.settings.retain(|(k, _)| k != key);
        self.settings.push((key.to_owned(), value.into()));
    }
}

/// Type of a Java property: what its error calls it.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Int,
    Long,
    Bool,
    OneOf(&'static [&'static str]),
}

/// What becomes of a property.
#[derive(Clone, Copy)]
enum Way {
    /// The same name and meaning.
    Same,
    /// librdkafka's names for it.
    As(&'static [&'static str]),
    /// Bytes that librdkafka counts in KiB.
    Kbytes(&'static str),
    /// A socket's buffer: Java's -1 ("the system's") is 0.
    Buffer(&'static str),
    /// Known and without effect here; nothing is lost by it.
    Silent,
    /// Known and without counterpart: said in a warning.
    None,
}

struct Row {
    java: &'static str,
    role: Option<Role>,
    kind: Kind,
    way: Way,
}

const fn both(java: &'static str, kind: Kind, way: Way) -> Row {
    Row { java, role: None, kind, way }
}

const fn producer(java: &'static str, kind: Kind, way: Way) -> Row {
    Row { java, role: Some(Role::Producer), kind, way }
}

const fn consumer(java: &'static str, kind: Kind, way: Way) -> Row {
    Row { java, role: Some(Role::Consumer), kind, way }
}

const TABLE: &[Row] = &[
    both("bootstrap.servers", Kind::Text, Way::Same),
    both("client.id", Kind::Text, Way::Same),
    both("client.dns.lookup", Kind::OneOf(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]), Way::Same),
    both("client.rack", Kind::Text, Way::Same),
    both("connections.max.idle.ms", Kind::Long, Way::Same),
    both("metadata.max.age.ms", Kind::Long, Way::As(&["metadata.max.age.ms", "topic.metadata.refresh.interval.ms"])),
    both("metadata.max.idle.ms", Kind::Long, Way::Silent),
    both("metadata.recovery.strategy", Kind::OneOf(&["none", "rebootstrap"]), Way::Same),
    both("receive.buffer.bytes", Kind::Int, Way::Buffer("socket.receive.buffer.bytes")),
    both("send.buffer.bytes", Kind::Int, Way::Buffer("socket.send.buffer.bytes")),
    both("reconnect.backoff.max.ms", Kind::Long, Way::Same),
    both("reconnect.backoff.ms", Kind::Long, Way::Same),
    both("retry.backoff.max.ms", Kind::Long, Way::Same),
    both("retry.backoff.ms", Kind::Long, Way::Same),
    both("security.protocol", Kind::Text, Way::Silent),
    both("security.providers", Kind::Text, Way::None),
    both("socket.connection.setup.timeout.ms", Kind::Long, Way::Same),
    both("socket.connection.setup.timeout.max.ms", Kind::Long, Way::Silent),
    both("interceptor.classes", Kind::Text, Way::None),
    both("metric.reporters", Kind::Text, Way::None),
    both("metrics.num.samples", Kind::Int, Way::Silent),
    both("metrics.recording.level", Kind::Text, Way::Silent),
    both("metrics.sample.window.ms", Kind::Long, Way::Silent),
    both("auto.include.jmx.reporter", Kind::Bool, Way::Silent),
    both("enable.metrics.push", Kind::Bool, Way::Same),
    // Producers.
    producer("acks", Kind::OneOf(&["all", "-1", "0", "1"]), Way::Same),
    producer("batch.size", Kind::Int, Way::Same),
    producer("buffer.memory", Kind::Long, Way::Kbytes("queue.buffering.max.kbytes")),
    producer(
        "compression.type",
        Kind::OneOf(&["none", "gzip", "snappy", "lz4", "zstd"]),
        Way::As(&["compression.codec"]),
    ),
    producer("compression.gzip.level", Kind::Int, Way::Silent),
    producer("compression.lz4.level", Kind::Int, Way::Silent),
    producer("compression.zstd.level", Kind::Int, Way::Silent),
    producer("delivery.timeout.ms", Kind::Int, Way::As(&["message.timeout.ms"])),
    producer("enable.idempotence", Kind::Bool, Way::Same),
    producer("key.serializer", Kind::Text, Way::Silent),
    producer("value.serializer", Kind::Text, Way::Silent),
    producer("linger.ms", Kind::Long, Way::Same),
    producer("max.block.ms", Kind::Long, Way::As(&["topic.metadata.propagation.max.ms"])),
    producer("max.in.flight.requests.per.connection", Kind::Int, Way::Same),
    producer("max.request.size", Kind::Int, Way::As(&["message.max.bytes"])),
    producer("partitioner.class", Kind::Text, Way::None),
    producer("partitioner.ignore.keys", Kind::Bool, Way::None),
    producer("partitioner.adaptive.partitioning.enable", Kind::Bool, Way::Silent),
    producer("partitioner.availability.timeout.ms", Kind::Long, Way::Silent),
    producer("request.timeout.ms", Kind::Int, Way::As(&["request.timeout.ms", "socket.timeout.ms"])),
    producer("retries", Kind::Int, Way::Same),
    producer("transaction.timeout.ms", Kind::Int, Way::Same),
    producer("transactional.id", Kind::Text, Way::Same),
    // Consumers.
    consumer("allow.auto.create.topics", Kind::Bool, Way::Same),
    consumer("auto.commit.interval.ms", Kind::Int, Way::Same),
    consumer("auto.offset.reset", Kind::OneOf(&["latest", "earliest", "none"]), Way::Same),
    consumer("check.crcs", Kind::Bool, Way::Same),
    consumer("default.api.timeout.ms", Kind::Int, Way::Silent),
    consumer("enable.auto.commit", Kind::Bool, Way::Same),
    consumer("exclude.internal.topics", Kind::Bool, Way::Silent),
    consumer("fetch.max.bytes", Kind::Int, Way::Same),
    consumer("fetch.max.wait.ms", Kind::Int, Way::As(&["fetch.wait.max.ms"])),
    consumer("fetch.min.bytes", Kind::Int, Way::Same),
    consumer("group.id", Kind::Text, Way::Same),
    consumer("group.instance.id", Kind::Text, Way::Same),
    consumer("group.protocol", Kind::Text, Way::Same),
    consumer("group.remote.assignor", Kind::Text, Way::Same),
    consumer("heartbeat.interval.ms", Kind::Int, Way::Same),
    consumer("isolation.level", Kind::OneOf(&["read_committed", "read_uncommitted"]), Way::Same),
    consumer("key.deserializer", Kind::Text, Way::Silent),
    consumer("value.deserializer", Kind::Text, Way::Silent),
    consumer("max.partition.fetch.bytes", Kind::Int, Way::Same),
    consumer("max.poll.interval.ms", Kind::Int, Way::Same),
    consumer("max.poll.records", Kind::Int, Way::Silent),
    consumer("partition.assignment.strategy", Kind::Text, Way::Same),
    consumer("request.timeout.ms", Kind::Int, Way::As(&["socket.timeout.ms"])),
    consumer("session.timeout.ms", Kind::Int, Way::Same),
];

/// What librdkafka does otherwise than Java's client, made the same. Java's own names: a property of the user's comes in its place.
const JAVA_DEFAULTS: &[(Option<Role>, &str, &str)] = &[
    (None, "connections.max.idle.ms", "540000"),
    (None, "metadata.max.age.ms", "300000"),
    (None, "reconnect.backoff.ms", "50"),
    (None, "reconnect.backoff.max.ms", "1000"),
    (None, "request.timeout.ms", "30000"),
    (None, "retry.backoff.ms", "100"),
    (None, "retry.backoff.max.ms", "1000"),
    (None, "socket.connection.setup.timeout.ms", "10000"),
    (None, "enable.metrics.push", "false"),
    (Some(Role::Producer), "acks", "all"),
    (Some(Role::Producer), "batch.size", "16384"),
    (Some(Role::Producer), "buffer.memory", "33554432"),
    (Some(Role::Producer), "delivery.timeout.ms", "120000"),
    (Some(Role::Producer), "linger.ms", "0"),
    (Some(Role::Producer), "max.block.ms", "60000"),
    (Some(Role::Producer), "max.in.flight.requests.per.connection", "5"),
    (Some(Role::Producer), "max.request.size", "1048576"),
    (Some(Role::Producer), "retries", "2147483647"),
    (Some(Role::Consumer), "allow.auto.create.topics", "true"),
    (Some(Role::Consumer), "auto.offset.reset", "latest"),
    (Some(Role::Consumer), "fetch.max.wait.ms", "500"),
    (Some(Role::Consumer), "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor"),
];

/// librdkafka's own switches that have no Java name.
const OWN: &[(Option<Role>, &str, &str)] = &[
    // 4: warnings and worse reach the log callback.
    (None, "log_level", "4"),
    (None, "log.connection.close", "false"),
    (None, "socket.nagle.disable", "true"),
    // Java's default partitioner: murmur2 of the key, and one partition after another for records without.
    (Some(Role::Producer), "partitioner", "murmur2_random"),
    // Bounded by buffer.memory alone.
    (Some(Role::Producer), "queue.buffering.max.messages", "0"),
    // When the consumer lags behind its queue, look again soon: a second would show as a gap.
    (Some(Role::Consumer), "fetch.queue.backoff.ms", "5"),
    (Some(Role::Consumer), "topic.metadata.refresh.fast.interval.ms", "50"),
    // Only what the tool has dealt with is committed: librdkafka would count what it hands out while a group is left.
    (Some(Role::Consumer), "enable.auto.offset.store", "false"),
];

/// A `ConfigException`.
pub fn config_error(message: impl Into<String>) -> Exception {
    Exception::new("org.apache.kafka.common.config.ConfigException", message)
}

/// Turns Java's properties into librdkafka's.
///
/// # Errors
/// `ConfigException` for a value of the wrong type, a conflict, or access that is not built.
pub fn translate(role: Role, java: &Properties) -> Result<Translated, Exception> {
    refuse_what_is_not_built(java)?;
    let mut made = Translated::default();
    let mine = |of: &Option<Role>| of.is_none_or(|of| of == role);
    OWN.iter().filter(|(of, ..)| mine(of)).for_each(|(_, key, value)| made.set(key, *value));
    for (_, key, value) in JAVA_DEFAULTS.iter().filter(|(of, key, _)| mine(of) && java.get(key).is_none()) {
        put(&mut made, role, key, value)?;
    }
    for (key, value) in java.iter() {
        put(&mut made, role, key, value)?;
    }
    match role {
        Role::Producer => producer_rules(&mut made, java)?,
        Role::Consumer => consumer_rules(&mut made),
    }
    Ok(made)
}

fn put(made: &mut Translated, role: Role, key: &str, value: &str) -> Result<(), Exception> {
    let row = TABLE.iter().find(|row| row.java == key && row.role.is_none_or(|of| of == role));
    let Some(row) = row else {
        if TABLE.iter().any(|row| row.java == key) {
            return Ok(()); // the other client's: files are shared
        }
        match known_to_librdkafka(key) {
            true => made.set(key, value),
            false => made.warnings.push(format!("{key}={value} was given, which has no effect here")),
        }
        return Ok(());
    };
    let value = checked(row, value)?;
    match row.way {
        Way::Same => made.set(key, value_of(key, &value)),
        Way::As(names) => names.iter().for_each(|name| made.set(name, value.clone())),
        Way::Kbytes(name) => made.set(name, (number(&value).max(1024) / 1024).to_string()),
        Way::Buffer(name) => made.set(name, number(&value).max(0).to_string()),
        Way::Silent => {}
        Way::None => made.warnings.push(format!("{key}={value} was given, which has no effect here")),
    }
    Ok(())
}

/// The value, of its type; blanks around it don't count.
fn checked(row: &Row, raw: &str) -> Result<String, Exception> {
    let value = raw.trim();
    let invalid =
        |why: String| Err(config_error(format!("Invalid value {value} for configuration {}: {why}", row.java)));
    match row.kind {
        Kind::Int if value.parse::<i32>().is_err() => invalid("Not a number of type INT".into()),
        Kind::Long if value.parse::<i64>().is_err() => invalid("Not a number of type LONG".into()),
        Kind::Bool if !["true", "false"].contains(&value.to_ascii_lowercase().as_str()) => {
            invalid("Expected value to be either true or false".into())
        }
        Kind::OneOf(all) if !all.contains(&value) => invalid(format!("String must be one of: {}", all.join(", "))),
        Kind::Bool => Ok(value.to_ascii_lowercase()),
        _ => Ok(value.to_owned()),
    }
}

fn number(value: &str) -> i64 {
    value.parse().unwrap_or(0)
}

/// Values that librdkafka calls otherwise, or bounds more narrowly.
fn value_of(key: &str, value: &str) -> String {
    match (key, value) {
        ("auto.offset.reset", "none") => "error".into(),
        ("partition.assignment.strategy", classes) => strategies(classes),
        ("retry.backoff.ms" | "retry.backoff.max.ms", _) => number(value).clamp(1, 300_000).to_string(),
        ("reconnect.backoff.ms" | "reconnect.backoff.max.ms", _) => number(value).clamp(0, 3_600_000).to_string(),
        ("batch.size", _) => number(value).max(1).to_string(),
        ("linger.ms", _) => number(value).clamp(0, 900_000).to_string(),
        ("connections.max.idle.ms", _) => number(value).clamp(0, i64::from(i32::MAX)).to_string(),
        _ => value.to_owned(),
    }
}

/// Assignors by librdkafka's names. It can't mix a cooperative one with others, as Java's upgrade path does: the first kind counts.
fn strategies(classes: &str) -> String {
    let mut names: Vec<&str> = classes
        .split(',')
        .map(|class| match class.trim().rsplit('.').next().unwrap_or_default() {
            "RangeAssignor" => "range",
            "RoundRobinAssignor" => "roundrobin",
            "StickyAssignor" | "CooperativeStickyAssignor" => "cooperative-sticky",
            other => other,
        })
        .collect();
    let cooperative = names.first() == Some(&"cooperative-sticky");
    names.retain(|name| (*name == "cooperative-sticky") == cooperative);
    names.dedup();
    names.join(",")
}

fn producer_rules(made: &mut Translated, java: &Properties) -> Result<(), Exception> {
    let acks_all = made.get("acks").is_none_or(|acks| acks == "all" || acks == "-1");
    let retries = made.get("retries").map_or(1, number);
    let in_flight = made.get("max.in.flight.requests.per.connection").map_or(5, number);
    let transactional = made.get("transactional.id").is_some();
    match made.get("enable.idempotence") {
        // KIP-679: on, unless another property speaks against it.
        None => {
            made.set("enable.idempotence", (acks_all && retries > 0 && in_flight <= 5 || transactional).to_string())
        }
        Some("true") if !acks_all => {
            return Err(config_error(
                "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence.",
            ));
        }
        Some("true") if retries == 0 => {
            return Err(config_error("Must set retries to non-zero when using the idempotent producer."));
        }
        Some("true") if in_flight > 5 => {
            return Err(config_error(
                "Must set max.in.flight.requests.per.connection to at most 5 to use the idempotent producer.",
            ));
        }
        Some(_) => {}
    }
    let codec = made.get("compression.codec").unwrap_or("none").to_owned();
    if let Some(level) = java.get(&format!("compression.{codec}.level")) {
        made.set("compression.level", level.trim());
    }
    // librdkafka wants a batch to wait less than it may live, and a retry's pause to fit between its bounds.
    let mut lives = made.get("message.timeout.ms").map_or(0, number).max(1);
    if transactional {
        // Nor may one live for longer than its transaction, whose default is half of the other's.
        const TRANSACTION_TIMEOUT_MS: i64 = 60_000;
        lives = lives.min(made.get("transaction.timeout.ms").map_or(TRANSACTION_TIMEOUT_MS, number));
    }
    made.set("message.timeout.ms", lives.max(made.get("linger.ms").map_or(0, number) + 1).to_string());
    let block = made.get("topic.metadata.propagation.max.ms").map_or(0, number).clamp(0, 3_600_000);
    made.set("topic.metadata.propagation.max.ms", block.to_string());
    let request = made.get("request.timeout.ms").map_or(0, number);
    made.set("request.timeout.ms", request.clamp(1, 900_000).to_string());
    made.set("socket.timeout.ms", request.clamp(10, 300_000).to_string());
    ordered_backoff(made);
    Ok(())
}

fn consumer_rules(made: &mut Translated) {
    // A fetch may wait at the broker; its answer is not late before that.
    let wait = made.get("fetch.wait.max.ms").map_or(500, number);
    let socket = made.get("socket.timeout.ms").map_or(60_000, number);
    made.set("socket.timeout.ms", socket.clamp(wait + 1001, 300_000.max(wait + 1001)).to_string());
    // An answer may be a little larger than what was asked for.
    let most =
        made.get("fetch.max.bytes").map_or(0, number).max(made.get("max.partition.fetch.bytes").map_or(0, number));
    if most > 99_000_000 {
        made.set("receive.message.max.bytes", (most + 1_000_000).min(i64::from(i32::MAX)).to_string());
    }
    // Longer than a session, as librdkafka demands.
    if let (Some(session), None) = (made.get("session.timeout.ms").map(number), made.get("max.poll.interval.ms"))
        && session > 300_000
    {
        made.set("max.poll.interval.ms", session.to_string());
    }
    ordered_backoff(made);
}

fn ordered_backoff(made: &mut Translated) {
    for key in ["retry.backoff", "reconnect.backoff"] {
        let (least, most) = (format!("{key}.ms"), format!("{key}.max.ms"));
        if let Some(low) = made.get(&least).map(number) {
            let high = made.get(&most).map_or(1000, number).max(low);
            made.set(&most, high.to_string());
        }
    }
}

fn known_to_librdkafka(key: &str) -> bool {
    ClientConfig::new().create_native_config().is_ok_and(|config| config.get(key).is_ok())
}

fn refuse_what_is_not_built(java: &Properties) -> Result<(), Exception> {
    let protocol = java.get("security.protocol").map(|protocol| protocol.trim().to_ascii_uppercase());
    match protocol.as_deref() {
        None | Some("PLAINTEXT") => Ok(()),
        Some(protocol @ ("SSL" | "SASL_PLAINTEXT" | "SASL_SSL")) => Err(config_error(format!(
            "security.protocol={protocol} is not supported yet: Ottla's tools speak PLAINTEXT only"
        ))),
        Some(other) => Err(config_error(format!(
            "Invalid value {other} for configuration security.protocol: String must be one of: PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"
        ))),
    }
}
