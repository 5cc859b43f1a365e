//! Where each partition's log ends on a disk at rest: how much of it a broker that starts there can keep, and how much it must give up.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Of a batch's header (`DefaultRecordBatch`): where its length, checksum and last offset's distance lie, and how long it is.
const LENGTH_AT: usize = 8;
const CRC_AT: usize = 17;
const CHECKED_FROM: usize = 21;
const LAST_DELTA_AT: usize = 23;
const HEADER: usize = 61;
/// The part of a batch that its length does not count.
const PREFIX: usize = 12;

/// Where a log ends, and what is there behind that.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LogEnd {
    /// The next offset.
    pub offset: i64,
    /// So many bytes are no whole batch, or lie behind one that is none.
    pub torn: u64,
}

/// The end of every log below `log.dirs`, by the name of its directory (`topic-partition`): behind the last batch that is whole and whose
/// checksum is right, in the first segment that does not end with one, or the last.
///
/// # Errors
/// Of the files.
pub fn log_ends(logs: &Path) -> io::Result<BTreeMap<String, LogEnd>> {
    let mut ends = BTreeMap::new();
    for entry in fs::read_dir(logs)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_log = name.rsplit_once('-').is_some_and(|(_, number)| number.parse::<u16>().is_ok());
        if entry.file_type()?.is_dir() && is_log {
            ends.insert(name, log_end(&entry.path())?);
        }
    }
    Ok(ends)
}

fn log_end(dir: &Path) -> io::Result<LogEnd> {
    let files = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    let base = |path: &Path| path.file_stem()?.to_str()?.parse::<i64>().ok();
    let logs = files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "log"));
    let mut segments: Vec<(i64, PathBuf)> = logs.filter_map(|path| Some((base(&path)?, path))).collect();
    segments.sort();
    let mut end = LogEnd { offset: segments.first().map_or(0, |(base, _)| *base), torn: 0 };
    for (base, path) in segments {
        let bytes = fs::read(path)?;
        if end.torn > 0 {
            end.torn += bytes.len() as u64;
            continue;
        }
        let (offset, torn) = segment_end(base, &bytes);
        end = LogEnd { offset, torn };
    }
    Ok(end)
}

/// Where a segment ends, and how many bytes are behind that.
pub(super) fn segment_end(base: i64, mut bytes: &[u8]) -> (i64, u64) {
    let mut end = base;
    while !bytes.is_empty() {
        let Some(next) = batch_end(bytes) else { return (end, bytes.len() as u64) };
        end = next.0;
        bytes = &bytes[next.1..];
    }
    (end, 0)
}

/// The offset behind a batch, and its size; none if it is torn.
fn batch_end(bytes: &[u8]) -> Option<(i64, usize)> {
    fn at<const N: usize>(bytes: &[u8], place: usize) -> Option<[u8; N]> {
        bytes.get(place..place + N)?.try_into().ok()
    }
    let length = usize::try_from(i32::from_be_bytes(at(bytes, LENGTH_AT)?)).ok()?;
    let batch = bytes.get(..PREFIX + length).filter(|batch| batch.len() >= HEADER)?;
    if crc32c::crc32c(&batch[CHECKED_FROM..]) != u32::from_be_bytes(at(batch, CRC_AT)?) {
        return None;
    }
    let last = i64::from(i32::from_be_bytes(at(batch, LAST_DELTA_AT)?));
    Some((i64::from_be_bytes(at(batch, 0)?) + last + 1, batch.len()))
}
