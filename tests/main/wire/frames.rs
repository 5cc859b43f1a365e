//! Whole frames: headers, lengths, holes.

use bytes::{BufMut, Bytes, BytesMut};
use ottla::wire::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, ControlledShutdownRequest, DecodeError, EncodeError,
    FetchResponse, FetchResponsePartition, FetchResponseTopic, Hole, MetadataRequest, Records, decode_request,
    decode_request_header, decode_response, encode_request, encode_response, response_correlation_id,
};

/// The frame without its length, which is checked.
fn body_of(bytes: &[u8]) -> Bytes {
    let len = i32::from_be_bytes(bytes[..4].try_into().unwrap());
    assert_eq!(len as usize, bytes.len() - 4);
    Bytes::copy_from_slice(&bytes[4..])
}

#[test]
fn a_request_is_appended_behind_what_the_buffer_holds() {
    let mut out = BytesMut::from(&b"before"[..]);
    encode_request(&mut out, &MetadataRequest::default(), 12, 7, Some("me")).unwrap();
    assert_eq!(&out[..6], b"before");
    let (header, request) = decode_request::<MetadataRequest>(body_of(&out[6..])).unwrap();
    assert_eq!(header.api(), Some(ApiKey::Metadata));
    assert_eq!((header.api_version, header.correlation_id), (12, 7));
    assert_eq!(header.client_id.as_deref(), Some("me"));
    assert_eq!(request, MetadataRequest::default());
}

#[test]
fn a_request_that_cannot_be_written_leaves_the_buffer_as_it_was() {
    let mut out = BytesMut::from(&b"before"[..]);
    let request = MetadataRequest { topics: None, ..Default::default() };
    let error = encode_request(&mut out, &request, 0, 7, None).unwrap_err();
    assert!(matches!(error, EncodeError::Null { field: "topics", version: 0, .. }), "{error}");
    assert_eq!(&out[..], b"before");
    let error = encode_request(&mut out, &MetadataRequest::default(), 13, 7, None).unwrap_err();
    assert_eq!(error, EncodeError::Version(ApiKey::Metadata, 13));
    assert_eq!(&out[..], b"before");
}

#[test]
fn controlled_shutdown_0_has_no_client_id() {
    let mut out = BytesMut::new();
    encode_request(&mut out, &ControlledShutdownRequest { broker_id: 3, ..Default::default() }, 0, 7, Some("me"))
        .unwrap();
    assert_eq!(&out[4..], [0, 7, 0, 0, 0, 0, 0, 7, 0, 0, 0, 3]);
    let (header, request) = decode_request::<ControlledShutdownRequest>(body_of(&out)).unwrap();
    assert_eq!(header.client_id, None);
    assert_eq!(request.broker_id, 3);
}

#[test]
fn the_client_id_keeps_its_old_length_in_flexible_headers() {
    let mut out = BytesMut::new();
    encode_request(&mut out, &ApiVersionsRequest::default(), 3, 1, Some("ab")).unwrap();
    assert_eq!(&out[4..], [0, 18, 0, 3, 0, 0, 0, 1, 0, 2, b'a', b'b', 0, 1, 1, 0]);
}

#[test]
fn a_header_of_an_unknown_api_can_be_read() {
    let frame = Bytes::from_static(&[0x03, 0xe8, 0, 1, 0, 0, 0, 9, 0xff]);
    let (header, _) = decode_request_header(frame).unwrap();
    assert_eq!((header.api(), header.api_key, header.correlation_id), (None, 1000, 9));
}

#[test]
fn a_header_of_api_versions_of_the_future_can_be_read_but_not_its_body() {
    let mut frame = BytesMut::new();
    frame.put_i16(18);
    frame.put_i16(99);
    frame.put_i32(5);
    frame.put_i16(2);
    frame.put_slice(b"me\x00 whatever the future brings");
    let (header, _) = decode_request_header(frame.clone().freeze()).unwrap();
    assert_eq!((header.api(), header.api_version), (Some(ApiKey::ApiVersions), 99));
    assert_eq!(header.client_id.as_deref(), Some("me"));
    let error = decode_request::<ApiVersionsRequest>(frame.freeze()).unwrap_err();
    assert_eq!(error, DecodeError::Version(ApiKey::ApiVersions, 99));
}

#[test]
fn a_request_of_another_api_is_refused() {
    let mut out = BytesMut::new();
    encode_request(&mut out, &ApiVersionsRequest::default(), 0, 1, None).unwrap();
    let error = decode_request::<MetadataRequest>(body_of(&out)).unwrap_err();
    assert_eq!(error, DecodeError::OtherApi { expected: ApiKey::Metadata, got: 18 });
}

#[test]
fn tags_in_a_request_header_are_passed_over() {
    let frame = Bytes::from_static(&[0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff, 1, 5, 2, 9, 9, 2, b'n', 2, b'v', 0]);
    let (header, request) = decode_request::<ApiVersionsRequest>(frame).unwrap();
    assert_eq!(header.client_id, None);
    assert_eq!((&*request.client_software_name, &*request.client_software_version), ("n", "v"));
}

#[test]
fn bytes_after_a_body_are_ignored() {
    let mut out = BytesMut::new();
    encode_request(&mut out, &MetadataRequest::default(), 12, 7, None).unwrap();
    let mut frame = BytesMut::from(&out[4..]);
    frame.put_slice(b"garbage");
    assert!(decode_request::<MetadataRequest>(frame.freeze()).is_ok());
}

#[test]
fn only_responses_of_api_versions_never_have_tags_in_their_header() {
    for api in ApiKey::ALL {
        for version in api.versions() {
            let expected = i16::from(api.is_flexible(version) && *api != ApiKey::ApiVersions);
            assert_eq!(api.response_header_version(version), expected, "{api} {version}");
        }
    }
    let encoded = encode_response(&ApiVersionsResponse::default(), 3, 8).unwrap();
    assert_eq!(&encoded.bytes[..], [0, 0, 0, 12, 0, 0, 0, 8, 0, 0, 1, 0, 0, 0, 0, 0]);
    let (correlation_id, response) = decode_response::<ApiVersionsResponse>(body_of(&encoded.bytes), 3).unwrap();
    assert_eq!((correlation_id, response), (8, ApiVersionsResponse::default()));
}

fn fetched(records: [Records; 3]) -> FetchResponse {
    let partitions = records.map(|records| FetchResponsePartition { records, ..Default::default() });
    FetchResponse {
        responses: vec![FetchResponseTopic { partitions: partitions.into(), ..Default::default() }],
        ..Default::default()
    }
}

#[test]
fn a_hole_filled_is_the_frame_that_had_the_bytes() {
    let (first, third) = (Bytes::from(vec![1; 300]), Bytes::from(vec![3; 5]));
    for version in ApiKey::Fetch.versions() {
        let whole = encode_response(&fetched([first.clone().into(), Records::EMPTY, third.clone().into()]), version, 1);
        let holed = encode_response(&fetched([Records::Hole(300), Records::Hole(0), Records::Hole(5)]), version, 1);
        let (whole, holed) = (whole.unwrap(), holed.unwrap());
        assert!(whole.holes.is_empty());
        assert_eq!(holed.wire_len(), whole.bytes.len());
        assert_eq!(holed.holes.iter().map(|hole| hole.len).collect::<Vec<_>>(), [300, 5]);

        let mut filled = Vec::new();
        let mut from = 0;
        for (Hole { at, .. }, bytes) in holed.holes.iter().zip([&first, &third]) {
            filled.extend_from_slice(&holed.bytes[from..*at]);
            filled.extend_from_slice(bytes);
            from = *at;
        }
        filled.extend_from_slice(&holed.bytes[from..]);
        assert_eq!(filled, whole.bytes, "version {version}");
    }
}

#[test]
fn a_frame_above_two_gigabytes_is_refused() {
    let response = fetched([Records::Hole(i32::MAX as usize), Records::Null, Records::Null]);
    assert!(matches!(encode_response(&response, 12, 1), Err(EncodeError::TooLong(_))));
}

#[test]
fn records_share_the_memory_of_their_frame() {
    let encoded =
        encode_response(&fetched([Bytes::from(vec![7; 100]).into(), Records::Null, Records::Null]), 12, 1).unwrap();
    let frame = encoded.bytes.slice(4..);
    let range = frame.as_ptr_range();
    let (_, response) = decode_response::<FetchResponse>(frame, 12).unwrap();
    let records = response.responses[0].partitions[0].records.bytes().unwrap();
    assert_eq!(records, &vec![7; 100]);
    assert!(range.contains(&records.as_ptr()));
}

#[test]
fn the_correlation_id_of_a_response_is_seen_without_knowing_its_api() {
    assert_eq!(response_correlation_id(&[0, 0, 1, 0, 9]), Some(256));
    assert_eq!(response_correlation_id(&[0, 0, 1]), None);
}
