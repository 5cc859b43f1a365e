//! Partitions that can't be read here are given up, each once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ottla::replica::hand_over::HandOver;

#[test]
fn a_partition_is_refused_until_another_leads_it_and_given_up_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let hand_over = HandOver::default();
    let count = asked.clone();
    hand_over.ask_by(Box::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    assert!(!hand_over.refuses(3));
    hand_over.give_up(3);
    assert!(hand_over.refuses(3) && !hand_over.refuses(4));
    hand_over.is_led_elsewhere(3);
    assert!(!hand_over.refuses(3));
    hand_over.give_up(3); // it came back, and is as broken as before: somebody has to hold it
    assert!(!hand_over.refuses(3));
    hand_over.give_up(4);
    assert!(hand_over.refuses(4));
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}
