//! What old consumers get for format 2.

use ottla::base::ErrorCode;
use ottla::record::batches::Batches;
use ottla::record::builder::{BatchBuilder, marker};
use ottla::record::convert::down_convert;
use ottla::record::{Codec, EndTxnMarker, Scratch, TimestampType};

use super::{all_records, records_of};

fn batch(codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new(100).codec(codec, None).producer(1, 0, 0);
    for (offset, time) in [(100, 7), (101, 9), (104, 8)] {
        let headers = [(b"h".as_slice(), None)];
        builder.append_at(offset, time, Some(b"k"), Some(b"v"), headers.into_iter()).unwrap();
    }
    builder.build().unwrap().to_vec()
}

#[test]
fn records_keep_offset_key_value_and_time_but_not_headers() {
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4] {
        for magic in [0, 1] {
            let old = down_convert(&batch(codec), magic, 0, &mut Scratch::new()).unwrap();
            let batches: Vec<_> = Batches::new(&old).map(Result::unwrap).collect();
            assert!(batches.iter().all(|b| b.magic() == magic && b.crc_ok() && b.codec() == Ok(codec)));
            assert_eq!(batches.len(), if codec == Codec::None { 3 } else { 1 });
            assert_eq!(batches.last().unwrap().last_offset(), 104);
            let records = all_records(&old).unwrap();
            let times = if magic == 0 { [-1; 3] } else { [7, 9, 8] };
            for ((record, offset), time) in records.iter().zip([100, 101, 104]).zip(times) {
                assert_eq!((record.offset, record.timestamp), (offset, time), "{codec} {magic}");
                assert_eq!((record.key.as_deref(), record.value.as_deref()), (Some(&b"k"[..]), Some(&b"v"[..])));
                assert!(record.headers.is_empty());
            }
        }
    }
}

#[test]
fn a_wrapper_has_the_greatest_time_and_an_append_time_stays_one() {
    let old = down_convert(&batch(Codec::Gzip), 1, 0, &mut Scratch::new()).unwrap();
    assert_eq!(Batches::new(&old).next().unwrap().unwrap().max_timestamp(), 9);
    for codec in [Codec::None, Codec::Gzip] {
        let mut builder = BatchBuilder::new(0).codec(codec, None).log_append_time(500);
        builder.append(1, None, None, &[]);
        let old = down_convert(&builder.build().unwrap(), 1, 0, &mut Scratch::new()).unwrap();
        let batch = Batches::new(&old).next().unwrap().unwrap();
        assert_eq!((batch.timestamp_type(), batch.max_timestamp()), (TimestampType::LogAppendTime, 500));
        assert_eq!(records_of(&batch).unwrap()[0].timestamp, 500);
    }
}

#[test]
fn markers_and_records_before_the_wanted_one_are_left_out() {
    let end = EndTxnMarker { commit: true, coordinator_epoch: 0 };
    let log = [batch(Codec::None), marker(105, 0, 9, 1, 0, end).to_vec()].concat();
    let old = down_convert(&log, 1, 101, &mut Scratch::new()).unwrap();
    assert_eq!(all_records(&old).unwrap().iter().map(|r| r.offset).collect::<Vec<_>>(), [101, 104]);
}

#[test]
fn older_batches_stay_as_they_are_and_a_cut_tail_is_left_out() {
    let old = down_convert(&batch(Codec::Gzip), 0, 0, &mut Scratch::new()).unwrap();
    let cut = [&old[..], &batch(Codec::None)[..40]].concat();
    assert_eq!(down_convert(&cut, 1, 0, &mut Scratch::new()).unwrap(), old);
}

#[test]
fn zstd_is_unsupported_for_old_consumers() {
    let error = down_convert(&batch(Codec::Zstd), 1, 0, &mut Scratch::new()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::UnsupportedCompressionType);
}
