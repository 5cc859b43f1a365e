//! Incremental fetch sessions (KIP-227).

use std::time::Duration;

use ottla::base::env::Rng;
use ottla::base::{ErrorCode, TopicId};
use ottla::replica::fetch_session::{FINAL_EPOCH, INITIAL_EPOCH, NO_SESSION, SessionKey, Told, Wanted};
use ottla::replica::fetch_sessions::{FetchContext, FetchSessions, SessionAsk};
use tokio::time::Instant;

fn key(topic: &str, partition: i32) -> SessionKey {
    SessionKey { topic_id: TopicId::ZERO, topic: topic.into(), partition }
}

fn wanted(offset: i64) -> Wanted {
    Wanted {
        fetch_offset: offset,
        log_start_offset: -1,
        max_bytes: 1000,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
    }
}

fn ask(session_id: i32, epoch: i32, partitions: &[(SessionKey, Wanted)]) -> SessionAsk {
    SessionAsk {
        session_id,
        epoch,
        uses_topic_ids: false,
        from_follower: false,
        wanted: partitions.to_vec(),
        forgotten: Vec::new(),
    }
}

fn told(high_watermark: i64, has_records: bool) -> Told {
    Told { error: ErrorCode::None, high_watermark, log_start_offset: 0, has_content: has_records, has_records }
}

/// Answers every partition of a context with the same words.
fn answer(sessions: &FetchSessions, context: &FetchContext, told: Told, now: Instant) -> (i32, Vec<bool>) {
    let told: Vec<_> = context.partitions.iter().map(|(key, wanted)| (key.clone(), *wanted, told)).collect();
    context.answer(sessions, &told, now)
}

fn sessions(slots: usize) -> FetchSessions {
    FetchSessions::new(slots, Rng::from_seed(7))
}

fn open(sessions: &FetchSessions, partitions: &[(SessionKey, Wanted)], follower: bool, now: Instant) -> i32 {
    let ask = SessionAsk { from_follower: follower, ..ask(0, INITIAL_EPOCH, partitions) };
    let context = sessions.begin(ask, now).expect("a full fetch");
    answer(sessions, &context, told(0, false), now).0
}

#[test]
fn incremental_answer_names_only_what_changed() {
    let (sessions, now) = (sessions(16), Instant::now());
    let id = open(&sessions, &[(key("a", 0), wanted(0)), (key("b", 0), wanted(0))], false, now);
    assert_ne!(id, NO_SESSION);

    let context = sessions.begin(ask(id, 1, &[]), now).expect("epoch 1");
    assert_eq!(context.partitions.len(), 2, "nothing named, everything followed");
    assert_eq!(answer(&sessions, &context, told(0, false), now), (id, vec![false, false]));

    let context = sessions.begin(ask(id, 2, &[]), now).expect("epoch 2");
    assert_eq!(answer(&sessions, &context, told(5, false), now), (id, vec![true, true]), "the high watermark moved");
}

#[test]
fn partition_that_returned_records_is_served_last_next_time() {
    let (sessions, now) = (sessions(16), Instant::now());
    let id = open(&sessions, &[(key("a", 0), wanted(0)), (key("b", 0), wanted(0))], false, now);
    let context = sessions.begin(ask(id, 1, &[]), now).expect("epoch 1");
    let told: Vec<_> =
        context.partitions.iter().map(|(key, wanted)| (key.clone(), *wanted, told(9, &*key.topic == "a"))).collect();
    context.answer(&sessions, &told, now);
    let context = sessions.begin(ask(id, 2, &[]), now).expect("epoch 2");
    let order: Vec<_> = context.partitions.iter().map(|(key, _)| key.topic.to_string()).collect();
    assert_eq!(order, ["b", "a"]);
}

#[test]
fn error_is_told_and_so_is_the_recovery() {
    let (sessions, now) = (sessions(16), Instant::now());
    let id = open(&sessions, &[(key("a", 0), wanted(0))], false, now);
    let failed = Told { error: ErrorCode::NotLeaderOrFollower, ..told(0, false) };
    let context = sessions.begin(ask(id, 1, &[]), now).expect("epoch 1");
    assert_eq!(answer(&sessions, &context, failed, now).1, [true]);
    let context = sessions.begin(ask(id, 2, &[]), now).expect("epoch 2");
    assert_eq!(answer(&sessions, &context, told(0, false), now).1, [true], "the same watermark as before the error");
    let context = sessions.begin(ask(id, 3, &[]), now).expect("epoch 3");
    assert_eq!(answer(&sessions, &context, told(0, false), now).1, [false]);
}

#[test]
fn wrong_ids_and_epochs_are_refused() {
    let (sessions, now) = (sessions(16), Instant::now());
    let id = open(&sessions, &[(key("a", 0), wanted(0))], false, now);
    let refused = |ask| sessions.begin(ask, now).expect_err("refused");
    assert_eq!(refused(ask(id.wrapping_add(8), 1, &[])), ErrorCode::FetchSessionIdNotFound);
    assert_eq!(refused(ask(id, 2, &[])), ErrorCode::InvalidFetchSessionEpoch);
    let by_id = SessionAsk { uses_topic_ids: true, ..ask(id, 1, &[]) };
    assert_eq!(refused(by_id), ErrorCode::FetchSessionTopicIdError);
    assert!(sessions.begin(ask(id, 1, &[]), now).is_ok(), "a refused request does not use the epoch up");
    assert_eq!(refused(ask(id, 1, &[])), ErrorCode::InvalidFetchSessionEpoch, "an epoch counts once");
}

#[test]
fn final_epoch_closes_the_session() {
    let (sessions, now) = (sessions(16), Instant::now());
    let id = open(&sessions, &[(key("a", 0), wanted(0))], false, now);
    let context = sessions.begin(ask(id, FINAL_EPOCH, &[(key("a", 0), wanted(3))]), now).expect("sessionless");
    assert_eq!(answer(&sessions, &context, told(0, false), now).0, NO_SESSION);
    assert_eq!(sessions.sizes(), (0, 0));
}

#[test]
fn session_emptied_by_forgetting_is_closed() {
    let (sessions, now) = (sessions(16), Instant::now());
    let id = open(&sessions, &[(key("a", 0), wanted(0))], false, now);
    let forget = SessionAsk { forgotten: vec![key("a", 0)], ..ask(id, 1, &[]) };
    let context = sessions.begin(forget, now).expect("epoch 1");
    assert!(context.partitions.is_empty());
    assert_eq!(context.session_id(), NO_SESSION);
    assert_eq!(sessions.sizes(), (0, 0));
}

#[test]
fn full_cache_serves_on_without_sessions_until_one_is_stale() {
    let (sessions, now) = (sessions(8), Instant::now()); // one slot a shard
    let mut opened = 0;
    for _ in 0..200 {
        opened += i32::from(open(&sessions, &[(key("a", 0), wanted(0))], false, now) != NO_SESSION);
    }
    assert_eq!(opened, 8);
    let later = now + Duration::from_secs(121);
    assert_ne!(open(&sessions, &[(key("a", 0), wanted(0))], false, later), NO_SESSION, "a stale session gives way");
}

#[test]
fn followers_displace_consumers_that_had_their_time() {
    let (sessions, now) = (sessions(8), Instant::now());
    let mut ids = Vec::new();
    while ids.len() < 8 {
        let id = open(&sessions, &[(key("a", 0), wanted(0))], false, now);
        if id != NO_SESSION {
            ids.push(id);
        }
    }
    let later = now + Duration::from_secs(119);
    for id in &ids {
        sessions.begin(ask(*id, 1, &[]), later).expect("in use");
    }
    let latest = now + Duration::from_secs(125);
    assert_eq!(open(&sessions, &[(key("a", 0), wanted(0))], false, latest), NO_SESSION, "no worthier than those there");
    assert_ne!(open(&sessions, &[(key("a", 0), wanted(0))], true, latest), NO_SESSION);
}

#[test]
fn epoch_wraps_to_one() {
    let mut session = ottla::replica::fetch_session::FetchSession::new(false, Rng::from_seed(1).seed());
    session.next_epoch = i32::MAX;
    session.advance();
    assert_eq!(session.next_epoch, 1);
}
