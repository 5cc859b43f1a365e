//! What was acknowledged is there after a kill, and a torn tail costs nothing but itself.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::harness::process::Process;
use crate::harness::{Broker, Cluster, client, eventually, raw};

#[test]
fn kill_during_produce_loses_no_acknowledged_record() {
    let cluster = Cluster::new("kill-during-produce");
    // Small segments, so that the kill meets rolls and several of them are recovered.
    let mut broker = cluster.broker(0).with("log.segment.bytes", 65_536).start();
    raw::create_and_await(&broker.address(), "topic", &[]);
    let mut acknowledged = BTreeMap::new();
    for round in 0..3 {
        let file = cluster.dir.join(format!("acknowledged-{round}"));
        let address = broker.address();
        let producer =
            Process::start("producer", client::python_command("acknowledged.py", &[&address, "topic"]), file.clone());
        let count = || fs::read_to_string(&file).unwrap_or_default().lines().count();
        eventually("2000 acknowledged records", Duration::from_secs(60), || (count() >= 2000).then_some(()));
        let plan = broker.kill();
        drop(producer);
        // The producer may have been cut off inside its last line.
        let text = fs::read_to_string(&file).expect("its output");
        for line in text[..text.rfind('\n').map_or(0, |end| end + 1)].lines() {
            let (offset, value) = line.split_once(' ').expect("offset and value");
            let before = acknowledged.insert(offset.parse::<i64>().expect("an offset"), value.to_string());
            assert_eq!(before, None, "offset {offset} was acknowledged twice");
        }
        broker = plan.start();
    }
    let format = ["-C", "-t", "topic", "-p", "0", "-o", "beginning", "-e", "-q", "-f", "%o %s\n"];
    let read = client::kcat(&broker.address(), &format, "").ok();
    let read: BTreeMap<i64, &str> =
        read.lines().filter_map(|line| line.split_once(' ')).map(|(o, v)| (o.parse().expect("an offset"), v)).collect();
    for (offset, value) in &acknowledged {
        assert_eq!(read.get(offset).copied(), Some(value.as_str()), "the acknowledged record at offset {offset}");
    }
    let last = read.keys().next_back().copied().expect("records");
    assert_eq!(read.len(), usize::try_from(last + 1).expect("not negative"), "every offset from 0 to {last} once");
}

/// The newest segment file of a partition.
fn active_segment(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir).expect("the partition's directory").flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|e| e == "log")).max().expect("a segment")
}

fn append(file: &Path, bytes: &[u8]) {
    File::options().append(true).open(file).and_then(|mut f| f.write_all(bytes)).expect("the segment can be written");
}

/// Kills a broker that holds 30 records, appends `tear(a batch that would come next)` to their segment, starts it again: the 30 are
/// there, the tear is not, and the next record gets offset 30.
fn torn_tail(name: &str, tear: impl Fn(Vec<u8>) -> Vec<u8>) {
    let cluster = Cluster::new(name);
    let broker = cluster.broker(0).start();
    raw::create_and_await(&broker.address(), "topic", &[]);
    let values: Vec<String> = (0..30).map(|i| format!("value {i}")).collect();
    for (i, chunk) in (0i64..).zip(values.chunks(3)) {
        let chunk: Vec<&str> = chunk.iter().map(String::as_str).collect();
        assert_eq!(raw::produce(&broker.address(), "topic", raw::batch(&chunk)), (0, i * 3));
    }
    let segment = active_segment(&broker.partition_dir("topic", 0));
    let plan = broker.kill();
    let whole = fs::metadata(&segment).expect("the segment").len();
    let mut next = raw::batch(&["torn a", "torn b"]);
    next[..8].copy_from_slice(&30i64.to_be_bytes());
    append(&segment, &tear(next));

    let mut broker: Broker = plan.start();
    assert_eq!(fs::metadata(&segment).expect("the segment").len(), whole, "size of the segment after recovery");
    assert_eq!(client::kcat_values(&broker.address(), "topic", 0), values);
    assert_eq!(raw::produce(&broker.address(), "topic", raw::batch(&["after"])), (0, 30));
    assert_eq!(client::kcat_values(&broker.address(), "topic", 0).last().map(String::as_str), Some("after"));
    broker.assert_alive();
}

#[test]
fn batch_cut_off_in_its_middle_is_cut_and_nothing_before_it() {
    torn_tail("tear-half-batch", |batch| batch[..batch.len() - 7].to_vec());
}

#[test]
fn batch_header_alone_is_cut_and_nothing_before_it() {
    torn_tail("tear-header", |batch| batch[..20].to_vec());
}

#[test]
fn batch_with_a_flipped_bit_is_cut_with_what_follows_it() {
    torn_tail("tear-flipped-bit", |batch| {
        let mut flipped = batch.clone();
        let last = flipped.len() - 3;
        flipped[last] ^= 0x10;
        flipped.extend(batch);
        flipped
    });
}

#[test]
fn zeros_after_the_last_batch_are_cut() {
    torn_tail("tear-zeros", |_| vec![0; 4096]);
}

#[test]
fn lost_indexes_and_snapshots_are_rebuilt() {
    let cluster = Cluster::new("lost-indexes");
    let broker = cluster.broker(0).with("log.segment.bytes", 16_384).with("log.index.interval.bytes", 256).start();
    raw::create_and_await(&broker.address(), "topic", &[]);
    let input: String = (0..2000).map(|i| format!("value {i} {}\n", "z".repeat(40))).collect();
    client::kcat(&broker.address(), &["-P", "-t", "topic", "-p", "0", "-X", "batch.num.messages=20"], &input).ok();
    let dir = broker.partition_dir("topic", 0);
    let plan = broker.kill();
    for entry in fs::read_dir(&dir).expect("the partition").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "index" || e == "timeindex" || e == "snapshot") {
            fs::remove_file(path).expect("removed");
        }
    }
    let broker = plan.start();
    assert_eq!(client::kcat_values(&broker.address(), "topic", 0).join("\n") + "\n", input);
    let one = ["-C", "-t", "topic", "-p", "0", "-o", "1234", "-c", "1", "-q", "-f", "%o %s"];
    assert!(client::kcat(&broker.address(), &one, "").ok().starts_with("1234 value 1234 "));
}
