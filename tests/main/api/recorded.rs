//! Requests as real clients and brokers sent them to Apache Kafka 3.9.2: each is answered, in its own version.

use bytes::{Buf, Bytes};
use ottla::api::SERVED;
use ottla::wire::{ApiKey, ApiVersionsRequest, decode_request_header};

use crate::broker::bed::{Bed, ME};

fn recorded_requests() -> Vec<(String, Bytes)> {
    let text = include_str!("../../golden/wire/frames.jsonl");
    let frame = |line: &str| {
        let json: serde_json::Value = serde_json::from_str(line).expect("a frame");
        let hex = json["hex"].as_str().expect("bytes").as_bytes();
        let digit = |b: u8| char::from(b).to_digit(16).expect("hex") as u8;
        let bytes: Bytes = hex.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
        (json["kind"] == "request")
            .then(|| (format!("{} {} of {}", json["api_key"], json["version"], json["client"]), bytes))
    };
    text.lines().filter_map(frame).collect()
}

#[tokio::test(start_paused = true)]
async fn every_recorded_request_of_a_served_api_is_answered() {
    let mut answered = std::collections::BTreeSet::new();
    for (what, request) in recorded_requests() {
        let (header, _) = decode_request_header(request.clone()).expect("a header");
        let Some(key) = header.api().filter(|key| SERVED.contains(key)) else { continue };
        let bed = Bed::new().await;
        bed.topic("plain", &[ME]).await;
        let mut client = bed.connect().await;
        client.send_bytes(&u32::try_from(request.len()).expect("small").to_be_bytes()).await;
        client.send_bytes(&request).await;
        let id = client.frame().await.unwrap_or_else(|| panic!("{what}: closed")).get_i32();
        assert_eq!(id, header.correlation_id, "{what}");
        assert_eq!(client.ask(&ApiVersionsRequest::default(), 0).await.error_code, 0, "{what}: serves on");
        answered.insert(key.code());
    }
    assert!(answered.len() >= 25, "{answered:?}");
    assert!(answered.contains(&ApiKey::Fetch.code()));
}
