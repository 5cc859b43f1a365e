//! Our codec against the crate `kafka-protocol`, which is generated from Kafka's own schemas of 3.9.

use proptest::prelude::*;

use super::probe::PROBES;

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
