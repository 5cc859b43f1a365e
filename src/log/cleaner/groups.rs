//! Which neighbouring segments become one (`Cleaner.groupSegmentsBySize`), so that compaction does not leave ever more ever smaller
//! segments. Pure.

/// What is known of a segment beforehand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentSizes {
    /// First offset it may have.
    pub base_offset: i64,
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Bytes of the offset index.
    pub index_bytes: u64,
    /// Bytes of the time index.
    pub time_index_bytes: u64,
}

/// Splits segments, in order, into groups whose sums stay within `max_log_bytes` and `max_index_bytes` before cleaning, and whose
/// offsets fit one segment. `end` is where the cleanable section ends. Gives the length of each group.
pub fn group_segments(segments: &[SegmentSizes], max_log_bytes: u64, max_index_bytes: u64, end: i64) -> Vec<usize> {
    let mut groups = Vec::new();
    let mut from = 0;
    while from < segments.len() {
        let first = segments[from];
        let (mut log, mut index, mut times) = (first.log_bytes, first.index_bytes, first.time_index_bytes);
        let mut to = from + 1;
        while let Some(next) = segments.get(to) {
            // A segment's last offset is not known without reading it: at worst it lies just below the next one.
            let last_offset = segments.get(to + 1).map_or(end, |s| s.base_offset) - 1;
            let fits = log + next.log_bytes <= max_log_bytes
                && index + next.index_bytes <= max_index_bytes
                && times + next.time_index_bytes <= max_index_bytes
                && (next.log_bytes == 0 || last_offset - first.base_offset <= i64::from(i32::MAX));
            if !fits {
                break;
            }
            log += next.log_bytes;
            index += next.index_bytes;
            times += next.time_index_bytes;
            to += 1;
        }
        groups.push(to - from);
        from = to;
    }
    groups
}
