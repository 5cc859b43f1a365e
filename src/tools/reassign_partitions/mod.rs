//! `ottla reassign-partitions`, as `kafka-reassign-partitions.sh`: moves partitions between brokers and replicas between log directories.
//!
//! | file | what |
//! |---|---|
//! | here | the actions: execute, verify, cancel, list |
//! | [`generate`] | a proposal |
//! | [`options`], [`plan`] | arguments; the JSON files |
//! | [`throttle`], [`log_dirs`] | throttles of a move; moves between directories |
//!
//! Flags, texts and exit codes are those of Kafka 3.9's `ReassignPartitionsCommand`, which prints its errors on standard output. One thing
//! is not: `--cancel` also calls off a move that only adds replicas, which Kafka's leaves running.

mod generate;
pub mod log_dirs;
mod options;
pub mod plan;
pub mod throttle;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Duration;

use super::admin_client::reassignments::{Partition, Reassignment, Results};
use super::admin_client::{AdminClient, AdminConfig, block_on, load_properties};
use super::console::Console;
use super::java::{DEFAULT_CAPACITY, Exception, Failure, hash_order_by, partition_hash};
use super::options::Options;
use crate::base::{BrokerId, ErrorCode};
use plan::{Assignment, Plan, name, to_json};

pub use options::SPECS;

const EXISTING: &str = "Cannot execute because there is an existing partition assignment.  Use --additional to override this and create \
                        a new partition assignment in addition to the existing one. The --additional flag can also be used to change \
                        the throttle by resubmitting the current reassignment.";
const VERIFY_PERIODICALLY: &str =
    "Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is removed.";

/// Runs the command. The exit code is 1 for every error.
pub fn run(args: &[String], console: &Console) -> u8 {
    let options = match Options::parse(SPECS, args) {
        Ok(options) => options,
        Err(error) => {
            console.complain(format_args!("Exception in thread \"main\" {}", error.stack()));
            return 1;
        }
    };
    let action = match options::check(&options, console) {
        Ok(action) => action,
        Err(ended) => return ended.0,
    };
    match act(action, &options, console) {
        Ok(()) => 0,
        Err(Failure::Terse(message)) => {
            console.say(message);
            1
        }
        Err(Failure::Error(error)) => {
            console.say(format_args!("Error: {error}\n{}\n", error.stack()));
            1
        }
    }
}

fn act(action: &str, options: &Options, console: &Console) -> Result<(), Failure> {
    let mut properties = load_properties(options.value("command-config")?)?;
    if properties.get("client.id").is_none() {
        properties.insert("client.id", "reassign-partitions-tool");
    }
    let config = AdminConfig::new(options.value("bootstrap-server")?.unwrap_or_default(), &properties, console)?;
    let file = |option: &str| read(options.value(option)?.unwrap_or_default());
    let timeout = || -> Result<Duration, Exception> {
        let millis = options.long("timeout")?.unwrap_or_default();
        Ok(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
    };
    block_on(async {
        let mut admin = AdminClient::new(config, console.clone());
        let admin = &mut admin;
        match action {
            "generate" => {
                let json = file("topics-to-move-json-file")?;
                let brokers = options.value("broker-list")?.unwrap_or_default();
                let rack_aware = !options.has("disable-rack-aware");
                Ok(generate::generate(admin, &json, brokers, rack_aware, console).await?)
            }
            "execute" => {
                let json = file("reassignment-json-file")?;
                let rate = |option: &str| Ok::<_, Exception>(options.long(option)?.filter(|rate| *rate >= 0));
                let asked = Execution {
                    additional: options.has("additional"),
                    rate: rate("throttle")?,
                    log_dirs_rate: rate("replica-alter-log-dirs-throttle")?,
                    timeout: timeout()?,
                };
                execute(admin, &Plan::parse(&json)?, &asked, console).await
            }
            "verify" => {
                let plan = Plan::parse(&file("reassignment-json-file")?)?;
                Ok(verify(admin, &plan, options.has("preserve-throttles"), console).await?)
            }
            "cancel" => {
                let plan = Plan::parse(&file("reassignment-json-file")?)?;
                cancel(admin, &plan, options.has("preserve-throttles"), timeout()?, console).await
            }
            _ => {
                let running = admin.list_reassignments(None).await.map_err(Exception::in_future)?;
                console.say(told(&running));
                Ok(())
            }
        }
    })?
}

fn read(file: &str) -> Result<String, Exception> {
    std::fs::read_to_string(file).map_err(|error| {
        let cause = match error.kind() {
            std::io::ErrorKind::NotFound => Exception::new("java.nio.file.NoSuchFileException", file),
            _ => Exception::new("java.io.IOException", format!("{file}: {error}")),
        };
        Exception::new("java.io.IOException", format!("Unable to read file {file}")).because(cause)
    })
}

/// How a plan shall be executed.
struct Execution {
    /// Beside moves under way.
    additional: bool,
    /// Bytes a second between brokers.
    rate: Option<i64>,
    /// Bytes a second between the directories of a broker.
    log_dirs_rate: Option<i64>,
    /// Until moves between directories have begun.
    timeout: Duration,
}

async fn execute(admin: &mut AdminClient, plan: &Plan, asked: &Execution, console: &Console) -> Result<(), Failure> {
    let proposed = plan.check()?;
    let running = admin.list_reassignments(None).await.map_err(Exception::in_future)?;
    if !asked.additional && !running.is_empty() {
        return Err(Failure::Terse(EXISTING.to_owned()));
    }
    let live = admin.describe_cluster().await.map_err(Exception::in_future)?.nodes;
    let brokers: BTreeSet<BrokerId> = proposed.values().flatten().copied().collect();
    let brokers = hash_order_by(brokers.into_iter().collect(), DEFAULT_CAPACITY, |id: &BrokerId| id.cast_unsigned());
    if let Some(unknown) = brokers.iter().find(|id| live.iter().all(|node| node.id != **id)) {
        return Err(command_failed(format!("Unknown broker id {unknown}")).into());
    }
    let current = current_of(admin, &proposed).await?;
    console.say(format_args!(
        "Current partition replica assignment\n\n{}\n\nSave this to use as the --reassignment-json-file option during rollback",
        to_json(&current)
    ));
    if asked.rate.is_some() || asked.log_dirs_rate.is_some() {
        console.say(VERIFY_PERIODICALLY);
    }
    if let Some(rate) = asked.rate {
        throttle::set(admin, &throttle::moves(&running, &proposed, &current), rate, console).await?;
    }
    if let Some(rate) = asked.log_dirs_rate {
        let brokers = plan.dirs.keys().map(|replica| replica.broker).collect();
        throttle::set_for_log_dirs(admin, &brokers, rate, console).await?;
    }
    let names: Vec<String> = proposed.keys().map(name).collect();
    let targets = proposed.into_iter().map(|(partition, replicas)| (partition, Some(replicas))).collect();
    failures(&admin.alter_reassignments(&targets).await, "Error reassigning partition(s):")?;
    console.say(format_args!(
        "Successfully started partition reassignment{} for {}",
        plural(names.len()),
        names.join(",")
    ));
    if plan.dirs.is_empty() {
        return Ok(());
    }
    log_dirs::begin(admin, plan.dirs.clone(), asked.timeout, console).await
}

/// The replicas that topics have now, by partition.
///
/// # Errors
/// An unknown topic's, as Kafka's tool words it.
async fn described(
    admin: &mut AdminClient,
    topics: BTreeSet<String>,
) -> Result<Vec<(Partition, Vec<BrokerId>)>, Exception> {
    let topics: Vec<String> = topics.into_iter().collect();
    let found = admin.describe_each(&topics).await.map_err(Exception::in_future)?;
    let mut all = Vec::new();
    for (topic, description) in topics.into_iter().zip(found) {
        let description = description.map_err(|error| match error.code {
            Some(code @ ErrorCode::UnknownTopicOrPartition) => {
                Exception::of_code(code, Some(&format!("Topic {topic} not found."))).in_future()
            }
            _ => error.in_future(),
        })?;
        all.extend(description.partitions.into_iter().map(|p| ((topic.clone(), p.partition), p.replicas)));
    }
    Ok(all)
}

async fn current_of(admin: &mut AdminClient, proposed: &Assignment) -> Result<Assignment, Exception> {
    let topics = proposed.keys().map(|(topic, _)| topic.clone()).collect();
    let all = described(admin, topics).await?.into_iter();
    let current: Assignment = all.filter(|(partition, _)| proposed.contains_key(partition)).collect();
    let missing: Vec<&Partition> = proposed.keys().filter(|partition| !current.contains_key(*partition)).collect();
    if missing.is_empty() {
        return Ok(current);
    }
    let missing = hash_order_by(missing, DEFAULT_CAPACITY, |(topic, index)| partition_hash(topic, *index));
    let names: Vec<String> = missing.into_iter().map(name).collect();
    let why = format!("Unable to find partition: {}", names.join(", "));
    Err(Exception::of_code(ErrorCode::UnknownTopicOrPartition, Some(&why)).in_future())
}

/// Ends with what failed, a line each.
fn failures(results: &Results, what: &str) -> Result<(), Failure> {
    let failed: Vec<String> = results
        .iter()
        .filter_map(|(partition, result)| Some(format!("{}: {}", name(partition), result.as_ref().err()?)))
        .collect();
    match failed.as_slice() {
        [] => Ok(()),
        lines => Err(Failure::Terse(format!("{what}\n{}", lines.join("\n")))),
    }
}

async fn verify(
    admin: &mut AdminClient,
    plan: &Plan,
    preserve_throttles: bool,
    console: &Console,
) -> Result<(), Exception> {
    let running = admin.list_reassignments(None).await.map_err(Exception::in_future)?;
    let targets = plan.targets();
    let topics = targets.keys().filter(|partition| !running.contains_key(*partition));
    let topics: Vec<String> = topics.map(|(topic, _)| topic.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    let mut current = Assignment::new();
    let found = admin.describe_each(&topics).await.map_err(Exception::in_future)?;
    for (topic, description) in topics.into_iter().zip(found) {
        match description {
            Ok(topic_now) => {
                current.extend(topic_now.partitions.into_iter().map(|p| ((topic.clone(), p.partition), p.replicas)))
            }
            // A partition that is not there has no replicas, and nobody moves it.
            Err(error) if error.code == Some(ErrorCode::UnknownTopicOrPartition) => {}
            Err(error) => return Err(error.in_future()),
        }
    }
    console.say("Status of partition reassignment:");
    for (partition, target) in &targets {
        let partition_name = name(partition);
        let now = current.get(partition).map_or(&[][..], Vec::as_slice);
        console.say(if running.contains_key(partition) {
            format!("Reassignment of partition {partition_name} is still in progress.")
        } else if now == target {
            format!("Reassignment of partition {partition_name} is completed.")
        } else {
            format!(
                "There is no active reassignment of partition {partition_name}, but replica set is {} rather than {}.",
                listed(now, ","),
                listed(target, ",")
            )
        });
    }
    let moves = log_dirs::states(admin, &plan.dirs).await?;
    let lines: Vec<String> = moves.iter().map(|(replica, state)| state.told(replica, &plan.dirs[replica])).collect();
    console.say(lines.join("\n"));
    if running.is_empty() && moves.values().all(log_dirs::State::is_done) && !preserve_throttles {
        throttle::clear(admin, plan, console).await?;
    }
    Ok(())
}

async fn cancel(
    admin: &mut AdminClient,
    plan: &Plan,
    preserve_throttles: bool,
    timeout: Duration,
    console: &Console,
) -> Result<(), Failure> {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for (topic, index) in plan.targets().into_keys() {
        topics.entry(topic).or_default().push(index);
    }
    // No partitions named would mean all of them.
    let running = match topics.is_empty() {
        true => BTreeMap::new(),
        false => admin.list_reassignments(Some(&topics)).await.map_err(Exception::in_future)?,
    };
    let active: Vec<Partition> = running.into_keys().collect();
    if active.is_empty() {
        console.say("None of the specified partition reassignments are active.");
    } else {
        let names: Vec<String> = active.iter().map(name).collect();
        let results = admin.alter_reassignments(&active.into_iter().map(|p| (p, None)).collect()).await;
        let failed = results.values().filter(|result| result.is_err()).count();
        failures(&results, &format!("Error cancelling partition reassignment{} for:", plural(failed)))?;
        console.say(format_args!(
            "Successfully cancelled partition reassignment{} for: {}",
            plural(names.len()),
            names.join(",")
        ));
    }
    let back = |(replica, state)| match state {
        log_dirs::State::Active { current, .. } => Some((replica, current)),
        _ => None,
    };
    let moving: BTreeMap<_, _> = log_dirs::states(admin, &plan.dirs).await?.into_iter().filter_map(back).collect();
    if moving.is_empty() {
        // Without a line's end: it is Kafka's.
        console.print("None of the specified partition moves are active.");
    } else {
        log_dirs::begin(admin, moving, timeout, console).await?;
    }
    if !preserve_throttles {
        throttle::clear(admin, plan, console).await?;
    }
    Ok(())
}

/// Moves under way, a line each.
pub fn told(running: &BTreeMap<Partition, Reassignment>) -> String {
    let part = |what: &str, ids: &[BrokerId]| match ids {
        [] => String::new(),
        ids => format!(" {what}: {}.", listed(ids, ",")),
    };
    let line = |(partition, moving): (&Partition, &Reassignment)| {
        let (adding, removing) = (part("adding", &moving.adding), part("removing", &moving.removing));
        format!("{}: replicas: {}.{adding}{removing}", name(partition), listed(&moving.replicas, ","))
    };
    match running.is_empty() {
        true => "No partition reassignments found.".to_owned(),
        false => {
            let lines: Vec<String> = running.iter().map(line).collect();
            format!("Current partition reassignments:\n{}", lines.join("\n"))
        }
    }
}

fn command_failed(message: impl Into<String>) -> Exception {
    Exception::new("org.apache.kafka.server.common.AdminCommandFailedException", message)
}

fn listed<T: Display>(items: &[T], between: &str) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}

/// The ending of a word for so many.
fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
