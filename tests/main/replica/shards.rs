//! A coordinator's partitions as leadership comes, goes and changes its epoch.

use std::path::PathBuf;
use std::sync::Arc;

use ottla::base::{Env, ErrorCode};
use ottla::cluster::Cluster;
use ottla::config::LogConfig;
use ottla::disk::{Disk, SimDisk};
use ottla::log::{CancelFlag, LogDirs, LogManager, ManagerConfig};
use ottla::replica::Replicas;
use ottla::replica::shards::{Lead, Shards};

fn shards() -> Shards<i32> {
    let env = Env::current();
    let dirs = LogDirs::open(Disk::Sim(SimDisk::new()), &[PathBuf::from("/a")]).expect("a directory");
    let config = Arc::new(LogConfig::default());
    let manager = ManagerConfig::default();
    let logs = LogManager::load(env.clone(), dirs, manager, &move |_| config.clone(), &CancelFlag::new());
    let cluster = Arc::new(Cluster::new("c".into(), 1));
    Shards::new("internal", "things", Arc::new(Replicas::new(env, cluster, logs.expect("loaded"), 100)))
}

fn begin(shards: &Shards<i32>, partition: i32, epoch: i32) -> u64 {
    match shards.lead(partition, epoch) {
        Lead::Read(load) => load,
        Lead::Loading | Lead::Ready(_) => panic!("has to be read"),
    }
}

#[tokio::test]
async fn a_partition_serves_what_was_read_last_in_the_epoch_of_now() {
    let shards = shards();
    assert_eq!(shards.get(0), Err(ErrorCode::NotCoordinator));
    let first = begin(&shards, 0, 5);
    assert_eq!(shards.get(0), Err(ErrorCode::CoordinatorLoadInProgress));
    assert_eq!(shards.all_ready(), Err(ErrorCode::CoordinatorLoadInProgress));
    // Leadership goes and comes back while it is read: what the first load has read counts for nothing.
    assert_eq!(shards.resign(0), None);
    let second = begin(&shards, 0, 7);
    assert!(matches!(shards.lead(0, 8), Lead::Loading), "the same leader in another epoch");
    assert!(!shards.serve(0, first, Arc::new));
    assert!(shards.serve(0, second, Arc::new));
    assert_eq!(shards.get(0), Ok(Arc::new(8)));
    assert_eq!(shards.all_ready(), Ok(()));
    assert!(matches!(shards.lead(0, 9), Lead::Ready(shard) if *shard == 8), "needs no reading");
    assert_eq!(shards.ready(), [Arc::new(8)]);
    assert_eq!(shards.resign(0), Some(Arc::new(8)));
    assert_eq!(shards.get(0), Err(ErrorCode::NotCoordinator));
}

#[tokio::test]
async fn a_partition_that_is_gone_is_unreadable_until_somebody_else_leads() {
    let shards = shards();
    let load = begin(&shards, 0, 5);
    let read = shards.read(0, load, 1 << 20, |_: &mut (), _| Ok(())).await;
    assert_eq!(read, None, "it is not hosted here");
    assert_eq!(shards.get(0), Err(ErrorCode::CoordinatorNotAvailable));
    assert_eq!(shards.all_ready(), Err(ErrorCode::CoordinatorNotAvailable));
    assert!(!shards.hand_over.refuses(0), "what is gone need not be given up");
    assert!(!shards.serve(0, load, Arc::new));
    assert_eq!(shards.resign(0), None);
    assert_eq!(shards.all_ready(), Ok(()));
    begin(&shards, 0, 6);
}
