//! The three control requests against what Kafka's own controller sent: from the same knowledge the same bytes, up to the order of
//! topics, partitions and brokers, which is a hash map's in Kafka.

use ottla::base::{BrokerId, TopicPartition};
use ottla::client::Target;
use ottla::controller::ControllerSettings;
use ottla::controller::assignment::ReplicaAssignment;
use ottla::controller::batch::{Batch, ControlRequest};
use ottla::controller::context::{Broker, BrokerEndpoint, Context, LeaderAndIsr, Leadership};
use ottla::wire::{
    ApiKey, LeaderAndIsrRequest, Request, StopReplicaRequest, UpdateMetadataRequest, decode_request, encode_request,
};

use super::world::tp;

struct Golden {
    key: i16,
    bytes: bytes::Bytes,
}

fn golden() -> Vec<Golden> {
    let path = format!("{}/tests/golden/controller/frames.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("golden file");
    let frames = text.lines().map(|line| {
        let json: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let hex = json["hex"].as_str().expect("hex");
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect();
        Golden { key: json["api_key"].as_i64().expect("key") as i16, bytes: bytes.into() }
    });
    frames.collect()
}

fn settings(id: BrokerId) -> ControllerSettings {
    ControllerSettings::new(id, "PLAINTEXT", Target::new("127.0.0.1", 1))
}

/// A context that knows a broker under the epoch that the frame names.
fn context(controller_epoch: i32) -> Context {
    Context { epoch: controller_epoch, ..Context::default() }
}

fn put_broker(ctx: &mut Context, id: BrokerId, epoch: i64, host: &str, port: i32, rack: Option<String>) {
    let endpoint = BrokerEndpoint { listener: "PLAINTEXT".into(), host: host.into(), port, security_protocol: 0 };
    let known = ctx.brokers.insert(id, Broker { id, epoch, endpoints: vec![endpoint], rack, features: [].into() });
    // The list of brokers tells no epochs: one set before stays.
    if let Some(known) = known {
        ctx.brokers.get_mut(&id).expect("just put").epoch = known.epoch.max(epoch);
    }
}

/// Encodes with the golden frame's header fields and compares without the length.
fn same_bytes<R: Request>(request: &R, version: i16, correlation_id: i32, client: &str, golden: &[u8]) {
    let mut out = bytes::BytesMut::new();
    encode_request(&mut out, request, version, correlation_id, Some(client)).expect("encoded");
    assert_eq!(&out[4..], golden, "{}", R::KEY);
}

#[test]
fn leader_and_isr_has_kafkas_bytes() {
    let mut seen = 0;
    for frame in golden().into_iter().filter(|f| f.key == ApiKey::LeaderAndIsr.code()) {
        let (header, mut theirs) = decode_request::<LeaderAndIsrRequest>(frame.bytes.clone()).expect("decoded");
        let controller = theirs.controller_id;
        let mut ctx = context(theirs.controller_epoch);
        let to: BrokerId = 1000; // whichever: the frame does not name its receiver
        put_broker(&mut ctx, to, theirs.broker_epoch, "elsewhere", 1, None);
        for leader in &theirs.live_leaders {
            put_broker(&mut ctx, leader.broker_id, 0, &leader.host_name, leader.port, None);
        }
        let mut batch = Batch::default();
        for topic in &theirs.topic_states {
            let name = std::sync::Arc::from(&*topic.topic_name);
            ctx.set_topic_id(&name, topic.topic_id);
            for p in &topic.partition_states {
                let of = TopicPartition::new(name.clone(), p.partition_index);
                let (adding, removing) = (p.adding_replicas.clone(), p.removing_replicas.clone());
                ctx.set_assignment(&of, ReplicaAssignment { replicas: p.replicas.clone(), adding, removing });
                let state = LeaderAndIsr {
                    leader: p.leader,
                    leader_epoch: p.leader_epoch,
                    isr: p.isr.clone(),
                    recovering: p.leader_recovery_state == 1,
                    partition_epoch: p.partition_epoch,
                };
                ctx.set_leadership(&of, Leadership { controller_epoch: p.controller_epoch, state });
                batch.add_leader_and_isr(&ctx, &[to], &of, p.is_new);
            }
        }
        let requests = batch.into_requests(&ctx, &settings(controller));
        let (first, ours) = requests.into_iter().next().expect("a request");
        let ControlRequest::LeaderAndIsr(ours) = ours else { panic!("LeaderAndIsr goes first") };
        assert_eq!(first, to);
        theirs.topic_states.sort_by(|a, b| a.topic_name.cmp(&b.topic_name));
        theirs.topic_states.iter_mut().for_each(|t| t.partition_states.sort_by_key(|p| p.partition_index));
        theirs.live_leaders.sort_by_key(|l| l.broker_id);
        let mut sorted = bytes::BytesMut::new();
        let client = header.client_id.as_deref().expect("client id");
        encode_request(&mut sorted, &theirs, header.api_version, header.correlation_id, Some(client)).expect("encoded");
        assert_eq!(sorted.len() - 4, frame.bytes.len(), "sorting changes no length");
        same_bytes(&ours, settings(0).versions.leader_and_isr, header.correlation_id, client, &sorted[4..]);
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn update_metadata_has_kafkas_bytes() {
    let mut seen = 0;
    for frame in golden().into_iter().filter(|f| f.key == ApiKey::UpdateMetadata.code()) {
        let (header, mut theirs) = decode_request::<UpdateMetadataRequest>(frame.bytes.clone()).expect("decoded");
        let mut ctx = context(theirs.controller_epoch);
        for broker in &theirs.live_brokers {
            let at = &broker.endpoints[0];
            let rack = broker.rack.as_ref().map(ToString::to_string);
            put_broker(&mut ctx, broker.id, theirs.broker_epoch, &at.host, at.port, rack);
        }
        let to = theirs.live_brokers[0].id;
        let mut batch = Batch::default();
        batch.add_update_metadata(&ctx, &[to], []);
        let requests = batch.into_requests(&ctx, &settings(theirs.controller_id));
        let [(receiver, ControlRequest::UpdateMetadata(ours))] = &requests[..] else { panic!("one request") };
        assert_eq!(*receiver, to);
        theirs.live_brokers.sort_by_key(|b| b.id);
        let client = header.client_id.as_deref().expect("client id");
        let mut sorted = bytes::BytesMut::new();
        encode_request(&mut sorted, &theirs, header.api_version, header.correlation_id, Some(client)).expect("encoded");
        assert_eq!(sorted.len() - 4, frame.bytes.len());
        same_bytes(ours, settings(0).versions.update_metadata, header.correlation_id, client, &sorted[4..]);
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn stop_replica_has_kafkas_bytes() {
    let mut seen = 0;
    for frame in golden().into_iter().filter(|f| f.key == ApiKey::StopReplica.code()) {
        let (header, mut theirs) = decode_request::<StopReplicaRequest>(frame.bytes.clone()).expect("decoded");
        let mut ctx = context(theirs.controller_epoch);
        put_broker(&mut ctx, 7, theirs.broker_epoch, "h", 1, None);
        let mut batch = Batch::default();
        for topic in &theirs.topic_states {
            for p in &topic.partition_states {
                let of = tp(&topic.topic_name, p.partition_index);
                ctx.set_assignment(&of, ReplicaAssignment::new(vec![7]));
                let state = LeaderAndIsr {
                    leader: 7,
                    leader_epoch: p.leader_epoch,
                    isr: vec![7],
                    recovering: false,
                    partition_epoch: 0,
                };
                ctx.set_leadership(&of, Leadership { controller_epoch: 1, state });
                batch.add_stop_replica(&ctx, &[7], &of, p.delete_partition);
            }
        }
        let requests = batch.into_requests(&ctx, &settings(theirs.controller_id));
        let [(7, ControlRequest::StopReplica(ours))] = &requests[..] else { panic!("one request") };
        theirs.topic_states.sort_by(|a, b| a.topic_name.cmp(&b.topic_name));
        theirs.topic_states.iter_mut().for_each(|t| t.partition_states.sort_by_key(|p| p.partition_index));
        let client = header.client_id.as_deref().expect("client id");
        let mut sorted = bytes::BytesMut::new();
        encode_request(&mut sorted, &theirs, header.api_version, header.correlation_id, Some(client)).expect("encoded");
        assert_eq!(sorted.len() - 4, frame.bytes.len());
        same_bytes(ours, settings(0).versions.stop_replica, header.correlation_id, client, &sorted[4..]);
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn old_stop_replica_versions_split_deletions_from_stops() {
    let mut ctx = context(1);
    put_broker(&mut ctx, 0, 5, "h", 1, None);
    let mut settings = settings(0);
    let batch = |ctx: &Context| {
        let mut batch = Batch::default();
        batch.add_stop_replica(ctx, &[0], &tp("a", 0), false);
        batch.add_stop_replica(ctx, &[0], &tp("b", 1), true);
        batch
    };
    for version in [0, 1, 2] {
        settings.versions.stop_replica = version;
        let requests = batch(&ctx).into_requests(&ctx, &settings);
        let [(0, ControlRequest::StopReplica(first)), (0, ControlRequest::StopReplica(second))] = &requests[..] else {
            panic!("two requests")
        };
        assert!(first.delete_partitions && !second.delete_partitions);
        for request in [first, second] {
            let mut out = bytes::BytesMut::new();
            encode_request(&mut out, request, version, 0, None).expect("fits its version");
        }
    }
}

#[test]
fn each_version_of_leader_and_isr_and_update_metadata_can_be_written() {
    let mut ctx = context(1);
    put_broker(&mut ctx, 0, 5, "h", 1, Some("r".into()));
    let of = tp("a", 0);
    ctx.set_assignment(&of, ReplicaAssignment::new(vec![0]));
    let state = LeaderAndIsr { leader: 0, leader_epoch: 3, isr: vec![0], recovering: false, partition_epoch: 4 };
    ctx.set_leadership(&of, Leadership { controller_epoch: 1, state });
    let mut settings = settings(0);
    for version in 1..=7 {
        settings.versions.leader_and_isr = version;
        settings.versions.update_metadata = version;
        let mut batch = Batch::default();
        batch.add_leader_and_isr(&ctx, &[0], &of, true);
        let requests = batch.into_requests(&ctx, &settings);
        assert_eq!(requests.len(), 2);
        for (_, request) in requests {
            let mut out = bytes::BytesMut::new();
            match request {
                ControlRequest::LeaderAndIsr(r) => encode_request(&mut out, &r, version, 0, None),
                ControlRequest::UpdateMetadata(r) => encode_request(&mut out, &r, version, 0, None),
                other => panic!("not asked for: {other:?}"),
            }
            .expect("fits its version");
        }
    }
}

#[test]
fn new_and_delete_once_said_stay_said_and_nobody_is_below_zero() {
    let mut ctx = context(1);
    put_broker(&mut ctx, 0, 5, "h", 1, None);
    let of = tp("a", 0);
    ctx.set_assignment(&of, ReplicaAssignment::new(vec![0]));
    let state = LeaderAndIsr { leader: 0, leader_epoch: 3, isr: vec![0], recovering: false, partition_epoch: 4 };
    ctx.set_leadership(&of, Leadership { controller_epoch: 1, state });
    let mut batch = Batch::default();
    batch.add_leader_and_isr(&ctx, &[0, -1, 9], &of, true);
    batch.add_leader_and_isr(&ctx, &[0], &of, false);
    batch.add_stop_replica(&ctx, &[0, -1], &of, true);
    batch.add_stop_replica(&ctx, &[0], &of, false);
    let requests = batch.into_requests(&ctx, &settings(0));
    let [
        (0, ControlRequest::LeaderAndIsr(first)),
        (0, ControlRequest::UpdateMetadata(_)),
        (0, ControlRequest::StopReplica(last)),
    ] = &requests[..]
    else {
        panic!("three requests, for the registered broker only, in their order: {requests:?}")
    };
    assert!(first.topic_states[0].partition_states[0].is_new);
    assert!(last.topic_states[0].partition_states[0].delete_partition);
    assert_eq!(last.topic_states[0].partition_states[0].leader_epoch, 3);
}
