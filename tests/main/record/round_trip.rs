//! What is built is read back the same, whatever it holds.

use ottla::record::batches::Batch;
use ottla::record::builder::BatchBuilder;
use ottla::record::codec::{compress, decompress};
use ottla::record::varint::{Cursor, put_varint, put_varlong, varint_len, varlong_len};
use ottla::record::{Codec, Scratch};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::{Owned, records_of};

fn blob() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..40), vec(0u8..3, 0..3000)]
}

type Made = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn record() -> impl Strategy<Value = Made> {
    let header = ("[a-z]{0,5}".prop_map(String::into_bytes), of(vec(any::<u8>(), 0..9)));
    (0..i64::MAX / 2, of(blob()), of(blob()), vec(header, 0..4))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batches_of_each_codec_are_read_as_built(
        records in vec(record(), 1..12),
        codec in 0usize..5,
        base in 0..i64::MAX / 2,
        sequence in of(0..=i32::MAX),
        epoch in -1..9i32,
        transactional: bool,
    ) {
        let codec = Codec::ALL[codec];
        let mut builder = BatchBuilder::new(base).codec(codec, None).transactional(transactional).leader_epoch(epoch);
        if let Some(sequence) = sequence {
            builder = builder.producer(7, 1, sequence);
        }
        let mut expected = Vec::new();
        for (i, (timestamp, key, value, headers)) in records.iter().enumerate() {
            let refs: Vec<_> = headers.iter().map(|(k, v)| (k.as_slice(), v.as_deref())).collect();
            builder.append(*timestamp, key.as_deref(), value.as_deref(), &refs);
            let sequence = sequence.map_or(-1, |s| ((i64::from(s) + i as i64) % (1 << 31)) as i32);
            expected.push(Owned {
                offset: base + i as i64,
                timestamp: *timestamp,
                sequence,
                key: key.clone(),
                value: value.clone(),
                headers: headers.clone(),
            });
        }
        let bytes = builder.build().unwrap();
        let batch = Batch::first(&bytes).unwrap();
        prop_assert_eq!(batch.size(), bytes.len());
        prop_assert!(batch.crc_ok());
        prop_assert_eq!(batch.last_offset(), base + records.len() as i64 - 1);
        prop_assert_eq!(batch.last_sequence(), expected.last().unwrap().sequence);
        prop_assert_eq!(batch.max_timestamp(), records.iter().map(|r| r.0).max().unwrap());
        prop_assert_eq!((batch.leader_epoch(), batch.is_transactional()), (epoch, transactional));
        prop_assert_eq!(batch.codec().unwrap(), codec);
        prop_assert_eq!(records_of(&batch).unwrap(), expected);
    }

    #[test]
    fn containers_give_back_what_they_were_given(input in vec(any::<u8>(), 0..200_000), codec in 0usize..5, magic in 0i8..3) {
        let codec = Codec::ALL[codec];
        let (mut packed, mut out) = (Vec::new(), Vec::new());
        if codec == Codec::Zstd && magic < 2 {
            prop_assert!(compress(codec, None, magic, &input, &mut packed).is_err());
            return Ok(());
        }
        compress(codec, None, magic, &input, &mut packed).unwrap();
        decompress(codec, magic, &packed, &mut out, input.len()).unwrap();
        prop_assert!(out == input);
        if !input.is_empty() {
            prop_assert!(decompress(codec, magic, &packed, &mut out, input.len() - 1).is_err());
        }
    }

    #[test]
    fn varints_are_read_as_written_and_as_long_as_said(int: i32, long: i64) {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, int);
        prop_assert_eq!(bytes.len(), varint_len(int));
        put_varlong(&mut bytes, long);
        prop_assert_eq!(bytes.len(), varint_len(int) + varlong_len(long));
        let mut at = Cursor::new(&bytes);
        prop_assert_eq!((at.varint().unwrap(), at.varlong().unwrap(), at.remaining()), (int, long, 0));
    }
}

#[test]
fn levels_are_the_codecs_own() {
    let input: Vec<u8> = (0..60_000u32).flat_map(|i| (i % 977 * i % 83).to_le_bytes()).collect();
    for codec in [Codec::Gzip, Codec::Zstd] {
        let size = |level| {
            let mut out = Vec::new();
            compress(codec, level, 2, &input, &mut out).unwrap();
            out.len()
        };
        assert!(size(Some(9)) < size(Some(1)), "{codec}");
        assert!(size(None) <= size(Some(1)), "{codec}");
    }
}

#[test]
fn raw_snappy_without_a_frame_is_read() {
    let input = b"to be or not to be, to be or not".repeat(5);
    let packed = snap::raw::Encoder::new().compress_vec(&input).unwrap();
    let mut out = Vec::new();
    decompress(Codec::Snappy, 2, &packed, &mut out, 1000).unwrap();
    assert_eq!(out, input);
}

#[test]
fn one_scratch_serves_batch_after_batch() {
    let mut scratch = Scratch::new();
    for n in 1..50 {
        let mut builder = BatchBuilder::new(0).codec(Codec::Lz4, None);
        for i in 0..n {
            builder.append(i, None, Some(&vec![n as u8; 1000]), &[]);
        }
        let bytes = builder.build().unwrap();
        let batch = Batch::first(&bytes).unwrap();
        assert_eq!(
            batch
                .records(&mut scratch)
                .unwrap()
                .filter(|r| r.as_ref().unwrap().value == Some(&vec![n as u8; 1000]))
                .count(),
            n as usize
        );
    }
}
