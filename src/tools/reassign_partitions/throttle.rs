//! The throttles of a move: dynamic configs of topics (which replicas) and brokers (how much), set by `--execute` and taken away by
//! `--verify` and `--cancel`.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{Assignment, Plan};
use super::{listed, plural};
use crate::base::BrokerId;
use crate::tools::admin_client::AdminClient;
use crate::tools::admin_client::configs::{ConfigOp, Resource};
use crate::tools::admin_client::reassignments::{Partition, Reassignment};
use crate::tools::console::Console;
use crate::tools::java::{DEFAULT_CAPACITY, Exception, hash_order, hash_order_by};

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const LOG_DIRS_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

/// A move of a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Move {
    /// Brokers that have it.
    pub sources: BTreeSet<BrokerId>,
    /// Brokers that will get it.
    pub destinations: BTreeSet<BrokerId>,
}

/// All moves there will be: those under way, and those proposed with what there is now, or was before the move under way, as sources.
pub fn moves(
    running: &BTreeMap<Partition, Reassignment>,
    proposed: &Assignment,
    current: &Assignment,
) -> BTreeMap<Partition, Move> {
    let mut moves: BTreeMap<Partition, Move> = BTreeMap::new();
    for (partition, reassignment) in running {
        let destinations: BTreeSet<_> = reassignment.adding.iter().copied().collect();
        let sources = reassignment.replicas.iter().copied().filter(|id| !destinations.contains(id)).collect();
        moves.insert(partition.clone(), Move { sources, destinations });
    }
    for (partition, replicas) in proposed {
        let sources: BTreeSet<BrokerId> = match moves.get(partition) {
            Some(running) => running.sources.clone(),
            None => current.get(partition).into_iter().flatten().copied().collect(),
        };
        let destinations = replicas.iter().copied().filter(|id| !sources.contains(id)).collect();
        moves.insert(partition.clone(), Move { sources, destinations });
    }
    moves
}

/// By topic, the throttled replicas of leaders (the sources) and of followers (the destinations): `partition:broker`, sorted as text.
pub fn throttled_replicas(moves: &BTreeMap<Partition, Move>) -> BTreeMap<String, [String; 2]> {
    let mut topics: BTreeMap<&str, [BTreeSet<String>; 2]> = BTreeMap::new();
    for ((topic, index), one) in moves {
        let [leaders, followers] = topics.entry(topic).or_default();
        leaders.extend(one.sources.iter().map(|id| format!("{index}:{id}")));
        followers.extend(one.destinations.difference(&one.sources).map(|id| format!("{index}:{id}")));
    }
    let joined = |replicas: BTreeSet<String>| replicas.into_iter().collect::<Vec<_>>().join(",");
    topics.into_iter().map(|(topic, both)| (topic.to_owned(), both.map(joined))).collect()
}

/// Holds moves between brokers back to so many bytes a second.
pub(super) async fn set(
    admin: &mut AdminClient,
    moves: &BTreeMap<Partition, Move>,
    rate: i64,
    console: &Console,
) -> Result<(), Exception> {
    let topic = |(topic, [leaders, followers]): (String, [String; 2])| {
        let ops = vec![
            ConfigOp::Set(LEADER_REPLICAS.to_owned(), leaders),
            ConfigOp::Set(FOLLOWER_REPLICAS.to_owned(), followers),
        ];
        (Resource::Topic(topic), ops)
    };
    let topics: Vec<_> = throttled_replicas(moves).into_iter().map(topic).collect();
    admin.incremental_alter_all(&topics).await.map_err(Exception::in_future)?;
    let brokers: BTreeSet<BrokerId> =
        moves.values().flat_map(|one| one.sources.iter().chain(&one.destinations)).copied().collect();
    set_rates(admin, &brokers, &[LEADER_RATE, FOLLOWER_RATE], rate).await?;
    console.say(format_args!("The inter-broker throttle limit was set to {rate} B/s"));
    Ok(())
}

/// Holds moves between directories back to so many bytes a second and broker.
pub(super) async fn set_for_log_dirs(
    admin: &mut AdminClient,
    brokers: &BTreeSet<BrokerId>,
    rate: i64,
    console: &Console,
) -> Result<(), Exception> {
    set_rates(admin, brokers, &[LOG_DIRS_RATE], rate).await?;
    console.say(format_args!("The replica-alter-dir throttle limit was set to {rate} B/s"));
    Ok(())
}

async fn set_rates(
    admin: &mut AdminClient,
    brokers: &BTreeSet<BrokerId>,
    keys: &[&str],
    rate: i64,
) -> Result<(), Exception> {
    let ops: Vec<_> = keys.iter().map(|key| ConfigOp::Set((*key).to_owned(), rate.to_string())).collect();
    let brokers: Vec<_> = brokers.iter().map(|id| (Resource::Broker(*id), ops.clone())).collect();
    admin.incremental_alter_all(&brokers).await.map_err(Exception::in_future)
}

/// Takes all throttles away: from every live broker and those in the file, since nobody knows which were sources, and from its topics.
pub(super) async fn clear(admin: &mut AdminClient, plan: &Plan, console: &Console) -> Result<(), Exception> {
    let nodes = admin.describe_cluster().await.map_err(Exception::in_future)?.nodes;
    let mut brokers: BTreeSet<BrokerId> = nodes.iter().map(|node| node.id).collect();
    brokers.extend(plan.partitions.iter().flat_map(|(_, replicas)| replicas));
    let brokers = hash_order_by(brokers.into_iter().collect(), DEFAULT_CAPACITY, |id: &BrokerId| id.cast_unsigned());
    console.say(format_args!(
        "Clearing broker-level throttles on broker{} {}",
        plural(brokers.len()),
        listed(&brokers, ",")
    ));
    let delete = |keys: &[&str]| keys.iter().map(|key| ConfigOp::Delete((*key).to_owned())).collect::<Vec<ConfigOp>>();
    let ops = delete(&[LEADER_RATE, FOLLOWER_RATE, LOG_DIRS_RATE]);
    let resources: Vec<_> = brokers.iter().map(|id| (Resource::Broker(*id), ops.clone())).collect();
    admin.incremental_alter_all(&resources).await.map_err(Exception::in_future)?;

    let topics: BTreeSet<String> = plan.partitions.iter().map(|((topic, _), _)| topic.clone()).collect();
    let topics = hash_order(topics.into_iter().collect(), DEFAULT_CAPACITY, String::clone);
    console.say(format_args!(
        "Clearing topic-level throttles on topic{} {}",
        plural(topics.len()),
        listed(&topics, ",")
    ));
    let ops = delete(&[LEADER_REPLICAS, FOLLOWER_REPLICAS]);
    let resources: Vec<_> = topics.into_iter().map(|topic| (Resource::Topic(topic), ops.clone())).collect();
    admin.incremental_alter_all(&resources).await.map_err(Exception::in_future)
}
