//! The way to a broker: refused connections, order, and connections to brokers in general.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use ottla::base::Env;
use ottla::base::env::{Lane, Listener, SimNet, Stream};
use ottla::client::{BrokerClient, ClientError, ClientOptions, ControllerChannel, Target};
use ottla::wire::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, ApiKey, ApiVersionsResponse,
    ApiVersionsResponseApiVersion, Message, UpdateMetadataRequest, decode_request_header, encode_response,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::world::{START_MS, World, settle};

/// What a scripted peer does with one request.
enum Act {
    Answer(Bytes),
    Close,
    Silence,
}

/// A peer that shows each frame to `script` and does as it says.
fn peer(env: &Env, port: u16, script: fn(&[u8], usize) -> Act) -> mpsc::UnboundedReceiver<Bytes> {
    let listener = env.net.listen(SocketAddr::from(([127, 0, 0, 1], port)), None).expect("free port");
    let (seen, frames) = mpsc::unbounded_channel();
    env.tasks.spawn(Lane::Data, "peer", accept(listener, seen, script));
    frames
}

async fn accept(listener: Listener, seen: mpsc::UnboundedSender<Bytes>, script: fn(&[u8], usize) -> Act) {
    let mut count = 0;
    while let Ok((stream, _)) = listener.accept().await {
        talk(stream, &seen, script, &mut count).await;
    }
}

async fn talk(
    mut stream: Stream,
    seen: &mpsc::UnboundedSender<Bytes>,
    script: fn(&[u8], usize) -> Act,
    count: &mut usize,
) {
    while let Ok(len) = stream.read_i32().await {
        let mut frame = vec![0; usize::try_from(len).expect("length")];
        if stream.read_exact(&mut frame).await.is_err() {
            return;
        }
        drop(seen.send(Bytes::from(frame.clone())));
        let act = script(&frame, *count);
        *count += 1;
        match act {
            Act::Answer(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Act::Close => return,
            Act::Silence => {}
        }
    }
}

fn env() -> Env {
    Env::sim(3, START_MS, SimNet::default())
}

fn client(env: &Env, port: u16) -> BrokerClient {
    let mut options = ClientOptions::new("5");
    options.max_response_bytes = 10_000;
    BrokerClient::new(env.clone(), Target::new("broker", port), options)
}

fn correlation_id(frame: &[u8]) -> i32 {
    i32::from_be_bytes(frame[4..8].try_into().expect("header"))
}

/// Answers ApiVersions with AllocateProducerIds 0 alone, and that with block 7.
fn producer_ids(frame: &[u8], _: usize) -> Act {
    let (header, _) = decode_request_header(Bytes::copy_from_slice(frame)).expect("header");
    let id = header.correlation_id;
    let encoded = match header.api() {
        Some(ApiKey::ApiVersions) => {
            let api_keys = vec![ApiVersionsResponseApiVersion { api_key: 67, min_version: 0, max_version: 0 }];
            encode_response(&ApiVersionsResponse { api_keys, ..Default::default() }, header.api_version, id)
        }
        _ => {
            let answer = AllocateProducerIdsResponse { producer_id_start: 7, ..Default::default() };
            encode_response(&answer, 0, id)
        }
    };
    Act::Answer(encoded.expect("encoded").bytes)
}

#[tokio::test(start_paused = true)]
async fn versions_are_asked_once_a_connection_with_javas_numbers() {
    let env = env();
    let mut frames = peer(&env, 1000, producer_ids);
    let mut client = client(&env, 1000);
    for round in 0..2 {
        for _ in 0..2 {
            let answer = client.send_negotiated(0..=3, |version| {
                assert_eq!(version, 0, "the highest that both know");
                AllocateProducerIdsRequest::default()
            });
            assert_eq!(answer.await.expect("answered").producer_id_start, 7);
        }
        let mut ids = Vec::new();
        while let Ok(frame) = frames.try_recv() {
            ids.push((i16::from_be_bytes([frame[0], frame[1]]), correlation_id(&frame)));
        }
        let base = 3 * round;
        assert_eq!(ids, [(18, base + 1), (67, base), (67, base + 2)]);
        client.disconnect();
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_knows_only_older_api_versions_is_asked_again_in_those() {
    fn script(frame: &[u8], count: usize) -> Act {
        if count > 0 {
            assert!(count > 1 || frame[2..4] == [0, 2], "asked again in version 2");
            return producer_ids(frame, count);
        }
        let api_keys = vec![ApiVersionsResponseApiVersion { api_key: 18, min_version: 0, max_version: 2 }];
        let answer = ApiVersionsResponse { error_code: 35, api_keys, ..Default::default() };
        Act::Answer(encode_response(&answer, 0, correlation_id(frame)).expect("encoded").bytes)
    }
    let env = env();
    let _frames = peer(&env, 1000, script);
    let answer = client(&env, 1000).send_negotiated(0..=0, |_| AllocateProducerIdsRequest::default()).await;
    assert_eq!(answer.expect("answered").producer_id_start, 7);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_broker_does_not_know_is_not_sent() {
    let env = env();
    let mut frames = peer(&env, 1000, producer_ids);
    let refused = client(&env, 1000).send_negotiated(8..=8, |_| UpdateMetadataRequest::default()).await;
    assert!(matches!(refused, Err(ClientError::Unsupported { theirs: None, .. })), "{refused:?}");
    assert_eq!(frames.recv().await.expect("ApiVersions")[..2], [0, 18]);
    assert!(frames.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart_and_the_next_send_connects_again() {
    fn script(frame: &[u8], count: usize) -> Act {
        let id = correlation_id(frame);
        let ok = |id: i32| {
            let answer = AllocateProducerIdsResponse::default();
            encode_response(&answer, 0, id).expect("encoded").bytes
        };
        match count {
            0 => Act::Close,
            1 => Act::Silence,
            2 => Act::Answer(ok(id + 1)),
            3 => {
                let mut huge = BytesMut::new();
                huge.put_i32(i32::MAX);
                Act::Answer(huge.freeze())
            }
            4 => {
                let mut negative = BytesMut::new();
                negative.put_i32(-1);
                Act::Answer(negative.freeze())
            }
            5 => {
                let mut short = BytesMut::new();
                short.put_i32(5);
                short.put_i32(id);
                short.put_u8(0);
                Act::Answer(short.freeze())
            }
            _ => Act::Answer(ok(id)),
        }
    }
    let env = env();
    let mut client = client(&env, 1000);
    let request = AllocateProducerIdsRequest::default();
    let refused = client.send(&request, 0).await;
    assert!(matches!(refused, Err(ClientError::Connect { .. })), "{refused:?}");
    let mut frames = peer(&env, 1000, script);
    let closed = client.send(&request, 0).await;
    assert!(matches!(closed, Err(ClientError::Closed { .. })), "{closed:?}");
    let before = tokio::time::Instant::now();
    let late = client.send(&request, 0).await;
    assert!(matches!(late, Err(ClientError::Timeout { .. })), "{late:?}");
    assert_eq!(before.elapsed(), Duration::from_secs(30));
    let other = client.send(&request, 0).await;
    assert!(matches!(other, Err(ClientError::BadAnswer { .. })), "{other:?}");
    for _ in 0..2 {
        let length = client.send(&request, 0).await;
        assert!(matches!(length, Err(ClientError::Closed { .. })), "{length:?}");
    }
    let short = client.send(&request, 0).await;
    assert!(matches!(short, Err(ClientError::BadAnswer { .. })), "{short:?}");
    assert!(!client.is_connected());
    assert!(client.send(&request, 0).await.is_ok());
    assert!(client.is_connected());
    let mut ids = Vec::new();
    while let Ok(frame) = frames.try_recv() {
        ids.push(correlation_id(&frame));
    }
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7], "lost tries use numbers up");
}

#[tokio::test(start_paused = true)]
async fn the_channel_to_the_controller_looks_again_after_not_controller() {
    fn not_controller(frame: &[u8], count: usize) -> Act {
        match count {
            0 => producer_ids(frame, count),
            _ => {
                let answer = AllocateProducerIdsResponse { error_code: 41, ..Default::default() };
                Act::Answer(encode_response(&answer, 0, correlation_id(frame)).expect("encoded").bytes)
            }
        }
    }
    let env = env();
    let _old = peer(&env, 1000, not_controller);
    let _new = peer(&env, 1001, producer_ids);
    let looked = std::sync::Arc::new(std::sync::atomic::AtomicU16::new(0));
    let count = looked.clone();
    let lookup = move || match count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => None,
        1 => Some(Target::new("a", 1000)),
        _ => Some(Target::new("b", 1001)),
    };
    let mut channel = ControllerChannel::new(env.clone(), ClientOptions::new("5"), std::sync::Arc::new(lookup));
    for _ in 0..2 {
        let answer = channel
            .send_until(0..=0, |_| AllocateProducerIdsRequest::default(), |answer| answer.error_code == 41)
            .await;
        assert_eq!(answer.producer_id_start, 7);
    }
    assert_eq!(looked.load(std::sync::atomic::Ordering::Relaxed), 3, "a known controller is not looked up");
}

#[tokio::test(start_paused = true)]
async fn a_broker_whose_port_is_closed_gets_its_requests_once_it_opens() {
    let world = World::new();
    let mut here = world.broker(0).await;
    // Registered as broker 1, nobody listens at its port yet.
    let zk = world.zk.connect().await;
    let node = super::world::registration(1, 9999);
    ottla::zk::store::brokers::register(&zk.session(), &node, &[]).await.expect("registered");
    let _controller = here.start();
    here.forget().await;
    world.create_topic(&here.session(), "t", &[&[1, 0]]).await;
    here.forget().await;
    fn silent(_: &[u8], _: usize) -> Act {
        Act::Silence
    }
    let mut frames = peer(&here.env, 9999, silent);
    settle().await;
    let first = frames.try_recv().expect("tried again within half a second");
    let (header, mut reader) = decode_request_header(first).expect("header");
    assert_eq!(header.api(), Some(ApiKey::UpdateMetadata), "nothing was skipped");
    assert!(UpdateMetadataRequest::read(&mut reader, header.api_version).is_ok());
    assert!(frames.try_recv().is_err(), "one request in flight");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_broker_follows_it_to_another_address() {
    let world = World::new();
    let mut here = world.broker(0).await;
    let zk = world.zk.connect().await;
    ottla::zk::store::brokers::register(&zk.session(), &super::world::registration(1, 9999), &[])
        .await
        .expect("registered");
    let controller = here.start();
    here.forget().await;
    let mut frames = peer(&here.env, 9998, |_, _| Act::Silence);
    ottla::zk::store::brokers::update(&zk.session(), &super::world::registration(1, 9998)).await.expect("written");
    settle().await;
    let first = frames.try_recv().expect("at the new address");
    let (header, _) = decode_request_header(first).expect("header");
    assert_eq!(header.api(), Some(ApiKey::UpdateMetadata), "what had waited from the start");
    assert!(controller.is_active());
}
