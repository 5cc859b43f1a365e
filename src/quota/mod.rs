//! Rates and their limits.
//!
//! | file | what |
//! |---|---|
//! | `rate` | bytes a second over sliding windows; pure |
//! | `throttle` | a rate held against a limit that may change: the throttles of replication |
//!
//! Used by `replica/`. Time is passed in; nothing here sleeps.

mod rate;
mod throttle;

pub use rate::Rate;
pub use throttle::Throttle;
