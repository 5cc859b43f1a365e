//! The start of a broker with new log directories whose id the cluster knows: its disks were replaced.
//!
//! Were it the first to come back after everything was down, it would become the controller, take the others for dead and out of the
//! ISR, and then refuse to lead with nothing: partitions that the others hold whole would wait for an operator. So it lets them go first,
//! until it is out of each ISR that others are in. A controller may wait for it, too: where all others of an ISR may have lost the end of their
//! logs it wants to hear from this one first, that it has nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::{BrokerId, TopicPartition};
use crate::zk::session::{Session, Stat};
use crate::zk::store::{self, StoreError};
use crate::zk::znode::partition_state::PartitionState;

/// Longer than other brokers take to start. Then this one starts all the same: what it leads it refuses.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who restarted leads sooner than this, or its controller waits.
const ELECTED_WITHIN: Duration = Duration::from_secs(5);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// How much longer than a session timeout the node of an earlier life may stay.
const EXPIRY_SLACK: Duration = Duration::from_secs(2);

/// A partition that this broker and others have in sync, as ZooKeeper has it.
struct Shared {
    partition: TopicPartition,
    others: Vec<BrokerId>,
    /// The transaction that wrote this.
    written: i64,
}

/// Waits until this broker is in no ISR that others are in, or until nothing comes of waiting. To be called before the registration.
///
/// # Errors
/// ZooKeeper's.
pub async fn let_others_lead(session: &Session, id: BrokerId) -> Result<(), StoreError> {
    let begin = Instant::now();
    let mut told = false;
    let mut awaited_since = None;
    loop {
        // While the session of an earlier life goes on, its death is for the controller to find.
        let is_registered = store::brokers::get(session, id).await?.is_some();
        if is_registered {
            if begin.elapsed() > session.timeout() + EXPIRY_SLACK {
                return Ok(()); // the id is another's: the registration says so
            }
        } else {
            let shared = shared_with_others(session, id).await?;
            if shared.is_empty() || begin.elapsed() > PATIENCE {
                return Ok(());
            }
            let is_awaited = is_awaited(session, &shared).await?;
            awaited_since = is_awaited.then(|| awaited_since.unwrap_or_else(Instant::now));
            if awaited_since.is_some_and(|since| since.elapsed() > ELECTED_WITHIN) {
                return Ok(());
            }
            if !std::mem::replace(&mut told, true) {
                let (count, Shared { partition: first, others, .. }) = (shared.len(), &shared[0]);
                tracing::warn!(
                    partitions = count, %first, in_sync = ?others,
                    "the log directories are new, but this broker is in sync with others: waiting for one of them to come back and lead, \
                     at most {PATIENCE:?}. If a disk is only not mounted, stop this broker and mount it"
                );
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// All others are back. Who registered before a state was written says nothing: it leads already, or is dead and its session not over.
/// As long as one is away of any partition, it may be the one that is whole.
async fn is_awaited(session: &Session, shared: &[Shared]) -> Result<bool, StoreError> {
    let registered: BTreeMap<BrokerId, i64> =
        store::brokers::all(session).await?.into_iter().map(|found| (found.node.id, found.epoch)).collect();
    let is_back = |other: &BrokerId, written| registered.get(other).is_some_and(|epoch| *epoch > written);
    Ok(shared.iter().all(|shared| shared.others.iter().all(|other| is_back(other, shared.written))))
}

/// The partitions of whose ISR are this broker and others.
async fn shared_with_others(session: &Session, id: BrokerId) -> Result<Vec<Shared>, StoreError> {
    let names = store::topics::names(session).await?;
    let mut partitions = Vec::new();
    for (name, topic) in names.iter().zip(store::topics::get_all(session, &names).await?) {
        partitions.extend(topic.into_iter().flat_map(|t| t.partitions).filter_map(|(index, assignment)| {
            assignment.replicas.contains(&id).then(|| TopicPartition::new(name.as_str(), index))
        }));
    }
    let states = store::partitions::states(session, &partitions).await?;
    let shared = |(partition, found): (TopicPartition, Option<(PartitionState, Stat)>)| {
        let (state, stat) = found.filter(|(state, _)| state.isr.contains(&id))?;
        let others: Vec<BrokerId> = state.isr.into_iter().filter(|member| *member != id).collect();
        (!others.is_empty()).then_some(Shared { partition, others, written: stat.mzxid })
    };
    Ok(partitions.into_iter().zip(states).filter_map(shared).collect())
}
