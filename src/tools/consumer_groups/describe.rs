//! `--describe`: offsets and lag, members, or state of groups.
//!
//! The tables are Kafka's, with their empty lines: a row of offsets and of a state begins with a line's end, and the last has none behind it.

use std::collections::{BTreeMap, BTreeSet};

use super::{missing, no_such_group};
use crate::base::timestamp;
use crate::tools::admin_client::AdminClient;
use crate::tools::admin_client::groups::{GroupDescription, GroupMember};
use crate::tools::admin_client::offsets::Partition;
use crate::tools::console::Console;
use crate::tools::java::Exception;

/// One row of offsets.
struct Row {
    partition: Partition,
    current: Option<i64>,
    member: Option<usize>,
}

/// Tells of a group that can't be shown, or is in a state worth a word. Whether there is anything to show.
fn said(group: &str, state: &str, console: &Console) -> bool {
    match state {
        "Dead" => no_such_group(group, console),
        "Empty" => console.complain(format_args!("\nConsumer group '{group}' has no active members.")),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
            console.complain(format_args!("\nWarning: Consumer group '{group}' is rebalancing."));
        }
        _ => {}
    }
    state != "Dead"
}

/// Committed offsets, log ends and lags.
///
/// # Errors
/// The coordinator's.
pub async fn offsets(admin: &mut AdminClient, group: &str, console: &Console) -> Result<(), Exception> {
    let description = admin.describe_group(group).await?;
    let committed = match description.state.as_str() {
        "Dead" => BTreeMap::new(),
        _ => admin.committed_offsets(group).await?,
    };
    let rows = rows(&description.members, &committed);
    if !said(group, &description.state, console) || rows.is_empty() {
        return Ok(());
    }
    let partitions: BTreeSet<Partition> = rows.iter().map(|row| row.partition.clone()).collect();
    let ends = admin.list_offsets(&partitions, timestamp::LATEST).await;
    let text = |value: Option<i64>| value.map_or(missing(), |value| value.to_string());
    let cells: Vec<[String; 9]> = rows
        .iter()
        .map(|row| {
            let end = ends.get(&row.partition).and_then(|end| end.as_ref().ok()).copied().filter(|end| *end >= 0);
            let lag = row.current.and_then(|current| end.map(|end| end - current));
            let member = row.member.and_then(|at| description.members.get(at));
            let of = |field: fn(&GroupMember) -> &String| member.map_or(missing(), |member| field(member).clone());
            [
                group.to_owned(),
                row.partition.0.clone(),
                row.partition.1.to_string(),
                text(row.current),
                text(end),
                text(lag),
                of(|member| &member.id),
                of(|member| &member.host),
                of(|member| &member.client_id),
            ]
        })
        .collect();
    let widest = |column: usize| cells.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0).max(15);
    let [g, t, c, h] = [0, 1, 6, 7].map(widest);
    let heads =
        ["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID"];
    for row in std::iter::once(heads.map(String::from)).chain(cells) {
        let [group, topic, partition, current, end, lag, member, host, client] = row;
        console.print(format_args!(
            "\n{group:g$} {topic:t$} {partition:10} {current:15} {end:15} {lag:15} {member:c$} {host:h$} {client}"
        ));
    }
    Ok(())
}

/// Members by how much they have, most first; then what is committed and nobody's.
fn rows(members: &[GroupMember], committed: &BTreeMap<Partition, i64>) -> Vec<Row> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(members[*at].assignment.len()));
    let mut rows = Vec::new();
    let mut assigned = BTreeSet::new();
    for at in order {
        for partition in &members[at].assignment {
            assigned.insert(partition);
            let current = committed.get(partition).copied();
            rows.push(Row { partition: partition.clone(), current, member: Some(at) });
        }
    }
    let rest = committed.iter().filter(|(partition, _)| !assigned.contains(partition));
    rows.extend(rest.map(|(partition, offset)| Row {
        partition: partition.clone(),
        current: Some(*offset),
        member: None,
    }));
    rows
}

/// Members and what they are assigned.
///
/// # Errors
/// The coordinator's.
pub async fn members(admin: &mut AdminClient, group: &str, verbose: bool, console: &Console) -> Result<(), Exception> {
    let description = admin.describe_group(group).await?;
    said(group, &description.state, console);
    let members = &description.members;
    let widest = |least: usize, field: fn(&GroupMember) -> &str| {
        members.iter().map(|member| field(member).chars().count()).max().unwrap_or(0).max(least)
    };
    let g = if members.is_empty() { 15 } else { group.chars().count().max(15) };
    let (c, h, l) = (widest(15, |m| &m.id), widest(15, |m| &m.host), widest(15, |m| &m.client_id));
    let statics = members.iter().any(|member| member.instance_id.is_some());
    let i = widest(17, |m| m.instance_id.as_deref().unwrap_or_default());
    let instance = |text: &str| if statics { format!("{text:i$} ") } else { String::new() };
    let line = |group: &str, id: &str, instance_id: &str, host: &str, client: &str, count: &str, assigned: &str| {
        let assigned = if verbose { assigned } else { "" };
        console.say(format_args!(
            "{group:g$} {id:c$} {}{host:h$} {client:l$} {count:15} {assigned}",
            instance(instance_id)
        ));
    };
    console.say("");
    line("GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", "#PARTITIONS", "ASSIGNMENT");
    for member in members {
        let instance_id = member.instance_id.as_deref().unwrap_or_default();
        let count = member.assignment.len().to_string();
        line(group, &member.id, instance_id, &member.host, &member.client_id, &count, &assigned(member));
    }
    Ok(())
}

/// `(0,1), (2)`: the partitions of each topic, without its name, as Kafka shows them.
fn assigned(member: &GroupMember) -> String {
    let mut topics: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (topic, partition) in &member.assignment {
        topics.entry(topic).or_default().push(partition.to_string());
    }
    if topics.is_empty() {
        return missing();
    }
    let lists = topics.into_values().map(|mut partitions| {
        partitions.sort();
        format!("({})", partitions.join(","))
    });
    lists.collect::<Vec<_>>().join(", ")
}

/// Coordinator, assignor, state.
///
/// # Errors
/// The coordinator's.
pub async fn state(admin: &mut AdminClient, group: &str, console: &Console) -> Result<(), Exception> {
    let description = admin.describe_group(group).await?;
    if !said(group, &description.state, console) {
        return Ok(());
    }
    let GroupDescription { state, assignor, coordinator, members } = description;
    let coordinator = format!("{}:{}  ({})", coordinator.host, coordinator.port, coordinator.id);
    let k = coordinator.chars().count().max(25);
    let line = |group: &str, coordinator: &str, assignor: &str, state: &str, members: &str| {
        console.print(format_args!("\n{group:k$} {coordinator:25} {assignor:20} {state:15} {members}"));
    };
    line("GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS");
    line(group, &coordinator, &assignor, &state, &members.len().to_string());
    console.say("");
    Ok(())
}
