//! Rates over windows, and a throttle whose limit changes.

use std::time::Duration;

use ottla::quota::{Rate, Throttle};
use tokio::time::Instant;

fn second(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

#[test]
fn rate_is_the_sum_of_the_windows_over_the_time_since_the_oldest_began() {
    let start = Instant::now();
    let mut rate = Rate::new(3, Duration::from_secs(1));
    assert_eq!(rate.per_second(start), 0.0);
    rate.record(start, 600);
    assert_eq!(rate.per_second(start), 600.0, "never over less than one window");
    rate.record(second(start, 1), 600);
    rate.record(second(start, 2), 600);
    assert_eq!(rate.per_second(second(start, 2)), 900.0);
    // The oldest window is forgotten as a whole once it began three windows ago.
    assert_eq!(rate.per_second(second(start, 3)), 600.0);
    assert_eq!(rate.per_second(second(start, 5)), 0.0);
}

#[test]
fn throttle_holds_back_only_above_its_limit_and_lets_go_in_time() {
    let start = Instant::now();
    let throttle = Throttle::default();
    throttle.record(start, 1 << 30);
    assert!(throttle.is_off() && !throttle.is_exceeded(start), "nothing counts without a limit");
    throttle.set_limit(1000);
    throttle.record(start, 1000);
    assert!(!throttle.is_exceeded(start), "the limit itself is not too much");
    throttle.record(start, 4000);
    assert!(throttle.is_exceeded(start));
    assert!(throttle.is_exceeded(second(start, 4)));
    assert!(!throttle.is_exceeded(second(start, 5)), "5000 bytes in five seconds");
    throttle.record(second(start, 5), 9000);
    assert!(throttle.is_exceeded(second(start, 5)));
    throttle.set_limit(i64::MAX);
    assert!(!throttle.is_exceeded(second(start, 5)));
}
