//! What Kafka 3.9.2 wrote into segments, read and built again. (`tools/dump_log` holds every record against Kafka's own dump.)

use std::fs;
use std::path::{Path, PathBuf};

use ottla::record::batches::{Batch, Batches};
use ottla::record::builder::{BatchBuilder, message, wrapper};
use ottla::record::codec::{compress, decompress};
use ottla::record::{Codec, Scratch, TimestampType};

use super::records_of;

fn segments(dir: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            segments(&path, found);
        } else if path.extension().is_some_and(|e| e == "log") {
            found.push(path);
        }
    }
}

/// Calls `check` with every batch of every golden segment below `dir`; gives how many there were.
fn each_batch(dir: &str, mut check: impl FnMut(&Path, Batch<'_>)) -> usize {
    let mut files = Vec::new();
    segments(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/logs").join(dir), &mut files);
    let mut count = 0;
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let mut batches = Batches::new(&bytes);
        for batch in batches.by_ref() {
            check(&file, batch.unwrap());
            count += 1;
        }
        assert_eq!(batches.position(), bytes.len(), "{}", file.display());
    }
    count
}

#[test]
fn every_batch_has_a_good_crc_and_whole_records() {
    let count = each_batch("", |file, batch| {
        batch.check_crc().unwrap();
        let records = records_of(&batch).unwrap_or_else(|e| panic!("{} {}: {e}", file.display(), batch.base_offset()));
        if let Some(count) = batch.count() {
            assert_eq!(records.len(), count as usize);
        }
        assert!(records.iter().all(|r| r.offset <= batch.last_offset()));
        assert!(records.is_sorted_by(|a, b| a.offset < b.offset));
    });
    // As many as the dumps list.
    assert_eq!(count, 456);
}

#[test]
fn every_uncompressed_batch_is_built_again_to_the_byte() {
    let mut built = 0;
    each_batch("", |file, batch| {
        let Some(header) = batch.header() else { return };
        // Under LogAppendTime the producer's times are only in the deltas; an emptied batch has no record to build from.
        if batch.codec() != Ok(Codec::None)
            || batch.timestamp_type() == TimestampType::LogAppendTime
            || header.count == 0
        {
            return;
        }
        let mut builder = BatchBuilder::new(header.base_offset)
            .producer(header.producer_id, header.producer_epoch, header.base_sequence)
            .transactional(batch.is_transactional())
            .control(batch.is_control())
            .leader_epoch(header.leader_epoch)
            .last_offset(batch.last_offset());
        if let Some(horizon) = batch.delete_horizon_ms() {
            builder = builder.delete_horizon_ms(horizon);
        }
        let mut scratch = Scratch::new();
        for record in batch.records(&mut scratch).unwrap() {
            let r = record.unwrap();
            builder.append_at(r.offset, r.timestamp, r.key, r.value, r.headers.iter()).unwrap();
        }
        assert!(builder.build().unwrap() == batch.bytes(), "{} {}", file.display(), header.base_offset);
        built += 1;
    });
    // As many as the dumps list with these properties.
    assert_eq!(built, 224);
}

#[test]
fn kafkas_containers_and_ours_hold_the_same_and_look_alike() {
    let mut seen = [0; 5];
    each_batch("clean", |_, batch| {
        let codec = batch.codec().unwrap();
        if codec == Codec::None {
            return;
        }
        let (kafkas, mut plain, mut ours, mut again) = (&batch.bytes()[61..], Vec::new(), Vec::new(), Vec::new());
        decompress(codec, 2, kafkas, &mut plain, 1 << 20).unwrap();
        compress(codec, None, 2, &plain, &mut ours).unwrap();
        decompress(codec, 2, &ours, &mut again, 1 << 20).unwrap();
        assert!(plain == again);
        let header = match codec {
            Codec::Snappy => 16,
            Codec::Lz4 => 7,
            // Magic and frame header descriptor: no content size, no checksum, no dictionary.
            Codec::Zstd => 5,
            _ => 3,
        };
        assert_eq!(ours[..header], kafkas[..header], "{codec}");
        seen[codec as usize] += 1;
    });
    assert!(seen[1..].iter().all(|n| *n > 3), "{seen:?}");
}

#[test]
fn old_messages_are_built_again_to_the_byte() {
    let count = each_batch("old-formats", |file, batch| {
        let m = batch.message().unwrap();
        let (key, value) = m.key_value().unwrap();
        let time = m.timestamp.map(|ms| (m.timestamp_type(), ms));
        let built = message(m.offset, time, m.codec().unwrap(), key, value).unwrap();
        assert!(built == batch.bytes(), "{} {}", file.display(), m.offset);
    });
    assert!(count > 50, "{count}");
}

#[test]
fn old_wrappers_give_absolute_offsets() {
    each_batch("old-formats/v1-gzip-0", |_, batch| {
        let records = records_of(&batch).unwrap();
        assert_eq!(records.last().unwrap().offset, batch.last_offset());
        let mut scratch = Scratch::new();
        assert_eq!(batch.first_offset(&mut scratch).unwrap(), batch.last_offset() + 1 - records.len() as i64);
    });
}

#[test]
fn old_wrappers_of_each_codec_are_read_in_both_formats() {
    let create = |ms| Some((TimestampType::CreateTime, ms));
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
        let v0: Vec<u8> =
            (40..43).flat_map(|o| message(o, None, Codec::None, Some(b"k"), Some(b"v")).unwrap()).collect();
        let v0 = wrapper(42, None, codec, None, &v0).unwrap();
        let records = records_of(&Batch::first(&v0).unwrap()).unwrap();
        assert_eq!(records.iter().map(|r| (r.offset, r.timestamp)).collect::<Vec<_>>(), [(40, -1), (41, -1), (42, -1)]);

        let v1: Vec<u8> =
            (0..3).flat_map(|o| message(o, create(100 + o), Codec::None, None, Some(b"v")).unwrap()).collect();
        let wrapped = wrapper(42, create(102), codec, None, &v1).unwrap();
        let records = records_of(&Batch::first(&wrapped).unwrap()).unwrap();
        assert_eq!(
            records.iter().map(|r| (r.offset, r.timestamp)).collect::<Vec<_>>(),
            [(40, 100), (41, 101), (42, 102)]
        );
        let append = wrapper(42, Some((TimestampType::LogAppendTime, 900)), codec, None, &v1).unwrap();
        assert!(records_of(&Batch::first(&append).unwrap()).unwrap().iter().all(|r| r.timestamp == 900));
    }
}

#[test]
fn lz4_in_format_0_has_kafkas_wrong_header_checksum_and_both_are_read() {
    let (mut old, mut new, mut out) = (Vec::new(), Vec::new(), Vec::new());
    compress(Codec::Lz4, None, 0, b"some bytes", &mut old).unwrap();
    compress(Codec::Lz4, None, 1, b"some bytes", &mut new).unwrap();
    assert_eq!(new[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
    assert_ne!(old[6], new[6]);
    for frame in [&old, &new] {
        decompress(Codec::Lz4, 0, frame, &mut out, 100).unwrap();
        assert_eq!(out, b"some bytes");
    }
    assert!(decompress(Codec::Lz4, 1, &old, &mut out, 100).is_err());
}
