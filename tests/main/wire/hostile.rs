//! Broken and malicious frames for every message and version: a value or an error, never a panic, and never more memory than a
//! small multiple of the frame.

use bytes::Bytes;
use ottla::wire::{
    ApiKey, DecodeError, DeleteGroupsRequest, Gen, LeaderAndIsrRequest, LeaderAndIsrRequestPartitionState,
    LeaderAndIsrRequestTopicState, MetadataRequest, MetadataRequestTopic, Str, decode_request_header,
};

use super::probe::{PROBES, Probe, read, write};
use crate::counting::allocated_by;

/// What reading may allocate: the bound of the reader, and the few words that make a frame shareable.
fn allowed(frame_len: usize) -> usize {
    16 * frame_len + 4096 + 256
}

fn check(probe: &Probe, version: i16, frame: Vec<u8>) {
    let len = frame.len();
    let frame = Bytes::from(frame);
    let copy = frame.clone(); // the first clone allocates; that is not the reader's doing
    let (result, taken) = allocated_by(|| (probe.read)(frame, version));
    assert!(
        taken <= allowed(len),
        "{} version {version} took {taken} bytes for a frame of {len}, {result:?}: {:02x?}",
        probe.name,
        &copy[..len.min(200)]
    );
}

/// Lengths that lie: int32 and int16 extremes, and varints of up to 2^35.
const LIES: &[&[u8]] = &[
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x80, 0x00, 0x00, 0x00],
    &[0xff, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xfe],
    &[0x00, 0x10, 0x00, 0x00],
    &[0x7f, 0xff],
    &[0x80, 0x00],
    &[0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff, 0x07],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0x7f],
    &[0x80, 0x80, 0x80, 0x80, 0x80],
    &[0x80, 0x80, 0x80, 0x01],
    &[0x00],
    &[0xff, 0x01],
];

fn mutate(g: &mut Gen, valid: &[u8]) -> Vec<u8> {
    let mut frame = valid.to_vec();
    for _ in 0..=g.below(3) {
        let at = g.below(frame.len() as u64 + 1) as usize;
        match g.below(5) {
            0 => frame.truncate(at),
            1 if at < frame.len() => frame[at] ^= 1 << g.below(8),
            2 => {
                let lie = LIES[g.below(LIES.len() as u64) as usize];
                let end = (at + lie.len()).min(frame.len());
                frame.splice(at..end, lie.iter().copied());
            }
            3 if at < frame.len() => frame[at] = g.bits() as u8,
            _ => {
                let extra: Vec<u8> = (0..g.below(16)).map(|_| g.bits() as u8).collect();
                frame.splice(at..at, extra);
            }
        }
    }
    frame
}

#[test]
fn broken_frames_neither_panic_nor_take_memory() {
    let mut cases = 0;
    for probe in PROBES {
        for version in probe.api.versions() {
            for seed in 0..440 {
                let valid = (probe.generate)(seed, version);
                check(probe, version, mutate(&mut Gen::new(seed ^ 0xbad, version), &valid));
                cases += 1;
            }
        }
    }
    assert!(cases >= 200_000, "{cases} cases");
}

#[test]
fn every_strict_prefix_of_a_message_is_short() {
    for probe in PROBES {
        for version in probe.api.versions() {
            let valid = (probe.generate)(7, version);
            for len in 0..valid.len() {
                let frame = valid.slice(..len);
                let result = (probe.read)(frame, version);
                // An array whose count no longer fits into the bytes left is refused before its first entry.
                assert!(
                    matches!(result, Err(DecodeError::Short | DecodeError::TooLarge)),
                    "{} version {version}, {len} of {} bytes: {result:?}",
                    probe.name,
                    valid.len()
                );
            }
        }
    }
}

#[test]
fn large_frames_of_tiny_entries_are_bounded() {
    // Each pattern makes arrays of the smallest entries there are: counts, empty strings, empty structs, tags.
    let patterns: &[&[u8]] = &[
        &[0x00],
        &[0x01],
        &[0x02],
        &[0x7f],
        &[0xff],
        &[0x00, 0x00, 0x40, 0x00],
        &[0x00, 0x00, 0x00, 0x01],
        &[0x80, 0x40],
        &[0xff, 0xff, 0x01, 0x01],
    ];
    for probe in PROBES {
        for version in probe.api.versions() {
            for pattern in patterns {
                let frame: Vec<u8> = pattern.iter().copied().cycle().take(64 * 1024).collect();
                check(probe, version, frame);
            }
            // A first array that claims every byte of the rest of the frame.
            for head in 0..24 {
                let mut frame = vec![0x01; head];
                let claim = 32 * 1024;
                if probe.api.is_flexible(version) {
                    frame.extend([0x80, 0x80, 0x02]);
                } else {
                    frame.extend((claim as i32).to_be_bytes());
                }
                frame.resize(frame.len() + claim, 0x01);
                check(probe, version, frame);
            }
        }
    }
}

#[test]
fn headers_of_any_bytes_are_a_value_or_an_error() {
    for seed in 0..20_000 {
        let mut g = Gen::new(seed, 0);
        let frame: Vec<u8> = (0..g.below(40)).map(|i| if i == 0 { 0 } else { g.bits() as u8 }).collect();
        let len = frame.len();
        let frame = Bytes::from(frame);
        let (_, taken) = allocated_by(|| decode_request_header(frame).is_ok());
        assert!(taken <= 256, "{taken} bytes for {len}");
    }
}

#[test]
fn honest_frames_of_many_one_letter_names_are_not_taken_for_attacks() {
    let names = vec![Str::from("x"); 20_000];
    let topics = names.iter().map(|name| MetadataRequestTopic { name: Some(name.clone()), ..Default::default() });
    let metadata = MetadataRequest { topics: Some(topics.collect()), ..Default::default() };
    for version in ApiKey::Metadata.versions() {
        assert!(read::<MetadataRequest>(write(&metadata, version).unwrap(), version).is_ok(), "{version}");
    }
    let groups = DeleteGroupsRequest { groups_names: names.clone() };
    for version in ApiKey::DeleteGroups.versions() {
        assert!(read::<DeleteGroupsRequest>(write(&groups, version).unwrap(), version).is_ok(), "{version}");
    }
    let partition = LeaderAndIsrRequestPartitionState { isr: vec![1], replicas: vec![1], ..Default::default() };
    let topics = names.iter().map(|name| LeaderAndIsrRequestTopicState {
        topic_name: name.clone(),
        partition_states: vec![partition.clone()],
        ..Default::default()
    });
    let control = LeaderAndIsrRequest { topic_states: topics.collect(), ..Default::default() };
    for version in 2..=7 {
        assert!(read::<LeaderAndIsrRequest>(write(&control, version).unwrap(), version).is_ok(), "{version}");
    }
}
