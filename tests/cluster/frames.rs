//! Bytes that are no proper request end their own connection and nothing else, with an answer only where Kafka gives one.

use std::time::Duration;

use kafka_protocol::messages::{ApiVersionsRequest, CreateTopicsRequest, MetadataRequest};

use crate::harness::raw::{self, Connection, assert_serves};
use crate::harness::{Broker, Cluster};

fn be(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A request header of version 1: key, version, correlation id 7, client id "t".
fn header(key: i16, version: i16) -> Vec<u8> {
    be(&[&key.to_be_bytes(), &version.to_be_bytes(), &7i32.to_be_bytes(), &1i16.to_be_bytes(), b"t"])
}

#[test]
fn unreadable_requests_are_answered_by_closing_their_connection() {
    let cluster = Cluster::new("unreadable");
    let mut broker: Broker = cluster.broker(0).with("socket.request.max.bytes", 1_000_000).start();
    let address = broker.address();
    let huge = i32::MAX.to_be_bytes();
    let frames: Vec<(&str, Vec<u8>)> = vec![
        ("unknown API", header(999, 0)),
        ("negative API", header(-1, 0)),
        ("unknown version of Metadata", header(3, 99)),
        ("negative version of Metadata", header(3, -1)),
        ("removed version of ControlledShutdown", header(7, 127)),
        ("empty frame", vec![]),
        ("three bytes", vec![0, 3, 0]),
        ("header without client id", header(3, 1)[..8].to_vec()),
        ("client id longer than the frame", be(&[&header(3, 1)[..8], &[0x7f, 0xff]])),
        ("body missing", header(3, 1)),
        ("array count of 2^31-1", be(&[&header(3, 1), &huge])),
        ("array count beyond the frame", be(&[&header(3, 1), &[0, 0, 0, 9], &[0, 1, b'a']])),
        ("string of negative length", be(&[&header(3, 1), &[0, 0, 0, 1], &[0x80, 0]])),
        ("compact array count of 2^32-1", be(&[&header(3, 12), &[0], &[0xff, 0xff, 0xff, 0xff, 0x0f]])),
        ("varint without end", be(&[&header(3, 12), &[0], &[0xff; 12]])),
    ];
    for (what, frame) in frames {
        let mut connection = Connection::to(&address);
        connection.send_frame(&frame);
        assert_eq!(connection.receive(), None, "{what}");
        assert_serves(&address);
    }
    let raw: Vec<(&str, Vec<u8>)> = vec![
        ("frame over socket.request.max.bytes", be(&[&1_000_001i32.to_be_bytes(), &header(3, 1)])),
        ("frame of 2^31-1 bytes", be(&[&huge, &header(3, 1)])),
        ("negative length", be(&[&(-1i32).to_be_bytes(), &header(3, 1)])),
        // A TLS client's first bytes: record type 22, version 3.1, 512 bytes of ClientHello.
        ("TLS", be(&[&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03], &[0x5a; 501]])),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n".to_vec()),
    ];
    for (what, bytes) in raw {
        let mut connection = Connection::to(&address);
        connection.send(&bytes);
        assert_eq!(connection.receive(), None, "{what}");
        assert_serves(&address);
    }
    broker.assert_alive();
}

#[test]
fn api_versions_of_an_unknown_version_is_answered_in_version_0() {
    let cluster = Cluster::new("api-versions-99");
    let mut broker = cluster.broker(0).start();
    let mut connection = Connection::to(&broker.address());
    connection.send_frame(&be(&[&header(18, 99), &[0], b"\x02x\x02y\x00"]));
    let answer = connection.receive().expect("an answer");
    // Correlation id, UNSUPPORTED_VERSION, one entry: ApiVersions itself, 0 to 4.
    let expected = be(&[&7i32.to_be_bytes(), &35i16.to_be_bytes(), &1i32.to_be_bytes(), &[0, 18, 0, 0, 0, 4]]);
    assert_eq!(answer, expected);
    // The client goes on with that on the same connection.
    assert_eq!(connection.call(&ApiVersionsRequest::default(), 0).error_code, 0);
    broker.assert_alive();
}

#[test]
fn half_a_frame_then_silence_is_closed_after_the_idle_time_and_disturbs_nobody() {
    let cluster = Cluster::new("half-frame");
    let mut broker = cluster.broker(0).with("connections.max.idle.ms", 2000).start();
    let address = broker.address();
    let mut halves: Vec<Connection> = Vec::new();
    for sent in [0, 2, 4, 12] {
        let mut connection = Connection::to(&address);
        let frame = be(&[&100i32.to_be_bytes(), &header(3, 1)]);
        connection.send(&frame[..sent]);
        halves.push(connection);
    }
    assert_serves(&address);
    for connection in &mut halves {
        assert!(connection.assert_closed() < Duration::from_secs(15));
    }
    broker.assert_alive();
}

#[test]
fn requests_in_one_write_are_answered_in_order() {
    let cluster = Cluster::new("pipelined");
    let broker = cluster.broker(0).start();
    let mut connection = Connection::to(&broker.address());
    let mut bytes = Vec::new();
    for i in 0..20 {
        let frame = match i % 2 {
            0 => connection.encode(&ApiVersionsRequest::default(), 0),
            _ => connection.encode(&MetadataRequest::default().with_topics(None), 5),
        };
        bytes.extend(i32::try_from(frame.len()).expect("small").to_be_bytes());
        bytes.extend(frame);
    }
    // In pieces that match no frame.
    bytes.chunks(23).for_each(|piece| connection.send(piece));
    for correlation in 1..=20i32 {
        let answer = connection.receive().expect("an answer");
        assert_eq!(answer[..4], correlation.to_be_bytes());
    }
}

#[test]
fn connection_beyond_the_limit_per_address_is_closed() {
    let cluster = Cluster::new("max-connections");
    // The broker's own connection to itself comes from the same address: it is over the limit only while the test's are open.
    let broker = cluster.broker(0).with("max.connections.per.ip", 12).start();
    let mut open: Vec<Connection> = Vec::new();
    let refused = (0..20).any(|_| {
        let mut connection = Connection::to(&broker.address());
        let frame = connection.encode(&ApiVersionsRequest::default(), 0);
        connection.send_frame(&frame);
        let closed = connection.receive().is_none();
        open.push(connection);
        closed
    });
    assert!(refused, "20 connections were all served");
    assert!(open.len() > 5, "only {} connections were served", open.len() - 1);
    drop(open);
    crate::harness::eventually("a free place", Duration::from_secs(10), || {
        let mut connection = Connection::to(&broker.address());
        let frame = connection.encode(&ApiVersionsRequest::default(), 0);
        connection.send_frame(&frame);
        connection.receive().map(|_| ())
    });
}

#[test]
fn flood_of_connections_leaves_the_logs_their_files() {
    if crate::harness::target() == crate::harness::Kind::Apache {
        return; // there the next file that can't be opened takes the log directory offline
    }
    let cluster = Cluster::new("flood");
    let mut broker = cluster.broker(0).with_open_files(240).start();
    let address = broker.address();
    // More than a half of 240; the rest waits in the listener's backlog.
    let mut flood: Vec<Connection> = (0..150).map(|_| Connection::to(&address)).collect();
    for connection in &mut flood {
        let frame = connection.encode(&ApiVersionsRequest::default(), 0);
        connection.send_frame(&frame);
    }
    crate::harness::eventually("connections that wait", Duration::from_secs(20), || {
        broker.output().contains("no more connections are allowed").then_some(())
    });
    flood[0].receive().expect("the first was let in");
    let create = CreateTopicsRequest::default().with_topics(vec![raw::new_topic("topic", 20)]).with_timeout_ms(20_000);
    assert_eq!(flood[0].call(&create, 5).topics[0].error_code, 0);
    drop(flood);
    assert_eq!(raw::produce(&address, "topic", raw::batch(&["a"])), (0, 0));
    assert!(!broker.output().contains("offline"), "{}", broker.output());
    broker.assert_alive();
}

#[test]
fn thousands_of_connections_leave_no_open_file_behind() {
    let cluster = Cluster::new("churn");
    let mut broker = cluster.broker(0).start();
    let address = broker.address();
    raw::create_and_await(&address, "topic", &[]);
    let before = broker.open_files();
    for i in 0..3000 {
        let mut connection = Connection::to(&address);
        match i % 4 {
            0 => assert_eq!(connection.call(&ApiVersionsRequest::default(), 0).error_code, 0),
            1 => connection.send(&be(&[&90_000_000i32.to_be_bytes(), &header(3, 1)])),
            2 => {
                let metadata = connection.encode(&MetadataRequest::default().with_topics(None), 5);
                connection.send_frame(&metadata); // gone before the answer
            }
            _ => {}
        }
    }
    crate::harness::eventually("as many open files as before", Duration::from_secs(30), || {
        (broker.open_files() <= before).then_some(())
    });
    assert_serves(&address);
    broker.assert_alive();
}
