//! The judge: what clients did and saw, and what the cluster showed, held against what is promised. Pure; the definitions are those of
//! Jepsen's `tests/kafka.clj`, and what it has none for.
//!
//! | file | what is found there |
//! |---|---|
//! | `writes` | `lost-write`, `two-values` (of one offset), `moved` (to another offset), `alien`, `duplicate` and `sequence` (idempotence), `nonmonotonic-send`, inside a transaction and across |
//! | `polls` | `poll-skip` and `nonmonotonic-poll`, inside and across; `refused` positions; `unseen` in the end |
//! | `txns` | `aborted-read` (G1a), `precommitted-read` |
//! | `cycles` | `G0`, `G1c` (write-read edges alone), `G1c-mixed` |
//! | `groups` | `group-offset` (went back, or was never committed), `stale-commit` (of an older generation), `group-skip`, `processed-twice` |
//! | `compacted` | `lost-key`, `resurrected-key` |
//! | `cluster` | `two-leaders` of an epoch, `epoch-back`, `high-watermark-back`, `unequal-replicas`, `not-healed`, `broker-ended`, `leftover`, `untold-cut` |
//!
//! `harness` is none of the cluster's: the history contradicts itself, or lacks the look at a partition, and proves nothing.
//!
//! `facts` is what they look up, `finding` what they say, `page` the history around it. A loss is **excused** only at or above the offset of
//! a recorded [`MayLose`](super::history::Act::MayLose), and counted apart. A topic that is deleted has nothing to lose. What Kafka's
//! transactions never promise is **allowed** and only counted ([`Check::is_allowed`]).

mod cluster;
mod compacted;
mod cycles;
mod facts;
mod finding;
mod groups;
mod page;
mod polls;
mod txns;
mod writes;

use super::history;
use history::History;

pub use finding::{Check, Excuse, Finding, Verdict};
pub use page::page;

/// Holds everything against everything. It takes some seconds for a million records.
pub fn judge(history: &History) -> Verdict {
    let mut verdict = Verdict::default();
    let facts = facts::Facts::of(history, &mut verdict);
    for check in [
        writes::lost,
        writes::two_values,
        writes::moved,
        writes::alien,
        writes::duplicates,
        writes::sequences,
        writes::order,
        polls::order,
        polls::unseen,
        txns::aborted,
        txns::precommitted,
        cycles::cycles,
        groups::committed_offsets,
        groups::stale_commits,
        groups::skipped,
        groups::processed_twice,
        compacted::keys,
        cluster::leaders,
        cluster::high_watermarks,
        cluster::replicas,
        cluster::health,
        cluster::leftovers,
    ] {
        check(&facts, &mut verdict);
    }
    verdict
}
