//! Codecs against the samples of `zk-layout/` and what a real cluster left in ZooKeeper.

use std::fs;
use std::path::{Path, PathBuf};

use ottla::base::TopicPartition;
use ottla::zk::znode::broker_ids::BrokerNode;
use ottla::zk::znode::config::{ConfigEntity, ConfigMap, ConfigType};
use ottla::zk::znode::partition_state::PartitionState;
use ottla::zk::znode::producer_ids::ProducerIdBlock;
use ottla::zk::znode::sanitize::{desanitize, sanitize};
use ottla::zk::znode::tokens::TokenNode;
use ottla::zk::znode::topic::TopicNode;
use ottla::zk::znode::{config_change, controller_epoch, sequence};
use proptest::prelude::*;

use super::recoding::recode;

fn below(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The fenced blocks of the pages: (kind, path, data).
fn samples() -> Vec<(String, String, String)> {
    let mut samples = Vec::new();
    for page in below("zk-layout") {
        let text = fs::read_to_string(&page).unwrap();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(info) = line.strip_prefix("```") else { continue };
            let [_, kind, path] = info.splitn(3, ' ').collect::<Vec<_>>()[..] else { continue };
            let data = lines.next().unwrap().to_owned();
            assert_eq!(lines.next(), Some("```"), "{}: one line a sample", page.display());
            samples.push((kind.to_owned(), path.to_owned(), data));
        }
    }
    samples
}

#[test]
fn every_sample_of_the_layout_pages_decodes_and_encodes_to_the_same_text() {
    let samples = samples();
    assert!(samples.len() >= 40, "only {} samples found", samples.len());
    for (kind, path, data) in samples {
        let encoded = recode(&path, &data).unwrap_or_else(|| panic!("no codec for {path}")).unwrap();
        match kind.as_str() {
            "sample" => assert_eq!(encoded, data, "{path}"),
            "reads" => assert_eq!(recode(&path, &encoded).unwrap().unwrap(), encoded, "{path}"),
            other => panic!("unknown block {other} for {path}"),
        }
    }
}

#[test]
fn every_recorded_node_with_a_codec_decodes_and_encodes_to_the_same_text() {
    let mut checked = 0;
    for file in below("tests/golden/zk") {
        for line in fs::read_to_string(&file).unwrap().lines() {
            let node: serde_json::Value = serde_json::from_str(line).unwrap();
            let (path, data) = (node["path"].as_str().unwrap(), node["data"].as_str().unwrap_or_default());
            if data.is_empty() {
                continue;
            }
            let encoded = recode(path, data).unwrap_or_else(|| panic!("no codec for {path}")).unwrap();
            assert_eq!(encoded, data, "{path} in {}", file.display());
            checked += 1;
        }
    }
    assert!(checked > 200, "only {checked} nodes found");
}

#[test]
fn key_order_and_unknown_keys_do_not_matter_to_a_reader() {
    let partition = TopicPartition::new("t", 0);
    let state = PartitionState::decode(
        &partition,
        br#"{"isr":[2,1],"new":{"a":[1]},"leader_epoch":4,"version":1,"leader":2,"controller_epoch":9}"#,
    )
    .unwrap();
    assert_eq!(
        state,
        PartitionState { controller_epoch: 9, leader: 2, leader_epoch: 4, isr: vec![2, 1], recovering: false }
    );
    let topic = TopicNode::decode("t", br#"{"later":1,"version":4,"partitions":{"10":[1],"2":[3]}}"#).unwrap();
    assert_eq!(topic.partitions.keys().copied().collect::<Vec<_>>(), [2, 10]);
    assert_eq!(topic.topic_id, None);
}

#[test]
fn older_broker_registrations_read_with_the_listeners_they_meant() {
    let one =
        BrokerNode::decode(6, br#"{"version":1,"host":"old","port":9092,"jmx_port":9999,"timestamp":"7"}"#).unwrap();
    assert_eq!((one.endpoints[0].listener.as_str(), one.endpoints[0].host.as_str()), ("PLAINTEXT", "old"));
    let three = BrokerNode::decode(
        7,
        br#"{"version":3,"host":"h","port":1,"jmx_port":1,"timestamp":"7","endpoints":["SSL://h:9093"],"rack":"r"}"#,
    )
    .unwrap();
    assert_eq!((three.endpoints[0].protocol.as_str(), three.rack.as_deref()), ("SSL", Some("r")));
    let six = BrokerNode::decode(
        8,
        br#"{"version":5,"endpoints":["A://[::1]:9093"],"listener_security_protocol_map":{"A":"SSL"}}"#,
    )
    .unwrap();
    assert_eq!((six.endpoints[0].host.as_str(), six.endpoints[0].port), ("::1", 9093));
    assert_eq!(six.legacy_address(), (None, -1));
}

#[test]
fn broken_data_is_an_error_that_names_the_node() {
    for (path, data) in [
        ("/brokers/ids/3", "{"),
        ("/brokers/ids/3", r#"{"version":5,"endpoints":["A://h:1"],"listener_security_protocol_map":{}}"#),
        ("/brokers/ids/3", r#"{"version":5,"endpoints":["nothing"]}"#),
        ("/brokers/topics/t", r#"{"partitions":{"x":[1]}}"#),
        ("/brokers/topics/t", r#"{"partitions":{},"topic_id":"short"}"#),
        ("/brokers/topics/t/partitions/0/state", "null"),
        ("/controller", "[]"),
        ("/controller_epoch", "seven"),
        ("/config/topics/t", r#"{"version":1,"config":{"a":1}}"#),
        ("/config/topics/t", r#"{"version":2,"config":{}}"#),
        ("/config/changes/config_change_0000000000", r#"{"version":2,"entity_path":"../x"}"#),
        ("/latest_producer_id_block", r#"{"version":1,"broker":1,"block_start":"a","block_end":"1"}"#),
        ("/feature", r#"{"version":2,"status":2}"#),
        ("/kafka-acl-changes/acl_changes_0000000000", "nocolon"),
    ] {
        let error = recode(path, data).unwrap().unwrap_err();
        assert_eq!(error.path, path);
        assert!(error.to_string().contains(path));
    }
}

#[test]
fn no_data_is_no_block_and_no_configuration() {
    assert_eq!(ProducerIdBlock::decode(b"").unwrap(), None);
    assert!(ConfigMap::decode("/config/users/alice", b"").unwrap().is_empty());
    assert!(controller_epoch::decode(b"").is_err());
}

#[test]
fn producer_id_blocks_follow_each_other_until_they_run_out() {
    let first = ProducerIdBlock::next(None, 1).unwrap();
    assert_eq!((first.start, first.end), (0, 999));
    let second = ProducerIdBlock::next(Some(&first), 2).unwrap();
    assert_eq!((second.broker, second.start, second.end), (2, 1000, 1999));
    let last = ProducerIdBlock { broker: 1, start: 0, end: i64::MAX - 5 };
    assert_eq!(ProducerIdBlock::next(Some(&last), 1), None);
    assert_eq!(ProducerIdBlock::next(Some(&ProducerIdBlock { end: i64::MAX, ..last }), 1), None);
}

#[test]
fn names_are_encoded_as_recorded() {
    assert_eq!(sanitize("a b*c/ü+%"), "a%20b%2Ac%2F%C3%BC%2B%25");
    let entity = ConfigEntity::user_client(Some("a b*c/ü+%"), None);
    assert_eq!(entity.entity_path(), "users/a%20b%2Ac%2F%C3%BC%2B%25/clients/<default>");
    assert_eq!(config_change::decode("x", &config_change::encode(&entity)).unwrap(), entity);
    assert_eq!(desanitize("100%"), "100%");
    assert_eq!(desanitize("%zz"), "%zz");
}

#[test]
fn only_paths_of_entities_are_entities() {
    assert_eq!(ConfigEntity::from_entity_path("topics/t").unwrap().kind(), ConfigType::Topics);
    assert_eq!(ConfigEntity::from_entity_path("users/a/clients/b").unwrap().name(), "a/clients/b");
    for path in [
        "",
        "topics",
        "topics/",
        "topics/a/b",
        "topics/a/clients/b",
        "users/a/clients",
        "users/a/x/b",
        "x/y",
        "topics/..",
    ] {
        assert_eq!(ConfigEntity::from_entity_path(path), None, "{path}");
    }
}

#[test]
fn a_token_before_version_3_was_requested_by_its_owner() {
    let token = TokenNode::decode("i", br#"{"version":2,"owner":"User%3Aa","renewers":["User%3Ab%20c"],"issueTimestamp":1,"expiryTimestamp":2,"maxTimestamp":3,"tokenId":"i","tokenRequester":"User%3Ax"}"#).unwrap();
    assert_eq!((token.requester.as_str(), token.renewers[0].as_str()), ("User:a", "User:b c"));
}

#[test]
fn sequence_numbers_are_those_behind_the_prefix() {
    assert_eq!(sequence("config_change_", "config_change_0000000012"), Some(12));
    assert_eq!(sequence("config_change_", "config_change_"), None);
    assert_eq!(sequence("config_change_", "other_1"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_name_survives_encoding(name in "\\PC{0,40}") {
        let node = sanitize(&name);
        prop_assert!(node.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-%".contains(&b)));
        prop_assert_eq!(desanitize(&node), name);
    }

    #[test]
    fn any_bytes_are_an_error_or_a_node_and_never_a_panic(data in proptest::collection::vec(any::<u8>(), 0..200), which in 0_usize..8) {
        let paths = ["/brokers/ids/1", "/brokers/topics/t", "/controller", "/controller_epoch", "/config/topics/t",
            "/kafka-acl-changes/acl_changes_0000000000", "/feature", "/brokers/topics/t/partitions/0/state"];
        let text = String::from_utf8_lossy(&data).into_owned();
        let _ = recode(paths[which], &text);
    }
}
