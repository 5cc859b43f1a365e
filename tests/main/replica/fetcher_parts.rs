//! The pure parts of fetchers: which fetcher, where to cut, what to tell the leader.

use ottla::base::{ErrorCode, TopicId, TopicPartition};
use ottla::config::MetadataVersion;
use ottla::log::EpochEnd;
use ottla::log::epochs::Epochs;
use ottla::replica::fetch_session::Wanted;
use ottla::replica::fetcher::fetcher_number;
use ottla::replica::fetcher::session::{Ask, Built, ClientSession};
use ottla::replica::fetcher::settings::{fetch_version, list_offsets_version};
use ottla::replica::fetcher::truncation::{Restart, cut, restart};

#[test]
fn fetcher_is_chosen_by_javas_hash() {
    // "topic".hashCode() == 110546223; 31 * that + 3 wraps to -868034380.
    let hash = 110_546_223i32.wrapping_mul(31).wrapping_add(3).unsigned_abs();
    assert_eq!(fetcher_number(&TopicPartition::new("topic", 3), 1000), hash % 1000);
    assert_eq!(fetcher_number(&TopicPartition::new("topic", 3), 1), 0);
    assert_eq!(fetcher_number(&TopicPartition::new("", 5), 3), 2);
}

#[test]
fn request_versions_follow_the_inter_broker_protocol() {
    let of = |text: &str| {
        let version: MetadataVersion = text.parse().expect("a version");
        (fetch_version(version), list_offsets_version(version))
    };
    assert_eq!(of("2.8"), (12, 6));
    assert_eq!(of("3.0"), (12, 7));
    assert_eq!(of("3.1"), (13, 7));
    assert_eq!(of("3.5-IV0"), (14, 8));
    assert_eq!(of("3.6"), (15, 8));
    assert_eq!(of("3.7"), (16, 8));
    assert_eq!(of("3.9"), (17, 9));
}

/// A log as its epochs: (epoch, first offset), and its end.
type Entries = &'static [(i32, i64)];
type Ends = (Entries, i64);

/// Lets a follower find the common part with a leader in rounds, as fetches do. Returns its log's end.
fn converge(leader: (Entries, i64), follower: (Entries, i64)) -> i64 {
    let leader_epochs = Epochs::from_entries(leader.0);
    let (mut epochs, mut end) = (Epochs::from_entries(follower.0), follower.1);
    for _ in 0..20 {
        let Some(last) = epochs.latest() else { return end };
        let of_leader = leader_epochs.end_offset_for(last, leader.1);
        assert_ne!(of_leader, EpochEnd::UNKNOWN, "the leader's epoch is above all others");
        if of_leader.epoch == last && of_leader.end_offset >= end {
            return end;
        }
        let to = cut(of_leader, epochs.end_offset_for(of_leader.epoch, end), end, 0);
        assert!(to <= end);
        let changed = epochs.truncate_end(to);
        assert!(changed || to < end, "no progress at {to}");
        end = to;
    }
    panic!("no end");
}

/// Where the two logs really part: record by record, each known by its epoch.
fn common(leader: (Entries, i64), follower: (Entries, i64)) -> i64 {
    let (a, b) = (Epochs::from_entries(leader.0), Epochs::from_entries(follower.0));
    let end = leader.1.min(follower.1);
    (0..end).find(|offset| a.at(*offset) != b.at(*offset)).unwrap_or(end)
}

#[test]
fn follower_ends_at_the_common_part() {
    let cases: &[(Ends, Ends)] = &[
        ((&[(0, 0), (2, 4)], 7), (&[(0, 0), (1, 4)], 10)),
        ((&[(0, 0), (2, 4)], 7), (&[(0, 0)], 3)),
        ((&[(0, 0), (2, 4)], 7), (&[(0, 0)], 6)),
        ((&[(0, 0), (3, 4)], 9), (&[(0, 0), (1, 2), (2, 8)], 12)),
        ((&[(0, 0), (5, 0)], 9), (&[(0, 0), (1, 2), (2, 8)], 12)),
        ((&[(0, 0), (1, 5), (4, 9)], 20), (&[(0, 0), (1, 5), (2, 7), (3, 8)], 8)),
        // An election without a record after it.
        ((&[(0, 0), (6, 5)], 5), (&[(0, 0), (5, 5)], 5)),
    ];
    for (leader, follower) in cases {
        let end = converge(*leader, *follower);
        assert!(end <= common(*leader, *follower), "{leader:?} {follower:?} end at {end}");
        // No more is lost than the other log's epochs demand: everything before its last common epoch's start stays.
        assert_eq!(end, common(*leader, *follower), "{leader:?} {follower:?}");
    }
}

#[test]
fn leader_without_epochs_leaves_what_is_committed() {
    assert_eq!(cut(EpochEnd::UNKNOWN, EpochEnd::UNKNOWN, 10, 6), 6);
    assert_eq!(cut(EpochEnd { epoch: -1, end_offset: 8 }, EpochEnd::UNKNOWN, 10, 6), 8);
}

#[test]
fn out_of_range_goes_to_the_leaders_nearer_end() {
    assert_eq!(restart(0, 5, 9), Restart::CutTo(5));
    assert_eq!(restart(7, 20, 3), Restart::AnewAt(7));
    assert_eq!(restart(3, 20, 3), Restart::GoOn);
}

fn id(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn ask(topic: u8, fetch_offset: i64) -> Ask {
    let wanted =
        Wanted { fetch_offset, log_start_offset: 0, max_bytes: 100, current_leader_epoch: 1, last_fetched_epoch: 1 };
    Ask { topic_id: TopicId::from_bytes([topic; 16]), wanted }
}

fn partitions(built: &Built) -> (Vec<i32>, Vec<i32>) {
    let asked = built.topics.iter().flat_map(|t| &t.partitions).map(|p| p.partition).collect();
    (asked, built.forgotten.iter().flat_map(|t| t.partitions.clone()).collect())
}

#[test]
fn session_tells_everything_once_and_then_only_what_changed() {
    let mut session = ClientSession::new(true);
    assert!(session.is_idle());
    (0..3).for_each(|p| session.want(&id(p), ask(1, 0)));
    let full = session.build();
    assert_eq!((full.session_id, full.epoch, partitions(&full)), (0, 0, (vec![0, 1, 2], vec![])));
    assert!(session.answered(ErrorCode::None, 44));
    assert_eq!(partitions(&session.build()), (vec![], vec![]));
    assert!(session.answered(ErrorCode::None, 44));
    session.want(&id(1), ask(1, 9));
    session.unwant(&id(2));
    let changed = session.build();
    assert_eq!((changed.session_id, changed.epoch), (44, 2));
    assert_eq!(partitions(&changed), (vec![1], vec![2]));
    assert!(session.answered(ErrorCode::None, 44));
    // Gone and back between two requests: only news.
    session.unwant(&id(0));
    session.want(&id(0), ask(1, 0));
    assert_eq!(partitions(&session.build()), (vec![0], vec![]));
}

#[test]
fn topic_made_again_is_forgotten_by_its_old_id() {
    let mut session = ClientSession::new(true);
    session.want(&id(0), ask(1, 5));
    session.build();
    session.answered(ErrorCode::None, 44);
    session.want(&id(0), ask(2, 0));
    let built = session.build();
    assert_eq!(built.forgotten[0].topic_id, TopicId::from_bytes([1; 16]));
    assert_eq!(built.topics[0].topic_id, TopicId::from_bytes([2; 16]));
    assert_eq!(session.name_of(TopicId::from_bytes([2; 16])).map(|name| &**name), Some("t"));
}

#[test]
fn unknown_topic_id_means_names_and_a_new_session() {
    let mut session = ClientSession::new(true);
    session.want(&id(0), ask(1, 5));
    assert!(session.build().uses_topic_ids);
    session.answered(ErrorCode::None, 44);
    session.want(&TopicPartition::new("old", 0), Ask { topic_id: TopicId::ZERO, ..ask(1, 0) });
    let built = session.build();
    assert_eq!((built.uses_topic_ids, built.session_id, built.epoch), (false, 44, 0));
    assert_eq!(partitions(&built), (vec![0, 0], vec![]));
    session.answered(ErrorCode::None, 45);
    session.unwant(&TopicPartition::new("old", 0));
    assert!(session.build().uses_topic_ids);
}

#[test]
fn lost_session_is_opened_anew_with_everything() {
    let mut session = ClientSession::new(true);
    session.want(&id(0), ask(1, 5));
    session.build();
    session.answered(ErrorCode::None, 44);
    session.build();
    assert!(!session.answered(ErrorCode::FetchSessionIdNotFound, 0));
    let built = session.build();
    assert_eq!((built.session_id, built.epoch, partitions(&built)), (0, 0, (vec![0], vec![])));
    session.answered(ErrorCode::None, 45);
    session.build();
    assert!(!session.answered(ErrorCode::InvalidFetchSessionEpoch, 0));
    let built = session.build();
    assert_eq!((built.session_id, built.epoch), (45, 0), "the leader closes the one that is named");
    session.failed();
    assert_eq!(partitions(&session.build()), (vec![0], vec![]));
    // A leader without room answers without a session: full requests go on.
    session.answered(ErrorCode::None, 0);
    assert_eq!(session.build().epoch, 0);
}
