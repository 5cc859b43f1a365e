//! A connection that says exactly what a test wants said, well formed or not. `kafka-protocol` writes what is well formed.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest, MetadataRequest, ProduceRequest, RequestHeader,
    ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

use super::eventually;

/// Longest wait for an answer.
const LIMIT: Duration = Duration::from_secs(30);

/// A plain connection to a broker.
pub struct Connection {
    stream: TcpStream,
    correlation: i32,
    client_id: StrBytes,
}

impl Connection {
    /// Connects.
    pub fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, correlation: 0, client_id: StrBytes::from_static_str("test") }
    }

    /// Goes on under another client id.
    pub fn with_client_id(self, client_id: &'static str) -> Self {
        Self { client_id: StrBytes::from_static_str(client_id), ..self }
    }

    /// Connects and later reads within a time, for who asks brokers that may not answer.
    pub fn within(address: &str, limit: Duration) -> io::Result<Self> {
        let address = address.parse().map_err(io::Error::other)?;
        let stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, correlation: 0, client_id: StrBytes::from_static_str("test") })
    }

    /// As [`Connection::call`], where no answer is no failure of the test. Not to be used again after an error.
    pub fn try_call<R: Request>(&mut self, request: &R, version: i16) -> io::Result<R::Response> {
        let body = self.encode(request, version);
        self.send_frame(&body);
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        assert!(length < 64 << 20, "a frame of {length} bytes");
        let mut answer = vec![0; length as usize];
        self.stream.read_exact(&mut answer)?;
        let mut answer = Bytes::from(answer);
        ResponseHeader::decode(&mut answer, R::Response::header_version(version)).expect("a response header");
        Ok(R::Response::decode(&mut answer, version).expect("a response"))
    }

    /// Sends bytes as they are. A broker that has closed already is no error here.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends bytes with their length in front.
    pub fn send_frame(&mut self, body: &[u8]) {
        let mut frame = i32::try_from(body.len()).expect("a small frame").to_be_bytes().to_vec();
        frame.extend_from_slice(body);
        self.send(&frame);
    }

    /// Header and body of a request without the length; its correlation id is one more than the last.
    pub fn encode<R: Request>(&mut self, request: &R, version: i16) -> Vec<u8> {
        self.correlation += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(self.client_id.clone()));
        let mut frame = BytesMut::new();
        header.encode(&mut frame, R::header_version(version)).expect("a header");
        request.encode(&mut frame, version).expect("a request");
        frame.to_vec()
    }

    /// Sends a request and gives its response.
    pub fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        let frame = self.encode(request, version);
        self.send_frame(&frame);
        let mut answer = Bytes::from(self.receive().expect("an answer, but the broker closed the connection"));
        let header =
            ResponseHeader::decode(&mut answer, R::Response::header_version(version)).expect("a response header");
        assert_eq!(header.correlation_id, self.correlation, "correlation id");
        let response = R::Response::decode(&mut answer, version).expect("a response");
        assert!(!answer.has_remaining(), "{} bytes follow the response", answer.remaining());
        response
    }

    /// The next frame; none when the broker closes the connection first. Fails the test when neither happens in time.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        if !self.read(&mut length) {
            return None;
        }
        let length = usize::try_from(i32::from_be_bytes(length)).expect("a length that is not negative");
        assert!(length < 64 << 20, "a frame of {length} bytes");
        let mut frame = vec![0; length];
        assert!(self.read(&mut frame), "closed inside a frame");
        Some(frame)
    }

    fn read(&mut self, buffer: &mut [u8]) -> bool {
        match self.stream.read_exact(buffer) {
            Ok(()) => true,
            Err(e) if matches!(e.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => false,
            Err(e) => panic!("neither answered nor closed: {e}"),
        }
    }

    /// Waits until the broker closes the connection without another answer, and gives the time that took.
    pub fn assert_closed(&mut self) -> Duration {
        let start = Instant::now();
        assert_eq!(self.receive(), None, "an answer where the connection should be closed");
        start.elapsed()
    }
}

/// The broker answers on a new connection.
pub fn assert_serves(address: &str) -> ApiVersionsResponse {
    let response = Connection::to(address).call(&ApiVersionsRequest::default(), 0);
    assert_eq!(response.error_code, 0);
    response
}

/// Waits until the broker's metadata has a broker, and a leader for each partition of `topics`. Kafka serves before its controller
/// has sent it the first metadata: until then no topic can be created, and those that exist are unknown.
pub fn await_metadata(address: &str, topics: &[String]) {
    let request = MetadataRequest::default().with_topics(None);
    eventually("brokers and topics in the metadata", LIMIT, || {
        let response = Connection::to(address).call(&request, 7);
        let led = |name: &String| {
            let found = response.topics.iter().find(|t| t.name.as_ref().is_some_and(|n| n.as_str() == name));
            found.is_some_and(|topic| topic.partitions.iter().all(|p| p.leader_id.0 >= 0))
        };
        (!response.brokers.is_empty() && response.controller_id.0 >= 0 && topics.iter().all(led)).then_some(())
    });
}

/// Waits until the broker's metadata has these in sync for partition 0 of a topic. If it leads, it knows then itself: a broker hears of its
/// role before it hears of the metadata.
pub fn await_isr(address: &str, topic: &str, isr: &[i32]) {
    eventually(&format!("the ISR {isr:?} of {topic} in the metadata"), LIMIT, || {
        let response = Connection::to(address).call(&MetadataRequest::default().with_topics(None), 7);
        let found = response.topics.iter().find(|t| t.name.as_ref().is_some_and(|name| name.as_str() == topic))?;
        let partition = found.partitions.iter().find(|p| p.partition_index == 0)?;
        partition.isr_nodes.iter().map(|id| id.0).eq(isr.iter().copied()).then_some(())
    });
}

/// The name as the protocol library wants it.
pub fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.into()))
}

/// A topic to be created, with one replica.
pub fn new_topic(name: &str, partitions: i32) -> CreatableTopic {
    CreatableTopic::default().with_name(topic_name(name)).with_num_partitions(partitions).with_replication_factor(1)
}

/// Creates topics; their error codes in order of name.
pub fn create(address: &str, topics: Vec<CreatableTopic>) -> Vec<(String, i16)> {
    let request = CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(20_000);
    let response = Connection::to(address).call(&request, 5);
    let mut codes: Vec<_> = response.topics.iter().map(|t| (t.name.to_string(), t.error_code)).collect();
    codes.sort();
    codes
}

/// Creates a topic with one partition and waits until it has its leader.
pub fn create_and_await(address: &str, name: &str, configs: &[(&str, &str)]) {
    use kafka_protocol::messages::create_topics_request::CreatableTopicConfig;
    let configs = configs.iter().map(|(key, value)| {
        let text = |s: &str| StrBytes::from_string(s.into());
        CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
    });
    let topic = new_topic(name, 1).with_configs(configs.collect());
    assert_eq!(create(address, vec![topic]), [(name.to_string(), 0)]);
    await_leader(address, name);
}

/// Waits until partition 0 of a topic has a leader.
pub fn await_leader(address: &str, name: &str) -> i32 {
    use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
    eventually("a leader for the topic", LIMIT, || {
        let response = Connection::to(address).call(&request, 7);
        let topic = response.topics.first().expect("the topic asked for");
        let partition = topic.partitions.iter().find(|p| p.partition_index == 0)?;
        (topic.error_code == 0 && partition.error_code == 0 && partition.leader_id.0 >= 0)
            .then_some(partition.leader_id.0)
    })
}

/// A plain batch of magic 2 with these values, made now.
pub fn batch(values: &[&str]) -> Vec<u8> {
    let records: Vec<Record> = values.iter().map(|value| (None, Some(value.as_bytes().to_vec()))).collect();
    batch_of(&records)
}

/// Key and value; none is null.
pub type Record = (Option<Vec<u8>>, Option<Vec<u8>>);

/// A plain batch of magic 2 with these records, made now (`DefaultRecordBatch`).
pub fn batch_of(records: &[Record]) -> Vec<u8> {
    let count = i32::try_from(records.len()).expect("few records");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let now = i64::try_from(now).expect("this era").to_be_bytes();
    let mut batch = Vec::new();
    batch.extend([0; 8 + 4]); // base offset; the length comes last
    batch.extend((-1i32).to_be_bytes()); // leader epoch
    batch.push(2); // magic
    batch.extend([0; 4 + 2]); // the CRC comes last; no attributes
    batch.extend((count - 1).to_be_bytes());
    batch.extend(now);
    batch.extend(now);
    batch.extend([0xff; 8 + 2 + 4]); // no producer id, epoch, sequence
    batch.extend(count.to_be_bytes());
    for (delta, (key, value)) in (0i64..).zip(records) {
        let mut record = vec![0, 0]; // attributes, timestamp delta
        varint(&mut record, delta);
        for bytes in [key, value] {
            let length = bytes.as_ref().map_or(-1, |bytes| i64::try_from(bytes.len()).expect("a short record"));
            varint(&mut record, length);
            record.extend(bytes.iter().flatten());
        }
        record.push(0); // no headers
        varint(&mut batch, i64::try_from(record.len()).expect("a short record"));
        batch.extend(record);
    }
    let length = i32::try_from(batch.len() - 12).expect("a small batch");
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    with_right_crc(batch)
}

fn varint(out: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while left >= 0x80 {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

/// Where the fields of a batch of magic 2 are that tests change.
pub mod at {
    /// Format version.
    pub const MAGIC: usize = 16;
    /// CRC-32C of all that follows it.
    pub const CRC: usize = 17;
    /// Attributes, low byte: codec and timestamp type.
    pub const ATTRIBUTES: usize = 22;
    /// Last offset delta.
    pub const LAST_DELTA: usize = 23;
    /// Base timestamp.
    pub const BASE_TIME: usize = 27;
    /// Largest timestamp.
    pub const MAX_TIME: usize = 35;
    /// Producer id; epoch and base sequence follow.
    pub const PRODUCER: usize = 43;
    /// Number of records.
    pub const COUNT: usize = 57;
}

/// Writes the right CRC into a batch of magic 2 that a test has changed.
pub fn with_right_crc(mut batch: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&batch[at::CRC + 4..]);
    batch[at::CRC..at::CRC + 4].copy_from_slice(&crc.to_be_bytes());
    batch
}

/// Produces bytes to partition 0 of a topic with acks=all: error code and base offset.
pub fn produce(address: &str, topic: &str, records: Vec<u8>) -> (i16, i64) {
    produce_by(&mut Connection::to(address), topic, records)
}

/// Produces records into an internal topic, which only the client id of Kafka's admin client may.
pub fn produce_internal(address: &str, topic: &str, records: &[Record]) {
    let mut connection = Connection::to(address).with_client_id("__admin_client");
    let (code, _) = produce_by(&mut connection, topic, batch_of(records));
    assert_eq!(code, 0, "produce to {topic}");
}

fn produce_by(connection: &mut Connection, topic: &str, records: Vec<u8>) -> (i16, i64) {
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(Bytes::from(records)));
    let topic = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![partition]);
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![topic]);
    let response = connection.call(&request, 9);
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}
