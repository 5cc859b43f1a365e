//! The timestamps that stand for something else in ListOffsets (`ListOffsetsRequest`, `OffsetSpec`).

/// The end of the log.
pub const LATEST: i64 = -1;
/// Its start.
pub const EARLIEST: i64 = -2;
/// The record with the largest timestamp.
pub const MAX: i64 = -3;
/// The start of what lies on the broker's own disks.
pub const EARLIEST_LOCAL: i64 = -4;
/// The end of what lies in tiered storage.
pub const LATEST_TIERED: i64 = -5;
