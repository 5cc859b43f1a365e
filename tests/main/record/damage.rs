//! Damaged and hostile bytes: told clearly, never a panic, never memory without bound.

use ottla::record::batch::{ATTRIBUTES_AT, CRC_AT, compute_crc};
use ottla::record::batches::{Batch, Batches, peek};
use ottla::record::builder::{BatchBuilder, message, wrapper};
use ottla::record::codec::decompress;
use ottla::record::{Attributes, Codec, EndTxnMarker, RecordError, Scratch, TimestampType};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{all_records, message_set, records_of};

fn sample(codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new(0).codec(codec, None).producer(5, 0, 0);
    for i in 0..9 {
        builder.append(1000 + i, Some(b"key"), Some(b"value value value"), &[(b"h", None), (b"i", Some(b"x"))]);
    }
    builder.build().unwrap().to_vec()
}

/// Puts the right CRC on a changed batch, so that what lies behind the CRC is reached.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = compute_crc(&bytes);
    bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn every_byte_under_the_crc_is_guarded_by_it() {
    let bytes = sample(Codec::None);
    for at in CRC_AT..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        assert!(matches!(Batch::first(&bad).unwrap().check_crc(), Err(RecordError::BadCrc { .. })), "byte {at}");
    }
}

#[test]
fn bytes_that_end_early_are_incomplete_and_not_corrupt() {
    let bytes = sample(Codec::None);
    for len in 1..bytes.len() {
        let mut batches = Batches::new(&bytes[..len]);
        let error = batches.next().unwrap().unwrap_err();
        assert!(error.is_incomplete(), "{len}: {error}");
        assert_eq!((batches.next().is_none(), batches.position()), (true, 0));
    }
    let two = [&bytes[..], &bytes[..50]].concat();
    let mut batches = Batches::new(&two);
    assert!(batches.next().unwrap().is_ok());
    assert!(batches.next().unwrap().unwrap_err().is_incomplete());
    assert_eq!(batches.position(), bytes.len());
}

#[test]
fn bad_sizes_and_formats_are_told() {
    let bytes = sample(Codec::None);
    let with = |at: usize, new: &[u8]| {
        let mut bad = bytes.clone();
        bad[at..at + new.len()].copy_from_slice(new);
        Batch::first(&bad).map(|_| ()).unwrap_err()
    };
    for size in [-1, 0, 13, 48] {
        assert!(matches!(with(8, &i32::to_be_bytes(size)), RecordError::BadSize { size: s, .. } if s == size));
    }
    assert!(with(8, &i32::MAX.to_be_bytes()).is_incomplete());
    assert_eq!(with(16, &[3]), RecordError::BadMagic(3));
    assert_eq!(with(16, &[0xff]), RecordError::BadMagic(-1));
    assert!(matches!(Batches::new(&bytes).with_max_size(100).next(), Some(Err(RecordError::BadSize { .. }))));
    assert!(peek(&bytes[..16], i32::MAX).unwrap_err().is_incomplete());
}

#[test]
fn counts_that_do_not_fit_the_body_are_told() {
    for codec in Codec::ALL {
        let bytes = sample(codec);
        for (claimed, expected) in [(8, "BadCount"), (10, "BadCount"), (i32::MAX, "BadCount"), (-1, "BadRecord")] {
            let mut bad = bytes.clone();
            bad[57..61].copy_from_slice(&i32::to_be_bytes(claimed));
            let error = records_of(&Batch::first(&bad).unwrap()).unwrap_err();
            assert!(format!("{error:?}").starts_with(expected), "{codec} {claimed}: {error:?}");
        }
    }
}

#[test]
fn broken_record_frames_are_told() {
    let bytes = sample(Codec::None);
    // Behind the header: length, attributes, time, offset, key length ...
    for (at, new) in [(61, 1), (61, 0x7f), (61, 3), (65, 0x7e), (69, 0x7e)] {
        let mut bad = bytes.clone();
        bad[at] = new;
        let error = records_of(&Batch::first(&sealed(bad)).unwrap()).unwrap_err();
        assert!(matches!(error, RecordError::BadRecord(_) | RecordError::BadCount { .. }), "{at} {new}: {error:?}");
    }
}

#[test]
fn unknown_codecs_and_broken_containers_are_told() {
    let bytes = sample(Codec::None);
    for bits in 5..8u8 {
        let mut bad = bytes.clone();
        bad[ATTRIBUTES_AT + 1] |= bits;
        assert_eq!(records_of(&Batch::first(&bad).unwrap()).unwrap_err(), RecordError::UnknownCodec(bits));
    }
    for codec in &Codec::ALL[1..] {
        let mut bad = bytes.clone();
        let attributes = Attributes(0).with_codec(*codec);
        bad[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes.0.to_be_bytes());
        let error = records_of(&Batch::first(&sealed(bad)).unwrap()).unwrap_err();
        assert!(matches!(error, RecordError::Decompress { codec: c, .. } if c == *codec), "{error:?}");
        let whole = sample(*codec);
        let mut scratch = Vec::new();
        for cut in [1, 4, 9] {
            let result = decompress(*codec, 2, &whole[61..whole.len() - cut], &mut scratch, 1 << 20);
            assert!(matches!(result, Err(RecordError::Decompress { .. })), "{codec} without {cut}: {result:?}");
        }
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    const LIMIT: usize = 1 << 20;
    for codec in &Codec::ALL[1..] {
        let mut builder = BatchBuilder::new(0).codec(*codec, None);
        builder.append(0, None, Some(&vec![0; 20 * LIMIT]), &[]);
        let bytes = builder.build().unwrap();
        let mut scratch = Scratch::with_limit(LIMIT);
        let error = Batch::first(&bytes).unwrap().records(&mut scratch).map(|_| ()).unwrap_err();
        assert_eq!(error, RecordError::TooLarge { limit: LIMIT }, "{codec}");
        let mut out = Vec::new();
        assert!(decompress(*codec, 2, &bytes[61..], &mut out, LIMIT).is_err());
        assert!(out.capacity() <= 4 * LIMIT, "{codec} took {}", out.capacity());
    }
}

#[test]
fn snappy_blocks_that_claim_gigabytes_take_none() {
    // A block whose preamble says 2^31 bytes, raw and framed.
    let block = [0x80, 0x80, 0x80, 0x80, 0x08, 0x00, 0x61];
    let framed = [b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x07".as_slice(), &block].concat();
    let mut out = Vec::new();
    for input in [&block[..], &framed] {
        assert!(decompress(Codec::Snappy, 2, input, &mut out, usize::MAX).is_err());
        assert!(out.capacity() < 1 << 16);
    }
}

#[test]
fn old_wrappers_that_lie_are_told() {
    let create = Some((TimestampType::CreateTime, 5));
    let inner = message(3, create, Codec::None, None, Some(b"v")).unwrap();
    let wrap = |offset, set: &[u8]| wrapper(offset, create, Codec::Gzip, None, set).unwrap();
    let error = |bytes: &[u8]| records_of(&Batch::first(bytes).unwrap()).unwrap_err();
    assert!(matches!(error(&wrap(1, &inner)), RecordError::BadRecord(_)), "offset below the last inner one");
    assert!(matches!(error(&wrap(1, &[])), RecordError::BadRecord(_)), "no inner message");
    assert!(matches!(error(&wrap(9, &wrap(3, &inner))), RecordError::BadRecord(_)), "compressed twice");
    assert!(matches!(error(&message(1, create, Codec::Gzip, None, None).unwrap()), RecordError::BadRecord(_)), "null");
    let zstd = message(1, create, Codec::Zstd, None, Some(b"x")).unwrap();
    assert!(matches!(error(&zstd), RecordError::CodecNotAllowed { .. }));
    // An outer offset of 0 is what old librdkafka sends: the inner ones stand.
    assert_eq!(records_of(&Batch::first(&wrap(0, &inner)).unwrap()).unwrap()[0].offset, 3);
}

/// Everything a broker does with bytes it does not trust.
fn exercise(bytes: &[u8]) {
    let mut scratch = Scratch::with_limit(1 << 20);
    for batch in Batches::new(bytes).flatten() {
        let _ = (batch.crc_ok(), batch.last_offset(), batch.next_offset(), batch.last_sequence(), batch.codec());
        let _ = batch.first_offset(&mut scratch);
        if let Ok(records) = batch.records(&mut scratch) {
            for record in records.flatten() {
                assert!(record.headers.iter().count() == record.headers.len());
                let _ = EndTxnMarker::read(&record);
            }
        }
    }
    let _ = all_records(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..400), magic in 0u8..4, codec in 0u8..8) {
        exercise(&bytes);
        // The same with a header that lets them through.
        let mut framed = vec![0; 12];
        framed[8..12].copy_from_slice(&(bytes.len() as i32).to_be_bytes());
        framed.extend_from_slice(&bytes);
        if bytes.len() > 12 {
            framed[16] = magic;
            framed[if magic == 2 { 22 } else { 17 }] = codec;
        }
        exercise(&framed);
        let mut out = Vec::new();
        for codec in Codec::ALL {
            let _ = decompress(codec, 2, &bytes, &mut out, 1 << 16);
        }
    }

    #[test]
    fn flipped_bits_never_panic(codec in 0usize..5, at in 0usize..10_000, bit in 0u32..8, at2 in 0usize..10_000) {
        let mut bytes = sample(Codec::ALL[codec]);
        let len = bytes.len();
        bytes[at % len] ^= 1 << bit;
        bytes[at2 % len] ^= 0x80;
        exercise(&bytes);
        exercise(&sealed(bytes));
    }

    #[test]
    fn flipped_bits_in_old_messages_never_panic(codec in 0usize..4, magic in 0u8..2, at in 0usize..10_000, bit in 0u32..8) {
        let time = (magic == 1).then_some((TimestampType::CreateTime, 7));
        let inner: Vec<_> = (0..4).map(|o| message(o, time, Codec::None, Some(b"k"), Some(b"v")).unwrap()).collect();
        let mut set = message_set(&inner);
        if codec > 0 {
            set = wrapper(9, time, Codec::ALL[codec], None, &set).unwrap().to_vec();
        }
        let len = set.len();
        set[at % len] ^= 1 << bit;
        exercise(&set);
    }
}
