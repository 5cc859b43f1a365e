//! What a run found: a row for each cell of the matrix, printed as `METAMORPHOSIS.md` shows it.

use std::fmt;
use std::time::Duration;

use crate::harness::Kind;

/// One cell that held: its replicas were in sync and equal byte for byte, and what was read is what was acknowledged.
pub struct Row {
    /// Of the cluster.
    pub controller: Kind,
    /// Of the partitions.
    pub leader: Kind,
    /// What was done.
    pub cell: String,
    /// Records acknowledged, with those of earlier cells where those were looked at again.
    pub acknowledged: usize,
    /// Records read.
    pub read: usize,
    /// Records read more than once.
    pub duplicates: usize,
    /// By the test's clock.
    pub took: Duration,
}

/// All rows of a run.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// Adds a row; shows at once how far a run is.
    pub fn push(&mut self, row: Row) {
        eprintln!("{row}");
        self.0.push(row);
    }

    /// Adds records to the last row: those of topics that are gone.
    pub fn add_to_last(&mut self, acknowledged: usize, read: usize) {
        if let Some(row) = self.0.last_mut() {
            row.acknowledged += acknowledged;
            row.read += read;
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { controller, leader, cell, acknowledged, read, duplicates, took } = self;
        let s = took.as_secs_f32();
        write!(f, "| {controller:?} | {leader:?} | {cell} | {acknowledged} | {read} | {duplicates} | equal | {s:.1} |")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| controller | leader | cell | acknowledged | read | duplicates | replicas | seconds |")?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        self.0.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}
