//! Tests of `src/replica`: the pure parts here, partitions over a simulated disk in `partition`, between its directories in `moves`.

use ottla::replica::state::Assignment;

mod fetch_session;
mod fetcher_parts;
mod follow;
mod hand_over;
mod high_watermark;
mod isr;
mod moves;
mod partition;
mod selector;
mod shards;

/// The first that is said of a new partition in a leader epoch.
fn assignment(leader: i32, leader_epoch: i32, isr: &[i32], replicas: &[i32]) -> Assignment {
    Assignment {
        leader,
        leader_epoch,
        partition_epoch: leader_epoch,
        isr: isr.to_vec(),
        replicas: replicas.to_vec(),
        adding: vec![],
        removing: vec![],
        is_new: true,
    }
}
