//! The start of a broker with new log directories whose id the cluster knows: its disks were replaced.
//!
//! Were it the first to come back after everything was down, it would become the controller, take the others for dead and out of the
//! ISR, and then refuse to lead with nothing: partitions that the others hold whole would wait for an operator. So it lets them go first.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::{BrokerId, TopicPartition};
use crate::zk::session::Session;
use crate::zk::store;
use crate::zk::store::StoreError;

/// Longer than other brokers take to start. Then this one starts all the same: what it leads it refuses.
const PATIENCE: Duration = Duration::from_secs(120);

/// When all others are there, one of them leads sooner than this, or the controller has to hear first that this one has nothing.
const ELECTED_WITHIN: Duration = Duration::from_secs(5);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// How much longer than a session timeout the node of an earlier life may stay.
const EXPIRY_SLACK: Duration = Duration::from_secs(2);

/// Waits until no partition that others have in sync names this broker as its leader, or all who could lead them have been there for a
/// while. To be called before the registration.
///
/// # Errors
/// ZooKeeper's.
pub async fn let_others_lead(session: &Session, id: BrokerId) -> Result<(), StoreError> {
    let begin = Instant::now();
    let mut told = false;
    let mut all_there_since = None;
    loop {
        // While the session of an earlier life goes on, its death is for the controller to find.
        let is_registered = store::brokers::get(session, id).await?.is_some();
        if is_registered {
            if begin.elapsed() > session.timeout() + EXPIRY_SLACK {
                return Ok(()); // the id is another's: the registration says so
            }
        } else {
            let led = led_with_others(session, id).await?;
            if led.is_empty() || begin.elapsed() > PATIENCE {
                return Ok(());
            }
            let there = store::brokers::ids(session).await?;
            let all_there = led.iter().flat_map(|(_, others)| others).all(|other| there.contains(other));
            all_there_since = all_there.then(|| all_there_since.unwrap_or_else(Instant::now));
            if all_there_since.is_some_and(|since| since.elapsed() > ELECTED_WITHIN) {
                return Ok(());
            }
            if !std::mem::replace(&mut told, true) {
                let (count, (first, others)) = (led.len(), &led[0]);
                tracing::warn!(
                    partitions = count, %first, in_sync = ?others,
                    "the log directories are new, but this broker is the leader of partitions that others have in sync: waiting for \
                     one of them to come back and lead, at most {PATIENCE:?}"
                );
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The partitions that this broker leads and others have in sync, with those others.
async fn led_with_others(session: &Session, id: BrokerId) -> Result<Vec<(TopicPartition, Vec<BrokerId>)>, StoreError> {
    let names = store::topics::names(session).await?;
    let mut partitions = Vec::new();
    for (name, topic) in names.iter().zip(store::topics::get_all(session, &names).await?) {
        partitions.extend(topic.into_iter().flat_map(|t| t.partitions).filter_map(|(index, assignment)| {
            assignment.replicas.contains(&id).then(|| TopicPartition::new(name.as_str(), index))
        }));
    }
    let states = store::partitions::states(session, &partitions).await?;
    let led =
        |(partition, state): (TopicPartition, Option<(crate::zk::znode::partition_state::PartitionState, i32)>)| {
            let (state, _) = state.filter(|(state, _)| state.leader == id)?;
            let others: Vec<BrokerId> = state.isr.into_iter().filter(|member| *member != id).collect();
            (!others.is_empty()).then_some((partition, others))
        };
    Ok(partitions.into_iter().zip(states).filter_map(led).collect())
}
