//! `--reset-offsets`: which partitions, to which offsets; shown, exported or committed.
//!
//! Offsets out of a log's range are brought to its nearer end, with a warning. Beware: Kafka 3.9 puts all rows of its table on one line;
//! here each has its own.

use std::collections::{BTreeMap, BTreeSet};

use super::{Failure, LOGGER, time, wrapped};
use crate::base::{Env, timestamp};
use crate::tools::admin_client::AdminClient;
use crate::tools::admin_client::offsets::Partition;
use crate::tools::console::Console;
use crate::tools::java::Exception;
use crate::tools::options::Options;

/// New offsets of each group.
type Plan = BTreeMap<String, BTreeMap<Partition, i64>>;

/// Runs the action.
///
/// # Errors
/// What keeps it from being done.
pub async fn reset(
    options: &Options,
    admin: &mut AdminClient,
    groups: Vec<String>,
    console: &Console,
) -> Result<(), Failure> {
    let file = options.value("from-file")?.map(read_file).transpose()?;
    let mut plan = Plan::new();
    for group in groups {
        let state = admin.describe_group(&group).await?.state;
        if !["Empty", "Dead"].contains(&state.as_str()) {
            console.say(format_args!(
                "\nError: Assignments can only be reset if the group '{group}' is inactive, but the current state is {state}."
            ));
            plan.insert(group, BTreeMap::new());
            continue;
        }
        let offsets = match &file {
            Some(lines) => from_file(admin, lines, &group, options, console).await?,
            None => {
                let committed = admin.committed_offsets(&group).await?;
                let partitions = scope(options, admin, &committed).await?;
                new_offsets(options, admin, &partitions, &committed, console).await?
            }
        };
        if options.has("execute") && !offsets.is_empty() {
            admin.commit_offsets(&group, &offsets).await?;
        }
        plan.insert(group, offsets);
    }
    if options.has("export") {
        console.say(csv(&plan, options.values("group").len() == 1));
    } else {
        table(&plan, console);
    }
    Ok(())
}

fn table(plan: &Plan, console: &Console) {
    let line = |group: &str, topic: &str, partition: &str, offset: &str| {
        console.print(format_args!("\n{group:30} {topic:30} {partition:10} {offset:15}"));
    };
    line("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET");
    for (group, offsets) in plan {
        for ((topic, partition), offset) in offsets {
            line(group, topic, &partition.to_string(), &offset.to_string());
        }
    }
    console.say("");
}

fn csv(plan: &Plan, single: bool) -> String {
    let mut text = String::new();
    for (group, offsets) in plan {
        for ((topic, partition), offset) in offsets {
            if !single {
                text.push_str(&format!("{group},"));
            }
            text.push_str(&format!("{topic},{partition},{offset}\n"));
        }
    }
    text
}

/// The partitions that are asked for.
async fn scope(
    options: &Options,
    admin: &mut AdminClient,
    committed: &BTreeMap<Partition, i64>,
) -> Result<BTreeSet<Partition>, Failure> {
    if options.has("all-topics") {
        return Ok(committed.keys().cloned().collect());
    }
    if !options.has("topic") {
        return Err(Failure::Usage("One of the reset scopes should be defined: --all-topics, --topic.".into()));
    }
    partitions_of(admin, &options.values("topic")).await
}

/// `topic` or `topic:0,1`, of each of these.
///
/// # Errors
/// For a topic that is not there, or a partition that is no number.
pub async fn partitions_of(admin: &mut AdminClient, topics: &[&str]) -> Result<BTreeSet<Partition>, Failure> {
    let mut partitions = BTreeSet::new();
    for text in topics {
        match text.split_once(':') {
            Some((topic, list)) => {
                for number in list.split(',') {
                    let number =
                        number.trim().parse().map_err(|_| Failure::Usage(format!("For input string: \"{number}\"")))?;
                    partitions.insert((topic.to_owned(), number));
                }
            }
            None => {
                for topic in admin.describe_topics(&[(*text).to_owned()]).await.map_err(wrapped)? {
                    partitions.extend(topic.partitions.iter().map(|p| (topic.name.clone(), p.partition)));
                }
            }
        }
    }
    Ok(partitions)
}

async fn new_offsets(
    options: &Options,
    admin: &mut AdminClient,
    partitions: &BTreeSet<Partition>,
    committed: &BTreeMap<Partition, i64>,
    console: &Console,
) -> Result<BTreeMap<Partition, i64>, Failure> {
    if options.has("to-earliest") {
        return at(admin, partitions, timestamp::EARLIEST).await;
    }
    if options.has("to-latest") {
        return at(admin, partitions, timestamp::LATEST).await;
    }
    if options.has("to-current") {
        let (have, rest): (BTreeSet<_>, BTreeSet<_>) =
            partitions.iter().cloned().partition(|partition| committed.contains_key(partition));
        let mut offsets = at(admin, &rest, timestamp::LATEST).await?;
        offsets.extend(have.into_iter().filter_map(|p| committed.get(&p).map(|offset| (p, *offset))));
        return Ok(offsets);
    }
    if let Some(offset) = options.long("to-offset")? {
        return clamp(admin, partitions.iter().map(|p| (p.clone(), offset)).collect(), console).await;
    }
    if let Some(by) = options.long("shift-by")? {
        let mut wanted = BTreeMap::new();
        for partition in partitions {
            let Some(current) = committed.get(partition) else {
                let (topic, partition) = partition;
                return Err(Failure::Usage(format!(
                    "Cannot shift offset for partition {topic}-{partition} since there is no current committed offset"
                )));
            };
            wanted.insert(partition.clone(), current.saturating_add(by));
        }
        return clamp(admin, wanted, console).await;
    }
    if let Some(text) = options.value("to-datetime")? {
        let ms = time::datetime_ms(text).map_err(|why| {
            let cause = Exception::new("java.text.ParseException", why);
            Exception::new("java.lang.RuntimeException", cause.line()).because(cause)
        })?;
        return by_time(admin, partitions, ms, console).await;
    }
    if let Some(text) = options.value("by-duration")? {
        let ms =
            time::duration_ms(text).map_err(|why| Exception::new("java.time.format.DateTimeParseException", why))?;
        return by_time(admin, partitions, Env::current().clock.wall_ms() - ms, console).await;
    }
    let all = super::options::SCENARIOS.map(|name| format!("[{name}]")).join(", ");
    Err(Failure::Usage(format!("Option '[reset-offsets]' requires one of the following scenarios: [{all}]")))
}

/// What a special timestamp stands for in each partition.
async fn at(
    admin: &mut AdminClient,
    partitions: &BTreeSet<Partition>,
    time: i64,
) -> Result<BTreeMap<Partition, i64>, Failure> {
    let mut offsets = BTreeMap::new();
    for (partition, offset) in admin.list_offsets(partitions, time).await {
        offsets.insert(partition, offset.map_err(Exception::in_future)?);
    }
    Ok(offsets)
}

async fn by_time(
    admin: &mut AdminClient,
    partitions: &BTreeSet<Partition>,
    ms: i64,
    console: &Console,
) -> Result<BTreeMap<Partition, i64>, Failure> {
    let mut offsets = at(admin, partitions, ms).await?;
    let after: BTreeSet<Partition> =
        offsets.iter().filter(|(_, offset)| **offset < 0).map(|(p, _)| p.clone()).collect();
    for (partition, end) in at(admin, &after, timestamp::LATEST).await? {
        console.say(format_args!(
            "\nWarn: Partition {} from topic {} is empty. Falling back to latest known offset.",
            partition.1, partition.0
        ));
        offsets.insert(partition, end);
    }
    Ok(offsets)
}

/// Brings offsets into the logs' ranges.
async fn clamp(
    admin: &mut AdminClient,
    mut wanted: BTreeMap<Partition, i64>,
    console: &Console,
) -> Result<BTreeMap<Partition, i64>, Failure> {
    let partitions: BTreeSet<Partition> = wanted.keys().cloned().collect();
    let starts = at(admin, &partitions, timestamp::EARLIEST).await?;
    let ends = at(admin, &partitions, timestamp::LATEST).await?;
    for (partition, offset) in &mut wanted {
        let (start, end) =
            (starts.get(partition).copied().unwrap_or(0), ends.get(partition).copied().unwrap_or(*offset));
        let (which, limit) = match *offset {
            offset if offset > end => ("higher than latest", end),
            offset if offset < start => ("lower than earliest", start),
            _ => continue,
        };
        let (topic, number) = partition;
        console.log(
            "WARN",
            format_args!(
                "New offset ({offset}) is {which} offset for topic partition {topic}-{number}. Value will be set to {limit}"
            ),
            LOGGER,
        );
        *offset = limit;
    }
    Ok(wanted)
}

/// A line of a file: a group if it is named, a partition, an offset.
struct Line {
    group: Option<String>,
    partition: Partition,
    offset: i64,
}

/// Largest file of offsets read: a line for each partition of a large cluster is a few megabytes.
const MOST_FILE_BYTES: u64 = 256 << 20;

fn read_file(path: &str) -> Result<Vec<Line>, Exception> {
    let large = std::fs::metadata(path).is_ok_and(|file| file.len() > MOST_FILE_BYTES);
    let text = match std::fs::read_to_string(path) {
        Ok(text) if !large => text,
        Ok(_) => return Err(Exception::new("java.io.IOException", format!("{path} is too large"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Exception::new("java.nio.file.NoSuchFileException", path));
        }
        Err(error) => return Err(Exception::new("java.io.IOException", format!("{path}: {error}"))),
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let invalid = || Exception::illegal(format!("Invalid line in {path}: {line}"));
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let (group, rest) = match fields.as_slice() {
                [group, topic, partition, offset] => (Some((*group).to_owned()), [*topic, *partition, *offset]),
                [topic, partition, offset] => (None, [*topic, *partition, *offset]),
                _ => return Err(invalid()),
            };
            let partition = (rest[0].to_owned(), rest[1].parse().map_err(|_| invalid())?);
            Ok(Line { group, partition, offset: rest[2].parse().map_err(|_| invalid())? })
        })
        .collect()
}

async fn from_file(
    admin: &mut AdminClient,
    lines: &[Line],
    group: &str,
    options: &Options,
    console: &Console,
) -> Result<BTreeMap<Partition, i64>, Failure> {
    let single = options.values("group").len() == 1;
    let mine = lines.iter().filter(|line| match &line.group {
        Some(of) => of == group,
        None => single,
    });
    let wanted: BTreeMap<Partition, i64> = mine.map(|line| (line.partition.clone(), line.offset)).collect();
    if wanted.is_empty() {
        console.say(format_args!("\nError: No reset plan for group {group} found"));
        return Ok(wanted);
    }
    clamp(admin, wanted, console).await
}
