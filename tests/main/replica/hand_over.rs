//! Partitions that can't be read here are given up, each once a minute.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ottla::replica::hand_over::{GIVE_UP_AGAIN, HandOver};
use tokio::time::Instant;

#[test]
fn a_partition_is_refused_until_another_leads_it_and_given_up_once_a_minute() {
    let asked = Arc::new(AtomicUsize::new(0));
    let hand_over = HandOver::default();
    let count = asked.clone();
    hand_over.ask_by(Box::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    let now = Instant::now();
    assert!(!hand_over.refuses(3));
    hand_over.give_up(3, now);
    assert!(hand_over.refuses(3) && !hand_over.refuses(4));
    hand_over.is_over(3);
    assert!(!hand_over.refuses(3));
    hand_over.give_up(3, now); // it came back at once, and is as broken as before: it must not go round without a pause
    assert!(!hand_over.refuses(3));
    hand_over.give_up(4, now);
    assert!(hand_over.refuses(4));
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    hand_over.give_up(3, now + GIVE_UP_AGAIN);
    assert!(hand_over.refuses(3), "it has stayed here for a minute: another may take it by now");
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}
