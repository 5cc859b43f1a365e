//! Tests of `src/replica`: the pure parts here, partitions over a simulated disk in `partition`, between its directories in `moves`.

mod fetch_session;
mod fetcher_parts;
mod follow;
mod hand_over;
mod high_watermark;
mod isr;
mod moves;
mod partition;
mod selector;
