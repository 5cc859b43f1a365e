//! The rules of the notation: versions, defaults, nulls, tags.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use ottla::base::TopicId;
use ottla::wire::{
    ApiKey, ApiVersionsResponse, ConsumerGroupHeartbeatResponse, ConsumerGroupHeartbeatResponseAssignment, DecodeError,
    EncodeError, FetchRequest, FetchRequestReplicaState, FindCoordinatorResponse, HeartbeatRequest, MetadataRequest,
    MetadataResponse, MetadataResponseTopic, ProduceResponse, ProduceResponseNodeEndpoint, Records,
    SaslHandshakeRequest, Str,
};

use super::probe::{PROBES, read, write};

#[test]
fn defaults_are_those_of_the_schema() {
    let fetch = FetchRequest::default();
    assert_eq!((fetch.replica_id, fetch.max_bytes, fetch.session_epoch), (-1, i32::MAX, -1));
    assert_eq!(fetch.replica_state, FetchRequestReplicaState { replica_id: -1, replica_epoch: -1 });
    assert_eq!(fetch.cluster_id, None);
    assert!(MetadataRequest::default().allow_auto_topic_creation);
    assert_eq!(MetadataResponse::default().cluster_authorized_operations, i32::MIN);
    // Kafka's default of most nullable strings is empty, and so it is on the wire.
    assert_eq!(FindCoordinatorResponse::default().error_message, Some(Str::EMPTY));
}

#[test]
fn what_matters_and_is_not_carried_is_an_error() {
    let request = HeartbeatRequest { group_instance_id: Some("static".into()), ..Default::default() };
    assert!(write(&request, 3).is_ok());
    assert_eq!(
        write(&request, 2),
        Err(EncodeError::Unsupported { message: "HeartbeatRequest", field: "group_instance_id", version: 2 })
    );
    assert!(write(&HeartbeatRequest { group_instance_id: None, ..request }, 2).is_ok());

    let state = FetchRequestReplicaState { replica_id: 2, ..Default::default() };
    let request = FetchRequest { replica_state: state, ..Default::default() };
    assert!(write(&request, 15).is_ok());
    for version in [0, 12, 14] {
        let error = write(&request, version).unwrap_err();
        assert!(matches!(error, EncodeError::Unsupported { field: "replica_state", .. }), "{error}");
    }
}

#[test]
fn what_does_not_matter_and_is_not_carried_is_dropped() {
    let response = MetadataResponse { cluster_id: Some("cluster".into()), throttle_time_ms: 5, ..Default::default() };
    let (back, _) = read::<MetadataResponse>(write(&response, 0).unwrap(), 0).unwrap();
    assert_eq!((back.cluster_id, back.throttle_time_ms), (None, 0));
}

#[test]
fn every_message_of_the_newest_version_is_written_or_refused_at_every_other() {
    for probe in PROBES {
        for version in probe.api.versions() {
            for seed in 0..4 {
                // What is written must be readable; what is refused must say why.
                match (probe.write_newest_at)(seed, version) {
                    Ok(body) => assert!((probe.read)(body, version).is_ok(), "{} {version}", probe.name),
                    Err(error) => assert!(version < probe.api.max_version(), "{} {version}: {error}", probe.name),
                }
            }
        }
    }
}

#[test]
fn null_is_refused_where_the_version_has_none() {
    let null_topics = [0xff, 0xff, 0xff, 0xff];
    assert_eq!(read::<MetadataRequest>(Bytes::copy_from_slice(&null_topics), 0).unwrap_err(), DecodeError::Null);
    assert_eq!(read::<MetadataRequest>(Bytes::copy_from_slice(&null_topics), 1).unwrap().0.topics, None);
    assert_eq!(read::<SaslHandshakeRequest>(Bytes::from_static(&[0xff, 0xff]), 1).unwrap_err(), DecodeError::Null);

    let topic = MetadataResponseTopic { name: None, topic_id: TopicId::from_bytes([1; 16]), ..Default::default() };
    let response = MetadataResponse { topics: vec![topic], ..Default::default() };
    assert!(write(&response, 12).is_ok());
    assert!(matches!(write(&response, 11), Err(EncodeError::Null { field: "name", .. })));
}

#[test]
fn a_nullable_struct_has_a_byte_in_front() {
    let mut response = ConsumerGroupHeartbeatResponse::default();
    let null = write(&response, 0).unwrap();
    assert_eq!(null[null.len() - 2..], [0xff, 0]);
    response.assignment = Some(ConsumerGroupHeartbeatResponseAssignment::default());
    let empty = write(&response, 0).unwrap();
    assert_eq!(empty[null.len() - 2..], [1, 1, 0, 0]);
    assert_eq!(read::<ConsumerGroupHeartbeatResponse>(empty, 0).unwrap().0, response);
}

#[test]
fn a_tagged_field_with_its_default_is_not_written() {
    let mut response = ApiVersionsResponse::default();
    assert_eq!(&write(&response, 3).unwrap()[..], [0, 0, 1, 0, 0, 0, 0, 0]);
    response.finalized_features_epoch = 0;
    assert_eq!(&write(&response, 3).unwrap()[..], [0, 0, 1, 0, 0, 0, 0, 1, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_tagged_field_longer_than_one_varint_byte_says_is_moved_up() {
    for count in [1, 20, 2000] {
        let endpoint = ProduceResponseNodeEndpoint { host: "host".into(), ..Default::default() };
        let response = ProduceResponse { node_endpoints: vec![endpoint; count], ..Default::default() };
        let (back, rest) = read::<ProduceResponse>(write(&response, 10).unwrap(), 10).unwrap();
        assert_eq!((back, rest), (response, 0), "{count}");
    }
}

#[test]
fn unknown_tags_are_passed_over() {
    let bytes = Bytes::from_static(&[0, 0, 1, 0, 0, 0, 0, 2, 1, 8, 0, 0, 0, 0, 0, 0, 0, 5, 99, 3, 1, 2, 3]);
    let (response, rest) = read::<ApiVersionsResponse>(bytes, 3).unwrap();
    assert_eq!((response.finalized_features_epoch, rest), (5, 0));
}

#[test]
fn a_tagged_field_may_not_read_past_its_size() {
    let bytes = Bytes::from_static(&[0, 0, 1, 0, 0, 0, 0, 1, 1, 4, 0, 0, 0, 0, 0, 0, 0, 5]);
    assert_eq!(read::<ApiVersionsResponse>(bytes, 3).unwrap_err(), DecodeError::Tag);
}

#[test]
fn a_version_the_api_does_not_have_is_refused() {
    for version in [-1, 2, i16::MAX, i16::MIN] {
        let error = read::<SaslHandshakeRequest>(Bytes::from_static(&[0, 0]), version).unwrap_err();
        assert_eq!(error, DecodeError::Version(ApiKey::SaslHandshake, version));
        let error = write(&SaslHandshakeRequest::default(), version).unwrap_err();
        assert_eq!(error, EncodeError::Version(ApiKey::SaslHandshake, version));
    }
}

#[test]
fn strings_must_be_utf8_and_short() {
    let bytes = Bytes::from_static(&[0, 2, 0xc3, 0x28]);
    assert_eq!(read::<SaslHandshakeRequest>(bytes, 1).unwrap_err(), DecodeError::Utf8);
    let longest = SaslHandshakeRequest { mechanism: "x".repeat(32767).into() };
    assert_eq!(read::<SaslHandshakeRequest>(write(&longest, 1).unwrap(), 1).unwrap().0, longest);
    let too_long = SaslHandshakeRequest { mechanism: "x".repeat(32768).into() };
    assert_eq!(write(&too_long, 1).unwrap_err(), EncodeError::TooLong(32768));
}

#[test]
fn keys_lead_to_their_api_and_back() {
    for api in ApiKey::ALL {
        assert_eq!(ApiKey::from_code(api.code()), Some(*api));
    }
    assert!(ApiKey::ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
    for code in [-1, 52, 53, 54, 55, 59, 62, 63, 64, 70, 71, 75, i16::MAX] {
        assert_eq!(ApiKey::from_code(code), None, "{code}");
    }
}

#[test]
fn flags_of_apis_are_kafkas() {
    let cluster: Vec<_> = ApiKey::ALL.iter().filter(|api| api.is_cluster_action()).map(|api| api.code()).collect();
    assert_eq!(cluster, [4, 5, 6, 7, 27, 56, 57, 58, 67]);
    let last_deprecated = |api: ApiKey| api.versions().take_while(|version| api.is_deprecated(*version)).last();
    assert_eq!(last_deprecated(ApiKey::Produce), Some(2));
    assert_eq!(last_deprecated(ApiKey::Fetch), Some(3));
    assert_eq!(last_deprecated(ApiKey::OffsetCommit), Some(1));
    assert_eq!(last_deprecated(ApiKey::DescribeAcls), Some(0));
    assert_eq!(last_deprecated(ApiKey::Metadata), None);
    assert!(!ApiKey::SaslHandshake.is_flexible(1) && !ApiKey::OffsetDelete.is_flexible(0));
    assert!(ApiKey::AlterPartition.is_flexible(0));
}

#[test]
fn text_compares_and_hashes_like_str() {
    let text = Str::from(String::from("grün"));
    assert_eq!(text, "grün");
    assert_eq!(text, Str::from_static("grün"));
    assert_eq!(Arc::<str>::from(&text), Arc::from("grün"));
    assert_eq!(Str::from(Arc::<str>::from("a")), Str::from("a"));
    assert!(HashSet::from([text]).contains("grün"));
    assert_eq!(Str::from_utf8(Bytes::from_static(&[0xff])), None);
}

#[test]
fn records_show_their_length_not_their_content() {
    assert_eq!(format!("{:?}", Records::from(Bytes::from_static(b"secret"))), "Bytes(6 bytes)");
    assert_eq!(format!("{:?} {:?}", Records::Null, Records::Hole(9)), "Null Hole(9 bytes)");
    assert_eq!((Records::Hole(9).len(), Records::Null.len(), Records::EMPTY.is_empty()), (9, 0, true));
}
