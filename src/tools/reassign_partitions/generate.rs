//! `--generate`: a proposal that spreads topics over brokers, from a random start as for a new topic.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{Assignment, duplicates, parse_topics, to_json};
use super::{command_failed, described, listed};
use crate::admin::placement::{self, Broker};
use crate::base::{BrokerId, Env};
use crate::tools::admin_client::AdminClient;
use crate::tools::console::Console;
use crate::tools::java::Exception;

/// Prints the assignment there is and a proposed one.
pub(super) async fn generate(
    admin: &mut AdminClient,
    json: &str,
    brokers: &str,
    rack_aware: bool,
    console: &Console,
) -> Result<(), Exception> {
    let brokers = parse_brokers(brokers)?;
    let topics: BTreeSet<String> = parse_topics(json)?.into_iter().collect();
    let current: Assignment = described(admin, topics).await?.into_iter().collect();
    let nodes = admin.describe_cluster().await.map_err(Exception::in_future)?.nodes;
    let live = nodes.into_iter().filter(|node| brokers.contains(&node.id));
    let live: Vec<Broker> = live.map(|node| Broker { id: node.id, rack: node.rack.filter(|_| rack_aware) }).collect();
    let proposed = propose(&current, &live)?;
    console.say(format_args!("Current partition replica assignment\n{}\n", to_json(&current)));
    console.say(format_args!("Proposed partition reassignment configuration\n{}", to_json(&proposed)));
    Ok(())
}

fn parse_brokers(list: &str) -> Result<Vec<BrokerId>, Exception> {
    let ids = list.trim_end_matches(',').split(',');
    let ids: Vec<BrokerId> =
        ids.map(|id| id.parse().map_err(|_| Exception::number_format(id))).collect::<Result<_, _>>()?;
    match duplicates(&ids).as_slice() {
        [] => Ok(ids),
        twice => Err(command_failed(format!("Broker list contains duplicate entries: [{}]", listed(twice, ", ")))),
    }
}

/// As many replicas of each partition of a topic as its first one has.
fn propose(current: &Assignment, brokers: &[Broker]) -> Result<Assignment, Exception> {
    if brokers.iter().any(|b| b.rack.is_none()) && brokers.iter().any(|b| b.rack.is_some()) {
        let why = "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica assignment \
                   without rack information.";
        return Err(Exception::new("org.apache.kafka.server.common.AdminOperationException", why));
    }
    let mut topics: BTreeMap<&str, (i32, usize)> = BTreeMap::new();
    for ((topic, _), replicas) in current {
        topics.entry(topic).or_insert((0, replicas.len())).0 += 1;
    }
    let rng = Env::current().rng;
    let mut proposed = Assignment::new();
    for (topic, (partitions, replicas)) in topics {
        let replicas = i32::try_from(replicas).unwrap_or(i32::MAX);
        let placed = placement::assign(brokers, partitions, replicas, &rng).map_err(|error| {
            let (code, message) = error.answer();
            Exception::of_code(code, message.as_deref())
        })?;
        proposed.extend(placed.into_iter().map(|(index, replicas)| ((topic.to_owned(), index), replicas)));
    }
    Ok(proposed)
}
