//! Records of `__consumer_offsets`: what Kafka wrote is read, and written again the same.

use std::path::Path;

use bytes::Bytes;
use ottla::base::internal_partition;
use ottla::group::load::Loaded;
use ottla::group::record::{GroupValue, Key, MemberValue, OffsetValue, group_key, offset_key};
use ottla::record::{BatchBuilder, Batches, RecordError, Scratch};

fn recorded(run: &str) -> Vec<u8> {
    let log = format!("tests/golden/logs/{run}/__consumer_offsets-0/00000000000000000000.log");
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(log)).expect("a recorded log")
}

#[test]
fn records_that_kafka_wrote_are_read_and_written_the_same() {
    for run in ["clean", "killed"] {
        let bytes = recorded(run);
        let (mut offsets, mut groups) = (0, 0);
        for batch in Batches::new(&bytes) {
            let batch = batch.expect("a whole batch");
            if batch.is_control() {
                continue;
            }
            let mut scratch = Scratch::new();
            for record in batch.records(&mut scratch).expect("records") {
                let record = record.expect("a record");
                let (key, value) = (record.key.expect("a key"), record.value.expect("no tombstone was recorded"));
                match Key::read(key).expect("a known key") {
                    Key::Offset { group, topic, partition } => {
                        offsets += 1;
                        assert_eq!(offset_key(&group, &topic, partition), key);
                        assert_eq!(OffsetValue::read(value).expect("a value").to_bytes(), value);
                    }
                    Key::Group { group } => {
                        groups += 1;
                        assert_eq!(group_key(&group), key);
                        assert_eq!(GroupValue::read(value).expect("a value").to_bytes(), value);
                    }
                    Key::Unknown(version) => panic!("key version {version}"),
                }
            }
        }
        assert!(offsets + groups > 0, "the recorded log of {run} has records");
    }
}

#[test]
fn batches_of_offsets_and_groups_are_those_that_kafka_wrote() {
    let bytes = recorded("clean");
    let mut compared = 0;
    for batch in Batches::new(&bytes).flatten().filter(|b| !b.is_control() && !b.is_transactional()) {
        let mut scratch = Scratch::new();
        let record = batch.records(&mut scratch).expect("records").next().expect("one").expect("whole");
        let key = Key::read(record.key.expect("a key")).expect("a known key");
        let mut built = BatchBuilder::new(batch.base_offset()).leader_epoch(batch.leader_epoch());
        if matches!(key, Key::Offset { .. }) {
            built = built.producer(-1, -1, 0); // as `commits` does it
        }
        built.append(record.timestamp, record.key, record.value, &[]);
        assert_eq!(&built.build().expect("small")[..], batch.bytes());
        compared += 1;
    }
    assert!(compared > 1, "groups and offsets were recorded");
}

#[test]
fn the_example_of_the_format_is_kept() {
    let value = OffsetValue { offset: 5, leader_epoch: -1, metadata: "".into(), commit_ms: 7, expire_ms: None };
    assert_eq!(offset_key("g", "t", 0), b"\x00\x01\x00\x01g\x00\x01t\x00\x00\x00\x00");
    assert_eq!(
        value.to_bytes(),
        b"\x00\x03\x00\x00\x00\x00\x00\x00\x00\x05\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"
    );
    let expiring = OffsetValue { expire_ms: Some(9), ..value };
    assert_eq!(expiring.to_bytes()[..2], [0, 1], "an expiry of its own is written as version 1");
    assert_eq!(OffsetValue::read(&expiring.to_bytes()).expect("version 1"), expiring);
}

#[test]
fn a_group_with_static_and_dynamic_members_comes_back_and_a_cut_anywhere_is_an_error() {
    let member = |id: &str, instance: Option<&str>| MemberValue {
        id: id.into(),
        instance: instance.map(Into::into),
        client_id: "client".into(),
        client_host: "/10.0.0.7".into(),
        rebalance_timeout_ms: 60_000,
        session_timeout_ms: 45_000,
        subscription: Bytes::from_static(b"sub"),
        assignment: Bytes::from_static(b"assigned"),
    };
    let value = GroupValue {
        protocol_type: "consumer".into(),
        generation: 3,
        protocol: Some("range".into()),
        leader: Some("a".into()),
        state_ms: 12,
        members: vec![member("a", None), member("b", Some("static"))],
    };
    let bytes = value.to_bytes();
    assert_eq!(GroupValue::read(&bytes).expect("whole"), value);
    for cut in 0..bytes.len() {
        assert!(GroupValue::read(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_member_id_too_long_for_a_record_does_not_make_the_record_unreadable() {
    let member = MemberValue { id: "ü".repeat(20_000), ..MemberValue::default() };
    let value = GroupValue { members: vec![member], ..GroupValue::default() };
    let read = GroupValue::read(&value.to_bytes()).expect("readable");
    assert_eq!(read.members[0].id, "ü".repeat(16_383));
}

#[test]
fn old_and_flexible_values_are_read() {
    // Version 0: offset, metadata, time.
    let mut v0 = vec![0, 0];
    v0.extend_from_slice(&42i64.to_be_bytes());
    v0.extend_from_slice(b"\x00\x01m");
    v0.extend_from_slice(&7i64.to_be_bytes());
    let value = OffsetValue::read(&v0).expect("version 0");
    assert_eq!((value.offset, value.leader_epoch, &*value.metadata, value.commit_ms), (42, -1, "m", 7));
    // Version 4: compact text and tags.
    let mut v4 = vec![0, 4];
    v4.extend_from_slice(&42i64.to_be_bytes());
    v4.extend_from_slice(&3i32.to_be_bytes());
    v4.extend_from_slice(b"\x02m");
    v4.extend_from_slice(&7i64.to_be_bytes());
    v4.push(0);
    let value = OffsetValue::read(&v4).expect("version 4");
    assert_eq!((value.offset, value.leader_epoch, &*value.metadata, value.commit_ms), (42, 3, "m", 7));
    assert_eq!(OffsetValue::read(&[0, 5]), Err(RecordError::UnknownVersion(5)));
    assert_eq!(Key::read(&[0, 9, 1]).expect("a version"), Key::Unknown(9));
}

#[test]
fn group_ids_hash_as_in_java() {
    let vectors = [
        ("g", 3),
        ("test-group", 12),
        ("my-txn-id", 11),
        ("console-consumer-12345", 6),
        ("connect-cluster", 13),
        ("polygenelubricants", 0),
        ("", 0),
    ];
    for (id, partition) in vectors {
        assert_eq!(internal_partition(id, 50), partition, "{id}");
    }
}

/// One batch with one record.
fn batch(offset: i64, producer: Option<i64>, key: &[u8], value: Option<&[u8]>) -> Bytes {
    let mut builder = BatchBuilder::new(offset);
    if let Some(id) = producer {
        builder = builder.producer(id, 0, 0).transactional(true);
    }
    builder.append(1, Some(key), value, &[]);
    builder.build().expect("small")
}

fn marker(offset: i64, producer: i64, commit: bool) -> Bytes {
    let mut builder = BatchBuilder::new(offset).producer(producer, 0, -1).transactional(true).control(true);
    builder.append(1, Some(&[0, 0, 0, u8::from(commit)]), Some(&[0, 0, 0, 0, 0, 0]), &[]);
    builder.build().expect("small")
}

fn value(offset: i64) -> Vec<u8> {
    OffsetValue { offset, leader_epoch: -1, metadata: "".into(), commit_ms: 1, expire_ms: None }.to_bytes()
}

#[test]
fn a_value_of_an_unknown_version_counts_as_not_written_and_a_broken_one_stops_the_load() {
    let see =
        |loaded: &mut Loaded, bytes: &Bytes| loaded.see(&Batches::new(bytes).next().expect("one").expect("whole"));
    let mut loaded = Loaded::default();
    let future = b"\0\x05of the future";
    let known = GroupValue { generation: 3, ..GroupValue::default() };
    let batches = [
        batch(0, None, &offset_key("g", "t", 0), Some(&value(10))),
        batch(1, None, &group_key("g"), Some(&known.to_bytes())),
        batch(2, None, &offset_key("g", "t", 0), Some(future)),
        batch(3, None, &group_key("g"), Some(future)),
        batch(4, Some(7), &offset_key("g", "t", 1), Some(future)),
        batch(5, None, &offset_key("g", "t", 2), Some(&value(20))),
    ];
    batches.iter().for_each(|bytes| see(&mut loaded, bytes).expect("skipped"));
    assert_eq!(loaded.groups["g"], known);
    let offsets: Vec<(i32, i64)> =
        loaded.offsets["g"].iter().map(|((_, p), committed)| (*p, committed.value.offset)).collect();
    assert_eq!(offsets, [(0, 10), (2, 20)]);
    assert!(loaded.open.is_empty());

    let cut = value(11);
    let cut = batch(6, None, &offset_key("g", "t", 0), Some(&cut[..cut.len() - 1]));
    assert!(see(&mut loaded, &cut).is_err());
}

#[test]
fn loading_keeps_the_last_word_of_the_log() {
    let key = |p| offset_key("g", "t", p);
    let batches = [
        batch(0, None, &key(0), Some(&value(10))),
        batch(1, None, &key(0), Some(&value(11))),
        batch(2, None, &key(1), Some(&value(20))),
        batch(3, None, &key(1), None),
        batch(4, Some(7), &key(2), Some(&value(30))),
        batch(5, Some(8), &key(3), Some(&value(40))),
        batch(6, Some(9), &key(4), Some(&value(50))),
        batch(7, None, &key(4), Some(&value(51))),
        marker(8, 7, true),
        marker(9, 8, false),
        marker(10, 9, true),
        batch(11, None, &group_key("gone"), Some(&GroupValue::default().to_bytes())),
        batch(12, None, &group_key("gone"), None),
        batch(13, None, &[0, 12, 1], Some(b"of the future")),
    ];
    let mut loaded = Loaded::default();
    for bytes in &batches {
        loaded.see(&Batches::new(bytes).next().expect("one").expect("whole")).expect("known records");
    }
    assert!(loaded.groups.is_empty());
    let offsets: Vec<(i32, i64)> =
        loaded.offsets["g"].iter().map(|((_, p), committed)| (*p, committed.value.offset)).collect();
    // 1 has a tombstone, 3 was aborted, 4 was committed before, but not after.
    assert_eq!(offsets, [(0, 11), (2, 30), (4, 51)]);
}
