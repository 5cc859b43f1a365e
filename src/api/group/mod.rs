//! Consumer groups: finding their coordinator, membership, offsets, listing and deletion.
//!
//! The handlers translate: decisions are `group`'s. Wire types stay here, for a group outlives the frame of a request.

pub mod delete_groups;
pub mod describe_groups;
pub mod find_coordinator;
pub mod heartbeat;
pub mod join_group;
pub mod leave_group;
pub mod list_groups;
pub mod offset_commit;
pub mod offset_delete;
pub mod offset_fetch;
pub mod sync_group;

use std::sync::Arc;

use crate::api::{Outcome, Peer};
use crate::group::offsets::Place;
use crate::wire::Str;

/// Text of the request as state keeps it.
fn owned(text: &Str) -> Arc<str> {
    text.into()
}

fn owned_opt(text: &Option<Str>) -> Option<Arc<str>> {
    text.as_ref().map(owned)
}

/// A topic with something of each of its partitions.
pub(in crate::api) type OfTopic<T> = (Arc<str>, Vec<(i32, T)>);

/// Partitions by topic; the order stays.
pub(in crate::api) fn by_topic<T>(entries: impl IntoIterator<Item = (Place, T)>) -> Vec<OfTopic<T>> {
    let mut topics: Vec<OfTopic<T>> = Vec::new();
    for ((topic, partition), entry) in entries {
        match topics.last_mut() {
            Some((last, partitions)) if *last == topic => partitions.push((partition, entry)),
            _ => topics.push((topic, vec![(partition, entry)])),
        }
    }
    topics
}

/// An answer that may take minutes: a broker that stops does not wait for it, and closes the connection as Kafka does.
fn patiently(peer: Arc<Peer>, answer: impl Future<Output = Outcome> + Send + 'static) -> Outcome {
    Outcome::later(async move {
        tokio::select! {
            biased;
            outcome = answer => outcome,
            () = peer.stopped() => Outcome::Close,
        }
    })
}
