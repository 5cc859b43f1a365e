//! Transactions that hang, and the tables that show them.

use std::collections::{BTreeMap, BTreeSet};

use ottla::tools::admin_client::transactions::{AbortSpec, ProducerState, TransactionDescription};
use ottla::tools::transactions::hanging::{HEADER, Open, hanging};
use ottla::tools::transactions::table;

fn open(topic: &str, producer: i64) -> Open {
    let producer = ProducerState {
        id: producer,
        epoch: 0,
        last_sequence: 0,
        last_timestamp: 1,
        coordinator_epoch: None,
        transaction_start: Some(5),
    };
    Open { partition: (topic.to_owned(), 0), producer }
}

#[test]
fn hanging_is_what_no_coordinator_will_end() {
    let known = TransactionDescription {
        coordinator: 0,
        state: "Ongoing".into(),
        producer_id: 7,
        producer_epoch: 0,
        timeout_ms: 1,
        start_ms: None,
        partitions: BTreeSet::from([("a".to_owned(), 0)]),
    };
    let known = BTreeMap::from([(7, known)]);
    let all = vec![open("a", 70_002), open("a", 7), open("b", 7), open("b", 70_001)];
    // Producers in the order of a Java map, each with its partitions.
    assert_eq!(hanging(all, &known), [open("b", 70_001), open("a", 70_002), open("b", 7)]);
    assert_eq!(hanging(vec![open("a", 7)], &known), []);
}

#[test]
fn tables_and_names_are_kafkas() {
    let rows = [vec!["a long one".to_owned(), "1".to_owned()], vec![String::new(), "2".to_owned()]];
    assert_eq!(table(&["Name", "Count"], &rows), "Name      \tCount\t\na long one\t1    \t\n          \t2    \t\n");
    assert_eq!(table(&HEADER, &[]), include_str!("../../golden/tools/055-txn-hanging.out"));
    let spec = AbortSpec { partition: ("t".into(), 1), producer_id: 2, producer_epoch: 3, coordinator_epoch: 4 };
    assert_eq!(
        spec.to_string(),
        "AbortTransactionSpec(topicPartition=t-1, producerId=2, producerEpoch=3, coordinatorEpoch=4)"
    );
}
