//! The rows of the table: what is measured, in which unit, what is to be reached; and the table in Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::broker::Kind;

/// What a number is to be held against. All numbers are costs: less is better.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// Only to be looked at.
    Open,
    /// A bound in the row's unit.
    AtMost(f64),
    /// This many times the floor.
    TimesFloor(f64),
    /// The floor and so much.
    AboveFloor(f64),
    /// This many times Apache Kafka's number.
    TimesKafka(f64),
    /// This many times another row of the same broker.
    TimesRow(&'static Row, f64),
}

/// One row.
#[derive(Debug)]
pub struct Row {
    /// What was done, and the unit.
    pub work: &'static str,
    /// Digits after the point.
    pub digits: usize,
    /// To be reached.
    pub goal: Goal,
}

const fn row(work: &'static str, digits: usize, goal: Goal) -> Row {
    Row { work, digits, goal }
}

pub static PRODUCE_64K: Row =
    row("produce acks=1, 64 KB batches of 1 KB records: CPU-s per GB", 2, Goal::TimesFloor(1.5));
pub static PRODUCE_16K: Row =
    row("produce acks=1, 16 KB batches of 1 KB records: CPU-s per GB", 2, Goal::TimesFloor(1.5));
pub static PRODUCE_1K: Row =
    row("produce acks=1, 1 KB batches of 10 records: CPU us per request", 1, Goal::AtMost(20.0));
pub static FETCH_1M: Row = row("fetch from the page cache by 1 MB: CPU-s per GB", 2, Goal::AtMost(0.30));
pub static FETCH_64K: Row = row("fetch from the page cache by 64 KB: CPU-s per GB", 2, Goal::AtMost(0.70));
pub static OPEN_P50: Row = row("open loop, 500 x 16 KB a second: p50 ms", 2, Goal::AtMost(0.2));
pub static OPEN_P99: Row = row("open loop: p99 ms", 2, Goal::AboveFloor(1.0));
pub static OPEN_P999: Row = row("open loop: p99.9 ms", 2, Goal::AboveFloor(3.0));
pub static COLD_P50: Row = row("open loop beside a reader of cold data (100 MB/s): p50 ms", 2, Goal::Open);
pub static COLD_P99: Row = row("the same: p99 ms", 2, Goal::TimesRow(&OPEN_P99, 2.0));
pub static COLD_P999: Row = row("the same: p99.9 ms", 2, Goal::Open);
pub static START: Row = row("from process start to serving: s", 3, Goal::AtMost(0.1));
pub static MEMORY_IDLE: Row = row("resident memory, idle: MB", 0, Goal::AtMost(20.0));
pub static MEMORY_LOADED: Row = row("resident memory after the load: MB", 0, Goal::AtMost(60.0));
pub static RECOVER: Row = row("start after kill -9 with 2 GB to recover, to serving: s", 2, Goal::AtMost(0.5));
pub static KILL_TO_ACK: Row =
    row("from the kill to the first acknowledged write, 2 GB, stock timeouts: s", 2, Goal::AtMost(1.0));
pub static RECONNECT_ALL: Row =
    row("5,000 clients reconnect after a restart: all served after s", 2, Goal::TimesKafka(0.25));
pub static RECONNECT_P99: Row =
    row("5,000 clients reconnect: p99 of a producer beside them, ms", 2, Goal::TimesKafka(0.25));
pub static RECONNECT_MEMORY: Row = row("5,000 clients connected: resident memory, MB", 0, Goal::TimesKafka(0.25));
pub static CLUSTER_64K: Row =
    row("3 brokers, acks=all RF 3, 64 KB batches, 5 in flight: CPU-s per GB, all brokers", 2, Goal::AtMost(4.0));
pub static CLUSTER_64K_SECONDS: Row = row("64 KB batches, 5 in flight: seconds per GB", 2, Goal::AtMost(5.0));
pub static CLUSTER_ONE_P50: Row =
    row("3 brokers, acks=all RF 3, 64 KB batches, 1 in flight: p50 ms", 2, Goal::AtMost(0.7));
pub static CLUSTER_ONE_SECONDS: Row = row("64 KB batches, 1 in flight: seconds per GB", 2, Goal::AtMost(11.1));
pub static CLUSTER_1K: Row =
    row("3 brokers, acks=all RF 3, 1 KB batches, 5 in flight: CPU us per request, all brokers", 1, Goal::AtMost(100.0));
pub static CLUSTER_HALF_P50: Row =
    row("3 brokers, acks=all RF 3, 64 KB batches at half of the own peak: p50 ms", 2, Goal::Open);
pub static CLUSTER_HALF_P999: Row = row("64 KB batches at half of the own peak: p99.9 ms", 2, Goal::TimesKafka(0.2));
pub static CLUSTER_SAME_P50: Row =
    row("3 brokers, acks=all RF 3, 300 batches of 64 KB a second from both: p50 ms", 2, Goal::Open);
pub static CLUSTER_SAME_P999: Row = row("300 batches of 64 KB a second from both: p99.9 ms", 2, Goal::TimesKafka(0.2));
pub static CLUSTER_NEW_TOPIC: Row =
    row("3 brokers: create a topic to its first acknowledged write, ms", 1, Goal::AtMost(30.0));
pub static CLUSTER_MOVE: Row = row("3 brokers: a reassignment of 2 GB, s", 2, Goal::TimesKafka(0.5));
pub static CLUSTER_FAILOVER: Row =
    row("3 brokers: controller stopped cleanly, to a topic created by the next, ms", 0, Goal::Open);
pub static TWENTY_START: Row = row("20 brokers on one machine, started at once: all serve after s", 2, Goal::Open);
pub static TWENTY_MAKE: Row = row("20 brokers: 20,000 partitions, RF 2, made in topics of 500, s", 1, Goal::Open);
pub static TWENTY_MEMORY: Row =
    row("20 brokers: anonymous memory of each, with 2,000 replicas, MB", 1, Goal::AtMost(30.0));
pub static TWENTY_ROLL: Row =
    row("20 brokers: restarted one after the other, each in full sync before the next, s", 1, Goal::Open);
pub static TWENTY_MEMORY_AFTER: Row = row("20 brokers: anonymous memory of each after that, MB", 1, Goal::AtMost(30.0));
pub static MAKE_10K: Row =
    row("3 brokers: 10,000 partitions, RF 2, made in topics of 500, s", 1, Goal::TimesKafka(0.25));
pub static ANONYMOUS_10K: Row = row("anonymous memory of a broker with 6,667 replicas, MB", 0, Goal::AtMost(100.0));
pub static SHUTDOWN_MOVED: Row =
    row("controlled shutdown of a broker that leads 3,333 of 10,000: all led by others, s", 2, Goal::TimesKafka(0.25));
pub static SHUTDOWN_ENDED: Row = row("the same: to the end of the process, s", 2, Goal::TimesKafka(0.25));
pub static EXPIRY_1K: Row = row(
    "kill -9 of the controller, which leads a third of 1,000 partitions: from its session's end to live leaders, s",
    2,
    Goal::TimesKafka(0.25),
);
pub static EXPIRY_3K: Row = row("the same with 3,000 partitions", 2, Goal::TimesKafka(0.25));
pub static EXPIRY_10K: Row = row("the same with 10,000 partitions", 2, Goal::TimesKafka(0.25));
pub static KILL_1K: Row = row(
    "the same as users feel it, stock timeouts, 1,000 partitions: from the kill to a write on every partition, s",
    2,
    Goal::Open,
);
pub static KILL_3K: Row = row("the same with 3,000 partitions, s", 2, Goal::Open);
pub static KILL_10K: Row = row("the same with 10,000 partitions, s", 2, Goal::AtMost(2.0));
pub static ROLL_AWAY: Row =
    row("3 brokers under load, each restarted in turn: its id is away, SIGTERM to serving, s", 2, Goal::Open);
pub static ROLL_IN_SYNC: Row = row("each restarted: from SIGTERM to all replicas in sync, s", 2, Goal::Open);
pub static ROLL_P99: Row = row("each restarted: produce acks=all, p99 of the 6 s from SIGTERM, ms", 0, Goal::Open);
pub static ROLL_LONGEST: Row = row("each restarted: the longest produce, ms", 0, Goal::Open);
pub static SWAP_AWAY: Row =
    row("3 Apache brokers under load, Ottla in the place of each in turn: its id is away, s", 2, Goal::Open);
pub static SWAP_IN_SYNC: Row = row("Ottla in Apache's place: from SIGTERM to all replicas in sync, s", 2, Goal::Open);
pub static SWAP_P99: Row = row("Ottla in Apache's place: produce p99, ms", 0, Goal::Open);
pub static SWAP_LONGEST: Row = row("Ottla in Apache's place: the longest produce, ms", 0, Goal::Open);
pub static BACK_AWAY: Row = row("the way back, Apache in Ottla's place in turn: its id is away, s", 2, Goal::Open);
pub static BACK_IN_SYNC: Row = row("Apache in Ottla's place: from SIGTERM to all replicas in sync, s", 2, Goal::Open);
pub static BACK_P99: Row = row("Apache in Ottla's place: produce p99, ms", 0, Goal::Open);
pub static BACK_LONGEST: Row = row("Apache in Ottla's place: the longest produce, ms", 0, Goal::Open);

pub static TRANSACTION_ONE: Row = row("transactions of 10 records, one producer: ms each", 2, Goal::AtMost(2.5));
pub static TRANSACTION_ONE_CPU: Row = row("the same: CPU ms per transaction", 2, Goal::AtMost(1.5));
pub static TRANSACTION_MANY: Row = row("transactions of 10 records, 16 producers: ms each", 2, Goal::AtMost(1.0 / 1.2));
pub static TRANSACTION_MANY_CPU: Row = row("16 producers: CPU ms per transaction", 2, Goal::AtMost(1.0));
pub static COMMIT: Row = row("8 groups commit 8 partitions each: us per commit", 0, Goal::AtMost(125.0));
pub static COMMIT_CPU: Row = row("8 groups commit: CPU us per commit", 0, Goal::AtMost(100.0));
pub static JOIN: Row = row("50 members join a group of 500 partitions, to all assigned: s", 2, Goal::AtMost(0.5));
pub static LEAVE: Row = row("100 members, 1,000 partitions: one leaves, to all assigned: s", 2, Goal::TimesKafka(0.5));
pub static SESSION_END: Row = row(
    "100 members, 1,000 partitions: one is killed, from the end of its session to all assigned: s",
    2,
    Goal::TimesKafka(0.5),
);
pub static COORDINATOR_FAILOVER: Row = row(
    "2 brokers, 500,000 committed offsets: the coordinator is stopped, to the first answer of the next, ms",
    0,
    Goal::TimesKafka(0.25),
);
pub static COMPACT_PLAIN: Row =
    row("compact 100-byte keyed records, plain: CPU-s per GB of records", 2, Goal::TimesKafka(0.5));
pub static COMPACT_ZSTD: Row =
    row("compact 100-byte keyed records, zstd: CPU-s per GB of records", 2, Goal::TimesKafka(0.5));
pub static COMPACT_MEMORY: Row = row("resident memory while it compacts, the most: MB", 0, Goal::TimesKafka(0.5));
pub static COMPACT_P99_ALONE: Row = row("open loop before a compaction: p99 ms", 2, Goal::Open);
pub static COMPACT_P99: Row = row("open loop beside a compaction: p99 ms", 2, Goal::TimesRow(&COMPACT_P99_ALONE, 1.1));

static ROWS: [&Row; 73] = [
    &PRODUCE_64K,
    &PRODUCE_16K,
    &PRODUCE_1K,
    &FETCH_1M,
    &FETCH_64K,
    &OPEN_P50,
    &OPEN_P99,
    &OPEN_P999,
    &COLD_P50,
    &COLD_P99,
    &COLD_P999,
    &START,
    &MEMORY_IDLE,
    &MEMORY_LOADED,
    &RECOVER,
    &KILL_TO_ACK,
    &RECONNECT_ALL,
    &RECONNECT_P99,
    &RECONNECT_MEMORY,
    &TRANSACTION_ONE,
    &TRANSACTION_ONE_CPU,
    &TRANSACTION_MANY,
    &TRANSACTION_MANY_CPU,
    &COMMIT,
    &COMMIT_CPU,
    &JOIN,
    &LEAVE,
    &SESSION_END,
    &COORDINATOR_FAILOVER,
    &COMPACT_PLAIN,
    &COMPACT_ZSTD,
    &COMPACT_MEMORY,
    &COMPACT_P99_ALONE,
    &COMPACT_P99,
    &CLUSTER_64K,
    &CLUSTER_64K_SECONDS,
    &CLUSTER_ONE_P50,
    &CLUSTER_ONE_SECONDS,
    &CLUSTER_1K,
    &CLUSTER_HALF_P50,
    &CLUSTER_HALF_P999,
    &CLUSTER_SAME_P50,
    &CLUSTER_SAME_P999,
    &CLUSTER_NEW_TOPIC,
    &CLUSTER_MOVE,
    &CLUSTER_FAILOVER,
    &MAKE_10K,
    &ANONYMOUS_10K,
    &SHUTDOWN_MOVED,
    &SHUTDOWN_ENDED,
    &EXPIRY_1K,
    &EXPIRY_3K,
    &EXPIRY_10K,
    &KILL_1K,
    &KILL_3K,
    &KILL_10K,
    &TWENTY_START,
    &TWENTY_MAKE,
    &TWENTY_MEMORY,
    &TWENTY_ROLL,
    &TWENTY_MEMORY_AFTER,
    &ROLL_AWAY,
    &ROLL_IN_SYNC,
    &ROLL_P99,
    &ROLL_LONGEST,
    &SWAP_AWAY,
    &SWAP_IN_SYNC,
    &SWAP_P99,
    &SWAP_LONGEST,
    &BACK_AWAY,
    &BACK_IN_SYNC,
    &BACK_P99,
    &BACK_LONGEST,
];

/// Whose number it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Column {
    /// The machine's.
    Floor,
    /// A broker's.
    Of(Kind),
}

/// One measured number, for who watches.
pub fn line(row: &Row, value: f64) -> String {
    format!("{}: {value:.*}", row.work, row.digits)
}

/// All numbers of all rounds.
#[derive(Debug, Default)]
pub struct Table(BTreeMap<(&'static str, Column), Vec<f64>>);

impl Table {
    /// One round's number.
    pub fn add(&mut self, row: &'static Row, column: Column, value: f64) {
        self.0.entry((row.work, column)).or_default().push(value);
    }

    fn median(&self, row: &Row, column: Column) -> Option<f64> {
        let mut values = self.0.get(&(row.work, column))?.clone();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        Some(if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 })
    }

    /// Median, and from the least to the most.
    fn cell(&self, row: &Row, column: Column) -> String {
        let (Some(median), Some(values)) = (self.median(row, column), self.0.get(&(row.work, column))) else {
            return String::new();
        };
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let digits = row.digits;
        format!("**{median:.digits$}** ({least:.digits$} to {most:.digits$})")
    }

    /// The goal as a number, where what it depends on was measured.
    fn goal(&self, row: &Row) -> Option<f64> {
        match row.goal {
            Goal::Open => None,
            Goal::AtMost(bound) => Some(bound),
            Goal::TimesFloor(times) => Some(times * self.median(row, Column::Floor)?),
            Goal::AboveFloor(more) => Some(more + self.median(row, Column::Floor)?),
            Goal::TimesKafka(times) => Some(times * self.median(row, Column::Of(Kind::Kafka))?),
            Goal::TimesRow(other, times) => Some(times * self.median(other, Column::Of(Kind::Ottla))?),
        }
    }

    /// The goal and whether it is met.
    fn verdict(&self, row: &Row) -> String {
        let Some(goal) = self.goal(row) else { return String::new() };
        let text = format!("{goal:.*}", row.digits);
        match self.median(row, Column::Of(Kind::Ottla)) {
            Some(ottla) if ottla <= goal => format!("{text}: met"),
            Some(ottla) => format!("{text}: missed, {:.1} times", ottla / goal),
            None => text,
        }
    }

    /// The rows that were measured.
    pub fn markdown(&self) -> String {
        let mut text = String::from("| work | floor | Ottla | Apache Kafka | to reach |\n|---|---|---|---|---|\n");
        for row in ROWS.iter().filter(|row| self.0.keys().any(|(work, _)| *work == row.work)) {
            let [floor, ottla, kafka] =
                [Column::Floor, Column::Of(Kind::Ottla), Column::Of(Kind::Kafka)].map(|column| self.cell(row, column));
            let _ = writeln!(text, "| {} | {floor} | {ottla} | {kafka} | {} |", row.work, self.verdict(row));
        }
        text
    }
}
