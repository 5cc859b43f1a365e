//! Frames recorded between real Kafka 3.9.2 brokers, clients and tools: we read each to its last byte and write the same.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use ottla::wire::{ApiKey, Reader, RequestHeader, Writer};
use serde_json::Value;

use super::probe::PROBES;

const FRAMES: &str = include_str!("../../golden/wire/frames.jsonl");
const API_VERSIONS: &str = include_str!("../../golden/wire/api-versions.txt");

fn unhex(hex: &str) -> Bytes {
    assert!(hex.len().is_multiple_of(2));
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn recorded_frames_are_read_and_written_again_byte_for_byte() {
    let mut seen = BTreeSet::new();
    for (line, text) in FRAMES.lines().enumerate() {
        let frame: Value = serde_json::from_str(text).unwrap();
        let api = ApiKey::from_code(frame["api_key"].as_i64().unwrap() as i16).unwrap();
        let version = frame["version"].as_i64().unwrap() as i16;
        let is_request = frame["kind"] == "request";
        let bytes = unhex(frame["hex"].as_str().unwrap());

        let mut written = Writer::new();
        let mut reader = Reader::new(bytes.clone());
        if is_request {
            let header = RequestHeader::read(&mut reader).unwrap();
            assert_eq!((header.api(), header.api_version), (Some(api), version), "line {line}");
            assert_eq!(header.client_id.as_deref(), frame["client"].as_str(), "line {line}");
            RequestHeader::write(&mut written, api, version, header.correlation_id, header.client_id.as_deref());
        } else {
            written.i32(reader.i32().unwrap());
            if api.response_header_version(version) == 1 {
                assert_eq!(reader.uvarint().unwrap(), 0);
                written.uvarint(0);
            }
        }
        let body = reader.rest();
        let probe = PROBES.iter().find(|p| p.api == api && p.is_request == is_request).unwrap();
        let rewritten = (probe.rewrite)(body, version).unwrap_or_else(|e| panic!("line {line} {}: {e}", probe.name));
        let mut whole = BytesMut::from(&written.finish().unwrap().bytes[..]);
        whole.extend_from_slice(&rewritten);
        assert_eq!(whole, bytes, "line {line} {}", probe.name);
        seen.insert(api);
    }
    assert!(seen.len() >= 50, "recorded APIs: {}", seen.len());
}

#[test]
fn apis_and_versions_are_those_a_real_broker_offers() {
    let recorded: Vec<String> = API_VERSIONS
        .lines()
        .filter_map(|line| line.trim().split_once(" [usable").map(|(api, _)| api.to_string()))
        .collect();
    let ours: Vec<String> = ApiKey::ALL
        .iter()
        .map(|api| match (api.min_version(), api.max_version()) {
            (min, max) if min == max => format!("{api}({}): {max}", api.code()),
            (min, max) => format!("{api}({}): {min} to {max}", api.code()),
        })
        .collect();
    assert_eq!(recorded.len(), 62);
    assert_eq!(ours, recorded);
}
