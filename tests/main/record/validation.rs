//! What a leader accepts, refuses and rewrites on produce.

use bytes::Bytes;
use ottla::base::{ErrorCode, TopicPartition};
use ottla::record::batch::{LAST_OFFSET_DELTA_AT, stamp_in_place};
use ottla::record::batches::Batch;
use ottla::record::builder::{BatchBuilder, marker, message, wrapper};
use ottla::record::{
    Codec, EndTxnMarker, Origin, Scratch, TimestampType, ValidateOptions, Validated, ValidationError, validate,
};

use proptest::prelude::*;

use super::{all_records, message_set, records_of};

const NOW: i64 = 1_700_000_000_000;

fn partition() -> TopicPartition {
    TopicPartition::new("t", 3)
}

fn options(partition: &TopicPartition) -> ValidateOptions<'_> {
    ValidateOptions {
        partition,
        origin: Origin::Client,
        compacted: false,
        timestamp_type: TimestampType::CreateTime,
        before_max_ms: i64::MAX,
        after_max_ms: 3_600_000,
        now_ms: NOW,
        target: None,
        level: None,
        max_batch_bytes: 1_048_588,
    }
}

fn check(bytes: &[u8], change: impl FnOnce(&mut ValidateOptions<'_>)) -> Result<Validated, ValidationError> {
    let partition = partition();
    let mut options = options(&partition);
    change(&mut options);
    validate(bytes, &options, &mut Scratch::with_limit(4 << 20))
}

fn batch(codec: Codec, times: &[i64]) -> Bytes {
    let mut builder = BatchBuilder::new(0).codec(codec, None);
    for (i, time) in times.iter().enumerate() {
        builder.append(*time, Some(format!("k{i}").as_bytes()), Some(b"value"), &[(b"h", Some(b"x"))]);
    }
    builder.build().unwrap()
}

/// Header field `at` replaced, CRC made right.
fn changed(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    let crc = ottla::record::batch::compute_crc(&bytes);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn a_good_batch_stays_as_it_came() {
    for codec in Codec::ALL {
        let bytes = batch(codec, &[NOW, NOW + 9, NOW + 3]);
        let valid = check(&bytes, |_| {}).unwrap();
        assert_eq!((valid.size, valid.count, valid.max_timestamp), (bytes.len(), 3, NOW + 9));
        assert_eq!((valid.source, valid.rewritten.is_none()), (codec, true));
        assert_eq!(valid.shallow_offset_of_max_timestamp(100), 102);
        let mut stamped = bytes.to_vec();
        stamp_in_place(&mut stamped, &valid.stamp(100, 7)).unwrap();
        assert_eq!(stamped[17..], bytes[17..], "nothing under the CRC changes");
    }
}

#[test]
fn nothing_and_a_cut_tail_are_nothing_to_append() {
    let bytes = batch(Codec::None, &[NOW]);
    assert_eq!(check(&[], |_| {}).unwrap().size, 0);
    assert_eq!(check(&bytes[..bytes.len() - 1], |_| {}).unwrap().size, 0);
    let with_tail = [&bytes[..], &bytes[..30]].concat();
    assert_eq!(check(&with_tail, |_| {}).unwrap().size, bytes.len());
}

#[test]
fn log_append_time_is_stamped_and_no_record_keeps_its_own() {
    let bytes = batch(Codec::Gzip, &[5, 6]);
    let valid = check(&bytes, |o| o.timestamp_type = TimestampType::LogAppendTime).unwrap();
    assert_eq!(valid.max_timestamp, NOW);
    let mut stamped = bytes.to_vec();
    stamp_in_place(&mut stamped, &valid.stamp(4, 0)).unwrap();
    let batch = Batch::first(&stamped).unwrap();
    assert!(batch.crc_ok());
    assert!(records_of(&batch).unwrap().iter().all(|r| r.timestamp == NOW));
}

#[test]
fn a_wrong_maximum_timestamp_is_put_right() {
    let bytes = changed(&batch(Codec::None, &[NOW, NOW + 2]), 35, &(NOW + 500).to_be_bytes());
    let valid = check(&bytes, |_| {}).unwrap();
    let mut stamped = bytes.clone();
    stamp_in_place(&mut stamped, &valid.stamp(0, 0)).unwrap();
    assert_eq!(stamped[61..], bytes[61..]);
    let batch = Batch::first(&stamped).unwrap();
    assert!(batch.crc_ok());
    assert_eq!(batch.max_timestamp(), NOW + 2);
}

#[test]
fn another_target_codec_means_a_new_batch_with_the_same_records() {
    let mut builder = BatchBuilder::new(0).codec(Codec::Gzip, None).producer(9, 2, 40).transactional(true);
    builder.append(NOW, Some(b"k"), None, &[(b"h", None)]);
    builder.append(NOW + 1, None, Some(b"v"), &[]);
    let bytes = builder.build().unwrap();
    for target in [Codec::None, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let valid = check(&bytes, |o| o.target = Some(target)).unwrap();
        let rewritten = valid.rewritten.unwrap();
        let batch = Batch::first(&rewritten).unwrap();
        assert!(batch.crc_ok());
        assert_eq!(batch.codec().unwrap(), target);
        assert_eq!((batch.producer_id(), batch.producer_epoch(), batch.base_sequence()), (9, 2, 40));
        assert!(batch.is_transactional());
        assert_eq!(all_records(&rewritten).unwrap(), all_records(&bytes).unwrap());
    }
    assert!(check(&bytes, |o| o.target = Some(Codec::Gzip)).unwrap().rewritten.is_none());
}

#[test]
fn inner_offsets_with_gaps_are_numbered_anew() {
    for codec in [Codec::None, Codec::Zstd] {
        let mut builder = BatchBuilder::new(0).codec(codec, None);
        for offset in [0, 5] {
            builder.append_at(offset, NOW, None, Some(b"v"), std::iter::empty()).unwrap();
        }
        let bytes = changed(&builder.build().unwrap(), LAST_OFFSET_DELTA_AT, &1i32.to_be_bytes());
        let valid = check(&bytes, |_| {}).unwrap();
        let records = all_records(&valid.rewritten.unwrap()).unwrap();
        assert_eq!(records.iter().map(|r| r.offset).collect::<Vec<_>>(), [0, 1]);
    }
}

fn refusal(bytes: &[u8], code: ErrorCode, message: &str) {
    let error = check(bytes, |_| {}).unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (code, message));
    assert!(error.refused().is_empty());
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let bytes = batch(Codec::None, &[NOW, NOW]);
    let invalid = ErrorCode::InvalidRecord;
    refusal(
        &changed(&bytes, 0, &7i64.to_be_bytes()),
        invalid,
        "The baseOffset of the record batch in the append to t-3 should be 0, but it is 7",
    );
    refusal(
        &changed(&bytes, LAST_OFFSET_DELTA_AT, &(-1i32).to_be_bytes()),
        invalid,
        "Batch has an invalid offset range: [0, -1] in topic partition t-3",
    );
    refusal(
        &changed(&bytes, 57, &0i32.to_be_bytes()),
        invalid,
        "Invalid reported count for record batch: 0 in topic partition t-3",
    );
    refusal(
        &changed(&bytes, 57, &5i32.to_be_bytes()),
        invalid,
        "Inconsistent batch offset range [0, 1] and count of records 5 in topic partition t-3",
    );
    refusal(
        &changed(&bytes, 43, &5i64.to_be_bytes()),
        invalid,
        "Invalid sequence number -1 in record batch with producerId 5 in topic partition t-3",
    );
    refusal(&[&bytes[..], &bytes[..]].concat(), invalid, "Compressed outer record has more than one batch");
}

#[test]
fn clients_may_not_write_markers_but_coordinators_may() {
    let end = EndTxnMarker { commit: true, coordinator_epoch: 1 };
    let bytes = marker(0, -1, NOW, 5, 0, end);
    refusal(
        &bytes,
        ErrorCode::InvalidRecord,
        "Clients are not allowed to write control records in topic partition t-3",
    );
    let valid = check(&bytes, |o| {
        o.origin = Origin::Coordinator;
        o.target = Some(Codec::Zstd);
        o.compacted = true;
    });
    assert!(valid.unwrap().rewritten.is_none(), "markers are not compressed");
}

#[test]
fn damage_is_a_corrupt_message() {
    let mut bytes = batch(Codec::None, &[NOW]).to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let error = check(&bytes, |_| {}).unwrap_err();
    assert_eq!(error.code(), ErrorCode::CorruptMessage);
    assert!(error.to_string().ends_with("in topic partition t-3"), "{error}");
    let mut bytes = batch(Codec::None, &[NOW]).to_vec();
    bytes[16] = 9;
    assert_eq!(check(&bytes, |_| {}).unwrap_err().code(), ErrorCode::CorruptMessage);
}

#[test]
fn batches_above_the_limit_are_refused_before_and_after_rewriting() {
    let bytes = batch(Codec::None, &[NOW; 9]);
    let error = check(&bytes, |o| o.max_batch_bytes = bytes.len() - 1).unwrap_err();
    assert_eq!(error.code(), ErrorCode::MessageTooLarge);
    assert!(check(&bytes, |o| o.max_batch_bytes = bytes.len()).is_ok());
    let mut big = BatchBuilder::new(0).codec(Codec::Gzip, None);
    big.append(NOW, None, Some(&[0; 9999]), &[]);
    let error = check(&big.build().unwrap(), |o| {
        o.max_batch_bytes = 5000;
        o.target = Some(Codec::None);
    });
    assert_eq!(error.unwrap_err().code(), ErrorCode::MessageTooLarge);
}

#[test]
fn all_records_without_key_are_listed_on_a_compacted_topic() {
    let mut builder = BatchBuilder::new(0);
    for i in 0..5 {
        builder.append(NOW, (i == 2).then_some(b"k"), Some(b"v"), &[]);
    }
    let error = check(&builder.build().unwrap(), |o| o.compacted = true).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidRecord);
    assert_eq!(error.refused().iter().map(|r| r.batch_index).collect::<Vec<_>>(), [0, 1, 3, 4]);
    let each = "Compacted topic cannot accept message without key in topic partition t-3";
    assert_eq!(error.refused()[0].message, each);
    let shown = |i| format!("RecordError(batchIndex={i}, message='{each}')");
    assert_eq!(
        error.to_string(),
        format!(
            "One or more records have been rejected due to 4 record errors in total, and only showing the first three errors at most: \
             [{}, {}, {}]",
            shown(0),
            shown(1),
            shown(3)
        )
    );
}

#[test]
fn times_outside_the_bounds_are_listed() {
    let bytes = batch(Codec::Lz4, &[NOW, NOW - 1001, NOW + 501, -1, NOW - 1000, NOW + 500]);
    let error = check(&bytes, |o| (o.before_max_ms, o.after_max_ms) = (1000, 500)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidTimestamp);
    assert_eq!(error.refused().iter().map(|r| r.batch_index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        error.refused()[0].message,
        "Timestamp 1699999998999 of message with offset 1 is out of range. The timestamp should be within [1699999999000, 1700000000500]"
    );
    assert_eq!(error.to_string(), "One or more records have been rejected due to invalid timestamp");
    assert!(check(&bytes, |o| o.timestamp_type = TimestampType::LogAppendTime).is_ok());
    // The extremes must not overflow.
    for time in [i64::MIN, i64::MAX] {
        let _ = check(&batch(Codec::None, &[time]), |o| (o.before_max_ms, o.after_max_ms) = (0, 0));
    }
}

#[test]
fn clients_may_not_claim_append_time() {
    let mut builder = BatchBuilder::new(0).log_append_time(NOW);
    builder.append(NOW, None, Some(b"v"), &[]);
    let bytes = builder.build().unwrap();
    for topic in [TimestampType::CreateTime, TimestampType::LogAppendTime] {
        let error = check(&bytes, |o| o.timestamp_type = topic).unwrap_err();
        assert_eq!((error.code(), error.refused().len()), (ErrorCode::InvalidTimestamp, 1));
    }
}

#[test]
fn old_messages_become_one_batch() {
    let create = |ms| Some((TimestampType::CreateTime, ms));
    let v0 = message_set(&[
        message(0, None, Codec::None, Some(b"a"), Some(b"1")).unwrap(),
        message(0, None, Codec::None, None, None).unwrap(),
    ]);
    let valid = check(&v0, |_| {}).unwrap();
    assert_eq!((valid.count, valid.max_timestamp, valid.size), (2, -1, v0.len()));
    assert_eq!(valid.shallow_offset_of_max_timestamp(10), -1);
    let records = all_records(&valid.rewritten.unwrap()).unwrap();
    assert_eq!(records.iter().map(|r| (r.offset, r.timestamp)).collect::<Vec<_>>(), [(0, -1), (1, -1)]);
    assert_eq!((records[0].key.as_deref(), records[1].value.as_deref()), (Some(&b"a"[..]), None));

    let v1: Vec<_> = (0..3).map(|i| message(i, create(NOW + i), Codec::None, None, Some(b"v")).unwrap()).collect();
    let wrapped = wrapper(2, create(NOW + 2), Codec::Snappy, None, &message_set(&v1)).unwrap();
    let valid = check(&wrapped, |_| {}).unwrap();
    let rewritten = valid.rewritten.unwrap();
    let batch = Batch::first(&rewritten).unwrap();
    assert_eq!((batch.magic(), batch.codec().unwrap(), batch.count()), (2, Codec::Snappy, Some(3)));
    assert_eq!(batch.max_timestamp(), NOW + 2);
    let appended = check(&wrapped, |o| o.timestamp_type = TimestampType::LogAppendTime).unwrap();
    let rewritten = appended.rewritten.as_ref().unwrap();
    assert!(all_records(rewritten).unwrap().iter().all(|r| r.timestamp == NOW));
    let mut stamped = rewritten.to_vec();
    stamp_in_place(&mut stamped, &appended.stamp(5, 5)).unwrap();
    assert_eq!(stamped[17..], rewritten[17..]);
}

#[test]
fn old_messages_are_checked_inside_their_wrapper() {
    let create = Some((TimestampType::CreateTime, NOW));
    let mut inner = message(0, create, Codec::None, None, Some(b"v")).unwrap().to_vec();
    *inner.last_mut().unwrap() ^= 1;
    let wrapped = wrapper(0, create, Codec::Gzip, None, &inner).unwrap();
    assert_eq!(check(&wrapped, |_| {}).unwrap_err().code(), ErrorCode::CorruptMessage);
    let good = message(0, create, Codec::None, None, Some(b"v")).unwrap();
    let wrapped = wrapper(0, create, Codec::Gzip, None, &good).unwrap();
    assert_eq!(
        check(&[&wrapped[..], &wrapped[..]].concat(), |_| {}).unwrap_err().to_string(),
        "Compressed outer record has more than one batch"
    );
    let other = message(1, None, Codec::None, None, Some(b"v")).unwrap();
    let error = check(&message_set(&[good, other]), |_| {}).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Batch magic 0 is not the same as the first batch's magic byte 1 in topic partition t-3"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// What `validate` promises of everything it lets through, whatever a client does to its bytes behind a right CRC.
    #[test]
    fn what_is_accepted_is_one_whole_batch_numbered_without_gaps(
        codec in 0usize..5,
        target in proptest::option::of(0usize..5),
        flips in proptest::collection::vec((0usize..10_000, 0u32..8), 0..4),
        append_time: bool,
        compacted: bool,
    ) {
        let mut bytes = batch(Codec::ALL[codec], &[NOW - 1, NOW, NOW - 2, -1]).to_vec();
        for (at, bit) in flips {
            let at = 12 + at % (bytes.len() - 12);
            bytes[at] ^= 1 << bit;
        }
        let bytes = changed(&bytes, 0, &[]);
        let result = check(&bytes, |o| {
            o.target = target.map(|t| Codec::ALL[t]);
            o.compacted = compacted;
            o.before_max_ms = 1_000_000;
            if append_time {
                o.timestamp_type = TimestampType::LogAppendTime;
            }
        });
        let Ok(valid) = result else { return Ok(()) };
        prop_assert_eq!(valid.size, bytes.len());
        let mut stamped = valid.rewritten.clone().map_or(bytes.clone(), |b| b.to_vec());
        stamp_in_place(&mut stamped, &valid.stamp(1000, 6)).unwrap();
        let batch = Batch::first(&stamped).unwrap();
        prop_assert!(batch.crc_ok() && batch.magic() == 2 && !batch.is_control());
        prop_assert_eq!((batch.size(), batch.leader_epoch()), (stamped.len(), 6));
        prop_assert_eq!(batch.codec().unwrap(), target.map_or(valid.source, |t| Codec::ALL[t]));
        prop_assert_eq!((batch.timestamp_type(), batch.max_timestamp()), (valid.timestamp_type, valid.max_timestamp));
        prop_assert!(!batch.has_producer() || batch.base_sequence() >= 0);
        let records = records_of(&batch).unwrap();
        prop_assert_eq!(records.len() as i32, valid.count);
        prop_assert_eq!(batch.last_offset(), 1000 + i64::from(valid.count) - 1);
        prop_assert!(records.iter().zip(1000..).all(|(r, offset)| r.offset == offset));
        prop_assert!(!compacted || records.iter().all(|r| r.key.is_some()));
        if append_time {
            prop_assert!(records.iter().all(|r| r.timestamp == NOW));
        } else {
            prop_assert_eq!(records.iter().map(|r| r.timestamp).max().unwrap(), valid.max_timestamp);
            prop_assert!(records.iter().all(|r| r.timestamp == -1 || (NOW - 1_000_000..=NOW + 3_600_000).contains(&r.timestamp)));
        }
    }

    #[test]
    fn bytes_from_anywhere_never_panic_in_validation(bytes in proptest::collection::vec(any::<u8>(), 0..300), magic in 0u8..4) {
        let mut framed = vec![0; 12];
        framed[8..12].copy_from_slice(&(bytes.len() as i32).to_be_bytes());
        framed.extend_from_slice(&bytes);
        if bytes.len() > 5 {
            framed[16] = magic;
        }
        let _ = check(&bytes, |_| {});
        let _ = check(&framed, |_| {});
        if framed.len() > 61 {
            let _ = check(&changed(&framed, 0, &[]), |_| {});
        }
    }
}
