//! Tests of `src/replica`: the pure parts here, partitions over a simulated disk in `partition`.

mod fetch_session;
mod high_watermark;
mod partition;
