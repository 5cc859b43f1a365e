//! What compaction leaves of a batch, in every format, against batches built anew.

use ottla::record::batch::{Attributes, BATCH_HEADER};
use ottla::record::filter::{Filter, FilterOptions, KeyAt, Retention};
use ottla::record::{Batch, BatchBuilder, Codec, Scratch, TimestampType, builder};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

/// Time, key, value.
type Row = (i64, Option<Vec<u8>>, Option<Vec<u8>>);

/// Records of a batch, at most.
const MOST: usize = 140;

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let bytes = || vec(any::<u8>(), 0..30);
    // Some of more records than are judged at a time.
    let row = move || (0i64..1_000_000, of(bytes()), of(bytes()));
    prop_oneof![4 => vec(row(), 1..20), 1 => vec(row(), 60..MOST)]
}

fn options(retention: Retention) -> FilterOptions {
    FilterOptions { retention, new_horizon_ms: 5_000_000, empty_txn_marker: false }
}

fn read(bytes: &[u8]) -> Vec<(i64, Row)> {
    let mut scratch = Scratch::new();
    let batch = Batch::first(bytes).expect("a batch");
    assert_eq!(batch.size(), bytes.len());
    assert!(batch.crc_ok());
    let records = batch.records(&mut scratch).expect("records");
    let row = |r: ottla::record::Record<'_>| {
        (r.offset, (r.timestamp, r.key.map(<[u8]>::to_vec), r.value.map(<[u8]>::to_vec)))
    };
    records.map(|r| row(r.expect("a record"))).collect()
}

/// As many bits of a mask as there are records.
fn bits(records: &[KeyAt<'_>], mask: &mut std::slice::Iter<'_, bool>) -> u32 {
    let mut next = || u32::from(*mask.next().expect("no more records"));
    (0..records.len()).fold(0, |bits, i| bits | next() << i)
}

/// Filters by a mask of the records; what is left, or nothing.
fn filtered(bytes: &[u8], kept: &[bool], retention: Retention) -> Vec<u8> {
    let mut at = kept.iter();
    let mut out = b"before".to_vec();
    let batch = Batch::first(bytes).expect("a batch");
    let done =
        Filter::new().filter(&batch, &options(retention), |records| bits(records, &mut at), &mut out).expect("sound");
    assert_eq!(done.written.map_or(0, |w| w.size), out.len() - 6);
    assert!(retention == Retention::Delete || done.read as usize == kept.len());
    out.split_off(6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn kept_records_of_format_2_are_those_of_a_batch_built_anew(
        rows in rows(), mask in vec(any::<bool>(), MOST), codec in 0usize..5, append_time: bool, tombstone_horizon: bool, wide: bool,
    ) {
        let mask = &mask[..rows.len()];
        // Times far apart make deltas of many lengths.
        let scale = if wide { 1_000_000_007 } else { 1 };
        let make = |of: &[(usize, &Row)], horizon: Option<i64>| {
            let mut new = BatchBuilder::new(500).codec(Codec::ALL[codec], None).producer(7, 3, 11).leader_epoch(4).last_offset(645);
            if append_time { new = new.log_append_time(77_777); }
            if let Some(horizon) = horizon { new = new.delete_horizon_ms(horizon); }
            for (i, (time, key, value)) in of {
                let time = if append_time && of.len() < rows.len() { 77_777 } else { time * scale };
                new.append_at(500 + *i as i64, time, key.as_deref(), value.as_deref(), [(&b"k"[..], Some(&b"v"[..]))].into_iter()).expect("fits");
            }
            new.build().expect("a batch")
        };
        let all: Vec<(usize, &Row)> = rows.iter().enumerate().collect();
        let left: Vec<(usize, &Row)> = all.iter().filter(|(i, _)| mask[*i]).copied().collect();
        let before = if tombstone_horizon { make(&all, Some(4_000_000)) } else { make(&all, None) };
        let after = filtered(&before, mask, Retention::DeleteEmpty);
        if left.is_empty() {
            prop_assert!(after.is_empty());
            let empty = filtered(&before, mask, Retention::RetainEmpty);
            prop_assert_eq!(empty.len(), BATCH_HEADER);
            let header = *Batch::first(&empty).expect("a batch").header().expect("format 2");
            prop_assert_eq!((header.base_offset, header.last_offset(), header.producer_id, header.last_sequence()), (500, 645, 7, 156));
            return Ok(());
        }
        let gets_one = !tombstone_horizon && left.iter().any(|(_, row)| row.2.is_none());
        let batch = Batch::first(&after).expect("a batch");
        let header = batch.header().expect("format 2");
        let horizon = if tombstone_horizon { Some(4_000_000) } else { gets_one.then_some(5_000_000) };
        prop_assert_eq!(header.delete_horizon_ms(), horizon);
        if left.len() == rows.len() && !gets_one {
            prop_assert_eq!(&after[..], &before[..], "untouched");
        } else if left.len() < rows.len() {
            prop_assert_eq!(&after[..], &make(&left, horizon)[..]);
        }
        prop_assert_eq!((header.base_offset, header.last_offset(), header.last_sequence(), header.leader_epoch), (500, 645, 156, 4));
        let expected: Vec<(i64, Row)> = left.iter().map(|(i, row)| {
            let time = if append_time { 77_777 } else { row.0 * scale };
            (500 + *i as i64, (time, row.1.clone(), row.2.clone()))
        }).collect();
        prop_assert_eq!(read(&after), expected);
        prop_assert!(filtered(&before, mask, Retention::Delete).is_empty());
    }

    #[test]
    fn kept_messages_of_old_formats_keep_offset_time_key_and_value(
        rows in rows(), mask in vec(any::<bool>(), MOST), magic in 0i8..2, codec in 0usize..4, append_time: bool,
    ) {
        let mask = &mask[..rows.len()];
        let kind = if append_time { TimestampType::LogAppendTime } else { TimestampType::CreateTime };
        let time = |ms| (magic == 1).then_some((kind, ms));
        let seen = |ms| match (magic, append_time) { (0, _) => -1, (_, true) => 77_777, (_, false) => ms };
        if codec == 0 {
            let (ms, key, value) = &rows[0];
            let message = builder::message(42, time(seen(*ms)), Codec::None, key.as_deref(), value.as_deref()).expect("a message");
            let after = filtered(&message, &mask[..1], Retention::RetainEmpty);
            prop_assert_eq!(&after[..], if mask[0] { &message[..] } else { &[] });
            return Ok(());
        }
        let mut set = Vec::new();
        for (i, (ms, key, value)) in rows.iter().enumerate() {
            let offset = if magic == 0 { 500 + i as i64 } else { i as i64 };
            set.extend_from_slice(&builder::message(offset, time(seen(*ms)), Codec::None, key.as_deref(), value.as_deref()).expect("a message"));
        }
        let last = 500 + rows.len() as i64 - 1;
        let greatest = rows.iter().map(|r| seen(r.0)).max().expect("there is one");
        let before = builder::wrapper(last, time(greatest), Codec::ALL[codec], None, &set).expect("a wrapper");
        let after = filtered(&before, mask, Retention::RetainEmpty);
        let left: Vec<(i64, Row)> = rows.iter().enumerate().filter(|(i, _)| mask[*i])
            .map(|(i, row)| (500 + i as i64, (seen(row.0), row.1.clone(), row.2.clone()))).collect();
        if left.is_empty() {
            prop_assert!(after.is_empty(), "these formats have no empty batch");
            return Ok(());
        }
        prop_assert_eq!(read(&after), left.clone());
        let wrapper = Batch::first(&after).expect("a wrapper");
        prop_assert_eq!(wrapper.last_offset(), left[left.len() - 1].0);
        prop_assert_eq!(wrapper.codec().expect("a codec"), Codec::ALL[codec]);
    }

    /// Bytes that are no records are an error, never a panic, whatever the header says.
    #[test]
    fn damaged_bodies_are_refused(rows in rows(), at in 61usize..400, byte: u8, count: i32, codec in 0usize..5) {
        let mut batch = BatchBuilder::new(0).codec(Codec::ALL[codec], None);
        for (time, key, value) in &rows {
            batch.append(*time, key.as_deref(), value.as_deref(), &[]);
        }
        let mut bytes = batch.build().expect("a batch").to_vec();
        if let Some(hit) = bytes.get_mut(at) { *hit = byte; }
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        let batch = Batch::first(&bytes).expect("its size is right");
        let mut filter = Filter::new();
        let _ = filter.keys(&batch, |_, _| ());
        let _ = filter.filter(&batch, &options(Retention::RetainEmpty), |r| r[0].offset as u32, &mut Vec::new());
    }
}

#[test]
fn a_marker_without_data_gets_a_horizon() {
    let marker = ottla::record::EndTxnMarker { commit: true, coordinator_epoch: 3 };
    let before = builder::marker(9, 1, 1000, 4, 2, marker);
    let with = FilterOptions { empty_txn_marker: true, ..options(Retention::DeleteEmpty) };
    let mut out = Vec::new();
    Filter::new().filter(&Batch::first(&before).expect("a batch"), &with, |_| u32::MAX, &mut out).expect("sound");
    let header = *Batch::first(&out).expect("a batch").header().expect("format 2");
    assert_eq!(header.delete_horizon_ms(), Some(5_000_000));
    assert_eq!(header.max_timestamp, 1000);
    assert_eq!(header.attributes, Attributes(0x70));
    assert_eq!(read(&out)[0].1.0, 1000);
}
