//! `ottla configs`, as `kafka-configs.sh`: shows and changes configs of topics, brokers and their loggers, quotas of users, clients and
//! addresses, and SCRAM credentials.
//!
//! Errors that the tool finds itself are told alone on standard error; all others behind the arguments, as Kafka's `ConfigCommand` does.
//! Beware: the configs of a broker are replaced as a whole (legacy AlterConfigs), so all its sensitive ones must be given again.

mod options;
mod quotas;
mod resources;

use std::time::Duration;

use super::admin_client::{AdminClient, AdminConfig, block_on, load_properties};
use super::console::Console;
use super::java::{Exception, class_name};
use super::options::{Ended, Options};
use crate::base::ErrorCode;

pub use options::SPECS;
pub use quotas::salted;

/// How long a description is waited for, as in Kafka.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs the command.
pub fn run(args: &[String], console: &Console) -> u8 {
    match try_run(args, console) {
        Ok(Ok(())) => 0,
        Ok(Err(ended)) => ended.0,
        Err(error) if is_plain(&error) => {
            console.complain(&error);
            1
        }
        Err(error) => {
            let args = args.join(" ");
            console
                .complain(format_args!("Error while executing config command with args '{args}'\n{}", error.stack()));
            1
        }
    }
}

/// Errors of which only the message is told.
fn is_plain(error: &Exception) -> bool {
    error.is("java.lang.IllegalArgumentException")
        || error.is("java.lang.NumberFormatException")
        || error.is(&class_name(ErrorCode::InvalidConfig))
        || error.is_option_error()
}

fn try_run(args: &[String], console: &Console) -> Result<Result<(), Ended>, Exception> {
    let options = Options::parse(SPECS, args)?;
    if let Err(ended) = options::check_usage(&options, console) {
        return Ok(Err(ended));
    }
    let entities = options::check(&options)?;
    let properties = load_properties(options.value("command-config")?)?;
    let Some(servers) = options.value("bootstrap-server")? else {
        return Err(options::other_doors(&options));
    };
    let mut config = AdminConfig::new(servers, &properties, console)?;
    if options.has("describe") {
        config.api_timeout = config.api_timeout.min(DESCRIBE_TIMEOUT);
    }
    if options.has("alter") && entities.types.len() != entities.names.len() {
        return Err(Exception::illegal("An entity name must be specified for every entity type"));
    }
    block_on(async {
        let mut admin = AdminClient::new(config, console.clone());
        if options.has("alter") {
            alter(&options, &entities, &mut admin, console).await
        } else {
            describe(&options, &entities, &mut admin, console).await
        }
    })?
    .map(Ok)
}

/// Types and names that options gave; an empty name is the default entity.
#[derive(Debug)]
struct Entities {
    types: Vec<String>,
    names: Vec<String>,
}

/// A change: what to set, in the order of the keys' text, and what to delete, as given.
#[derive(Debug)]
struct Change {
    set: Vec<(String, String)>,
    delete: Vec<String>,
}

async fn describe(
    options: &Options,
    entities: &Entities,
    admin: &mut AdminClient,
    console: &Console,
) -> Result<(), Exception> {
    match entities.types[0].as_str() {
        "users" | "clients" => quotas::describe_quotas_and_scram(entities, admin, console).await,
        "ips" => quotas::describe_quotas(entities, admin, console).await,
        entity_type => {
            let name = entities.names.first().map(String::as_str);
            resources::describe(entity_type, name, options.has("all"), admin, console).await
        }
    }
}

async fn alter(
    options: &Options,
    entities: &Entities,
    admin: &mut AdminClient,
    console: &Console,
) -> Result<(), Exception> {
    let change = Change { set: options::to_set(options, console)?, delete: options::to_delete(options) };
    let (entity_type, name) = (entities.types[0].as_str(), entities.names[0].as_str());
    match entity_type {
        "users" | "clients" => quotas::alter_user_or_client(entities, &change, admin).await?,
        "ips" => quotas::alter_ip(entities, &change, admin).await?,
        _ => resources::alter(entity_type, name, &change, admin).await?,
    }
    if name.is_empty() {
        console.say(format_args!("Completed updating default config for {entity_type} in the cluster."));
    } else {
        console.say(format_args!("Completed updating config for {} {name}.", singular(entity_type)));
    }
    Ok(())
}

/// `topics` as `topic`.
fn singular(entity_type: &str) -> &str {
    entity_type.strip_suffix('s').unwrap_or(entity_type)
}
