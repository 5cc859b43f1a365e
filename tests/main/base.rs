//! Tests of what every layer uses.

use std::time::Duration;

use ottla::base::metrics::{Histogram, Metrics};
use ottla::base::sabotage::{self, Sabotage};

#[test]
fn quantiles_are_those_of_the_sorted_times_within_an_eighth() {
    let histogram = Histogram::default();
    assert_eq!(histogram.quantiles_ms([0.5]), None);
    let mut rng = fastrand::Rng::with_seed(5);
    let time = |_| {
        let most = 1 << rng.u32(0..30);
        rng.u64(0..=most)
    };
    let mut times: Vec<u64> = (0..10_000).map(time).collect();
    times.iter().for_each(|us| histogram.record(Duration::from_micros(*us)));
    times.sort_unstable();
    let shares = [0.0, 0.5, 0.75, 0.95, 0.99, 0.999, 1.0];
    let found = histogram.quantiles_ms(shares).expect("recorded");
    for (share, found) in shares.into_iter().zip(found) {
        let index = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1;
        let exact = times[index] as f64 / 1000.0;
        assert!(found >= exact && found <= exact * 1.125 + 0.001, "{share}: {found} for {exact}");
    }
}

#[test]
fn times_of_before_the_last_window_are_forgotten_and_the_longest_fits() {
    let histogram = Histogram::default();
    histogram.record(Duration::MAX);
    assert!(histogram.quantiles_ms([1.0]).expect("recorded")[0] > 4_000_000.0);
    histogram.turn();
    histogram.record(Duration::from_millis(1));
    assert!(histogram.quantiles_ms([1.0]).expect("both windows")[0] > 4_000_000.0);
    histogram.turn();
    assert!(histogram.quantiles_ms([1.0]).expect("the last")[0] < 1.2);
    histogram.turn();
    assert_eq!(histogram.quantiles_ms([1.0]), None);
}

#[test]
fn requests_are_counted_by_api_and_version_and_odd_ones_do_no_harm() {
    let metrics = Metrics::default();
    for (key, version) in [(0, 9), (0, 9), (0, 300), (1, -1), (-1, 0), (999, 0)] {
        metrics.answered(key, if key == 0 { "Produce" } else { "Fetch" }, version, Duration::from_millis(1));
    }
    let counted: Vec<_> = metrics
        .apis()
        .map(|api| (api.name, api.by_version.iter().map(|count| count.get()).sum::<u64>(), api.by_version[9].get()))
        .collect();
    assert_eq!(counted, [("Produce", 3, 2), ("Fetch", 1, 0)]);
}

#[test]
fn topic_that_is_forgotten_begins_anew() {
    let metrics = Metrics::default();
    metrics.topic(&"t".into()).bytes_in.add(5);
    assert_eq!(metrics.topic(&"t".into()).bytes_in.get(), 5);
    metrics.forget_topic("t");
    assert_eq!(metrics.topic(&"t".into()).bytes_in.get(), 0);
}

#[test]
fn broker_that_can_t_be_broken_on_purpose_does_not_start_when_it_is_asked_to_and_one_that_can_knows_what_it_is_asked() {
    for (name, _) in Sabotage::ALL {
        let error = sabotage::check(Some(name), false).expect_err("refused");
        assert_eq!(error, "OTTLA_SABOTAGE is set, and this build can't be broken on purpose: unset it");
        assert_eq!(sabotage::check(Some(name), true), Ok(()));
    }
    assert!(sabotage::check(Some(""), false).is_err());
    let error = sabotage::check(Some("answer-never"), true).expect_err("refused");
    assert!(error.contains("\"answer-never\"") && error.contains("skip-sync, answer-old-waiters"), "{error}");
    assert_eq!((sabotage::check(None, false), sabotage::check(None, true)), (Ok(()), Ok(())));
    assert!(Sabotage::ALL.iter().all(|(_, which)| !sabotage::is_on(*which)));
}
