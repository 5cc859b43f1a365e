//! Tests of `src/replica`: the pure parts here, partitions over a simulated disk in `partition`.

mod fetch_session;
mod fetcher_parts;
mod follow;
mod hand_over;
mod high_watermark;
mod isr;
mod partition;
mod selector;
