//! What Apache Kafka 3.9.2 left of a compacted log: from the files that its cleaner replaced, ours makes the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ottla::base::{Env, TopicPartition};
use ottla::config::LogConfig;
use ottla::disk::Disk;
use ottla::log::{CancelFlag, LogDirs, LogManager, ManagerConfig, checkpoint};

use super::model::compacted;
use crate::log::support::*;

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(dir)
        .expect("a directory")
        .map(|e| e.expect("an entry"))
        .map(|e| (e.file_name().into_string().expect("a name"), std::fs::read(e.path()).expect("a file")))
        .filter(|(name, _)| !name.ends_with(".deleted") && !name.ends_with(".dump"))
        .collect()
}

#[tokio::test]
async fn a_pass_leaves_the_files_that_kafka_left() {
    let temp = tempfile::tempdir().expect("a temp directory");
    let dir = temp.path().join("compacted-0");
    copy_partition(&golden("clean/compacted-0"), &dir);
    for entry in std::fs::read_dir(&dir).expect("the partition") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|e| e == "deleted") {
            std::fs::rename(&path, path.with_extension("")).expect("renamed back");
        }
    }
    // Kafka's pass before had come to 120; its segments had 4096 bytes.
    std::fs::write(temp.path().join(checkpoint::CLEANER), "0\n1\ncompacted 0 120\n").expect("written");
    std::fs::write(temp.path().join(".kafka_cleanshutdown"), "").expect("written");
    let config = Arc::new(LogConfig { segment_bytes: 4096, ..compacted() });
    let dirs = LogDirs::open(Disk::Real, &[temp.path().to_path_buf()]).expect("the directory");
    let manager =
        LogManager::load(Env::current(), dirs, ManagerConfig::default(), &|_| Arc::clone(&config), &CancelFlag::new())
            .expect("a start");
    let tp = TopicPartition::new("compacted", 0);
    let log = manager.get(&tp).expect("the log");
    log.set_high_watermark(log.leo());
    assert!(manager.clean_dirtiest(0).await, "there is something to clean");
    assert_eq!(manager.cleaned_up_to(&tp), Some(180), "as in Kafka's checkpoint");
    let (ours, theirs) = (files(&dir), files(&golden("clean/compacted-0")));
    for (name, bytes) in &theirs {
        if !name.ends_with(".snapshot") {
            assert_eq!(ours.get(name), Some(bytes), "{name}");
        }
    }
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
}
