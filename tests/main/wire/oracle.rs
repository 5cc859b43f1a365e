//! Our codec against the crate `kafka-protocol`, which is generated from Kafka's own schemas of 3.9.

use proptest::prelude::*;

use super::probe::PROBES;
use ottla::wire::EncodeError;

/// Tagged fields that must not be lost at a version without them.
const TAGGED_AND_VITAL: &[&str] = &["replica_state", "diverging_epoch", "snapshot_id", "r#type"];

#[test]
fn all_apis_have_the_versions_of_the_other_codec() {
    for probe in PROBES {
        let ours = (probe.api.min_version(), probe.api.max_version());
        assert_eq!(ours, probe.their_versions, "{}", probe.name);
    }
}

proptest! {
    // Each case walks all messages at all versions (about 500), so a few dozen cover each field many times.
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_codecs_read_what_the_other_wrote(seed in any::<u64>()) {
        for probe in PROBES {
            for version in probe.api.versions() {
                (probe.agree)(seed, version);
            }
        }
    }
}

/// What a version does not carry starts as its default, and what a version cannot say is refused or dropped: reading at one
/// version and writing at another shows all of these, in nested structs too.
#[test]
fn both_codecs_agree_on_defaults_and_on_what_may_be_dropped() {
    for probe in PROBES {
        for from in probe.api.versions() {
            for to in probe.api.versions() {
                for seed in 0..16 {
                    let context = || format!("{} read at {from}, written at {to}, seed {seed}", probe.name);
                    match (probe.convert)(seed, from, to) {
                        (Ok(ours), theirs) => assert_eq!(Some(ours), theirs, "{}", context()),
                        (Err(_), None) => {}
                        // The other codec writes such a null or leaves such a field out; Kafka's own refuses both.
                        (Err(EncodeError::Null { .. }), Some(_)) => {}
                        (Err(EncodeError::Unsupported { field, .. }), Some(_)) if TAGGED_AND_VITAL.contains(&field) => {
                        }
                        (Err(error), Some(_)) => panic!("{error}: {}", context()),
                    }
                }
            }
        }
    }
}
