//! One transactional id: who may do what when, and what is written for it.

use std::collections::BTreeSet;

use ottla::base::{ErrorCode, TopicPartition};
use ottla::txn::{Change, Init, Producer, State, Transaction};

const TIMEOUT_MS: i32 = 60_000;
const LAST_EPOCH: i16 = i16::MAX - 1;

fn new() -> Transaction {
    Transaction::new("id".into(), 7, TIMEOUT_MS, 0)
}

fn parts(indexes: &[i32]) -> BTreeSet<TopicPartition> {
    indexes.iter().map(|index| TopicPartition::new("t", *index)).collect()
}

fn init(txn: &mut Transaction, known: Option<Producer>) -> Result<Producer, ErrorCode> {
    match txn.init(TIMEOUT_MS, known, 1, || Some(100))? {
        Init::Write(change) => {
            txn.written(&change);
            Ok(change.producer)
        }
        Init::Fence(change) => {
            txn.written(&change);
            Err(ErrorCode::ConcurrentTransactions)
        }
    }
}

fn add(txn: &mut Transaction, who: Producer, indexes: &[i32], now_ms: i64) -> Result<Option<Change>, ErrorCode> {
    let change = txn.add_partitions(who, parts(indexes), now_ms)?;
    change.iter().for_each(|change| txn.written(change));
    Ok(change)
}

/// Markers for all partitions, and the end.
fn finish(txn: &mut Transaction, now_ms: i64) -> Change {
    let change = txn.complete(now_ms).expect("prepared");
    let left: Vec<_> = txn.partitions.iter().cloned().collect();
    for (i, partition) in left.iter().enumerate() {
        assert_eq!(txn.marker_written(partition), i + 1 == left.len());
    }
    txn.written(&change);
    change
}

#[test]
fn a_transaction_begins_grows_ends_and_begins_again() {
    let mut txn = new();
    let who = init(&mut txn, None).expect("a producer");
    assert_eq!(who, Producer { id: 7, epoch: 0 });
    let first = add(&mut txn, who, &[0], 10).expect("added").expect("written");
    assert_eq!((first.to, first.start_ms, first.updated_ms), (State::Ongoing, 10, 10));
    let second = add(&mut txn, who, &[1], 20).expect("added").expect("written");
    assert_eq!((second.start_ms, second.updated_ms, &second.partitions), (10, 20, &parts(&[0, 1])));
    assert_eq!(add(&mut txn, who, &[0, 1], 30), Ok(None), "nothing new: nothing is written");

    let decided = txn.end(who, true, 40).expect("ended").expect("written");
    assert_eq!((decided.to, &decided.partitions), (State::PrepareCommit, &parts(&[0, 1])));
    assert_eq!(txn.add_partitions(who, parts(&[2]), 41), Err(ErrorCode::ConcurrentTransactions), "being written");
    txn.written(&decided);
    assert_eq!(txn.add_partitions(who, parts(&[2]), 42), Err(ErrorCode::ConcurrentTransactions), "markers lack");
    let done = finish(&mut txn, 50);
    assert_eq!((done.to, done.start_ms, done.updated_ms), (State::CompleteCommit, 10, 50));
    assert!(done.partitions.is_empty());

    assert_eq!(txn.end(who, true, 60), Ok(None), "the client missed the answer");
    assert_eq!(txn.end(who, false, 60), Err(ErrorCode::InvalidTxnState));
    let next = add(&mut txn, who, &[3], 70).expect("added").expect("written");
    assert_eq!((next.start_ms, &next.partitions), (70, &parts(&[3])));
    let aborted = txn.end(who, false, 80).expect("ended").expect("written");
    txn.written(&aborted);
    assert_eq!(finish(&mut txn, 81).to, State::CompleteAbort);
}

#[test]
fn a_new_producer_fences_the_one_before_and_ends_its_transaction() {
    let mut txn = new();
    let old = init(&mut txn, None).expect("a producer");
    add(&mut txn, old, &[0], 10).expect("added");
    assert_eq!(init(&mut txn, None), Err(ErrorCode::ConcurrentTransactions), "its transaction is aborted first");
    assert_eq!((txn.state, txn.producer.epoch), (State::PrepareAbort, 1));
    assert_eq!(init(&mut txn, None), Err(ErrorCode::ConcurrentTransactions), "until its markers are there");
    finish(&mut txn, 20);
    let new = init(&mut txn, None).expect("a producer");
    assert_eq!(new, Producer { id: 7, epoch: 2 }, "nobody is given the epoch that fenced");
    assert_eq!(add(&mut txn, old, &[0], 30), Err(ErrorCode::ProducerFenced));
    assert_eq!(txn.end(old, true, 30), Err(ErrorCode::ProducerFenced));
    assert_eq!(txn.end(Producer { id: 8, epoch: 2 }, true, 30), Err(ErrorCode::InvalidProducerIdMapping));
}

#[test]
fn a_fence_that_was_not_written_is_not_raised_again() {
    let mut txn = new();
    let old = init(&mut txn, None).expect("a producer");
    add(&mut txn, old, &[0], 10).expect("added");
    let Ok(Init::Fence(change)) = txn.init(TIMEOUT_MS, None, 20, || None) else { panic!("fenced") };
    txn.not_written(&change);
    assert_eq!((txn.state, txn.producer.epoch), (State::Ongoing, 1), "and yet the old one is fenced");
    assert_eq!(txn.end(old, true, 30), Err(ErrorCode::ProducerFenced));
    assert_eq!(init(&mut txn, None), Err(ErrorCode::ConcurrentTransactions));
    assert_eq!((txn.state, txn.producer.epoch), (State::PrepareAbort, 1));
    finish(&mut txn, 40);
    assert_eq!(init(&mut txn, None), Ok(Producer { id: 7, epoch: 2 }));
}

#[test]
fn a_producer_that_says_what_it_knows_goes_on_and_may_ask_twice() {
    let mut txn = new();
    let first = init(&mut txn, None).expect("a producer");
    let second = init(&mut txn, Some(first)).expect("raised");
    assert_eq!(second.epoch, 1);
    assert_eq!(init(&mut txn, Some(first)), Ok(second), "the answer was lost: the same again");
    assert_eq!(init(&mut txn, Some(second)).expect("raised").epoch, 2);
    assert_eq!(init(&mut txn, Some(first)), Err(ErrorCode::ProducerFenced));
    assert_eq!(init(&mut txn, Some(Producer { id: 9, epoch: 2 })), Err(ErrorCode::ProducerFenced));
    // Another one came in between.
    let newcomer = init(&mut txn, None).expect("a producer");
    assert_eq!(newcomer.epoch, 3);
    assert_eq!(init(&mut txn, Some(Producer { id: 7, epoch: 2 })), Err(ErrorCode::ProducerFenced));
    // An id that nobody remembers takes any.
    assert_eq!(init(&mut new(), Some(Producer { id: 9, epoch: 5 })), Ok(Producer { id: 7, epoch: 0 }));
}

#[test]
fn used_up_epochs_lead_to_another_producer_id() {
    let mut txn = new();
    txn.producer.epoch = LAST_EPOCH - 1;
    let last = init(&mut txn, None).expect("the last epoch");
    assert_eq!(last.epoch, LAST_EPOCH);
    add(&mut txn, last, &[0], 10).expect("it may still work");
    assert!(txn.time_out(10 + i64::from(TIMEOUT_MS)).is_none(), "not yet");
    let fence = txn.time_out(11 + i64::from(TIMEOUT_MS)).expect("its time is over");
    assert_eq!((fence.to, fence.producer.epoch), (State::PrepareAbort, i16::MAX), "one is left to fence with");
    txn.written(&fence);
    finish(&mut txn, 100_000);
    assert_eq!(init(&mut txn, None), Ok(Producer { id: 100, epoch: 0 }));

    let mut txn = new();
    txn.producer.epoch = LAST_EPOCH;
    let known = txn.producer;
    assert_eq!(init(&mut txn, Some(known)), Ok(Producer { id: 100, epoch: 0 }));
    assert_eq!(init(&mut txn, Some(known)), Ok(Producer { id: 100, epoch: 0 }), "the answer was lost: the same again");
    assert_eq!(txn.init(TIMEOUT_MS, Some(Producer { id: 7, epoch: 3 }), 1, || None), Err(ErrorCode::ProducerFenced));
    txn.producer.epoch = LAST_EPOCH;
    assert_eq!(txn.init(TIMEOUT_MS, None, 1, || None), Err(ErrorCode::CoordinatorLoadInProgress), "no id in stock");
    assert_eq!(txn.pending, None);
}

#[test]
fn partitions_are_verified_in_the_open_transaction_alone() {
    let mut txn = new();
    let who = init(&mut txn, None).expect("a producer");
    let (inside, outside) = (TopicPartition::new("t", 0), TopicPartition::new("t", 9));
    assert_eq!(txn.verify(who, &inside), Err(ErrorCode::TransactionAbortable));
    let change = txn.add_partitions(who, parts(&[0]), 10).expect("added").expect("to write");
    assert_eq!(txn.verify(who, &inside), Err(ErrorCode::TransactionAbortable), "not written yet");
    txn.written(&change);
    assert_eq!(txn.verify(who, &inside), Ok(()));
    assert_eq!(txn.verify(who, &outside), Err(ErrorCode::TransactionAbortable));
    assert_eq!(txn.verify(Producer { epoch: 1, ..who }, &inside), Err(ErrorCode::ProducerFenced));
    assert_eq!(txn.verify(Producer { id: 1, ..who }, &inside), Err(ErrorCode::InvalidProducerIdMapping));
    let decided = txn.end(who, true, 20).expect("ended").expect("written");
    assert_eq!(txn.verify(who, &inside), Ok(()), "the append looks again");
    txn.written(&decided);
    assert_eq!(txn.verify(who, &inside), Err(ErrorCode::ConcurrentTransactions));
    finish(&mut txn, 30);
    assert_eq!(txn.verify(who, &inside), Err(ErrorCode::TransactionAbortable), "a late produce");
}

#[test]
fn only_ids_at_rest_expire() {
    let mut txn = new();
    let who = init(&mut txn, None).expect("a producer");
    assert!(!txn.expire(10, 10));
    add(&mut txn, who, &[0], 5).expect("added");
    assert!(!txn.expire(1_000, 10), "a transaction is open");
    let decided = txn.end(who, true, 20).expect("ended").expect("written");
    txn.written(&decided);
    assert!(!txn.expire(1_000, 10));
    finish(&mut txn, 30);
    assert!(!txn.expire(39, 10));
    assert!(txn.expire(40, 10));
    assert_eq!(init(&mut txn, None), Err(ErrorCode::ConcurrentTransactions), "while its tombstone is written");
}

#[test]
fn what_is_loaded_goes_on_where_the_record_left_it() {
    let mut txn = new();
    let who = init(&mut txn, None).expect("a producer");
    add(&mut txn, who, &[0, 1], 10).expect("added");
    let decided = txn.end(who, true, 20).expect("ended").expect("written");
    let mut loaded = Transaction::load("id".into(), decided.value());
    assert_eq!((loaded.state, loaded.producer, &loaded.partitions), (State::PrepareCommit, who, &parts(&[0, 1])));
    assert_eq!(finish(&mut loaded, 30).to, State::CompleteCommit);
    assert_eq!(init(&mut loaded, Some(who)).map(|p| p.epoch), Ok(1));
}
