//! What the admin client is told: bootstrap servers and the few properties of `--command-config` that it heeds.
//!
//! Names are those of Java's `AdminClientConfig`. What would change how the cluster is reached and is not built (TLS, SASL, KRaft
//! controllers) is refused by name; what only tunes Java's client is let pass.

use std::net::ToSocketAddrs;
use std::path::Path;
use std::time::Duration;

use crate::client::Target;
use crate::config::{Properties, properties};
use crate::tools::console::Console;
use crate::tools::java::Exception;

/// Settings of one client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminConfig {
    /// Where to start; never empty.
    pub bootstrap: Vec<Target>,
    /// `client.id`.
    pub client_id: String,
    /// `request.timeout.ms`: one request.
    pub request_timeout: Duration,
    /// `default.api.timeout.ms`: one call with all its tries.
    pub api_timeout: Duration,
    /// `socket.connection.setup.timeout.ms`.
    pub connect_timeout: Duration,
    /// `retry.backoff.ms`: between the first two tries; doubles from try to try.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_max: Duration,
}

impl AdminConfig {
    /// The settings for a `--bootstrap-server` and the properties of a `--command-config`.
    ///
    /// A server whose name is not known is warned of.
    ///
    /// # Errors
    /// Kafka's `ConfigException`s, and what is not built.
    pub fn new(bootstrap: &str, properties: &Properties, console: &Console) -> Result<Self, Exception> {
        refuse_what_is_not_built(properties)?;
        let millis = |key: &str, default: u64| match properties.get(key) {
            None => Ok(Duration::from_millis(default)),
            Some(text) => text.trim().parse().map(Duration::from_millis).map_err(|_| {
                config_error(format!("Invalid value {text} for configuration {key}: Not a number of type INT"))
            }),
        };
        Ok(Self {
            bootstrap: targets(bootstrap, console)?,
            client_id: properties.get("client.id").unwrap_or("adminclient-1").to_owned(),
            request_timeout: millis("request.timeout.ms", 30_000)?,
            api_timeout: millis("default.api.timeout.ms", 60_000)?,
            connect_timeout: millis("socket.connection.setup.timeout.ms", 10_000)?,
            retry_backoff: millis("retry.backoff.ms", 100)?,
            retry_backoff_max: millis("retry.backoff.max.ms", 1000)?,
        })
    }
}

/// The properties in a `--command-config` file; none without one.
///
/// # Errors
/// `java.nio.file.NoSuchFileException` and the like.
pub fn load_properties(file: Option<&str>) -> Result<Properties, Exception> {
    let Some(file) = file else { return Ok(Properties::new()) };
    properties::read_file(Path::new(file)).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Exception::new("java.nio.file.NoSuchFileException", file),
        _ => Exception::new("java.io.IOException", format!("{file}: {error}")),
    })
}

fn config_error(message: String) -> Exception {
    Exception::new("org.apache.kafka.common.config.ConfigException", message)
}

/// Access and place of the cluster are never guessed at.
fn refuse_what_is_not_built(properties: &Properties) -> Result<(), Exception> {
    const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
    if let Some(protocol) = properties.get("security.protocol").map(|p| p.trim().to_ascii_uppercase()) {
        if !PROTOCOLS.contains(&protocol.as_str()) {
            let why = format!(
                "Invalid value {protocol} for configuration security.protocol: String must be one of: {}",
                PROTOCOLS.join(", ")
            );
            return Err(config_error(why));
        }
        if protocol != "PLAINTEXT" {
            return Err(config_error(format!(
                "security.protocol={protocol} is not supported yet: Ottla's tools speak PLAINTEXT only"
            )));
        }
    }
    match properties.get("bootstrap.controllers") {
        Some(_) => Err(config_error(
            "bootstrap.controllers is not supported: a cluster with ZooKeeper has no KRaft controllers".into(),
        )),
        None => Ok(()),
    }
}

/// The addresses of a list `host:port,host:port`, as far as their names are known.
fn targets(list: &str, console: &Console) -> Result<Vec<Target>, Exception> {
    let failed = |why: String| {
        Exception::new("org.apache.kafka.common.KafkaException", "Failed to create new KafkaAdminClient")
            .because(config_error(why))
    };
    if list.trim().is_empty() {
        return Err(failed("You must set either bootstrap.servers or bootstrap.controllers".into()));
    }
    let mut targets = Vec::new();
    for url in list.split(',').map(str::trim).filter(|url| !url.is_empty()) {
        let target = target(url).ok_or_else(|| failed(format!("Invalid url in bootstrap.servers: {url}")))?;
        // Known before the first try, so that a misspelt name is told at once.
        if (target.host.as_str(), target.port).to_socket_addrs().is_ok_and(|mut found| found.next().is_some()) {
            targets.push(target);
        } else {
            let host = &target.host;
            let why =
                format!("Couldn't resolve server {url} from bootstrap.servers as DNS resolution failed for {host}");
            console.log("WARN", why, "org.apache.kafka.clients.ClientUtils");
        }
    }
    if targets.is_empty() {
        return Err(failed("No resolvable bootstrap urls given in bootstrap.servers".into()));
    }
    Ok(targets)
}

/// Checks a list of servers by its looks, as some tools do before they use it (`ToolsUtils.validateBootstrapServer`).
///
/// # Errors
/// What is wrong with it.
pub fn check_bootstrap(list: &str) -> Result<(), &'static str> {
    if list.trim().is_empty() {
        return Err("Error while validating the bootstrap address\n");
    }
    match list.split(',').all(|url| target(url).is_some()) {
        true => Ok(()),
        false => Err("Please provide valid host:port like host1:9091,host2:9092\n"),
    }
}

/// `[protocol://]host:port`, an IPv6 address in brackets.
pub fn target(url: &str) -> Option<Target> {
    let address = url.split_once("://").map_or(url, |(_, address)| address);
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '%' | '.' | '_' | ':');
    (!host.is_empty() && host.chars().all(known)).then_some(())?;
    port.parse().ok().map(|port| Target::new(host, port))
}
