//! Leader epochs, and the text files.

use ottla::log::EpochEnd;
use ottla::log::checkpoint::{read_epochs, read_offsets, write_epochs, write_offsets};
use ottla::log::epochs::Epochs;
use ottla::log::names::{DirKind, delete_name, parse_dir, parse_file};
use uuid::Uuid;

use ottla::base::TopicPartition;

use super::support::*;

fn end(epoch: i32, end_offset: i64) -> EpochEnd {
    EpochEnd { epoch, end_offset }
}

#[test]
fn the_end_of_an_epoch_is_the_start_of_the_next_higher() {
    let epochs = Epochs::from_entries(&[(2, 10), (4, 20), (7, 30)]);
    for (asked, expected) in [
        (-1, EpochEnd::UNKNOWN),
        (0, end(0, 10)),
        (1, end(1, 10)),
        (2, end(2, 20)),
        (3, end(2, 20)),
        (4, end(4, 30)),
        (6, end(4, 30)),
        (7, end(7, 99)),
        (8, EpochEnd::UNKNOWN),
    ] {
        assert_eq!(epochs.end_offset_for(asked, 99), expected, "{asked}");
    }
    assert_eq!(Epochs::default().end_offset_for(0, 5), EpochEnd::UNKNOWN);
}

#[test]
fn what_a_new_epoch_contradicts_is_removed() {
    let mut epochs = Epochs::from_entries(&[(2, 10), (4, 20), (7, 30)]);
    assert!(!epochs.assign(7, 35), "known");
    assert!(epochs.assign(7, 25));
    assert_eq!(epochs.entries(), [(2, 10), (4, 20), (7, 25)]);
    assert!(epochs.assign(8, 20));
    assert_eq!(epochs.entries(), [(2, 10), (8, 20)]);
    assert!(epochs.assign(3, 40));
    assert_eq!(epochs.entries(), [(2, 10), (3, 40)]);
}

#[test]
fn cuts_at_both_ends_keep_the_epoch_that_spans_them() {
    let mut epochs = Epochs::from_entries(&[(2, 10), (4, 20), (7, 30)]);
    assert!(epochs.truncate_start(25));
    assert_eq!(epochs.entries(), [(4, 25), (7, 30)]);
    assert!(!epochs.truncate_start(25));
    assert!(epochs.truncate_end(30));
    assert_eq!(epochs.entries(), [(4, 25)]);
    assert_eq!((epochs.at(24), epochs.at(25), epochs.at(99)), (None, Some(4), Some(4)));
}

#[test]
fn checkpoints_read_what_kafka_writes_and_refuse_the_rest() {
    let text = b"0\n1\nfoo 0 12\n";
    let offsets = read_offsets(text).expect("parses");
    assert_eq!(offsets.get(&TopicPartition::new("foo", 0)), Some(&12));
    assert_eq!(write_offsets(&offsets).as_bytes(), text);
    assert_eq!(write_epochs(&[(1, 0), (3, 5)]), "0\n2\n1 0\n3 5\n");
    assert_eq!(read_epochs(b"0\n2\n1 0\n3  5\n").expect("any white space"), [(1, 0), (3, 5)]);
    assert!(read_offsets(b"").expect("empty").is_empty());
    for bad in ["1\n0\n", "0\n2\nfoo 0 12\n", "0\n1\nfoo 0\n", "0\n1\nfoo x 12\n", "0\n0\nfoo 0 12\n", "x"] {
        assert!(read_offsets(bad.as_bytes()).is_err(), "{bad:?}");
    }
}

#[test]
fn names_are_parsed_as_kafka_names_them() {
    let id = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    let tp = TopicPartition::new("a.b-c", 7);
    assert_eq!(parse_dir("a.b-c-7"), Some((tp.clone(), DirKind::Current)));
    assert_eq!(parse_dir(&delete_name(&tp, id)), Some((tp, DirKind::Delete)));
    let long = TopicPartition::new("x".repeat(249), 12345);
    assert_eq!(delete_name(&long, id).len(), 255);
    for bad in ["pictures", "a-", "-1", "a-x"] {
        assert!(parse_dir(bad).is_none(), "{bad}");
    }
    assert!(parse_file("00000000000000000042.log").is_some_and(|(base, _)| base == 42));
    for bad in ["00000000000000000042.log.deleted", "x.log", ".log", "42", "-2.log", "99999999999999999999.log"] {
        assert!(parse_file(bad).is_none(), "{bad}");
    }
}

#[tokio::test]
async fn epochs_come_from_the_leader_and_from_its_batches_and_survive_a_kill() {
    let bed = Bed::real();
    let log = bed.open("t-0", &new_log(small()));
    log.lock().await.assign_epoch(3).await.expect("assigned");
    let mut writer = log.lock().await;
    writer.append_leader(client(batch(2, 10, now()), 3)).await.expect("appended");
    writer.assign_epoch(5).await.expect("assigned");
    drop(writer);
    assert_eq!((log.latest_epoch(), log.end_offset_for(3), log.end_offset_for(5)), (Some(5), end(3, 2), end(5, 2)));
    log.lock().await.append_leader(client(batch(1, 10, now()), 5)).await.expect("appended");
    let bytes = all_bytes(&log);
    let follower = bed.open("t-1", &new_log(small()));
    follower.lock().await.append_follower(bytes.into(), 5).await.expect("appended");
    assert_eq!((follower.epoch_start(3), follower.epoch_start(5)), (Some(0), Some(2)));
    // the checkpoint was not written yet: recovery takes the epochs from the batches
    let again = bed.open("t-1", &reopen(small(), false));
    assert_eq!((again.epoch_start(3), again.epoch_start(5)), (Some(0), Some(2)));
    again.truncate_to(2).await.expect("cut");
    assert_eq!(again.latest_epoch(), Some(3));
}

#[tokio::test]
async fn batches_of_an_epoch_above_the_followers_are_left_out() {
    let bed = Bed::real();
    let log = bed.open("t-0", &new_log(small()));
    for epoch in [1, 2, 3] {
        log.lock().await.append_leader(client(batch(1, 10, now()), epoch)).await.expect("appended");
    }
    let follower = bed.open("t-1", &new_log(small()));
    let done = follower.lock().await.append_follower(all_bytes(&log).into(), 2).await.expect("appended");
    assert_eq!((done.last_offset, follower.leo(), follower.latest_epoch()), (1, 2, Some(2)));
}
