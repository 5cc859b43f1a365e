//! `ottla consumer-groups`, as `kafka-consumer-groups.sh`: consumer groups, their members and their offsets.
//!
//! | file | what |
//! |---|---|
//! | here | list, delete, delete offsets |
//! | [`options`] | arguments |
//! | [`describe`] | offsets, members, state |
//! | [`reset`], [`time`] | new offsets |
//!
//! Beware: what goes wrong at a broker is told on standard output and the exit code stays 0, as with Kafka's. Only arguments that don't
//! go together give 1.

pub mod describe;
pub mod options;
pub mod reset;
pub mod time;

use std::collections::BTreeMap;
use std::time::Duration;

use super::admin_client::groups::GroupListing;
use super::admin_client::{AdminClient, AdminConfig, block_on, load_properties};
use super::console::Console;
use super::java::{Exception, class_name};
use super::options::{Ended, Options};
use crate::base::ErrorCode;

/// Kafka's logger.
const LOGGER: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
/// States a group may be in, in the order in which an error lists them.
const STATES: [&str; 7] =
    ["PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Empty", "Assigning", "Reconciling"];

/// Why an action was not done.
pub enum Failure {
    /// Arguments that make no sense: told with the usage.
    Usage(String),
    /// Anything else.
    Error(Exception),
}

impl From<Exception> for Failure {
    fn from(error: Exception) -> Self {
        if error.is("java.lang.IllegalArgumentException") || error.is_option_error() {
            return Self::Usage(error.to_string());
        }
        Self::Error(error)
    }
}

/// An error of a future, caught and thrown again.
fn wrapped(error: Exception) -> Exception {
    let error = error.in_future();
    Exception::new("java.lang.RuntimeException", error.line()).because(error)
}

/// Stands where there is nothing.
fn missing() -> String {
    "-".into()
}

fn no_such_group(group: &str, console: &Console) {
    console.say(format_args!("\nError: Consumer group '{group}' does not exist."));
}

/// Runs the command.
pub fn run(args: &[String], console: &Console) -> u8 {
    let options = match options::parse(args, console) {
        Ok(options) => options,
        Err(Ended(code)) => return code,
    };
    match act(&options, console) {
        Ok(()) => 0,
        Err(Failure::Usage(why)) => options.usage(console, &why).map_or_else(|ended| ended.0, |()| 1),
        Err(Failure::Error(error)) => {
            console.say(format_args!("\nError: Executing consumer group command failed due to {error}"));
            console.complain(error.stack());
            0
        }
    }
}

fn act(options: &Options, console: &Console) -> Result<(), Failure> {
    let properties = load_properties(options.value("command-config")?)?;
    let mut config = AdminConfig::new(options.value("bootstrap-server")?.unwrap_or_default(), &properties, console)?;
    let timeout = options.long("timeout")?.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(5000);
    config.api_timeout = Duration::from_millis(timeout);
    block_on(async {
        let mut admin = AdminClient::new(config, console.clone());
        if options.has("list") {
            return list(options, &mut admin, console).await;
        }
        let groups = match options.has("all-groups") {
            true => {
                admin.list_groups(&[], &[]).await.map_err(Exception::in_future)?.into_iter().map(|g| g.id).collect()
            }
            false => options.values("group").into_iter().map(String::from).collect::<Vec<_>>(),
        };
        if options.has("describe") {
            for group in &groups {
                let outcome = if options.has("members") {
                    describe::members(&mut admin, group, options.has("verbose"), console).await
                } else if options.has("state") {
                    describe::state(&mut admin, group, console).await
                } else {
                    describe::offsets(&mut admin, group, console).await
                };
                outcome.map_err(Exception::in_future)?;
            }
            Ok(())
        } else if options.has("delete") {
            delete(&mut admin, groups, console).await;
            Ok(())
        } else if options.has("reset-offsets") {
            reset::reset(options, &mut admin, groups, console).await
        } else {
            delete_offsets(options, &mut admin, console).await
        }
    })?
}

async fn list(options: &Options, admin: &mut AdminClient, console: &Console) -> Result<(), Failure> {
    let filter = |name: &str| options.values(name).first().copied().unwrap_or_default().to_owned();
    let (by_state, by_type) = (options.has("state"), options.has("type"));
    let states = states(&filter("state"))?;
    let types = types(&filter("type"))?;
    let groups = admin.list_groups(&states, &types).await.map_err(wrapped)?;
    if !by_state && !by_type {
        groups.iter().for_each(|group| console.say(&group.id));
        return Ok(());
    }
    let w = groups.iter().map(|group| group.id.chars().count()).max().unwrap_or(0).max(15) + 10;
    let line = |id: &str, kind: &str, state: &str| {
        let cell = |shown: bool, text: &str| if shown { format!(" {text:20}") } else { String::new() };
        console.say(format_args!("{id:w$}{}{}", cell(by_type, kind), cell(by_state, state)));
    };
    line("GROUP", "TYPE", "STATE");
    for GroupListing { id, state, kind } in &groups {
        let kind = match kind.to_ascii_lowercase().as_str() {
            "classic" => "Classic",
            "consumer" => "Consumer",
            _ => "Unknown",
        };
        line(id, kind, if state.is_empty() { "Unknown" } else { state });
    }
    Ok(())
}

/// States by any spelling.
fn states(list: &str) -> Result<Vec<String>, Failure> {
    let names = list.split(',').map(str::trim).filter(|_| !list.is_empty());
    let known =
        |name: &str| STATES.iter().find(|state| state.eq_ignore_ascii_case(name)).map(|state| (*state).to_owned());
    names
        .map(|name| {
            known(name).ok_or_else(|| {
                Failure::Usage(format!("Invalid state list '{list}'. Valid states are: {}", STATES.join(", ")))
            })
        })
        .collect()
}

fn types(list: &str) -> Result<Vec<String>, Failure> {
    let names = list.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|_| !list.is_empty());
    names
        .map(|name| match name.as_str() {
            "classic" | "consumer" => Ok(name),
            _ => Err(Failure::Usage(format!("Invalid types list '{list}'. Valid types are: Classic, Consumer"))),
        })
        .collect()
}

async fn delete(admin: &mut AdminClient, groups: Vec<String>, console: &Console) {
    let (mut gone, mut failed) = (Vec::new(), BTreeMap::new());
    for group in groups {
        match admin.delete_group(&group).await {
            Ok(()) => gone.push(group),
            Err(error) => {
                failed.insert(group, error);
            }
        }
    }
    if failed.is_empty() {
        console.say(format_args!("Deletion of requested consumer groups ('{}') was successful.", gone.join(", ")));
        return;
    }
    console.say("\nError: Deletion of some consumer groups failed:");
    for (group, error) in failed {
        console.say(format_args!("* Group '{group}' could not be deleted due to: {}", error.in_future().line()));
    }
    if !gone.is_empty() {
        console.say(format_args!("\nThese consumer groups were deleted successfully: '{}', '", gone.join("'")));
    }
}

async fn delete_offsets(options: &Options, admin: &mut AdminClient, console: &Console) -> Result<(), Failure> {
    let group = options.value("group")?.unwrap_or_default();
    let topics = options.values("topic");
    let mut unknown = Vec::new();
    let mut partitions = Vec::new();
    for topic in &topics {
        match reset::partitions_of(admin, &[topic]).await {
            Ok(found) => partitions.extend(found),
            Err(Failure::Error(_)) => unknown.push((*topic).to_owned()),
            Err(usage) => return Err(usage),
        }
    }
    let outcome = match partitions.is_empty() {
        true => Ok(BTreeMap::new()),
        false => admin.delete_offsets(group, &partitions).await.map_err(Exception::in_future)?,
    };
    let error = |why: String| console.say(format_args!("\nError: {why}"));
    match &outcome {
        Ok(codes) if codes.values().all(|code| *code == ErrorCode::None) => {
            console.say(format_args!(
                "Request succeed for deleting offsets with topic {} group {group}",
                topics.join(", ")
            ));
        }
        Ok(_) => error("Encounter some partition level error, see the follow-up details:".into()),
        Err(ErrorCode::InvalidGroupId) => error(format!("'{group}' is not valid.")),
        Err(ErrorCode::GroupIdNotFound) => error(format!("'{group}' does not exist.")),
        Err(ErrorCode::GroupAuthorizationFailed) => error(format!("Access to '{group}' is not authorized.")),
        Err(ErrorCode::NonEmptyGroup) => {
            error(format!("Deleting offsets of a consumer group '{group}' is forbidden if the group is not empty."))
        }
        Err(code) => error(format!("Encounter some unknown error: {}", code.name())),
    }
    let line = |topic: &str, partition: &str, status: &str| {
        console.print(format_args!("\n{topic:30} {partition:15} {status:15}"));
    };
    let failed = |code: ErrorCode| format!("Error: :{}: {}", class_name(code), Exception::of_code(code, None));
    line("TOPIC", "PARTITION", "STATUS");
    partitions.sort();
    for (topic, partition) in &partitions {
        let code = match &outcome {
            Ok(codes) => codes.get(&(topic.clone(), *partition)).copied().unwrap_or(ErrorCode::None),
            Err(code) => *code,
        };
        let status = if code == ErrorCode::None { "Successful".to_owned() } else { failed(code) };
        line(topic, &partition.to_string(), &status);
    }
    for topic in unknown {
        line(&topic, "Not Provided", &failed(ErrorCode::UnknownTopicOrPartition));
    }
    console.say("");
    Ok(())
}
