//! Every message behind one set of function pointers, so that a test can walk all of them at all versions.

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable};
use ottla::wire::{ApiKey, DecodeError, EncodeError, Field, Gen, Message, Reader, Writer};

/// What each codec wrote, or why not; the other one gives no reasons we could compare.
pub type OursAndTheirs = (Result<Bytes, EncodeError>, Option<Bytes>);

/// One message and what the tests do with it. Bodies are without header.
pub struct Probe {
    pub name: &'static str,
    pub api: ApiKey,
    pub is_request: bool,
    /// The oldest and newest version the other codec has.
    pub their_versions: (i16, i16),
    /// Reads a body and writes it again.
    pub rewrite: fn(Bytes, i16) -> Result<Bytes, String>,
    /// Only reads.
    pub read: fn(Bytes, i16) -> Result<(), DecodeError>,
    /// The bytes of the value this seed gives.
    pub generate: fn(u64, i16) -> Bytes,
    /// The bytes of the value this generator gives.
    pub generate_from: fn(Gen) -> Bytes,
    /// Our codec and the other one agree on the value this seed gives: each reads what the other wrote.
    pub agree: fn(u64, i16),
    /// What is read at the first version, written at the second, by our codec and by the other one.
    pub convert: fn(u64, i16, i16) -> OursAndTheirs,
    /// A value generated for the newest version, written at this one.
    pub write_newest_at: fn(u64, i16) -> Result<Bytes, EncodeError>,
}

/// The body of `message`.
pub fn write<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut w = Writer::new();
    message.write(&mut w, version);
    w.finish().map(|encoded| {
        assert!(encoded.holes.is_empty());
        encoded.bytes
    })
}

/// The message in `body`, and how much of it was not read.
pub fn read<M: Message>(body: Bytes, version: i16) -> Result<(M, usize), DecodeError> {
    let mut r = Reader::new(body);
    let message = M::read(&mut r, version)?;
    Ok((message, r.remaining()))
}

fn rewrite<M: Message>(body: Bytes, version: i16) -> Result<Bytes, String> {
    let (message, rest) = read::<M>(body, version).map_err(|e| e.to_string())?;
    if rest > 0 {
        return Err(format!("{rest} bytes were not read"));
    }
    write(&message, version).map_err(|e| e.to_string())
}

fn generate<M: Message>(seed: u64, version: i16) -> Bytes {
    generate_from::<M>(Gen::new(seed, version))
}

fn generate_from<M: Message>(mut g: Gen) -> Bytes {
    write(&M::arbitrary(&mut g), g.version()).expect("a value of this version")
}

fn agree<M: Message, Theirs: Decodable + Encodable>(seed: u64, version: i16) {
    let ours = M::arbitrary(&mut Gen::new(seed, version));
    let context = || format!("{} version {version} seed {seed}: {ours:#?}", std::any::type_name::<M>());
    let bytes = write(&ours, version).unwrap_or_else(|e| panic!("{e}: {}", context()));
    let mut rest = bytes.clone();
    let theirs = Theirs::decode(&mut rest, version).unwrap_or_else(|e| panic!("they cannot read: {e}: {}", context()));
    assert!(rest.is_empty(), "they left {} bytes: {}", rest.len(), context());
    let mut their_bytes = BytesMut::new();
    theirs.encode(&mut their_bytes, version).unwrap_or_else(|e| panic!("they cannot write: {e}: {}", context()));
    assert_eq!(bytes, their_bytes, "{}", context());
    let (back, rest) = read::<M>(their_bytes.freeze(), version).unwrap_or_else(|e| panic!("{e}: {}", context()));
    assert_eq!(rest, 0, "{}", context());
    assert_eq!(back, ours, "version {version} seed {seed}");
}

fn convert<M: Message, Theirs: Decodable + Encodable>(seed: u64, from: i16, to: i16) -> OursAndTheirs {
    let body = generate::<M>(seed, from);
    let (ours, _) = read::<M>(body.clone(), from).expect("our own bytes");
    let theirs = Theirs::decode(&mut body.clone(), from).expect("our bytes");
    let mut their_bytes = BytesMut::new();
    let written = theirs.encode(&mut their_bytes, to).is_ok();
    (write(&ours, to), written.then(|| their_bytes.freeze()))
}

macro_rules! probes {
    (requests { $($request:ident)* } responses { $($response:ident)* }) => {
        /// Requests and responses of all APIs.
        pub const PROBES: &[Probe] = &[$(probes!(@ $request true),)* $(probes!(@ $response false),)*];
    };
    (@ $name:ident $is_request:literal) => {
        Probe {
            name: stringify!($name),
            api: <ottla::wire::$name as Message>::KEY,
            is_request: $is_request,
            their_versions: {
                let versions = <kafka_protocol::messages::$name as kafka_protocol::protocol::Message>::VERSIONS;
                (versions.min, versions.max)
            },
            rewrite: rewrite::<ottla::wire::$name>,
            read: |body, version| read::<ottla::wire::$name>(body, version).map(drop),
            generate: generate::<ottla::wire::$name>,
            generate_from: generate_from::<ottla::wire::$name>,
            agree: agree::<ottla::wire::$name, kafka_protocol::messages::$name>,
            convert: convert::<ottla::wire::$name, kafka_protocol::messages::$name>,
            write_newest_at: |seed, version| {
                let newest = <ottla::wire::$name as Message>::KEY.max_version();
                write(&ottla::wire::$name::arbitrary(&mut Gen::new(seed, newest)), version)
            },
        }
    };
}

probes! {
    requests {
        ProduceRequest FetchRequest ListOffsetsRequest MetadataRequest LeaderAndIsrRequest StopReplicaRequest
        UpdateMetadataRequest ControlledShutdownRequest OffsetCommitRequest OffsetFetchRequest FindCoordinatorRequest
        JoinGroupRequest HeartbeatRequest LeaveGroupRequest SyncGroupRequest DescribeGroupsRequest ListGroupsRequest
        SaslHandshakeRequest ApiVersionsRequest CreateTopicsRequest DeleteTopicsRequest DeleteRecordsRequest
        InitProducerIdRequest OffsetForLeaderEpochRequest AddPartitionsToTxnRequest AddOffsetsToTxnRequest
        EndTxnRequest WriteTxnMarkersRequest TxnOffsetCommitRequest DescribeAclsRequest CreateAclsRequest
        DeleteAclsRequest DescribeConfigsRequest AlterConfigsRequest AlterReplicaLogDirsRequest DescribeLogDirsRequest
        SaslAuthenticateRequest CreatePartitionsRequest CreateDelegationTokenRequest RenewDelegationTokenRequest
        ExpireDelegationTokenRequest DescribeDelegationTokenRequest DeleteGroupsRequest ElectLeadersRequest
        IncrementalAlterConfigsRequest AlterPartitionReassignmentsRequest ListPartitionReassignmentsRequest
        OffsetDeleteRequest DescribeClientQuotasRequest AlterClientQuotasRequest DescribeUserScramCredentialsRequest
        AlterUserScramCredentialsRequest AlterPartitionRequest UpdateFeaturesRequest EnvelopeRequest
        DescribeClusterRequest DescribeProducersRequest DescribeTransactionsRequest ListTransactionsRequest
        AllocateProducerIdsRequest ConsumerGroupHeartbeatRequest ConsumerGroupDescribeRequest
    }
    responses {
        ProduceResponse FetchResponse ListOffsetsResponse MetadataResponse LeaderAndIsrResponse StopReplicaResponse
        UpdateMetadataResponse ControlledShutdownResponse OffsetCommitResponse OffsetFetchResponse
        FindCoordinatorResponse JoinGroupResponse HeartbeatResponse LeaveGroupResponse SyncGroupResponse
        DescribeGroupsResponse ListGroupsResponse SaslHandshakeResponse ApiVersionsResponse CreateTopicsResponse
        DeleteTopicsResponse DeleteRecordsResponse InitProducerIdResponse OffsetForLeaderEpochResponse
        AddPartitionsToTxnResponse AddOffsetsToTxnResponse EndTxnResponse WriteTxnMarkersResponse
        TxnOffsetCommitResponse DescribeAclsResponse CreateAclsResponse DeleteAclsResponse DescribeConfigsResponse
        AlterConfigsResponse AlterReplicaLogDirsResponse DescribeLogDirsResponse SaslAuthenticateResponse
        CreatePartitionsResponse CreateDelegationTokenResponse RenewDelegationTokenResponse
        ExpireDelegationTokenResponse DescribeDelegationTokenResponse DeleteGroupsResponse ElectLeadersResponse
        IncrementalAlterConfigsResponse AlterPartitionReassignmentsResponse ListPartitionReassignmentsResponse
        OffsetDeleteResponse DescribeClientQuotasResponse AlterClientQuotasResponse
        DescribeUserScramCredentialsResponse AlterUserScramCredentialsResponse AlterPartitionResponse
        UpdateFeaturesResponse EnvelopeResponse DescribeClusterResponse DescribeProducersResponse
        DescribeTransactionsResponse ListTransactionsResponse AllocateProducerIdsResponse
        ConsumerGroupHeartbeatResponse ConsumerGroupDescribeResponse
    }
}
