//! Replicas compared batch by batch.

use std::collections::BTreeMap;

use bytes::Bytes;
use ottla::record::BatchBuilder;
use ottla::tools::replica_verification::replicas::{Fetched, Finding, Lag, Replicas};

/// Batches of one record each from an offset on.
fn batches(base: i64, values: &[&str]) -> Vec<u8> {
    let one = |(offset, value): (i64, &&str)| {
        let mut batch = BatchBuilder::new(offset);
        batch.append(1, None, Some(value.as_bytes()), &[]);
        batch.build().unwrap()
    };
    (base..).zip(values).flat_map(|item| one(item).to_vec()).collect()
}

fn fetched(high_watermark: i64, records: Vec<u8>) -> Fetched {
    Fetched { high_watermark, records: Bytes::from(records) }
}

fn verify(replicas: &mut Replicas, all: Vec<Fetched>) -> (Vec<Finding>, Lag) {
    for (id, one) in (0..).zip(all) {
        replicas.add(("t".to_owned(), 0), id, one);
    }
    replicas.verify()
}

fn at(offset: i64) -> Replicas {
    Replicas::new(BTreeMap::from([(("t".to_owned(), 0), offset)]))
}

fn lag(lag: i64, offset: i64) -> Lag {
    Lag { lag, partition: "t-0".to_owned(), offset }
}

#[test]
fn offsets_move_over_what_all_replicas_have_below_the_high_watermark() {
    let mut replicas = at(5);
    let all = vec![fetched(9, batches(5, &["a", "b", "c", "d"])), fetched(8, batches(5, &["a", "b", "c", "d"]))];
    assert_eq!(verify(&mut replicas, all), (vec![], lag(1, 8)));
    // One is behind, and another's last batch is cut off.
    let mut cut = batches(8, &["d", "e"]);
    cut.truncate(cut.len() - 3);
    let all = vec![fetched(12, cut), fetched(12, batches(8, &["d", "e", "f"])), fetched(12, batches(8, &["d", "e"]))];
    assert_eq!(verify(&mut replicas, all), (vec![], lag(3, 9)));
    // A broker that is away holds it up.
    let all = vec![Fetched::default(), fetched(12, batches(9, &["e"]))];
    assert_eq!(verify(&mut replicas, all), (vec![], lag(3, 9)));
    assert_eq!(replicas.verify().1, Lag { lag: -1, partition: "null".into(), offset: -1 }, "nothing fetched");
}

#[test]
fn other_contents_are_told_and_other_offsets_end_it() {
    let mut replicas = at(0);
    let all = vec![fetched(2, batches(0, &["a", "b"])), fetched(2, batches(0, &["a", "B"]))];
    let (findings, behind) = verify(&mut replicas, all);
    let [Finding::Checksum(what)] = findings.as_slice() else { panic!("{findings:?}") };
    assert!(what.starts_with("partition t-0 has unmatched checksum at offset 1; replica 0's checksum "), "{what}");
    assert_eq!(behind, lag(0, 2));

    let all = vec![fetched(9, batches(2, &["a"])), fetched(9, batches(3, &["a"]))];
    let (findings, behind) = verify(&mut replicas, all);
    let what = "partition t-0: replica 0's offset 2 doesn't match replica 1's offset 3";
    assert_eq!((findings, behind), (vec![Finding::Offset(what.into())], lag(7, 2)));

    let all = vec![fetched(9, vec![7; 100]), fetched(9, batches(2, &["a"]))];
    let (findings, _) = verify(&mut replicas, all);
    assert!(matches!(findings.as_slice(), [Finding::Unreadable(_)]), "{findings:?}");
}
