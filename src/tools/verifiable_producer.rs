//! `ottla verifiable-producer`, as `kafka-verifiable-producer.sh`: numbers as records, and a line of JSON for each that was acknowledged
//! or lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::BaseRecord;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::admin_client::block_on;
use super::argparse::{Parser, Spec, Takes};
use super::console::Console;
use super::java::Exception;
use super::kafka_client::context::{Delivered, Reports, Voice};
use super::kafka_client::producer::Producer;
use super::kafka_client::stop::{LOOK, Stop};
use super::kafka_client::{Role, client_config, errors, merged};
use super::options::Ended;
use super::producer_perf::stats::Throttle;
use crate::base::Env;
use crate::base::env::Clock;
use crate::config::Properties;

const HELP: &str = "\
usage: verifiable-producer [-h] --topic TOPIC [--max-messages MAX-MESSAGES]
                           [--throughput THROUGHPUT] [--acks ACKS]
                           [--producer.config CONFIG_FILE]
                           [--message-create-time CREATETIME]
                           [--value-prefix VALUE-PREFIX]
                           [--repeating-keys REPEATING-KEYS]
                           (--bootstrap-server HOST1:PORT1[,HOST2:PORT2[...]]
                           | --broker-list HOST1:PORT1[,HOST2:PORT2[...]])

This tool produces increasing integers  to  the  specified topic and prints
JSON metadata to stdout on  each  \"send\" request, making externally visible
which messages have been acked and which have not.

optional arguments:
  -h, --help             show this help message and exit
  --topic TOPIC          Produce messages to this topic.
  --max-messages MAX-MESSAGES
                         Produce  this  many   messages.   If  -1,  produce
                         messages until the  process  is killed externally.
                         (default: -1)
  --throughput THROUGHPUT
                         If set >= 0,  throttle  maximum message throughput
                         to   *approximately*    THROUGHPUT   messages/sec.
                         (default: -1)
  --acks ACKS            Acks required on each  produced message. See Kafka
                         docs on acks for details. (default: -1)
  --producer.config CONFIG_FILE
                         Producer config properties file.
  --message-create-time CREATETIME
                         Send messages with creation  time  starting at the
                         arguments  value,  in   milliseconds  since  epoch
                         (default: -1)
  --value-prefix VALUE-PREFIX
                         If specified, each produced  value  will have this
                         prefix with a dot separator
  --repeating-keys REPEATING-KEYS
                         If specified, each  produced  record  will  have a
                         key starting at 0 increment by  1 up to the number
                         specified (exclusive), then the  key  is  set to 0
                         again

Connection Group:
  Group of arguments for connection to brokers

  --bootstrap-server HOST1:PORT1[,HOST2:PORT2[...]]
                         REQUIRED: The  server(s)  to  connect  to.  Comma-
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
    ("max-messages", None, Takes::One),
    ("throughput", None, Takes::One),
    ("acks", None, Takes::One),
    ("producer.config", None, Takes::One),
    ("message-create-time", None, Takes::One),
    ("value-prefix", None, Takes::One),
    ("repeating-keys", None, Takes::One),
    ("bootstrap-server", None, Takes::One),
    ("broker-list", None, Takes::One),
];
const PARSER: Parser = Parser { program: "verifiable-producer", help: HELP, specs: SPECS };

/// Runs the command.
pub fn run(args: &[String], console: &Console) -> u8 {
    if args.is_empty() {
        console.print(HELP);
        return 0;
    }
    let outcome = block_on(async {
        let plan = plan(args, console)?;
        Ok::<_, Ended>(plan.and_then(|plan| produce(&plan, console, &Env::current())))
    });
    match outcome {
        Ok(Err(Ended(code))) | Ok(Ok(Ok(code))) => code,
        Ok(Ok(Err(error))) | Err(error) => {
            console.complain(format_args!("Exception in thread \"main\" {}", error.stack()));
            1
        }
    }
}

struct Plan {
    topic: String,
    most: Option<u64>,
    throughput: i32,
    create_time: Option<i64>,
    prefix: Option<i32>,
    keys: Option<i32>,
    properties: Properties,
}

fn plan(args: &[String], console: &Console) -> Result<Result<Plan, Exception>, Ended> {
    let parsed = PARSER.parse(args, console)?;
    if let Some(word) = parsed.rest.first() {
        return Err(PARSER.error(console, &format!("unrecognized arguments: '{word}'")));
    }
    let integer = |name| PARSER.number::<i32>(&parsed, name, "Integer", console);
    let (most, throughput) = (integer("max-messages")?, integer("throughput")?);
    let acks = integer("acks")?.unwrap_or(-1);
    if ![0, 1, -1].contains(&acks) {
        return Err(
            PARSER.error(console, &format!("argument --acks: invalid choice: '{acks}' (choose from {{0,1,-1}})"))
        );
    }
    let create_time = PARSER.number::<i64>(&parsed, "message-create-time", "Long", console)?;
    let (prefix, keys) = (integer("value-prefix")?, integer("repeating-keys")?);
    PARSER.required(&parsed, &["topic"], console)?;
    PARSER.one_of(&parsed, &["bootstrap-server", "broker-list"], console)?;
    let servers = parsed.value("bootstrap-server").or(parsed.value("broker-list")).unwrap_or_default();
    let mut properties = Properties::new();
    properties.insert("bootstrap.servers", servers);
    properties.insert("acks", acks.to_string());
    // A record that fails is told, not sent again.
    properties.insert("retries", "0");
    properties.insert("client.id", "producer-1");
    let made = merged(parsed.value("producer.config"), &[]).map(|file| {
        file.iter().for_each(|(key, value)| properties.insert(key, value));
        Plan {
            topic: parsed.value("topic").unwrap_or_default().to_owned(),
            most: most.and_then(|most| u64::try_from(most).ok()),
            throughput: throughput.unwrap_or(-1),
            create_time: create_time.filter(|time| *time != -1),
            prefix,
            keys: keys.filter(|keys| *keys > 0),
            properties,
        }
    });
    Ok(made)
}

fn produce(plan: &Plan, console: &Console, env: &Env) -> Result<u8, Exception> {
    let config = client_config(Role::Producer, &plan.properties, console)?;
    let stop = Stop::on_signals()?;
    let voice = Voice::producer(console.clone(), plan.properties.get("client.id").unwrap_or_default());
    let told = Told {
        console: console.clone(),
        clock: env.clock.clone(),
        topic: plan.topic.clone(),
        acked: AtomicU64::new(0),
    };
    let producer = Producer::new(&config, Reports::new(voice, told))?;
    let told = producer.reports();
    told.say("startup_complete", json!({}));
    let began = Instant::now();
    producer.look_up(&plan.topic, Duration::from_secs(2));
    let mut throttle = Throttle::new(f64::from(plan.throughput), began);
    let mut sent = 0u64;
    while plan.most.is_none_or(|most| sent < most) && !stop.asked() {
        let value = match plan.prefix {
            Some(prefix) => format!("{prefix}.{sent}"),
            None => sent.to_string(),
        };
        let key = plan.keys.map(|keys| (sent % u64::from(keys.unsigned_abs())).to_string());
        let tag = Box::new((key.clone(), value.clone()));
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(&plan.topic, tag);
        record.key = key.as_deref().map(str::as_bytes);
        record.payload = Some(value.as_bytes());
        record.timestamp = plan.create_time.map(|time| time + i64::try_from(began.elapsed().as_millis()).unwrap_or(0));
        sent += 1;
        if let Err(error) = producer.send(record) {
            told.failed(key.as_deref(), &value, &error);
        }
        let mut left = throttle.after(sent - 1, Instant::now()).unwrap_or_default();
        while !left.is_zero() && !stop.asked() {
            let step = left.min(LOOK);
            producer.inner().poll(step);
            left -= step;
        }
    }
    producer.drain(|| false);
    told.say("shutdown_complete", json!({}));
    let seconds = began.elapsed().as_secs_f64().max(0.001);
    let acked = told.acked.load(Ordering::SeqCst);
    told.say(
        "tool_data",
        json!({
            "sent": sent,
            "acked": acked,
            "target_throughput": plan.throughput,
            "avg_throughput": acked as f64 / seconds,
        }),
    );
    Ok(stop.exit_code().unwrap_or(0))
}

/// Tells of each record.
struct Told {
    console: Console,
    clock: Clock,
    topic: String,
    acked: AtomicU64,
}

impl Told {
    /// An event: its time, its name, and what else there is.
    fn say(&self, name: &str, more: Value) {
        self.console.say(event(self.clock.wall_ms(), name, more));
    }

    fn failed(&self, key: Option<&str>, value: &str, error: &Exception) {
        let line = error.line();
        let class = line.split(": ").next().unwrap_or_default();
        let more = json!({
            "exception": format!("class {class}"),
            "message": error.to_string(),
            "topic": self.topic,
            "key": key,
            "value": value,
        });
        self.say("producer_send_error", more);
    }
}

/// One line of JSON: time and name come first.
pub fn event(wall_ms: i64, name: &str, more: Value) -> String {
    let mut event = json!({"timestamp": wall_ms, "name": name});
    if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
        event.extend(more);
    }
    event.to_string()
}

impl Delivered for Told {
    type Tag = (Option<String>, String);

    fn delivered(&self, result: &DeliveryResult<'_>, (key, value): Self::Tag) {
        match result {
            Ok(record) => {
                self.acked.fetch_add(1, Ordering::SeqCst);
                let more = json!({
                    "key": key,
                    "value": value,
                    "offset": record.offset(),
                    "topic": record.topic(),
                    "partition": record.partition(),
                });
                self.say("producer_send_success", more);
            }
            Err((error, _)) => self.failed(key.as_deref(), &value, &errors::exception(error)),
        }
    }
}
