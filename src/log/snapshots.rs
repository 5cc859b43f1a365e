//! Producer snapshots of a partition directory: which there are, which go, and producer state at an offset from one of them.
//!
//! Called while a log is opened, recovered or truncated. Blocks. Kafka's `ProducerStateManager` and `UnifiedLog.rebuildProducerState`.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::disk::Disk;

use super::append::facts;
use super::home::Shared;
use super::names::{FileKind, parse_file};
use super::producers::{Producers, snapshot};
use super::segment::{Place, Segment};
use super::walk::for_each_batch;

/// Offsets of the snapshots of a partition directory, ascending.
///
/// # Errors
/// The device's.
pub(super) fn offsets(disk: &Disk, dir: &Path) -> io::Result<BTreeSet<i64>> {
    let offset = |name: &str| match parse_file(name) {
        Some((offset, FileKind::Snapshot)) => Some(offset),
        _ => None,
    };
    Ok(disk.list(dir)?.iter().filter_map(|e| offset(&e.name)).collect())
}

/// Only snapshots at a segment's base, and the newest, are kept.
///
/// # Errors
/// The device's.
pub(super) fn remove_stray(place: Place<'_>, segments: &[Arc<Segment>]) -> io::Result<()> {
    let all = offsets(place.disk, place.dir)?;
    let newest = all.last().copied();
    for offset in all {
        let kept = Some(offset) == newest || segments.binary_search_by_key(&offset, |s| s.base_offset()).is_ok();
        if !kept {
            place.disk.remove_file(&place.path(offset, FileKind::Snapshot))?;
        }
    }
    Ok(())
}

/// Producer state of a log that was opened without recovery, and the offset of the newest snapshot (0 none).
///
/// # Errors
/// The device's.
pub(super) fn load(
    shared: &Shared,
    place: Place<'_>,
    segments: &[Arc<Segment>],
    start: i64,
    leo: i64,
    clean: bool,
) -> io::Result<(Producers, i64)> {
    for offset in offsets(place.disk, place.dir)?.into_iter().filter(|o| *o > leo) {
        place.disk.remove_file(&place.path(offset, FileKind::Snapshot))?;
    }
    if clean && leo > 0 && offsets(place.disk, place.dir)?.is_empty() {
        // A clean log without any snapshot comes from a version before them: it has no producers (KAFKA-5793).
        let bases = segments.iter().rev().take(2).map(|s| s.base_offset());
        let empty = snapshot::write(&Producers::new(0));
        for offset in bases.chain([leo]).filter(|o| *o > 0) {
            place.disk.write_unsynced(&place.path(offset, FileKind::Snapshot), &empty)?;
        }
        return Ok((Producers::new(leo), leo));
    }
    rebuild(shared, place, segments, start, leo)
}

/// Producer state at `end`: from the newest valid snapshot at or below, and the batches after it. Returns it with that snapshot's offset
/// (0 none).
///
/// # Errors
/// The device's.
pub(super) fn rebuild(
    shared: &Shared,
    place: Place<'_>,
    segments: &[Arc<Segment>],
    start: i64,
    end: i64,
) -> io::Result<(Producers, i64)> {
    let now_ms = shared.env.clock.wall_ms();
    let expiration = shared.producer_expiration_ms.load(Ordering::Relaxed);
    let mut found = None;
    for offset in offsets(place.disk, place.dir)?.into_iter().rev().filter(|o| *o <= end) {
        let path = place.path(offset, FileKind::Snapshot);
        let bytes = place.disk.read(&path, snapshot::MAX_BYTES)?;
        match snapshot::read(&bytes, offset, now_ms, expiration) {
            Ok(producers) => {
                found = Some((producers, offset));
                break;
            }
            Err(error) => {
                tracing::warn!("{}: {error}; removing it", path.display());
                place.disk.remove_file(&path)?;
            }
        }
    }
    let (mut producers, last_snapshot) = found.unwrap_or_else(|| (Producers::new(start), 0));
    let from = last_snapshot.max(start).min(end);
    let first = segments.partition_point(|s| s.base_offset() <= from).saturating_sub(1);
    for segment in segments.iter().skip(first) {
        if segment.base_offset() >= end || from >= end {
            break;
        }
        let position = segment.find(place, from.max(segment.base_offset()))?.map_or(segment.size(), |h| h.position);
        for_each_batch(segment.file(), position, segment.size(), |_, batch| {
            if batch.base_offset() >= end {
                return ControlFlow::Break(());
            }
            if batch.base_offset() >= from
                && let Ok(Some(facts)) = facts(batch)
            {
                producers.apply(&facts);
            }
            ControlFlow::Continue(())
        })?;
    }
    producers.set_end(end);
    Ok((producers, last_snapshot))
}
