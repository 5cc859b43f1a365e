//! Records of `__transaction_state`: what Kafka wrote is read, and written again the same.

use std::path::Path;

use ottla::base::TopicPartition;
use ottla::record::{BatchBuilder, Batches, RecordError, Scratch};
use ottla::txn::load::Loaded;
use ottla::txn::record::{Key, TxnValue, key};
use ottla::txn::{State, Transaction};

fn recorded(run: &str) -> Vec<u8> {
    let log = format!("tests/golden/logs/{run}/__transaction_state-0/00000000000000000000.log");
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(log)).expect("a recorded log")
}

#[test]
fn records_that_kafka_wrote_are_read_and_written_the_same() {
    for run in ["clean", "killed"] {
        let bytes = recorded(run);
        let mut states = Vec::new();
        for batch in Batches::new(&bytes) {
            let batch = batch.expect("a whole batch");
            for record in batch.records(&mut Scratch::new()).expect("records") {
                let record = record.expect("a record");
                let bytes = record.key.expect("a key");
                let Key::Transaction(id) = Key::read(bytes).expect("a key that is known") else {
                    panic!("another key")
                };
                assert_eq!(key(&id), bytes);
                let value = TxnValue::read(record.value.expect("no tombstone")).expect("a value");
                assert_eq!(value.to_bytes(), record.value.expect("above"), "{value:?}");
                states.push(value.state);
            }
        }
        assert!(states.contains(&State::Ongoing) && states.contains(&State::CompleteCommit), "{run}: {states:?}");
        assert!(states.contains(&State::CompleteAbort), "{run}: {states:?}");
    }
}

#[test]
fn recorded_state_loads_as_its_last_records() {
    let bytes = recorded("clean");
    let mut loaded = Loaded::default();
    let mut last = std::collections::BTreeMap::new();
    for batch in Batches::new(&bytes) {
        let batch = batch.expect("a whole batch");
        loaded.see(&batch).expect("readable");
        for record in batch.records(&mut Scratch::new()).expect("records") {
            let record = record.expect("a record");
            last.insert(record.key.expect("a key").to_vec(), record.value.expect("a value").to_vec());
        }
    }
    assert!(!last.is_empty());
    let of_memory = loaded.transactions.iter().map(|(id, value)| (key(id), value.to_bytes())).collect();
    assert_eq!(last, of_memory);
    for (id, value) in loaded.transactions {
        let txn = Transaction::load(id, value.clone());
        assert_eq!((txn.state, txn.producer.id, txn.pending), (value.state, value.producer_id, None));
    }
}

fn value() -> TxnValue {
    TxnValue {
        producer_id: 1,
        producer_epoch: 0,
        timeout_ms: 60_000,
        state: State::Ongoing,
        partitions: [("a", 1), ("a", 0), ("b", 2)].map(|(t, p)| TopicPartition::new(t, p)).into(),
        updated_ms: 5,
        start_ms: 4,
    }
}

#[test]
fn an_empty_id_has_no_list_of_partitions() {
    let empty = TxnValue { state: State::Empty, partitions: [].into(), start_ms: -1, ..value() };
    let bytes = empty.to_bytes();
    assert_eq!(bytes.len(), 37);
    assert_eq!(bytes[17..21], [0xff; 4]);
    assert_eq!(TxnValue::read(&bytes), Ok(empty));
    assert_eq!(TxnValue::read(&value().to_bytes()), Ok(value()));
}

#[test]
fn the_flexible_version_of_later_brokers_is_read() {
    let mut bytes = vec![0, 1];
    bytes.extend_from_slice(&value().to_bytes()[2..17]);
    bytes.extend_from_slice(&[3, 2, b'a', 3, 0, 0, 0, 0, 0, 0, 0, 1, 0]); // two topics; "a" with two partitions, no tags
    bytes.extend_from_slice(&[2, b'b', 2, 0, 0, 0, 2, 1, 9, 2, 7, 7]); // "b" with one, and a tagged field
    bytes.extend_from_slice(&5i64.to_be_bytes());
    bytes.extend_from_slice(&4i64.to_be_bytes());
    bytes.push(0);
    assert_eq!(TxnValue::read(&bytes), Ok(value()));
}

#[test]
fn unknown_keys_are_skipped_tombstones_remove_and_broken_values_stop_the_load() {
    let batch = |key: &[u8], value: Option<&[u8]>| {
        let mut batch = BatchBuilder::new(0);
        batch.append(1, Some(key), value, &[]);
        batch.build().expect("a batch")
    };
    let mut loaded = Loaded::default();
    let mut see = |bytes: &[u8]| -> Result<usize, RecordError> {
        Batches::new(bytes).try_for_each(|batch| loaded.see(&batch?))?;
        Ok(loaded.transactions.len())
    };
    assert_eq!(see(&batch(&key("id"), Some(&value().to_bytes()))), Ok(1));
    assert_eq!(see(&batch(&[0, 9, 1, 2, 3], Some(b"of the future"))), Ok(1));
    assert_eq!(see(&batch(&key("id"), Some(b"\x00\x02of the future"))), Ok(1), "what was before it holds");
    assert_eq!(see(&batch(&key("id"), None)), Ok(0));
    let good = value().to_bytes();
    for cut in 0..good.len() {
        assert!(see(&batch(&key("id"), Some(&good[..cut]))).is_err(), "cut at {cut}");
    }
    let mut unknown_state = good.clone();
    unknown_state[16] = 9;
    assert!(see(&batch(&key("id"), Some(&unknown_state))).is_err());
    let mut huge = good;
    huge[17..21].copy_from_slice(&i32::MAX.to_be_bytes());
    assert!(see(&batch(&key("id"), Some(&huge))).is_err());
}
