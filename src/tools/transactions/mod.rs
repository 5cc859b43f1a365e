//! `ottla transactions`, as `kafka-transactions.sh`: lists and describes transactions and the producers of a partition, finds those that
//! hang, and aborts one.
//!
//! Flags, tables and errors are those of Kafka 3.9's `TransactionsCommand`. [`arguments`] has the sub-commands, [`hanging`] the search.

mod arguments;
pub mod hanging;

use super::admin_client::transactions::{AbortSpec, TransactionDescription};
use super::admin_client::{AdminClient, block_on};
use super::argparse::{Parsed, Parser};
use super::cluster::connect_config;
use super::console::Console;
use super::java::{DEFAULT_CAPACITY, Exception, Failure, hash_order_by, partition_hash};
use super::options::{Ended, KAFKA_VERSION};
use crate::base::BrokerId;
use arguments::{COMMANDS, MAIN};

/// The commit of the version that these tools stand for, which Kafka's names beside it.
const KAFKA_COMMIT: &str = "5e9866f43ab8e7e4";

/// What was asked for.
enum Asked {
    List { longer_than_ms: Option<i64> },
    Describe { id: String },
    DescribeProducers { partition: (String, i32), broker: Option<BrokerId> },
    Abort { partition: (String, i32), which: Which },
    FindHanging { scope: hanging::Scope, max_timeout_minutes: i32 },
}

/// Which transaction to abort.
enum Which {
    /// The one that starts here.
    StartingAt(i64),
    /// A producer's, for brokers before 3.0 that don't tell where it starts.
    Of { producer_id: i64, producer_epoch: Option<i16>, coordinator_epoch: Option<i32> },
    /// Nothing says.
    Unknown,
}

fn failed(what: &str, error: &Exception) -> Failure {
    Failure::Terse(format!("{what}: {error}. Enable debug logging for additional detail."))
}

fn terse<T>(what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Terse(what.into()))
}

/// Runs the command.
pub fn run(args: &[String], console: &Console) -> u8 {
    let outcome = match parse(args, console) {
        Ok((main, asked)) => act(&main, asked, console),
        Err(ended) => return ended.0,
    };
    match outcome {
        Ok(()) => 0,
        Err(Failure::Terse(message)) => {
            console.complain(message);
            1
        }
        Err(Failure::Error(error)) => {
            console.complain(format_args!("Exception in thread \"main\" {}", error.stack()));
            1
        }
    }
}

fn parse<'a>(args: &'a [String], console: &Console) -> Result<(Parsed<'a>, Asked), Ended> {
    let main = MAIN.parse(args, console)?;
    if main.value("version").is_some() {
        console.say(format_args!("{KAFKA_VERSION} (Commit:{KAFKA_COMMIT})"));
        return Err(Ended(0));
    }
    let name = MAIN.sub_command(&main, &COMMANDS.map(|(name, ..)| name), console)?;
    let (_, parser, required) = COMMANDS.into_iter().find(|(n, ..)| *n == name).unwrap_or(COMMANDS[0]);
    let command = parser.parse(&main.rest[1..], console)?;
    if let Some(word) = command.rest.first() {
        return Err(parser.error(console, &format!("unrecognized arguments: '{word}'")));
    }
    let asked = asked(name, &parser, &command, console)?;
    MAIN.required(&main, &["bootstrap-server"], console)?;
    parser.required(&command, required, console)?;
    Ok((main, asked))
}

fn asked(name: &str, parser: &Parser, command: &Parsed<'_>, console: &Console) -> Result<Asked, Ended> {
    let text = |name: &str| command.value(name).unwrap_or_default().to_owned();
    let integer = |name: &str| parser.number::<i32>(command, name, "Integer", console);
    let long = |name: &str| parser.number::<i64>(command, name, "Long", console);
    let partition = || Ok((text("topic"), integer("partition")?.unwrap_or_default()));
    Ok(match name {
        "list" => Asked::List { longer_than_ms: long("duration-filter")? },
        "describe" => Asked::Describe { id: text("transactional-id") },
        "describe-producers" => Asked::DescribeProducers { broker: integer("broker-id")?, partition: partition()? },
        "abort" => {
            let producer_epoch = parser.number::<i16>(command, "producer-epoch", "Short", console)?;
            let coordinator_epoch = integer("coordinator-epoch")?;
            let which = match (long("start-offset")?, long("producer-id")?) {
                (Some(offset), _) => Which::StartingAt(offset),
                (None, Some(producer_id)) => Which::Of { producer_id, producer_epoch, coordinator_epoch },
                (None, None) => Which::Unknown,
            };
            Asked::Abort { partition: partition()?, which }
        }
        _ => {
            let scope = hanging::Scope {
                broker: integer("broker-id")?,
                topic: command.value("topic").map(String::from),
                partition: integer("partition")?,
            };
            const MAX_TIMEOUT_MINUTES: i32 = 15;
            let max_timeout_minutes = integer("max-transaction-timeout")?.unwrap_or(MAX_TIMEOUT_MINUTES);
            Asked::FindHanging { scope, max_timeout_minutes }
        }
    })
}

fn act(main: &Parsed<'_>, asked: Asked, console: &Console) -> Result<(), Failure> {
    let config = connect_config(main, "command-config", console)?;
    block_on(async {
        let mut admin = AdminClient::new(config, console.clone());
        let admin = &mut admin;
        match asked {
            Asked::List { longer_than_ms } => list(admin, longer_than_ms, console).await,
            Asked::Describe { id } => {
                let described = admin.describe_transaction(&id).await;
                let what = format!("Failed to describe transaction state of transactional-id `{id}`");
                describe(&id, &described.map_err(|error| failed(&what, &error))?, console);
                Ok(())
            }
            Asked::DescribeProducers { partition, broker } => {
                describe_producers(admin, &partition, broker, console).await
            }
            Asked::Abort { partition, which } => abort(admin, partition, which).await,
            Asked::FindHanging { scope, max_timeout_minutes } => {
                if scope.topic.is_none() && scope.broker.is_none() {
                    let what = "The `find-hanging` command requires either --topic or --broker-id to limit the scope of the search";
                    return terse(what);
                }
                if scope.partition.is_some() && scope.topic.is_none() {
                    return terse("The --partition argument requires --topic to be provided");
                }
                console.print(table(&hanging::HEADER, &hanging::find(admin, &scope, max_timeout_minutes).await?));
                Ok(())
            }
        }
    })?
}

async fn list(admin: &mut AdminClient, longer_than_ms: Option<i64>, console: &Console) -> Result<(), Failure> {
    let listed = admin.list_transactions(&[], longer_than_ms).await;
    let listed = listed.map_err(|error| failed("Failed to list transactions", &error))?;
    let mut rows = Vec::new();
    for (coordinator, transactions) in listed {
        for t in transactions {
            rows.push(vec![t.id, coordinator.to_string(), t.producer_id.to_string(), t.state]);
        }
    }
    console.print(table(&["TransactionalId", "Coordinator", "ProducerId", "TransactionState"], &rows));
    Ok(())
}

fn describe(id: &str, found: &TransactionDescription, console: &Console) {
    let header = [
        "CoordinatorId",
        "TransactionalId",
        "ProducerId",
        "ProducerEpoch",
        "TransactionState",
        "TransactionTimeoutMs",
        "CurrentTransactionStartTimeMs",
        "TransactionDurationMs",
        "TopicPartitions",
    ];
    let none = || "None".to_owned();
    let now = chrono::Local::now().timestamp_millis();
    let order = |(topic, index): &(String, i32)| partition_hash(topic, *index);
    let partitions = hash_order_by(found.partitions.iter().cloned().collect(), DEFAULT_CAPACITY, order);
    let partitions: Vec<_> = partitions.iter().map(|(topic, index)| format!("{topic}-{index}")).collect();
    let row = vec![
        found.coordinator.to_string(),
        id.to_owned(),
        found.producer_id.to_string(),
        found.producer_epoch.to_string(),
        found.state.clone(),
        found.timeout_ms.to_string(),
        found.start_ms.map_or_else(none, |ms| ms.to_string()),
        found.start_ms.map_or_else(none, |ms| (now - ms).to_string()),
        partitions.join(","),
    ];
    console.print(table(&header, &[row]));
}

async fn describe_producers(
    admin: &mut AdminClient,
    partition: &(String, i32),
    broker: Option<BrokerId>,
    console: &Console,
) -> Result<(), Failure> {
    let answer = admin.describe_producers(broker, std::slice::from_ref(partition)).await.remove(partition);
    let answer = answer.unwrap_or_else(|| Err(Exception::timeout("The partition is not in the answer.")));
    let found = answer.map_err(|error| {
        let place = broker.map_or("leader".to_owned(), |id| format!("broker {id}"));
        failed(
            &format!("Failed to describe producers for partition {}-{} on {place}", partition.0, partition.1),
            &error,
        )
    })?;
    let header = [
        "ProducerId",
        "ProducerEpoch",
        "LatestCoordinatorEpoch",
        "LastSequence",
        "LastTimestamp",
        "CurrentTransactionStartOffset",
    ];
    let row = |p: &crate::tools::admin_client::transactions::ProducerState| {
        vec![
            p.id.to_string(),
            p.epoch.to_string(),
            p.coordinator_epoch.unwrap_or(-1).to_string(),
            p.last_sequence.to_string(),
            p.last_timestamp.to_string(),
            p.transaction_start.map_or("None".to_owned(), |offset| offset.to_string()),
        ]
    };
    console.print(table(&header, &found.iter().map(row).collect::<Vec<_>>()));
    Ok(())
}

async fn abort(admin: &mut AdminClient, partition: (String, i32), which: Which) -> Result<(), Failure> {
    let spec = match which {
        Which::Unknown => {
            return terse(
                "The transaction to abort must be identified either with --start-offset (for brokers on 3.0 or above) or with \
                 --producer-id, --producer-epoch, and --coordinator-epoch (for older brokers)",
            );
        }
        Which::Of { producer_epoch: None, .. } => return terse("Missing required argument --producer-epoch"),
        Which::Of { coordinator_epoch: None, .. } => return terse("Missing required argument --coordinator-epoch"),
        // Before its first marker a partition knows no coordinator's epoch; none is below 0.
        Which::Of { producer_id, producer_epoch: Some(producer_epoch), coordinator_epoch: Some(epoch) } => {
            AbortSpec { partition, producer_id, producer_epoch, coordinator_epoch: epoch.max(0) }
        }
        Which::StartingAt(offset) => starting_at(admin, partition, offset).await?,
    };
    let aborted = admin.abort_transaction(&spec).await;
    aborted.map_err(|error| failed(&format!("Failed to abort transaction {spec}"), &error))
}

async fn starting_at(admin: &mut AdminClient, partition: (String, i32), offset: i64) -> Result<AbortSpec, Failure> {
    let name = format!("{}-{}", partition.0, partition.1);
    let answer = admin.describe_producers(None, std::slice::from_ref(&partition)).await.remove(&partition);
    let answer = answer.unwrap_or_else(|| Err(Exception::timeout("The partition is not in the answer.")));
    let producers =
        answer.map_err(|error| failed(&format!("Failed to validate producer state for partition {name}"), &error))?;
    match producers.iter().find(|producer| producer.transaction_start == Some(offset)) {
        Some(producer) => Ok(AbortSpec {
            partition,
            producer_id: producer.id,
            producer_epoch: i16::try_from(producer.epoch).unwrap_or(i16::MAX),
            coordinator_epoch: producer.coordinator_epoch.unwrap_or(0),
        }),
        None => terse(format!("Could not find any open transactions starting at offset {offset} on partition {name}")),
    }
}

/// Rows below a header, each cell as wide as its column and with a tab behind it.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header = header.iter().map(ToString::to_string).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&header).chain(rows).collect();
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |row: &&Vec<String>| {
        let cells: String = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}\t")).collect();
        cells + "\n"
    };
    all.iter().map(line).collect()
}
