//! `ottla verifiable-consumer`, as `kafka-verifiable-consumer.sh`: what a member of a group is given, reads and commits, as JSON lines.
//!
//! A poll is what lies ready, at most `max.poll.records`. Offsets are committed after each, and the commit told, unless that is automatic.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, topic_partition_list::TopicPartitionListElem};
use serde_json::{Value, json};

use super::admin_client::block_on;
use super::argparse::{Parsed, Parser, Spec, Takes};
use super::console::Console;
use super::java::Exception;
use super::kafka_client::consumer::{Consumer, Polled};
use super::kafka_client::context::{Group, Rebalanced, Voice};
use super::kafka_client::stop::Stop;
use super::kafka_client::{Role, client_config, errors, merged};
use super::options::Ended;
use super::verifiable_producer::event;
use crate::base::Env;
use crate::base::env::Clock;
use crate::config::Properties;

const HELP: &str = "\
usage: verifiable-consumer [-h] --topic TOPIC
                           [--group-protocol GROUP_PROTOCOL]
                           [--group-remote-assignor GROUP_REMOTE_ASSIGNOR]
                           --group-id GROUP_ID
                           [--group-instance-id GROUP_INSTANCE_ID]
                           [--max-messages MAX-MESSAGES]
                           [--session-timeout TIMEOUT_MS] [--verbose]
                           [--enable-autocommit]
                           [--reset-policy RESETPOLICY]
                           [--assignment-strategy ASSIGNMENTSTRATEGY]
                           [--consumer.config CONFIG_FILE]
                           (--bootstrap-server HOST1:PORT1[,HOST2:PORT2[...]]
                           | --broker-list HOST1:PORT1[,HOST2:PORT2[...]])

This tool consumes  messages  from  a  specific  topic  and  emits consumer
events (e.g. group rebalances,  received  messages,  and offsets committed)
as JSON objects to STDOUT.

optional arguments:
  -h, --help             show this help message and exit
  --topic TOPIC          Consumes messages from this topic.
  --group-protocol GROUP_PROTOCOL
                         Group protocol (must be  one of CLASSIC, CONSUMER)
                         (default: classic)
  --group-remote-assignor GROUP_REMOTE_ASSIGNOR
                         Group remote  assignor;  only  used  if  the group
                         protocol is CONSUMER
  --group-id GROUP_ID    The groupId shared among  members  of the consumer
                         group
  --group-instance-id GROUP_INSTANCE_ID
                         A unique identifier of the consumer instance
  --max-messages MAX-MESSAGES
                         Consume this many messages.  If  -1 (the default),
                         the consumer will  consume  until  the  process is
                         killed externally (default: -1)
  --session-timeout TIMEOUT_MS
                         Set  the  consumer's   session  timeout  (default:
                         30000)
  --verbose              Enable  to   log   individual   consumed   records
                         (default: false)
  --enable-autocommit    Enable offset  auto-commit  on  consumer (default:
                         false)
  --reset-policy RESETPOLICY
                         Set  reset  policy  (must  be  either  'earliest',
                         'latest', or 'none' (default: earliest)
  --assignment-strategy ASSIGNMENTSTRATEGY
                         Set assignment  strategy  (e.g.  org.apache.kafka.
                         clients.consumer.RoundRobinAssignor);  only   used
                         if the group  protocol  is  CLASSIC (default: org.
                         apache.kafka.clients.consumer.RangeAssignor)
  --consumer.config CONFIG_FILE
                         Consumer config  properties  file  (config options
                         shared  with  command  line   parameters  will  be
                         overridden).

Connection Group:
  Group of arguments for connection to brokers

  --bootstrap-server HOST1:PORT1[,HOST2:PORT2[...]]
                         REQUIRED   unless   --broker-list(deprecated)   is
                         specified. The  server(s)  to  connect  to. Comma-
                         separated list of Kafka brokers in the form HOST1:
                         PORT1,HOST2:PORT2,...
  --broker-list HOST1:PORT1[,HOST2:PORT2[...]]
                         DEPRECATED,   use    --bootstrap-server   instead;
                         ignored  if   --bootstrap-server   is   specified.
                         Comma-separated list of Kafka  brokers in the form
                         HOST1:PORT1,HOST2:PORT2,...
";

const SPECS: &[Spec] = &[
    ("topic", None, Takes::One),
    ("group-protocol", None, Takes::One),
    ("group-remote-assignor", None, Takes::One),
    ("group-id", None, Takes::One),
    ("group-instance-id", None, Takes::One),
    ("max-messages", None, Takes::One),
    ("session-timeout", None, Takes::One),
    ("verbose", None, Takes::Nothing),
    ("enable-autocommit", None, Takes::Nothing),
    ("reset-policy", None, Takes::One),
    ("assignment-strategy", None, Takes::One),
    ("consumer.config", None, Takes::One),
    ("bootstrap-server", None, Takes::One),
    ("broker-list", None, Takes::One),
];
const PARSER: Parser = Parser { program: "verifiable-consumer", help: HELP, specs: SPECS };

/// `max.poll.records`.
const POLL_RECORDS: usize = 500;
const RANGE: &str = "org.apache.kafka.clients.consumer.RangeAssignor";

/// Runs the command.
pub fn run(args: &[String], console: &Console) -> u8 {
    if args.is_empty() {
        console.print(HELP);
        return 0;
    }
    let outcome = block_on(async {
        let parsed = PARSER.parse(args, console)?;
        let most = check(&parsed, console)?;
        Ok::<_, Ended>(
            properties(&parsed).and_then(|properties| consume(&parsed, most, &properties, console, &Env::current())),
        )
    });
    match outcome {
        Ok(Err(Ended(code))) | Ok(Ok(Ok(code))) => code,
        Ok(Ok(Err(error))) | Err(error) => {
            console.complain(format_args!("Exception in thread \"main\" {}", error.stack()));
            1
        }
    }
}

fn check(parsed: &Parsed<'_>, console: &Console) -> Result<Option<usize>, Ended> {
    if let Some(word) = parsed.rest.first() {
        return Err(PARSER.error(console, &format!("unrecognized arguments: '{word}'")));
    }
    let most = PARSER.number::<i32>(parsed, "max-messages", "Integer", console)?;
    PARSER.number::<i32>(parsed, "session-timeout", "Integer", console)?;
    let protocol = parsed.value("group-protocol").unwrap_or("classic");
    if !protocol.eq_ignore_ascii_case("classic") {
        return Err(
            PARSER.error(console, "argument --group-protocol: a cluster with ZooKeeper has classic groups only")
        );
    }
    PARSER.required(parsed, &["topic", "group-id"], console)?;
    PARSER.one_of(parsed, &["bootstrap-server", "broker-list"], console)?;
    Ok(most.and_then(|most| usize::try_from(most).ok()))
}

fn properties(parsed: &Parsed<'_>) -> Result<Properties, Exception> {
    let mut properties = merged(parsed.value("consumer.config"), &[])?;
    let servers = parsed.value("bootstrap-server").or(parsed.value("broker-list"));
    let autocommit = if parsed.value("enable-autocommit").is_some() { "true" } else { "false" };
    for (key, value) in [
        ("bootstrap.servers", servers),
        ("group.id", parsed.value("group-id")),
        ("group.instance.id", parsed.value("group-instance-id")),
        ("session.timeout.ms", Some(parsed.value("session-timeout").unwrap_or("30000"))),
        ("enable.auto.commit", Some(autocommit)),
        ("auto.offset.reset", Some(parsed.value("reset-policy").unwrap_or("earliest"))),
        ("partition.assignment.strategy", Some(parsed.value("assignment-strategy").unwrap_or(RANGE))),
    ] {
        if let Some(value) = value {
            properties.insert(key, value);
        }
    }
    if properties.get("client.id").is_none() {
        let group = properties.get("group.id").unwrap_or_default();
        let id = format!("consumer-{group}-1");
        properties.insert("client.id", id);
    }
    Ok(properties)
}

/// Tells of events, and of rebalances from inside a poll.
#[derive(Clone)]
struct Teller {
    console: Console,
    clock: Clock,
}

impl Teller {
    fn say(&self, name: &str, more: Value) {
        self.console.say(event(self.clock.wall_ms(), name, more));
    }

    fn partitions(&self, name: &str, partitions: &TopicPartitionList) {
        let list = |elem: &TopicPartitionListElem<'_>| json!({"topic": elem.topic(), "partition": elem.partition()});
        let all: Vec<Value> = partitions.elements().iter().map(list).collect();
        self.say(name, json!({"partitions": all}));
    }
}

struct Changes {
    teller: Teller,
    /// Java tells of an assignment before the first one too: with none.
    any: AtomicBool,
}

impl Rebalanced for Changes {
    fn assigned(&self, partitions: &TopicPartitionList) {
        self.any.store(true, Ordering::Release);
        self.teller.partitions("partitions_assigned", partitions);
    }

    fn revoked(&self, partitions: &TopicPartitionList) {
        if self.any.load(Ordering::Acquire) {
            self.teller.partitions("partitions_revoked", partitions);
        }
    }
}

fn consume(
    parsed: &Parsed<'_>,
    most: Option<usize>,
    properties: &Properties,
    console: &Console,
    env: &Env,
) -> Result<u8, Exception> {
    let config = client_config(Role::Consumer, properties, console)?;
    let stop = Stop::on_signals()?;
    let teller = Teller { console: console.clone(), clock: env.clock.clone() };
    let name = |key: &str| properties.get(key).unwrap_or_default();
    let voice = Voice::consumer(console.clone(), name("client.id"), name("group.id"));
    let changes = Changes { teller: teller.clone(), any: AtomicBool::new(false) };
    let consumer = Consumer::new(&config, Group::new(voice, changes), stop.clone())?;
    teller.say("startup_complete", json!({}));
    let outcome = consumer
        .subscribe(&[parsed.value("topic").unwrap_or_default()])
        .and_then(|()| read(&consumer, most, parsed, &teller));
    if let Err(error) = outcome {
        let logger = "org.apache.kafka.tools.VerifiableConsumer";
        console.log_error("Error during processing, terminating consumer process: ", logger, &error);
    }
    consumer.leave();
    teller.say("shutdown_complete", json!({}));
    Ok(stop.exit_code().unwrap_or(0))
}

fn read(
    consumer: &Consumer<Changes>,
    most: Option<usize>,
    parsed: &Parsed<'_>,
    teller: &Teller,
) -> Result<(), Exception> {
    let (verbose, autocommit) = (parsed.value("verbose").is_some(), parsed.value("enable-autocommit").is_some());
    let mut consumed = 0;
    while most.is_none_or(|most| consumed < most) {
        let mut records: Vec<BorrowedMessage<'_>> = match consumer.wait(None)? {
            Polled::Record(record) => vec![*record],
            Polled::Nothing => continue,
            Polled::Stopped => return Ok(()),
        };
        while records.len() < POLL_RECORDS
            && let Some(record) = consumer.ready()?
        {
            records.push(record);
        }
        let count = records.len();
        // By partition, which a poll of Java's has them in.
        let mut partitions: BTreeMap<(String, i32), Vec<&BorrowedMessage<'_>>> = BTreeMap::new();
        for record in &records {
            partitions.entry((record.topic().to_owned(), record.partition())).or_default().push(record);
        }
        let (mut summaries, mut offsets) = (Vec::new(), Vec::new());
        for ((topic, partition), mut records) in partitions {
            records.truncate(most.map_or(usize::MAX, |most| most - consumed));
            let (Some(first), Some(last)) = (records.first(), records.last()) else { continue };
            summaries.push(json!({
                "topic": topic, "partition": partition, "count": records.len(), "minOffset": first.offset(), "maxOffset": last.offset(),
            }));
            consumer.done(last);
            offsets.push((topic, partition, last.offset() + 1));
            if verbose {
                records.iter().for_each(|record| teller.say("record_data", data(record)));
            }
            consumed += records.len();
        }
        teller.say("records_consumed", json!({"count": count, "partitions": summaries}));
        if !autocommit {
            commit(consumer, &offsets, teller)?;
        }
    }
    Ok(())
}

fn data(record: &BorrowedMessage<'_>) -> Value {
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    json!({
        "key": text(record.key()),
        "value": text(record.payload()),
        "topic": record.topic(),
        "partition": record.partition(),
        "offset": record.offset(),
    })
}

fn commit(consumer: &Consumer<Changes>, offsets: &[(String, i32, i64)], teller: &Teller) -> Result<(), Exception> {
    let mut list = TopicPartitionList::new();
    for (topic, partition, offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).map_err(|e| errors::exception(&e))?;
    }
    let outcome = consumer.inner().commit(&list, CommitMode::Sync).map_err(|e| errors::exception(&e));
    let shown: Vec<Value> = offsets
        .iter()
        .map(|(topic, partition, offset)| json!({"topic": topic, "partition": partition, "offset": offset}))
        .collect();
    match outcome {
        Ok(()) => teller.say("offsets_committed", json!({"offsets": shown, "success": true})),
        Err(error) => {
            let more = json!({"offsets": shown, "error": error.to_string(), "success": false});
            teller.say("offsets_committed", more);
        }
    }
    Ok(())
}
