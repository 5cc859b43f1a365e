//! `ottla replica-verification`, as `kafka-replica-verification.sh`: reads all replicas of topics at once and compares them, for ever.
//!
//! Each broker is read by a connection of its own, as a debugger (`replica_id` -2), which every replica answers. When all have answered,
//! [`replicas`] compares. Each `--report-interval-ms` the partition that is the furthest behind has a line. A broker that is away holds up
//! its own partitions alone.

pub mod replicas;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::admin_client::cluster::TopicDescription;
use super::admin_client::offsets::Partition;
use super::admin_client::{AdminClient, AdminConfig, block_on, config};
use super::console::Console;
use super::java::Exception;
use super::options::{Ended, HELP, Options, Spec, VERSION, integer, long, text};
use super::topic_filter::TopicFilter;
use crate::base::{BrokerId, Env, TopicId, timestamp};
use crate::client::{BrokerClient, ClientError, ClientOptions, Target};
use crate::config::Properties;
use crate::wire::{
    ApiKey, FetchRequest, FetchRequestPartition, FetchRequestReplicaState, FetchRequestTopic, FetchResponse,
};
use replicas::{Fetched, Finding, Replicas};

/// All options.
pub const SPECS: &[Spec] = &[
    text(
        "broker-list",
        "hostname:port,...,hostname:port",
        "REQUIRED: The list of hostname and port of the server to connect to.",
    ),
    integer("fetch-size", "bytes", "The fetch size of each request.").or("1048576"),
    integer("max-wait-ms", "ms", "The max amount of time each fetch request waits.").or("1000"),
    text(
        "topic-white-list",
        "Java regex (String)",
        "DEPRECATED use --topics-include instead; ignored if --topics-include specified. List of topics to verify replica consistency.",
    )
    .or(".*"),
    text("topics-include", "Java regex (String)", "List of topics to verify replica consistency.").or(".*"),
    long("time", "timestamp/-1(latest)/-2(earliest)", "Timestamp for getting the initial offsets.").or("-1"),
    long("report-interval-ms", "ms", "The reporting interval.").or("30000"),
    HELP,
    VERSION,
];

const USAGE: &str = "Validate that all replicas for a set of topics have the same data.";
const LOGGER: &str = "org.apache.kafka.tools.ReplicaVerificationTool";

/// Who reads a replica to look at it: `FetchRequest.DEBUGGING_CONSUMER_ID`.
const DEBUGGER: BrokerId = -2;
/// Fetches name topics by id from here on.
const FIRST_TOPIC_ID_VERSION: i16 = 13;
/// Who fetches stands in a structure from here on.
const FIRST_STATE_VERSION: i16 = 15;
/// A fetch without a session.
const NO_SESSION_EPOCH: i32 = -1;
/// Before a broker that did not answer is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs the command. It ends when it is killed, or when replicas differ so that no more can be compared.
pub fn run(args: &[String], console: &Console) -> u8 {
    console.log("WARN", "This tool is deprecated and may be removed in a future major release.", LOGGER);
    let done = Options::parse(SPECS, args).and_then(|options| match check(&options, console) {
        Ok(()) => verify(&options, console),
        Err(ended) => Ok(ended),
    });
    match done {
        Ok(ended) => ended.0,
        Err(error) => {
            error.print(console);
            1
        }
    }
}

fn check(options: &Options, console: &Console) -> Result<(), Ended> {
    options.help_or_version(console, USAGE)?;
    options.require(console, &["broker-list"])?;
    options.exclude(console, "topics-include", &["topic-white-list"])
}

fn verify(options: &Options, console: &Console) -> Result<Ended, Exception> {
    let brokers = options.value("broker-list")?.unwrap_or_default();
    if let Err(why) = config::check_bootstrap(brokers) {
        return Ok(options.usage(console, why).err().unwrap_or(Ended(1)));
    }
    let topics = if options.has("topics-include") { "topics-include" } else { "topic-white-list" };
    let pattern = options.value(topics)?.unwrap_or_default();
    let invalid = |_| Exception::new("java.lang.RuntimeException", format!("{pattern} is an invalid regex"));
    let filter = TopicFilter::new(pattern).map_err(invalid)?;
    let millis = |number: Option<i64>| Duration::from_millis(u64::try_from(number.unwrap_or(0)).unwrap_or(0));
    let report_interval = millis(options.long("report-interval-ms")?);
    let limits = Limits {
        fetch_bytes: options.integer("fetch-size")?.unwrap_or_default(),
        max_wait_ms: options.integer("max-wait-ms")?.unwrap_or_default(),
    };
    let time = options.long("time")?.unwrap_or(timestamp::LATEST);
    let config = AdminConfig::new(brokers, &Properties::new(), console)?;
    block_on(async {
        let mut admin = AdminClient::new(config.clone(), console.clone());
        let names = admin.list_topics(true).await.map_err(Exception::in_future)?;
        let names: Vec<String> = names.into_iter().map(|(name, _)| name).filter(|name| filter.allows(name)).collect();
        if names.is_empty() {
            let why = "No topics found. [topics-include] if specified, is either filtering out all topics or there is no topic.";
            console.log("ERROR", why, LOGGER);
            return Ok(Ended(1));
        }
        let topics = admin.describe_topics(&names).await.map_err(Exception::in_future)?;
        let mut fetchers = fetchers(&mut admin, &config, &topics).await?;
        let mut replicas = Replicas::new(initial_offsets(&mut admin, &topics, time).await?);
        stamped(console, "verification process is started");
        let mut reported = Instant::now();
        loop {
            let fetched = join_all(fetchers.iter_mut().map(|fetcher| fetcher.fetch(&replicas, limits))).await;
            for of_broker in fetched {
                for (partition, broker, data) in of_broker? {
                    replicas.add(partition, broker, data);
                }
            }
            let (findings, lag) = replicas.verify();
            for finding in findings {
                match finding {
                    Finding::Checksum(what) => stamped(console, what),
                    Finding::Offset(what) => {
                        stamped(console, what);
                        return Ok(Ended(1));
                    }
                    Finding::Unreadable(what) => return Err(Exception::new("java.lang.RuntimeException", what)),
                }
            }
            if reported.elapsed() > report_interval {
                stamped(
                    console,
                    format_args!(
                        "max lag is {} for partition {} at offset {} among {} partitions",
                        lag.lag,
                        lag.partition,
                        lag.offset,
                        replicas.len()
                    ),
                );
                reported = Instant::now();
            }
        }
    })?
}

fn stamped(console: &Console, what: impl Display) {
    let now = chrono::Local::now().format("%Y-%m-%d %H:%M:%S,%3f");
    console.say(format_args!("{now}: {what}"));
}

/// How much a fetch may give, and how long it may wait.
#[derive(Clone, Copy)]
struct Limits {
    fetch_bytes: i32,
    max_wait_ms: i32,
}

/// A broker, and the replicas on it that are verified.
struct Fetcher {
    broker: BrokerId,
    client: BrokerClient,
    topics: BTreeMap<(String, TopicId), Vec<i32>>,
}

async fn fetchers(
    admin: &mut AdminClient,
    config: &AdminConfig,
    topics: &[TopicDescription],
) -> Result<Vec<Fetcher>, Exception> {
    let mut brokers: BTreeMap<BrokerId, BTreeMap<(String, TopicId), Vec<i32>>> = BTreeMap::new();
    for topic in topics {
        for partition in &topic.partitions {
            for id in &partition.replicas {
                let of_broker = brokers.entry(*id).or_default();
                of_broker.entry((topic.name.clone(), topic.id)).or_default().push(partition.partition);
            }
        }
    }
    let nodes = admin.describe_cluster().await.map_err(Exception::in_future)?.nodes;
    let mut fetchers = Vec::new();
    for (n, (broker, topics)) in (1..).zip(brokers) {
        let Some(node) = nodes.iter().find(|node| node.id == broker) else {
            let why = format!("broker {broker} is not there: all brokers have to be up when the verification starts");
            return Err(Exception::new("java.lang.RuntimeException", why));
        };
        let options = ClientOptions {
            connect_timeout: config.connect_timeout,
            request_timeout: config.request_timeout,
            ..ClientOptions::new(format!("broker-{DEBUGGER}-fetcher-{n}"))
        };
        let client = BrokerClient::new(Env::current(), Target::new(node.host.clone(), node.port), options);
        fetchers.push(Fetcher { broker, client, topics });
    }
    Ok(fetchers)
}

/// Where each partition is verified from. Without a record of that time or later that is its end.
async fn initial_offsets(
    admin: &mut AdminClient,
    topics: &[TopicDescription],
    time: i64,
) -> Result<BTreeMap<Partition, i64>, Exception> {
    let of_topic = |topic: &TopicDescription| {
        topic.partitions.iter().map(|p| (topic.name.clone(), p.partition)).collect::<Vec<_>>()
    };
    let mut wanted = topics.iter().flat_map(of_topic).collect();
    let mut offsets = BTreeMap::new();
    for time in [time, timestamp::LATEST] {
        for (partition, offset) in admin.list_offsets(&wanted, time).await {
            let offset = offset?;
            if offset >= 0 {
                wanted.remove(&partition);
                offsets.insert(partition, offset);
            }
        }
        if wanted.is_empty() {
            break;
        }
    }
    Ok(offsets)
}

impl Fetcher {
    /// Reads all its replicas once. A broker that does not answer has given nothing of any.
    ///
    /// # Errors
    /// When it never will: it knows no version of ours.
    async fn fetch(
        &mut self,
        replicas: &Replicas,
        limits: Limits,
    ) -> Result<Vec<(Partition, BrokerId, Fetched)>, Exception> {
        let (old, new) = (FetchRequest::default(), FetchRequestReplicaState::default());
        let build = |version: i16| FetchRequest {
            replica_id: if version < FIRST_STATE_VERSION { DEBUGGER } else { old.replica_id },
            replica_state: FetchRequestReplicaState {
                replica_id: if version < FIRST_STATE_VERSION { new.replica_id } else { DEBUGGER },
                ..new
            },
            max_wait_ms: limits.max_wait_ms,
            min_bytes: 1,
            max_bytes: i32::MAX,
            session_epoch: NO_SESSION_EPOCH,
            topics: self.topics.iter().map(|topic| wanted(topic, replicas, limits, version)).collect(),
            ..Default::default()
        };
        let answer = match self.client.send_negotiated(0..=ApiKey::Fetch.max_version(), build).await {
            Ok(answer) => answer,
            Err(error @ (ClientError::Unsupported { .. } | ClientError::Encode(_))) => {
                return Err(Exception::unsupported(error.to_string()));
            }
            Err(error) => {
                tracing::debug!(%error, broker = self.broker, "fetch failed");
                sleep(PAUSE).await;
                FetchResponse::default()
            }
        };
        let mut fetched: BTreeMap<Partition, Fetched> = BTreeMap::new();
        for ((name, _), partitions) in &self.topics {
            fetched.extend(partitions.iter().map(|index| ((name.clone(), *index), Fetched::default())));
        }
        for topic in &answer.responses {
            let known = |(name, id): &&(String, TopicId)| match topic.topic.is_empty() {
                true => *id == topic.topic_id,
                false => topic.topic == **name,
            };
            let Some((name, _)) = self.topics.keys().find(known) else { continue };
            for p in &topic.partitions {
                let data = Fetched {
                    high_watermark: p.high_watermark,
                    records: p.records.bytes().cloned().unwrap_or_default(),
                };
                fetched.insert((name.clone(), p.partition_index), data);
            }
        }
        Ok(fetched.into_iter().map(|(partition, data)| (partition, self.broker, data)).collect())
    }
}

fn wanted(
    ((name, id), partitions): (&(String, TopicId), &Vec<i32>),
    replicas: &Replicas,
    limits: Limits,
    version: i16,
) -> FetchRequestTopic {
    let partition = |index: &i32| FetchRequestPartition {
        partition: *index,
        fetch_offset: replicas.offset(&(name.clone(), *index)),
        log_start_offset: 0,
        partition_max_bytes: limits.fetch_bytes,
        ..Default::default()
    };
    FetchRequestTopic {
        topic: if version < FIRST_TOPIC_ID_VERSION { name.into() } else { "".into() },
        topic_id: *id,
        partitions: partitions.iter().map(partition).collect(),
    }
}
