//! A raw connection: blocking, and cheap, so that the broker is what is measured. Requests and answers by Ottla's wire codec.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use ottla::record::{BatchBuilder, Batches};
use ottla::wire::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsRequestPartition,
    AlterPartitionReassignmentsRequestTopic, CreateTopicsRequest, CreateTopicsRequestConfig, CreateTopicsRequestTopic,
    ElectLeadersRequest, FetchRequest, FetchRequestPartition, FetchRequestTopic, FetchResponse, MetadataRequest,
    MetadataRequestTopic, ProduceRequest, ProduceRequestPartition, ProduceRequestTopic, ProduceResponse, Request,
    decode_response, encode_request,
};

use crate::Result;

/// Versions that both brokers serve and clients of the last years use, topics by name.
pub const PRODUCE_VERSION: i16 = 9;
pub const FETCH_VERSION: i16 = 12;
pub const METADATA_VERSION: i16 = 9;
const CREATE_TOPICS_VERSION: i16 = 5;
const REASSIGN_VERSION: i16 = 0;
const ELECT_LEADERS_VERSION: i16 = 2;
const PREFERRED: i8 = 0;

/// Longest wait for an answer.
const ANSWER_LIMIT: Duration = Duration::from_millis(ANSWER_LIMIT_MS as u64);
const ANSWER_LIMIT_MS: i32 = 60_000;

/// Longest wait for a topic's leaders.
const LEADER_LIMIT: Duration = Duration::from_secs(60);

/// A connection to a broker.
pub struct Connection {
    reader: BufReader<TcpStream>,
    buffer: BytesMut,
}

impl Connection {
    /// Connects.
    pub fn to(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, ANSWER_LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        Ok(Self { reader: BufReader::with_capacity(16 * 1024, stream), buffer: BytesMut::new() })
    }

    /// Where it leads.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        self.reader.get_ref().peer_addr()
    }

    /// A second handle, to write from another thread.
    pub fn writer(&self) -> io::Result<TcpStream> {
        self.reader.get_ref().try_clone()
    }

    /// Sends a frame made before.
    pub fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(frame)
    }

    /// The next frame, without its length. Its memory is used again once it is dropped.
    pub fn receive(&mut self) -> io::Result<Bytes> {
        let mut length = [0; 4];
        self.reader.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length)).map_err(io::Error::other)?;
        self.buffer.resize(length, 0);
        self.reader.read_exact(&mut self.buffer)?;
        Ok(self.buffer.split().freeze())
    }

    /// Asks, and waits for the answer.
    pub fn call<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response> {
        self.send(&encode(request, version)?)?;
        Ok(decode_response(self.receive()?, version)?.1)
    }

    /// The controller in this one's metadata, and where it listens; none while there is none.
    pub fn controller(&mut self) -> Result<Option<(i32, SocketAddr)>> {
        let none = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
        let answer = self.call(&none, METADATA_VERSION)?;
        let Some(found) = answer.brokers.iter().find(|broker| broker.node_id == answer.controller_id) else {
            return Ok(None);
        };
        Ok(Some((found.node_id, SocketAddr::new(found.host.parse()?, u16::try_from(found.port)?))))
    }

    /// The brokers in this one's metadata.
    pub fn brokers(&mut self) -> Result<Vec<i32>> {
        let none = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
        Ok(self.call(&none, METADATA_VERSION)?.brokers.iter().map(|broker| broker.node_id).collect())
    }

    /// Creates a topic and waits until each partition has a leader and so many replicas in sync. Gives the leaders.
    pub fn create_topic(&mut self, name: &str, partitions: i32, replicas: i16, in_sync: usize) -> Result<Vec<i32>> {
        self.ask_for_topic(name, partitions, replicas)?;
        self.await_leaders(name, in_sync)
    }

    /// Waits until each partition has a leader and so many replicas in sync. Gives the leaders.
    pub fn await_leaders(&mut self, name: &str, in_sync: usize) -> Result<Vec<i32>> {
        let begin = Instant::now();
        while begin.elapsed() < LEADER_LIMIT {
            if let Some(leaders) = self.leaders(name, in_sync)? {
                return Ok(leaders);
            }
            thread::sleep(Duration::from_millis(1));
        }
        Err(format!("no leader for {name}").into())
    }

    /// Creates a topic: this is a connection to the controller.
    pub fn ask_for_topic(&mut self, name: &str, partitions: i32, replicas: i16) -> Result<()> {
        self.ask_for_topic_with(name, partitions, replicas, &[])
    }

    /// [`Connection::ask_for_topic`], with configs of its own.
    pub fn ask_for_topic_with(
        &mut self,
        name: &str,
        partitions: i32,
        replicas: i16,
        configs: &[(&str, &str)],
    ) -> Result<()> {
        let config = |(name, value): &(&str, &str)| CreateTopicsRequestConfig {
            name: (*name).into(),
            value: Some((*value).into()),
        };
        let topic = CreateTopicsRequestTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: replicas,
            configs: configs.iter().map(config).collect(),
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: ANSWER_LIMIT_MS, ..Default::default() };
        let code = self.call(&request, CREATE_TOPICS_VERSION)?.topics[0].error_code;
        if code != 0 {
            return Err(format!("creating {name}: error {code}").into());
        }
        Ok(())
    }

    /// Gives a partition other replicas: this is a connection to the controller.
    pub fn reassign(&mut self, topic: &str, partition: i32, replicas: &[i32]) -> Result<()> {
        let partition = AlterPartitionReassignmentsRequestPartition {
            partition_index: partition,
            replicas: Some(replicas.to_vec()),
        };
        let topic = AlterPartitionReassignmentsRequestTopic { name: topic.into(), partitions: vec![partition] };
        let request = AlterPartitionReassignmentsRequest { topics: vec![topic], ..Default::default() };
        let answer = self.call(&request, REASSIGN_VERSION)?;
        let code = answer.responses.first().and_then(|topic| topic.partitions.first()).map(|p| p.error_code);
        match (answer.error_code, code) {
            (0, Some(0)) => Ok(()),
            codes => Err(format!("a reassignment was answered with errors {codes:?}").into()),
        }
    }

    /// Has the preferred replicas elected, where they are in sync: this is a connection to the controller.
    pub fn elect_preferred(&mut self, limit: Duration) -> Result<()> {
        let elect = ElectLeadersRequest {
            election_type: PREFERRED,
            topic_partitions: None,
            timeout_ms: i32::try_from(limit.as_millis())?,
        };
        self.call(&elect, ELECT_LEADERS_VERSION)?;
        Ok(())
    }

    /// The leader of each partition, once each has one, and so many replicas in sync.
    pub fn leaders(&mut self, name: &str, in_sync: usize) -> Result<Option<Vec<i32>>> {
        let response = self.call(&metadata_of(name), METADATA_VERSION)?;
        let mut partitions = response.topics[0].partitions.clone();
        partitions.sort_by_key(|partition| partition.partition_index);
        let ready =
            !partitions.is_empty() && partitions.iter().all(|p| p.leader_id >= 0 && p.isr_nodes.len() >= in_sync);
        Ok(ready.then(|| partitions.iter().map(|partition| partition.leader_id).collect()))
    }
}

/// A frame with its length.
pub fn encode<R: Request>(request: &R, version: i16) -> Result<BytesMut> {
    let mut frame = BytesMut::new();
    encode_request(&mut frame, request, version, 1, Some("ottla-bench"))?;
    Ok(frame)
}

/// Asks for one topic.
pub fn metadata_of(topic: &str) -> MetadataRequest {
    let topic = MetadataRequestTopic { name: Some(topic.into()), ..Default::default() };
    MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: false, ..Default::default() }
}

/// A batch of at most `bytes`, of records of `record_bytes`, uncompressed.
pub fn batch(bytes: usize, record_bytes: usize) -> Result<Bytes> {
    /// Header of a batch; and of a record, at these sizes.
    const BATCH_HEADER: usize = 61;
    const RECORD_HEADER: usize = 10;
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let mut builder = BatchBuilder::new(0);
    let mut state = 88_172_645_463_325_252_u64; // xorshift: bytes that do not repeat
    for _ in 0..((bytes - BATCH_HEADER) / record_bytes).max(1) {
        let value: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            b'a' + (state % 26) as u8
        })
        .take(record_bytes - RECORD_HEADER)
        .collect();
        builder.append(now_ms, None, Some(&value), &[]);
    }
    Ok(builder.build()?)
}

/// A produce request of one batch.
pub fn produce(topic: &str, partition: i32, acks: i16, batch: &Bytes) -> Result<BytesMut> {
    let partition = ProduceRequestPartition { index: partition, records: batch.clone().into() };
    let topic = ProduceRequestTopic { name: topic.into(), partition_data: vec![partition] };
    let request = ProduceRequest { acks, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
    encode(&request, PRODUCE_VERSION)
}

/// The error code of a produce's answer.
pub fn produce_code(answer: Bytes) -> Result<i16> {
    let (_, response) = decode_response::<ProduceResponse>(answer, PRODUCE_VERSION)?;
    let partition = response.responses.first().and_then(|topic| topic.partition_responses.first());
    Ok(partition.ok_or("an answer without a partition")?.error_code)
}

/// A fetch of one partition.
pub fn fetch(topic: &str, partition: i32, offset: i64, max_bytes: i32) -> Result<BytesMut> {
    let partition =
        FetchRequestPartition { partition, fetch_offset: offset, partition_max_bytes: max_bytes, ..Default::default() };
    let topic = FetchRequestTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() };
    let request = FetchRequest { max_wait_ms: 500, min_bytes: 1, max_bytes, topics: vec![topic], ..Default::default() };
    encode(&request, FETCH_VERSION)
}

/// The bytes of the whole batches in a fetch's answer, and the offset after the last; none when there were none.
pub fn fetched(answer: Bytes) -> Result<Option<(u64, i64)>> {
    let (_, response) = decode_response::<FetchResponse>(answer, FETCH_VERSION)?;
    let partition = response.responses.first().and_then(|topic| topic.partitions.first());
    let partition = partition.ok_or("an answer without a partition")?;
    if partition.error_code != 0 {
        return Err(format!("a fetch was answered with error {}", partition.error_code).into());
    }
    let records = partition.records.bytes().cloned().unwrap_or_default();
    let mut batches = Batches::new(&records);
    let last = batches.by_ref().map_while(std::result::Result::ok).last();
    Ok(last.map(|last| (batches.position() as u64, last.next_offset())))
}
