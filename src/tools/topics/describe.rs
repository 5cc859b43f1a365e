//! `topics --describe`: a line for each topic, one for each partition, or only the partitions that a filter wants.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::existing;
use crate::base::topic_names::is_internal;
use crate::base::{BrokerId, ErrorCode, TopicId};
use crate::tools::admin_client::AdminClient;
use crate::tools::admin_client::cluster::{PartitionDescription, TopicDescription};
use crate::tools::admin_client::configs::{ConfigEntry, Source};
use crate::tools::admin_client::reassignments::Reassignment;
use crate::tools::console::Console;
use crate::tools::java::Exception;
use crate::tools::options::Options;

/// The filters, one of which may be given.
const UNDER_REPLICATED: &str = "under-replicated-partitions";
const UNAVAILABLE: &str = "unavailable-partitions";
const UNDER_MIN_ISR: &str = "under-min-isr-partitions";
const AT_MIN_ISR: &str = "at-min-isr-partitions";

/// Describes topics on standard output.
pub(super) async fn describe(options: &Options, admin: &mut AdminClient, console: &Console) -> Result<(), Exception> {
    let topics = match wanted_id(options)? {
        Some(id) => by_id(options, admin, id).await?,
        None => existing(options, admin).await?,
    };
    let described = admin.describe_topics(&topics).await?;
    let configs = admin.describe_topic_configs(&topics).await?;
    let live: Vec<BrokerId> = admin.describe_cluster().await?.nodes.iter().map(|node| node.id).collect();
    let moves = moves(admin, &described).await?;
    let mut text = String::new();
    for (topic, configs) in described.iter().zip(&configs) {
        let overridden = configs.iter().any(|c| c.source != Source::DefaultConfig);
        let with_overrides = options.has("topics-with-overrides");
        if !filtered(options) && (!with_overrides || overridden) {
            topic_line(&mut text, topic, configs, &moves);
        }
        if !with_overrides {
            for partition in &topic.partitions {
                let moving = moves.get(&(topic.name.clone(), partition.partition));
                if !filtered(options) || passes(options, partition, moving, configs, &live) {
                    partition_line(&mut text, &topic.name, partition, moving);
                }
            }
        }
    }
    console.print(text);
    Ok(())
}

fn filtered(options: &Options) -> bool {
    [UNDER_REPLICATED, UNAVAILABLE, UNDER_MIN_ISR, AT_MIN_ISR].iter().any(|filter| options.has(filter))
}

fn wanted_id(options: &Options) -> Result<Option<TopicId>, Exception> {
    let Some(text) = options.value("topic-id")? else { return Ok(None) };
    let id: TopicId = text.parse().map_err(|_| Exception::illegal(why_no_id(text)))?;
    Ok(Some(id).filter(|id| !id.is_zero()))
}

/// Java's words (`Uuid.fromString`) for what is not 16 bytes of base64url.
fn why_no_id(text: &str) -> String {
    const MOST_CHARS: usize = 24;
    let alphabet = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=');
    if text.chars().count() > MOST_CHARS {
        let prefix: String = text.chars().take(MOST_CHARS).collect();
        return format!("Input string with prefix `{prefix}` is too long to be decoded as a base64 UUID");
    }
    match text.chars().find(|c| !alphabet(*c)) {
        Some(bad) => format!("Illegal base64 character {:x}", u32::from(bad)),
        None => {
            let bytes = text.trim_end_matches('=').len() * 3 / 4;
            format!(
                "Input string `{text}` decoded as {bytes} bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID"
            )
        }
    }
}

async fn by_id(options: &Options, admin: &mut AdminClient, id: TopicId) -> Result<Vec<String>, Exception> {
    let without_internal = options.has("exclude-internal");
    let all = admin.list_topics(!without_internal).await?;
    let found = all.into_iter().find(|(name, i)| *i == id && !(without_internal && is_internal(name)));
    match found {
        Some((name, _)) => Ok(vec![name]),
        None if options.has("if-exists") => Ok(Vec::new()),
        None => Err(Exception::illegal(format!("TopicId '{id}' does not exist as expected"))),
    }
}

/// Moves under way; none from a broker that doesn't know the request or won't say.
async fn moves(
    admin: &mut AdminClient,
    topics: &[TopicDescription],
) -> Result<BTreeMap<(String, i32), Reassignment>, Exception> {
    let partitions: BTreeMap<String, Vec<i32>> =
        topics.iter().map(|t| (t.name.clone(), t.partitions.iter().map(|p| p.partition).collect())).collect();
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    match admin.list_reassignments(Some(&partitions)).await {
        Err(e) if matches!(e.code, Some(ErrorCode::UnsupportedVersion | ErrorCode::ClusterAuthorizationFailed)) => {
            Ok(BTreeMap::new())
        }
        moves => moves,
    }
}

/// How many replicas the partition is meant to have: during a move those it will have.
fn replication_factor(partition: &PartitionDescription, moving: Option<&Reassignment>) -> usize {
    match moving {
        Some(m) if partition.replicas.iter().any(|id| m.adding.contains(id) || m.removing.contains(id)) => {
            m.replicas.len().saturating_sub(m.adding.len())
        }
        _ => partition.replicas.len(),
    }
}

fn passes(
    options: &Options,
    partition: &PartitionDescription,
    moving: Option<&Reassignment>,
    configs: &[ConfigEntry],
    live: &[BrokerId],
) -> bool {
    let min_isr =
        configs.iter().find(|c| c.name == "min.insync.replicas").and_then(|c| c.value.as_deref()?.parse().ok());
    let min_isr: usize = min_isr.unwrap_or(1);
    let isr = partition.isr.len();
    (options.has(UNDER_REPLICATED) && replication_factor(partition, moving) > isr)
        || (options.has(UNAVAILABLE) && partition.leader.is_none_or(|leader| !live.contains(&leader)))
        || (options.has(UNDER_MIN_ISR) && (partition.leader.is_none() || isr < min_isr))
        || (options.has(AT_MIN_ISR) && isr == min_isr)
}

fn topic_line(
    text: &mut String,
    topic: &TopicDescription,
    configs: &[ConfigEntry],
    moves: &BTreeMap<(String, i32), Reassignment>,
) {
    let factor = topic
        .partitions
        .first()
        .map_or(0, |first| replication_factor(first, moves.get(&(topic.name.clone(), first.partition))));
    let configs: Vec<_> = configs
        .iter()
        .filter(|c| c.source != Source::DefaultConfig)
        .map(|c| format!("{}={}", c.name, c.value.as_deref().unwrap_or("null")))
        .collect();
    let _ = write!(text, "Topic: {}", topic.name);
    if !topic.id.is_zero() {
        let _ = write!(text, "\tTopicId: {}", topic.id);
    }
    let _ = writeln!(
        text,
        "\tPartitionCount: {}\tReplicationFactor: {factor}\tConfigs: {}",
        topic.partitions.len(),
        configs.join(",")
    );
}

fn partition_line(text: &mut String, topic: &str, partition: &PartitionDescription, moving: Option<&Reassignment>) {
    let leader = partition.leader.map_or("none".to_owned(), |id| id.to_string());
    let _ = write!(
        text,
        "\tTopic: {topic}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}",
        partition.partition,
        ids(&partition.replicas),
        ids(&partition.isr)
    );
    if let Some(moving) = moving {
        let _ =
            write!(text, "\tAdding Replicas: {}\tRemoving Replicas: {}", ids(&moving.adding), ids(&moving.removing));
    }
    // A cluster with ZooKeeper keeps no eligible leader replicas (KIP-966).
    text.push_str("\tElr: N/A\tLastKnownElr: N/A\n");
}

fn ids(brokers: &[BrokerId]) -> String {
    brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
