//! The cleaner's decisions and its map, alone.

use std::collections::{HashMap, HashSet};

use ottla::config::LogConfig;
use ottla::log::cleaner::Throttle;
use ottla::log::cleaner::groups::{SegmentSizes, group_segments};
use ottla::log::cleaner::offset_map::OffsetMap;
use ottla::log::cleaner::pick::{Cleanable, LogFacts, Reset, SegmentFacts, cleanable, dirtiest};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    /// As a hash map, until it is full: then it takes nothing more, and knows what it has. Of what was put it knows the superseded.
    #[test]
    fn the_offset_map_is_a_map(
        keys in vec(vec(0u8..4, 0..4), 0..200), slots in 1usize..100, seed: u64, first in 0i64..1000, at_a_time in 1usize..80,
    ) {
        let mut map = OffsetMap::new(slots * 24, 0.9, first, keys.len() as i64, seed);
        let mut model: HashMap<Vec<u8>, i64> = HashMap::new();
        let most = ((slots as f64 * 0.9) as usize).min(slots - 1);
        let (mut latest, mut superseded) = (-1, HashSet::new());
        let rows: Vec<(i64, &Vec<u8>)> = (first..).zip(&keys).collect();
        for rows in rows.chunks(at_a_time) {
            let hashes: Vec<_> = rows.iter().map(|(offset, key)| map.hash(key, *offset)).collect();
            for (offset, key) in rows {
                if model.len() < most {
                    superseded.extend(model.insert(key.to_vec(), *offset));
                    latest = *offset;
                }
            }
            prop_assert_eq!(map.put_all(&hashes), latest == rows[rows.len() - 1].0);
            if latest < rows[rows.len() - 1].0 {
                break;
            }
        }
        prop_assert_eq!((map.len(), map.latest_offset()), (model.len(), latest));
        let hashes: Vec<_> = rows.iter().map(|(offset, key)| map.hash(key, *offset)).collect();
        let mut left = rows.iter();
        map.get_all(&hashes, |key, last| {
            let (offset, bytes) = left.next().expect("one answer a key");
            assert_eq!((key.offset, last), (*offset, model.get(*bytes).copied().unwrap_or(-1)));
        });
        prop_assert!(left.next().is_none());
        for (offset, _) in rows {
            let known = (offset <= latest).then(|| superseded.contains(&offset));
            prop_assert!(map.is_superseded(offset) == known || (slots * 16 < keys.len() && map.is_superseded(offset).is_none()));
        }
        prop_assert_eq!(map.is_superseded(first - 1), None, "it is told of the section alone");
    }

    /// Groups keep the order, hold every segment once, and can't be joined further from the front.
    #[test]
    fn groups_are_as_large_as_they_may_be(sizes in vec((0u64..50, 0u64..20, 0u64..20), 0..40)) {
        let segments: Vec<SegmentSizes> = sizes.iter().enumerate().map(|(i, (log, index, times))| SegmentSizes {
            base_offset: i as i64 * 100_000_000, log_bytes: *log, index_bytes: *index, time_index_bytes: *times,
        }).collect();
        let end = segments.len() as i64 * 100_000_000;
        let groups = group_segments(&segments, 100, 40, end);
        prop_assert_eq!(groups.iter().sum::<usize>(), segments.len());
        let fits = |from: usize, to: usize| {
            let of = &segments[from..to];
            let last = segments.get(to).map_or(end, |s| s.base_offset) - 1;
            of.iter().map(|s| s.log_bytes).sum::<u64>() <= 100
                && of.iter().map(|s| s.index_bytes).sum::<u64>() <= 40
                && of.iter().map(|s| s.time_index_bytes).sum::<u64>() <= 40
                && (of[of.len() - 1].log_bytes == 0 || last - of[0].base_offset <= i64::from(i32::MAX))
        };
        let mut from = 0;
        for len in groups {
            prop_assert!(len == 1 || fits(from, from + len));
            prop_assert!(from + len == segments.len() || !fits(from, from + len + 1));
            from += len;
        }
    }
}

#[test]
fn memory_of_the_map_is_what_the_section_can_need_and_never_more_than_configured() {
    assert_eq!(OffsetMap::new(128 << 20, 0.9, 0, 1000, 1).memory_bytes(), 2000 * 24 + 128);
    let full = OffsetMap::new(1 << 20, 0.9, 0, i64::MAX, 1).memory_bytes();
    assert!(full <= (1 << 20) / 12 * 13, "{full}: the slots, and two bytes of marks for each");
    assert!(OffsetMap::new(24, 0.9, 0, 10, 1).is_useless());
}

fn segment(base_offset: i64, bytes: u64) -> SegmentFacts {
    SegmentFacts { base_offset, bytes, largest_timestamp_ms: base_offset, first_timestamp_ms: base_offset + 1 }
}

/// Segments of 100 offsets and 1000 bytes from 0, the last one active with 10 bytes.
fn facts<'a>(segments: &'a [SegmentFacts], config: &'a LogConfig, cleaned: Option<i64>) -> LogFacts<'a> {
    LogFacts { segments, config, start_offset: 0, end_offset: 405, last_stable_offset: 405, cleaned_up_to: cleaned }
}

#[test]
fn the_cleanable_section_ends_before_what_is_active_unstable_or_too_young() {
    let segments = [segment(0, 1000), segment(100, 1000), segment(200, 1000), segment(300, 1000), segment(400, 10)];
    let config = LogConfig::default();
    let found = cleanable(&facts(&segments, &config, Some(100)), 1000);
    let expected = Cleanable {
        first_dirty: 100,
        first_uncleanable: 400,
        clean_bytes: 1000,
        cleanable_bytes: 3000,
        delay_ms: 0,
        reset: None,
    };
    assert_eq!(found, expected);
    assert_eq!(found.ratio(), 0.75);
    // An open transaction within a segment keeps the whole segment out.
    let unstable = LogFacts { last_stable_offset: 250, ..facts(&segments, &config, None) };
    let found = cleanable(&unstable, 1000);
    assert_eq!((found.first_uncleanable, found.cleanable_bytes), (200, 2000));
    // The largest timestamp of a segment counts.
    let lag = LogConfig { min_compaction_lag_ms: 700, ..LogConfig::default() };
    let found = cleanable(&facts(&segments, &lag, None), 900);
    assert_eq!(found.first_uncleanable, 300, "200 is 700 ms old, 300 is not");
    // Nothing is cleanable: the dirty section lies in the active segment.
    let found = cleanable(&facts(&segments, &config, Some(403)), 1000);
    assert_eq!((found.first_dirty, found.cleanable_bytes, found.ratio()), (403, 0, 0.0));
}

#[test]
fn a_checkpoint_outside_its_log_counts_as_the_start() {
    let segments = [segment(100, 1000), segment(200, 10)];
    let config = LogConfig::default();
    let log = |cleaned| LogFacts { start_offset: 100, end_offset: 205, ..facts(&segments, &config, Some(cleaned)) };
    for (cleaned, reset) in [(50, Some(Reset::BelowStart)), (206, Some(Reset::AboveEnd)), (205, None), (100, None)] {
        let found = cleanable(&log(cleaned), 1000);
        let first_dirty = if reset.is_some() { 100 } else { cleaned };
        assert_eq!((found.first_dirty, found.reset), (first_dirty, reset), "{cleaned}");
    }
}

#[test]
fn a_log_is_due_when_dirty_enough_or_overdue_and_the_dirtiest_comes_first() {
    let config = LogConfig::default();
    let of = |clean_bytes, cleanable_bytes, delay_ms| Cleanable {
        first_dirty: 0,
        first_uncleanable: 100,
        clean_bytes,
        cleanable_bytes,
        delay_ms,
        reset: None,
    };
    assert!(!of(50, 50, 0).is_due(&config), "half is not more than half");
    assert!(of(49, 51, 0).is_due(&config));
    assert!(of(99, 1, 1).is_due(&config), "overdue");
    assert!(!of(100, 0, 1).is_due(&config), "overdue, but nothing can be cleaned");
    assert!(!of(0, 0, 0).is_due(&config), "empty");
    let logs = [of(50, 50, 0), of(40, 60, 0), of(20, 80, 0), of(99, 1, 5)];
    assert_eq!(dirtiest(logs.iter().map(|l| (l, &config))), Some(2));
    assert_eq!(dirtiest([(&logs[0], &config)]), None);
    // max.compaction.lag.ms counts from the oldest dirty segment's first batch.
    let segments = [segment(0, 1000), segment(100, 1000), segment(400, 10)];
    let config = LogConfig { max_compaction_lag_ms: 500, ..LogConfig::default() };
    assert_eq!(cleanable(&facts(&segments, &config, Some(100)), 601).delay_ms, 0);
    assert_eq!(cleanable(&facts(&segments, &config, Some(100)), 651).delay_ms, 50);
}

#[tokio::test(start_paused = true)]
async fn the_throttle_keeps_the_rate_over_all_threads() {
    let throttle = Throttle::default();
    let start = tokio::time::Instant::now();
    let ms = std::time::Duration::from_millis;
    assert_eq!(throttle.pace(1000, 10_000.0, start), ms(100));
    assert_eq!(throttle.pace(500, 10_000.0, start), ms(150), "another thread's bytes come on top");
    assert_eq!(throttle.pace(1000, 10_000.0, start + ms(150)), ms(100));
    assert_eq!(throttle.pace(1000, 10_000.0, start + ms(10_000)), ms(100), "idle time is not saved up");
    assert_eq!(throttle.pace(u64::MAX, f64::MAX, start), ms(0));
    assert!(throttle.pace(1 << 40, 0.0, start + ms(20_000)) >= ms(1000));
}
