//! The options of `configs`, which of them go together, and what they mean.

use std::net::ToSocketAddrs;
use std::path::Path;

use super::Entities;
use crate::base::ErrorCode;
use crate::config::table::{self, Mode};
use crate::config::{entity, properties, topic};
use crate::tools::console::Console;
use crate::tools::java::{Exception, class_name};
use crate::tools::options::{Ended, HELP, Options, Spec, VERSION, flag, text};

/// All options.
pub const SPECS: &[Spec] = &[
    text("bootstrap-server", "server to connect to", "The Kafka servers to connect to."),
    text("bootstrap-controller", "controller to connect to", "The Kafka controllers to connect to."),
    text(
        "zookeeper",
        "urls",
        "DEPRECATED. The connection string for the zookeeper connection in the form host:port. Multiple URLS can be given to allow \
         fail-over. Required when configuring SCRAM credentials for users or dynamic broker configs when the relevant broker(s) are \
         down. Not allowed otherwise.",
    ),
    text(
        "command-config",
        "command config property file",
        "Property file containing configs to be passed to Admin Client. This is used only with --bootstrap-server option for describing \
         and altering broker configs.",
    ),
    flag("alter", "Alter the configuration for the entity."),
    flag("describe", "List configs for the given entity."),
    flag(
        "all",
        "List all configs for the given topic, broker, or broker-logger entity (includes static configuration when the entity type is \
         brokers)",
    ),
    text("entity-type", "", "Type of entity (topics/clients/users/brokers/broker-loggers/ips/client-metrics)"),
    text("entity-name", "", "Name of entity (topic name/client id/user principal name/broker id/ip/client metrics)"),
    flag(
        "entity-default",
        "Default entity name for clients/users/brokers/ips (applies to corresponding entity type in command line)",
    ),
    text("add-config", "", "").described_by(add_config_text),
    text(
        "add-config-file",
        "",
        "Path to a properties file with configs to add. See add-config for a list of valid configurations.",
    ),
    text("delete-config", "", "config keys to remove 'k1,k2'"),
    flag("force", "Suppress console prompts"),
    text("topic", "", "The topic's name."),
    text("client", "", "The client's ID."),
    flag("client-defaults", "The config defaults for all clients."),
    text("user", "", "The user's principal name."),
    flag("user-defaults", "The config defaults for all users."),
    text("broker", "", "The broker's ID."),
    flag("broker-defaults", "The config defaults for all brokers."),
    text("broker-logger", "", "The broker's ID for its logger config."),
    flag("ip-defaults", "The config defaults for all IPs."),
    text("ip", "", "The IP address."),
    text(
        "zk-tls-config-file",
        "ZooKeeper TLS configuration",
        "Identifies the file where ZooKeeper client TLS connectivity properties are defined.  Any properties other than \
         zookeeper.clientCnxnSocket, zookeeper.ssl.cipher.suites, zookeeper.ssl.client.enable, zookeeper.ssl.crl.enable, \
         zookeeper.ssl.enabled.protocols, zookeeper.ssl.endpoint.identification.algorithm, zookeeper.ssl.keystore.location, \
         zookeeper.ssl.keystore.password, zookeeper.ssl.keystore.type, zookeeper.ssl.ocsp.enable, zookeeper.ssl.protocol, \
         zookeeper.ssl.truststore.location, zookeeper.ssl.truststore.password, zookeeper.ssl.truststore.type are ignored.",
    ),
    HELP,
    VERSION,
];

const USAGE: &str =
    "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip or client-metrics";

/// Options that name a type and an entity at once.
const BY_NAME: [(&str, &str); 6] = [
    ("topic", "topics"),
    ("client", "clients"),
    ("user", "users"),
    ("broker", "brokers"),
    ("broker-logger", "broker-loggers"),
    ("ip", "ips"),
];
/// Options that name a type and its default entity.
const DEFAULTS: [(&str, &str); 4] = [
    ("client-defaults", "clients"),
    ("user-defaults", "users"),
    ("broker-defaults", "brokers"),
    ("ip-defaults", "ips"),
];

const TYPES: [&str; 7] = ["topics", "clients", "users", "brokers", "ips", "broker-loggers", "client-metrics"];
const TYPES_IN_ZOOKEEPER: [&str; 2] = ["users", "brokers"];

fn add_config_text() -> String {
    let list = |what: &str, mut names: Vec<&str>| {
        names.sort_unstable();
        let names: String = names.iter().map(|name| format!("\t{name}\n")).collect();
        format!("For entity-type '{what}': \n{names}")
    };
    let topics = topic::KEYS.iter().map(|key| key.name).collect();
    let brokers = table::all()
        .chain(table::DYNAMIC_ONLY)
        .filter(|key| key.mode != Mode::ReadOnly && !key.internal)
        .map(|key| key.name)
        .collect();
    let clients: Vec<&str> = entity::CLIENT_KEYS.iter().map(|key| key.name).collect();
    let users = [&clients[..], &["SCRAM-SHA-256", "SCRAM-SHA-512"]].concat();
    let ips = entity::IP_KEYS.iter().map(|key| key.name).collect();
    [
        "Key Value pairs of configs to add. Square brackets can be used to group values which contain commas: 'k1=v1,k2=[v1,v2,v2],k3=v3'. \
         The following is a list of valid configurations: "
            .to_owned(),
        list("topics", topics),
        list("brokers", brokers),
        list("users", users),
        list("clients", clients),
        list("ips", ips),
        list("client-metrics", vec!["interval.ms", "match", "metrics"]),
        "Entity types 'users' and 'clients' may be specified together to update config for clients of a specific user.".to_owned(),
    ]
    .concat()
}

/// Help, version, and the errors that show the usage.
pub(super) fn check_usage(options: &Options, console: &Console) -> Result<(), Ended> {
    options.help_or_version(console, USAGE)?;
    if options.has("alter") == options.has("describe") {
        options.usage(console, "Command must include exactly one action: --describe, --alter")?;
    }
    options.exclude(console, "describe", &["alter", "add-config", "delete-config"])
}

/// The entities, and the errors that are one line. In Kafka's order, so that of several errors the same is told.
pub(super) fn check(options: &Options) -> Result<Entities, Exception> {
    let entities = entities(options)?;
    let types: Vec<&str> = entities.types.iter().map(String::as_str).collect();
    let has_type = |wanted: &str| types.contains(&wanted);
    let refuse = |message: String| Err(Exception::illegal(message));
    let twice: Vec<&str> = (1..types.len()).filter(|i| types[..*i].contains(&types[*i])).map(|i| types[i]).collect();
    if !twice.is_empty() {
        return refuse(format!("Duplicate entity type(s) specified: {}", twice.join(",")));
    }
    let connected = options.has("bootstrap-server") || options.has("bootstrap-controller");
    let (allowed, door): (&[&str], _) = if connected {
        (&TYPES, "--bootstrap-server or --bootstrap-controller")
    } else {
        (&TYPES_IN_ZOOKEEPER, "--zookeeper")
    };
    if let Some(bad) = types.iter().find(|t| !allowed.contains(t)) {
        let allowed = allowed.join(", ");
        return refuse(format!(
            "Invalid entity type {bad}, the entity type must be one of {allowed} with a {door} argument"
        ));
    }
    match types.as_slice() {
        [] => return refuse("At least one entity type must be specified".into()),
        [_] | ["users", "clients"] | ["clients", "users"] => {}
        _ => return refuse("Only 'users' and 'clients' entity types may be specified together".into()),
    }
    let long = ["entity-name", "entity-type", "entity-default"].iter().any(|name| options.has(name));
    if long && BY_NAME.iter().chain(&DEFAULTS).any(|(name, _)| options.has(name)) {
        return refuse(
            "--entity-{type,name,default} should not be used in conjunction with specific entity flags".into(),
        );
    }
    match ["bootstrap-server", "bootstrap-controller", "zookeeper"].iter().filter(|name| options.has(name)).count() {
        0 => {
            let why = "One of the required --bootstrap-server, --boostrap-controller, or --zookeeper arguments must be specified";
            return refuse(why.into());
        }
        1 => {}
        _ => {
            return refuse(
                "Only one of --bootstrap-server, --boostrap-controller, and --zookeeper can be specified".into(),
            );
        }
    }
    if options.has("all") && options.has("zookeeper") {
        return refuse("--bootstrap-server must be specified for --all".into());
    }
    if options.has("zk-tls-config-file") && !options.has("zookeeper") {
        return refuse("Only the --zookeeper option can be used with the --zk-tls-config-file option.".into());
    }
    let named: Vec<&String> = entities.names.iter().filter(|name| !name.is_empty()).collect();
    for name in &named {
        if (has_type("brokers") || has_type("broker-loggers")) && name.parse::<i32>().is_err() {
            return refuse(format!(
                "The entity name for {} must be a valid integer broker id, but it is: {name}",
                types[0]
            ));
        }
        if has_type("ips") && (name.as_str(), 0).to_socket_addrs().is_err() {
            return refuse(format!(
                "The entity name for {} must be a valid IP or resolvable host, but it is: {name}",
                types[0]
            ));
        }
    }
    if options.has("describe") && has_type("broker-loggers") && named.is_empty() {
        return refuse(format!("an entity name must be specified with --describe of {}", types.join(",")));
    }
    if options.has("alter") {
        check_alter(options, &entities, &types, named.is_empty())?;
    }
    Ok(entities)
}

fn check_alter(options: &Options, entities: &Entities, types: &[&str], unnamed: bool) -> Result<(), Exception> {
    let with_default = ["users", "clients", "brokers", "ips"].iter().any(|t| types.contains(t));
    if with_default && entities.names.is_empty() {
        let why = "an entity-name or default entity must be specified with --alter of users, clients, brokers or ips";
        return Err(Exception::illegal(why));
    }
    if !with_default && unnamed {
        return Err(Exception::illegal(format!(
            "an entity name must be specified with --alter of {}",
            types.join(",")
        )));
    }
    if options.has("add-config") && options.has("add-config-file") {
        return Err(Exception::illegal("Only one of --add-config or --add-config-file must be specified"));
    }
    if !["add-config", "add-config-file", "delete-config"].iter().any(|name| options.has(name)) {
        let why = "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter";
        return Err(Exception::illegal(why));
    }
    Ok(())
}

fn entities(options: &Options) -> Result<Entities, Exception> {
    let mut types: Vec<String> = options.values("entity-type").into_iter().map(str::to_owned).collect();
    let mut names: Vec<String> = Vec::new();
    for (option, value) in options.order() {
        match option {
            "entity-name" => names.push(value.unwrap_or_default().to_owned()),
            "entity-default" => names.push(String::new()),
            _ => {}
        }
    }
    for (option, entity_type) in BY_NAME.iter().chain(&DEFAULTS) {
        if options.has(option) {
            types.push((*entity_type).to_owned());
            names.push(options.value(option)?.unwrap_or_default().to_owned());
        }
    }
    Ok(Entities { types, names })
}

/// Why there is no way but `--bootstrap-server`.
pub(super) fn other_doors(options: &Options) -> Exception {
    let unsupported = class_name(ErrorCode::UnsupportedVersion);
    if options.has("zookeeper") {
        Exception::new(unsupported, "--zookeeper is not supported yet: start a broker and use --bootstrap-server")
    } else {
        Exception::new(
            unsupported,
            "--bootstrap-controller is not supported: a cluster with ZooKeeper has no KRaft controllers",
        )
    }
}

/// What `--add-config` or `--add-config-file` set; a key given twice has its last value.
pub(super) fn to_set(options: &Options, console: &Console) -> Result<Vec<(String, String)>, Exception> {
    let mut set: Vec<(String, String)> = Vec::new();
    if let Some(file) = options.value("add-config-file")? {
        let read = properties::read_file(Path::new(file));
        let read = read.map_err(|_| Exception::new("java.nio.file.NoSuchFileException", file))?;
        set.extend(read.iter().map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
    if let Some(list) = options.value("add-config")? {
        for pair in split_outside_brackets(list, ',') {
            match split_outside_brackets(pair, '=').as_slice() {
                [key, value] => {
                    let (key, value) = (key.trim().to_owned(), value.replace(['[', ']'], "").trim().to_owned());
                    set.retain(|(k, _)| *k != key);
                    set.push((key, value));
                }
                _ => {
                    let why = "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\".";
                    return Err(Exception::illegal(why));
                }
            }
        }
    }
    if let Some((_, version)) = set.iter().find(|(key, _)| key == "message.format.version") {
        console.say(format_args!(
            "WARNING: The configuration message.format.version={version} is specified. This configuration will be ignored if the version \
             is newer than the inter.broker.protocol.version specified in the broker or if the inter.broker.protocol.version is 3.0 or \
             newer. This configuration is deprecated and it will be removed in Apache Kafka 4.0."
        ));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match set.iter().find(|(key, _)| !key.chars().all(allowed)) {
        Some((key, _)) => Err(Exception::illegal(format!("Invalid character found for config key: {key}"))),
        None => Ok(set),
    }
}

/// What `--delete-config k1,k2` names.
pub(super) fn to_delete(options: &Options) -> Vec<String> {
    let lists = options.values("delete-config");
    lists.iter().flat_map(|list| list.split(',')).map(|key| key.trim().to_owned()).collect()
}

/// Splits at a character that no `]` follows before the next `[`. Empty parts at the end count only for `=`.
fn split_outside_brackets(text: &str, at: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (i, c) in text.char_indices().filter(|(_, c)| *c == at) {
        let next_bracket = text[i..].find(['[', ']']).map(|j| &text[i + j..=i + j]);
        if next_bracket != Some("]") {
            parts.push(&text[start..i]);
            start = i + c.len_utf8();
        }
    }
    parts.push(&text[start..]);
    while at == ',' && parts.len() > 1 && parts.last().is_some_and(|last| last.is_empty()) {
        parts.pop();
    }
    parts
}
