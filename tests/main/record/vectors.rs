//! Byte vectors that were computed from Kafka's layouts, or written by Kafka 3.9.2.

use ottla::record::batch::{self, BatchHeader, Stamp, add_sequence, is_later_sequence, stamp, stamp_in_place};
use ottla::record::batches::Batch;
use ottla::record::builder::{BatchBuilder, empty_batch, marker};
use ottla::record::{EndTxnMarker, Scratch, TimestampType};

use super::{records_of, unhex};

const T: i64 = 1_700_000_000_000;
const HELLO: &str = "00000000000000000000003d0000000002e641a44b0000000000000000018bcfe568000000018bcfe56800ffffffffffffffffffffffffffff0000000116000000010a68656c6c6f00";
const COMMIT: &str = "0000000000000005000000420000000302e3e276810030000000000000018bcfe568000000018bcfe568000000000000000fa00002ffffffff000000012000000008000000010c00000000000700";
const IDEMPOTENT: &str = "000000000000000a000000490000000102aecbe7cd0000000000010000018bcfe568000000018bcfe5680500000000000003e8000000000000000000021c000000046b31047631020268027810000a02046b320100";
const EMPTIED: &str = "0000000000000008000000310000000002735d15c8000000000001ffffffffffffffff000001a1f9015e17000000000000000400000000000000000000";

fn batch(bytes: &[u8]) -> Batch<'_> {
    let batch = Batch::first(bytes).unwrap();
    assert_eq!(batch.size(), bytes.len());
    batch.check_crc().unwrap();
    batch
}

#[test]
fn one_record_reads_and_writes_as_kafka_has_it() {
    let bytes = unhex(HELLO);
    let batch = batch(&bytes);
    assert_eq!((batch.base_offset(), batch.last_offset(), batch.leader_epoch(), batch.count()), (0, 0, 0, Some(1)));
    let records = records_of(&batch).unwrap();
    assert_eq!((records[0].timestamp, records[0].value.as_deref()), (T, Some(&b"hello"[..])));
    let mut builder = BatchBuilder::new(0).leader_epoch(0);
    builder.append(T, None, Some(b"hello"), &[]);
    assert_eq!(builder.build().unwrap(), bytes);
}

#[test]
fn commit_marker_reads_and_writes_as_kafka_has_it() {
    let bytes = unhex(COMMIT);
    let batch = batch(&bytes);
    assert!(batch.is_control() && batch.is_transactional());
    assert_eq!((batch.producer_id(), batch.producer_epoch(), batch.base_sequence()), (4000, 2, -1));
    let mut scratch = Scratch::new();
    let record = batch.records(&mut scratch).unwrap().next().unwrap().unwrap();
    let expected = EndTxnMarker { commit: true, coordinator_epoch: 7 };
    assert_eq!(EndTxnMarker::read(&record).unwrap(), Some(expected));
    assert_eq!(marker(5, 3, T, 4000, 2, expected), bytes);
}

#[test]
fn idempotent_batch_reads_and_writes_as_kafka_has_it() {
    let bytes = unhex(IDEMPOTENT);
    let batch = batch(&bytes);
    assert_eq!((batch.base_sequence(), batch.last_sequence(), batch.next_offset()), (0, 1, 12));
    let records = records_of(&batch).unwrap();
    assert_eq!(records[0].headers, [(b"h".to_vec(), Some(b"x".to_vec()))]);
    assert_eq!((records[1].offset, records[1].timestamp, records[1].sequence), (11, T + 5, 1));
    assert_eq!(records[1].value, None);
    let mut builder = BatchBuilder::new(10).leader_epoch(1).producer(1000, 0, 0);
    builder.append(T, Some(b"k1"), Some(b"v1"), &[(b"h", Some(b"x"))]);
    builder.append(T + 5, Some(b"k2"), None, &[]);
    assert_eq!(builder.build().unwrap(), bytes);
}

#[test]
fn emptied_batch_reads_and_writes_as_kafka_has_it() {
    let bytes = unhex(EMPTIED);
    let batch = batch(&bytes);
    assert_eq!((batch.count(), batch.last_offset()), (Some(0), 9));
    assert!(records_of(&batch).unwrap().is_empty());
    let mut before = BatchBuilder::new(8).leader_epoch(0).producer(4, 0, 0);
    before.append(batch.max_timestamp() - 7, None, Some(b"a"), &[]);
    before.append(batch.max_timestamp(), None, Some(b"b"), &[]);
    let before = before.build().unwrap();
    assert_eq!(empty_batch(&BatchHeader::parse(&before).unwrap())[..], bytes);
}

#[test]
fn stamp_changes_offset_and_epoch_without_the_crc() {
    let mut bytes = unhex(HELLO);
    let with = Stamp { base_offset: 77, leader_epoch: 9, max_timestamp: None };
    let head = stamp(&bytes, &with).unwrap();
    assert_eq!(head[17..], bytes[17..61]);
    stamp_in_place(&mut bytes, &with).unwrap();
    let batch = batch(&bytes);
    assert_eq!((batch.base_offset(), batch.leader_epoch()), (77, 9));
}

#[test]
fn stamp_with_append_time_keeps_base_time_and_deltas() {
    let mut bytes = unhex(IDEMPOTENT);
    let body = bytes[61..].to_vec();
    let now = T + 1_000_000;
    let time = Some((TimestampType::LogAppendTime, now));
    stamp_in_place(&mut bytes, &Stamp { base_offset: 3, leader_epoch: 4, max_timestamp: time }).unwrap();
    let batch = batch(&bytes);
    assert_eq!((batch.timestamp_type(), batch.max_timestamp()), (TimestampType::LogAppendTime, now));
    assert_eq!(batch.header().unwrap().base_timestamp, T);
    assert_eq!(bytes[61..], body);
    assert!(records_of(&batch).unwrap().iter().all(|r| r.timestamp == now));
}

#[test]
fn stamp_refuses_what_is_not_one_batch() {
    let bytes = unhex(HELLO);
    let with = Stamp { base_offset: 0, leader_epoch: 0, max_timestamp: None };
    assert!(stamp(&bytes[..70], &with).unwrap_err().is_incomplete());
    assert!(stamp(&[bytes.clone(), vec![0]].concat(), &with).is_err());
}

#[test]
fn sequences_go_on_at_zero_after_the_greatest() {
    assert_eq!(add_sequence(i32::MAX, 0), i32::MAX);
    assert_eq!(add_sequence(i32::MAX, 1), 0);
    assert_eq!(add_sequence(i32::MAX - 1, 5), 3);
    assert_eq!(add_sequence(0, 7), 7);
    for (sequence, than, later) in
        [(1, 0, true), (0, 0, false), (0, 1, false), (0, i32::MAX, true), (i32::MAX, 0, false)]
    {
        assert_eq!(is_later_sequence(sequence, than), later, "{sequence} after {than}");
    }
}

#[test]
fn crc32c_has_the_known_check_value() {
    let mut bytes = vec![0; batch::ATTRIBUTES_AT];
    bytes.extend_from_slice(b"123456789");
    assert_eq!(batch::compute_crc(&bytes), 0xe306_9283);
}
