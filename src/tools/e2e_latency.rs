//! `ottla e2e-latency`, as `kafka-e2e-latency.sh`: the time from a record's hand-over to its arrival at a consumer, one at a time.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::BaseRecord;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::Instant;

use super::admin_client::topics::NewTopic;
use super::admin_client::{AdminClient, AdminConfig, block_on};
use super::console::Console;
use super::java::Exception;
use super::kafka_client::consumer::{Consumer, Polled};
use super::kafka_client::context::{Delivered, Group, Reports, Voice};
use super::kafka_client::producer::Producer;
use super::kafka_client::stop::Stop;
use super::kafka_client::{Role, client_config, errors, merged};
use super::producer_perf::stats::fixed;
use crate::base::Env;

const USAGE: &str = "USAGE: java org.apache.kafka.tools.EndToEndLatency broker_list topic num_messages producer_acks \
                     message_size_bytes [optional] properties_file";
/// Longest wait for a record.
const WAIT: Duration = Duration::from_secs(60);

/// Runs the command.
pub fn run(args: &[String], console: &Console) -> u8 {
    let (5 | 6) = args.len() else {
        console.complain(USAGE);
        return 1;
    };
    match plan(args).and_then(|plan| measure(&plan, console)) {
        Ok(code) => code,
        Err(error) => {
            error.print(console);
            1
        }
    }
}

struct Plan<'a> {
    servers: &'a str,
    topic: &'a str,
    records: usize,
    acks: &'a str,
    size: usize,
    file: Option<&'a str>,
}

fn plan(args: &[String]) -> Result<Plan<'_>, Exception> {
    let number = |text: &str| text.parse::<u32>().map_err(|_| Exception::number_format(text));
    let acks = args[3].as_str();
    let (records, size) = (number(&args[2])?, number(&args[4])?);
    if !["1", "all"].contains(&acks) {
        return Err(Exception::illegal("Latency testing requires synchronous acknowledgement. Please use 1 or all"));
    }
    Ok(Plan {
        servers: &args[0],
        topic: &args[1],
        records: records as usize,
        acks,
        size: size as usize,
        file: args.get(5).map(String::as_str).filter(|file| !file.trim().is_empty()),
    })
}

fn measure(plan: &Plan<'_>, console: &Console) -> Result<u8, Exception> {
    let stop = Stop::on_signals()?;
    let (clock, random) = block_on(async { (Env::current().clock, fastrand::Rng::with_seed(0)) })?;
    let mut properties = merged(plan.file, &[])?;
    properties.insert("bootstrap.servers", plan.servers);
    create_topic(plan, &properties, console)?;
    let group = format!("test-group-{}", clock.wall_ms());
    let mut reads = properties.clone();
    for (key, value) in [
        ("group.id", group.as_str()),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "latest"),
        ("fetch.max.wait.ms", "0"), // a record is not waited for at the broker: no batching in time
    ] {
        reads.insert(key, value);
    }
    properties.insert("linger.ms", "0");
    properties.insert("acks", plan.acks);
    let voice = Voice::consumer(console.clone(), "consumer", &group);
    let consumer =
        Consumer::new(&client_config(Role::Consumer, &reads, console)?, Group::new(voice, ()), stop.clone())?;
    assign(&consumer, plan.topic)?;
    // One record is under way at a time.
    let (tell, acked) = mpsc::sync_channel(1);
    let voice = Voice::producer(console.clone(), "producer");
    let producer =
        Producer::new(&client_config(Role::Producer, &properties, console)?, Reports::new(voice, Acked { tell }))?;
    producer.look_up(plan.topic, Duration::from_secs(2));
    rounds(plan, &producer, &acked, &consumer, random, console)?;
    Ok(stop.exit_code().unwrap_or(0))
}

fn rounds(
    plan: &Plan<'_>,
    producer: &Producer<Acked>,
    acked: &Receiver<Result<(), Exception>>,
    consumer: &Consumer,
    mut random: fastrand::Rng,
    console: &Console,
) -> Result<(), Exception> {
    let runtime = |why: String| Exception::new("java.lang.RuntimeException", why);
    let mut latencies = Vec::new();
    for number in 0..plan.records {
        let payload = vec![b'A' + random.u8(..26); plan.size];
        let began = Instant::now();
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(plan.topic, Box::new(()));
        record.payload = Some(payload.as_slice());
        producer.send(record)?;
        acked
            .recv_timeout(WAIT)
            .map_err(|_| Exception::timeout("A record was not acknowledged"))?
            .map_err(Exception::in_future)?;
        let read = match consumer.wait(Some(began + WAIT))? {
            Polled::Record(record) => record,
            Polled::Stopped => break,
            Polled::Nothing => {
                return Err(runtime(format!(
                    "poll() timed out before finding a result (timeout:[{}])",
                    WAIT.as_millis()
                )));
            }
        };
        let elapsed = began.elapsed();
        if read.payload() != Some(payload.as_slice()) {
            let read = String::from_utf8_lossy(read.payload().unwrap_or_default()).into_owned();
            let sent = String::from_utf8_lossy(&payload);
            return Err(runtime(format!("The message read [{read}] did not match the message sent [{sent}]")));
        }
        if number % 1000 == 0 {
            console.say(format_args!("{number}\t{}", elapsed.as_nanos() as f64 / 1e6));
        }
        latencies.push(elapsed);
    }
    if latencies.is_empty() {
        return Ok(());
    }
    let average = latencies.iter().sum::<Duration>().as_secs_f64() * 1000.0 / latencies.len() as f64;
    console.say(format_args!("Avg latency: {} ms", fixed(average, 4)));
    latencies.sort_unstable();
    let at = |part: f64| latencies.get((latencies.len() as f64 * part) as usize).map_or(0, Duration::as_millis);
    console.say(format_args!("Percentiles: 50th = {}, 99th = {}, 99.9th = {}", at(0.5), at(0.99), at(0.999)));
    Ok(())
}

/// Makes the topic when it is missing.
fn create_topic(plan: &Plan<'_>, properties: &crate::config::Properties, console: &Console) -> Result<(), Exception> {
    let config = AdminConfig::new(plan.servers, properties, console)?;
    block_on(async {
        let mut admin = AdminClient::new(config, console.clone());
        if admin.list_topics(true).await?.iter().any(|(name, _)| name == plan.topic) {
            return Ok(());
        }
        console.say(format_args!(
            "Topic \"{}\" does not exist. Will create topic with 1 partition(s) and replication factor = 1",
            plan.topic
        ));
        let topic = NewTopic {
            name: plan.topic.to_owned(),
            partitions: Some(1),
            replication_factor: Some(1),
            assignment: Vec::new(),
            configs: std::collections::BTreeMap::new(),
        };
        let made = admin.create_topic(&topic).await;
        if made.is_err() {
            console.say(format_args!("Creation of topic {} failed", plan.topic));
        }
        made.map(|_| ())
    })?
}

/// Takes all partitions, each at its end, before the first record is sent.
fn assign(consumer: &Consumer, topic: &str) -> Result<(), Exception> {
    let failed = |error: rdkafka::error::KafkaError| errors::exception(&error);
    let metadata = consumer.inner().fetch_metadata(Some(topic), WAIT).map_err(failed)?;
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        let (_, end) = consumer.inner().fetch_watermarks(topic, partition.id(), WAIT).map_err(failed)?;
        list.add_partition_offset(topic, partition.id(), Offset::Offset(end)).map_err(failed)?;
    }
    consumer.inner().assign(&list).map_err(failed)
}

/// Passes each acknowledgement on.
struct Acked {
    tell: SyncSender<Result<(), Exception>>,
}

impl Delivered for Acked {
    type Tag = ();

    fn delivered(&self, result: &DeliveryResult<'_>, (): ()) {
        let outcome = match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(errors::exception(error)),
        };
        let _ = self.tell.try_send(outcome);
    }
}
