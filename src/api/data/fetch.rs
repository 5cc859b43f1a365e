//! Fetch (0-17): reads records from many partitions, waits for more when there is too little.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::down_convert::{ForOldClient, convert};
use super::is_read_committed;
use super::leaders::Leaders;
use crate::api::{Api, Malformed, Outcome, Peer, Replier, Request};
use crate::base::ids::NO_BROKER;
use crate::base::{ErrorCode, TopicId};
use crate::cluster::MetadataImage;
use crate::replica::fetch_session::{SessionKey, Told, Wanted};
use crate::replica::fetch_sessions::{FetchContext, SessionAsk};
use crate::replica::follower_fetch::FollowerId;
use crate::replica::read::{PartitionRead, ReadLimits};
use crate::replica::selector::Consumer;
use crate::wire::{
    FetchRequest, FetchResponse, FetchResponseAbortedTransaction, FetchResponseEpochEndOffset,
    FetchResponseLeaderIdAndEpoch, FetchResponseNodeEndpoint, FetchResponsePartition, FetchResponseTopic, Records,
};

/// Topics are named by id from here on.
const FIRST_TOPIC_ID_VERSION: i16 = 13;
/// The first version that tells of the current leader and where it is (KIP-951); the tagged field alone is older.
const FIRST_HINT_VERSION: i16 = 16;

/// The first version whose consumers may read from followers, and say where they are (KIP-392).
const FIRST_RACK_VERSION: i16 = 11;

/// Reads at once; when that is not enough, the answer comes later.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let version = request.version();
    let asked: FetchRequest = request.decode()?;
    let replier = request.replier();
    let config = api.config.load();
    let max_bytes = if version < 3 { i32::MAX } else { asked.max_bytes }.min(config.fetch_max_bytes);
    let min_bytes = asked.min_bytes.min(max_bytes);
    let max_wait = Duration::from_millis(u64::try_from(asked.max_wait_ms).unwrap_or(0));
    let limits = ReadLimits {
        max_bytes: usize::try_from(max_bytes).unwrap_or(0),
        hard_max_bytes: version <= 2,
        committed_transactions_only: is_read_committed(asked.isolation_level),
        follower: follower(&asked),
        any_replica: version >= FIRST_RACK_VERSION && follower(&asked).is_none(),
    };
    let image = api.cluster.metadata.load();
    let context = match api.replicas.sessions.begin(session_ask(&asked, version, &image), api.env.clock.now()) {
        Ok(context) => context,
        Err(code) => {
            return Ok(replier.reply(&FetchResponse { error_code: code.code(), ..Default::default() }));
        }
    };
    let wanted = resolve(&context, &image);
    if limits.any_replica && !asked.rack_id.is_empty() {
        let consumer = Consumer { rack: &asked.rack_id, listener: &request.peer.listener };
        let elsewhere = |(key, wanted): &(SessionKey, Wanted)| api.replicas.read_elsewhere(key, wanted, consumer);
        let elsewhere: Vec<_> = wanted.iter().map(elsewhere).collect();
        if elsewhere.iter().any(Option::is_some) {
            // It is told at once; what it is to read here comes along as far as it is there.
            let (here, _): (Vec<_>, Vec<_>) =
                wanted.iter().cloned().zip(&elsewhere).filter(|(_, sent)| sent.is_none()).unzip();
            let mut here = api.replicas.read(&here, limits).await.into_iter();
            let reads = elsewhere.into_iter().filter_map(|sent| sent.or_else(|| here.next())).collect();
            let fetch =
                Fetch { api: api.clone(), peer: request.peer, replier, context, wanted, limits, unknown: vec![] };
            return Ok(fetch.answer(reads).await);
        }
    }
    let reads = {
        let _received = limits.follower.map(|follower| api.replicas.heard.received(follower.broker));
        api.replicas.read(&wanted, limits).await
    };
    let unknown = reads.iter().map(|read| is_unknown(read.error)).collect();
    let fetch = Fetch { api: api.clone(), peer: request.peer, replier, context, wanted, limits, unknown };
    if max_wait.is_zero() || fetch.is_enough(&reads, min_bytes) {
        return Ok(fetch.answer(reads).await);
    }
    let deadline = api.env.clock.now() + max_wait;
    Ok(Outcome::later(async move {
        let wait = fetch.api.replicas.register_read(&fetch.wanted, fetch.limits);
        loop {
            let reads = fetch.api.replicas.read_again(&fetch.wanted, fetch.limits).await;
            if fetch.is_enough(&reads, min_bytes) {
                return fetch.answer(reads).await;
            }
            let woken = tokio::select! {
                biased;
                woken = fetch.api.replicas.wait_for_more(&wait, deadline) => woken,
                () = fetch.peer.stopped() => false,
            };
            if !woken {
                let reads = fetch.api.replicas.read_again(&fetch.wanted, fetch.limits).await;
                return fetch.answer(reads).await;
            }
        }
    }))
}

/// A fetch under way.
struct Fetch {
    api: Arc<Api>,
    peer: Arc<Peer>,
    replier: Replier,
    context: FetchContext,
    wanted: Vec<(SessionKey, Wanted)>,
    limits: ReadLimits,
    /// Which of them nobody knew at the first look.
    unknown: Vec<bool>,
}

/// Refused before the read.
fn is_unknown(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId)
}

/// The follower that asks, if it is one: negative ids are consumers'.
fn follower(asked: &FetchRequest) -> Option<FollowerId> {
    let broker = asked.replica_id.max(asked.replica_state.replica_id);
    (broker >= 0).then_some(FollowerId { broker, broker_epoch: asked.replica_state.replica_epoch })
}

fn session_ask(asked: &FetchRequest, version: i16, image: &MetadataImage) -> SessionAsk {
    let key = |topic: &str, topic_id: TopicId, partition: i32| {
        let topic = if version >= FIRST_TOPIC_ID_VERSION {
            image.name_of(topic_id).cloned().unwrap_or_default()
        } else {
            topic.into()
        };
        SessionKey { topic_id, topic, partition }
    };
    let wanted = asked.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |p| {
            let wanted = Wanted {
                fetch_offset: p.fetch_offset,
                log_start_offset: p.log_start_offset,
                max_bytes: p.partition_max_bytes,
                current_leader_epoch: p.current_leader_epoch,
                last_fetched_epoch: p.last_fetched_epoch,
            };
            (key(&topic.topic, topic.topic_id, p.partition), wanted)
        })
    });
    let forgotten = asked
        .forgotten_topics_data
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(move |p| key(&topic.topic, topic.topic_id, *p)));
    SessionAsk {
        session_id: asked.session_id,
        epoch: asked.session_epoch,
        uses_topic_ids: version >= FIRST_TOPIC_ID_VERSION,
        from_follower: follower(asked).is_some(),
        wanted: wanted.collect(),
        forgotten: forgotten.collect(),
    }
}

/// An id that was unknown when its partition joined the session may be known by now.
fn resolve(context: &FetchContext, image: &MetadataImage) -> Vec<(SessionKey, Wanted)> {
    let name = |key: &SessionKey| match image.name_of(key.topic_id) {
        Some(name) if key.topic.is_empty() => name.clone(),
        _ => key.topic.clone(),
    };
    context.partitions.iter().map(|(key, wanted)| (SessionKey { topic: name(key), ..*key }, *wanted)).collect()
}

impl Fetch {
    /// Nothing to wait for: enough bytes, nothing readable asked, or an error to tell at once. A partition that was unknown from the
    /// start ends no wait as long as others can (`KafkaApis` keeps it from the replica manager): a consumer that still follows a
    /// deleted topic must not spin. A follower is told: it was only told of its leader before the leader was.
    fn is_enough(&self, reads: &[PartitionRead], min_bytes: i32) -> bool {
        let bytes: usize = reads.iter().map(PartitionRead::len).sum();
        let failed = |(read, was_unknown): (&PartitionRead, &bool)| {
            let still_unknown = *was_unknown && is_unknown(read.error) && self.limits.follower.is_none();
            !read.error.is_none() && !still_unknown
        };
        self.unknown.iter().all(|unknown| *unknown)
            || bytes >= usize::try_from(min_bytes).unwrap_or(0)
            || reads.iter().any(|read| read.diverging.is_some())
            || reads.iter().zip(&self.unknown).any(failed)
    }

    async fn answer(&self, mut reads: Vec<PartitionRead>) -> Outcome {
        let mut anew: BTreeMap<usize, Bytes> = BTreeMap::new();
        for (i, ((key, wanted), read)) in self.wanted.iter().zip(&mut reads).enumerate() {
            match convert(&self.api, key, wanted, read, self.limits, self.replier.version()).await {
                ForOldClient::AsItIs => {}
                ForOldClient::Refused(code) => *read = PartitionRead::refused(code),
                ForOldClient::Converted(bytes) => drop(anew.insert(i, bytes)),
            }
        }
        let told: Vec<_> = self
            .context
            .partitions
            .iter()
            .zip(&reads)
            .map(|((key, wanted), read)| {
                let told = Told {
                    error: read.error,
                    high_watermark: read.high_watermark,
                    log_start_offset: read.log_start_offset,
                    has_content: !read.is_empty() || read.diverging.is_some() || read.preferred.is_some(),
                    has_records: !read.is_empty(),
                };
                (key.clone(), *wanted, told)
            })
            .collect();
        let (session_id, included) = self.context.answer(&self.api.replicas.sessions, &told, self.api.env.clock.now());
        if self.limits.follower.is_some() {
            self.api.replicas.note_sent(&self.wanted, &reads);
        }
        let image = self.api.cluster.metadata.load();
        let mut leaders = Leaders::new(&image, &self.peer);
        let mut response = FetchResponse { session_id, ..Default::default() };
        let mut slices = Vec::new();
        for (i, (((key, _), mut read), included)) in self.wanted.iter().zip(reads).zip(included).enumerate() {
            if !included {
                continue;
            }
            let slice = read.slice.take();
            let mut partition = partition_answer(key.partition, read, self.replier.version());
            let metrics = &self.api.env.metrics;
            if partition.error_code != ErrorCode::None.code() {
                metrics.failed_fetches.add(1);
            }
            let out = if self.limits.follower.is_some() { &metrics.replication_bytes_out } else { &metrics.bytes_out };
            if let Some(anew) = anew.remove(&i) {
                out.add(anew.len() as u64);
                partition.records = Records::Bytes(anew);
            } else if let Some(slice) = slice {
                out.add(slice.len as u64);
                partition.records = Records::Hole(slice.len);
                slices.push(slice);
            }
            if self.replier.version() >= FIRST_HINT_VERSION
                && let Some((leader_id, leader_epoch)) =
                    leaders.hint(ErrorCode::from_code(partition.error_code), &key.topic, key.partition)
            {
                partition.current_leader = FetchResponseLeaderIdAndEpoch { leader_id, leader_epoch };
            }
            match response.responses.last_mut() {
                Some(topic) if *topic.topic == *key.topic && topic.topic_id == key.topic_id => {
                    topic.partitions.push(partition);
                }
                _ => response.responses.push(FetchResponseTopic {
                    topic: (&key.topic).into(),
                    topic_id: key.topic_id,
                    partitions: vec![partition],
                }),
            }
        }
        if self.replier.version() >= FIRST_HINT_VERSION {
            response.node_endpoints = leaders
                .named()
                .map(|(node_id, endpoint, rack)| FetchResponseNodeEndpoint {
                    node_id,
                    host: endpoint.host.into(),
                    port: endpoint.port,
                    rack: rack.map(Into::into),
                })
                .collect();
        }
        self.replier.reply_with(&response, slices)
    }
}

fn partition_answer(index: i32, read: PartitionRead, version: i16) -> FetchResponsePartition {
    let error = match read.error {
        ErrorCode::KafkaStorageError if version <= 5 => ErrorCode::NotLeaderOrFollower,
        error => error,
    };
    FetchResponsePartition {
        partition_index: index,
        error_code: error.code(),
        high_watermark: read.high_watermark,
        last_stable_offset: read.last_stable_offset,
        log_start_offset: read.log_start_offset,
        aborted_transactions: read.aborted.map(|aborted| {
            aborted
                .into_iter()
                .map(|txn| FetchResponseAbortedTransaction {
                    producer_id: txn.producer_id,
                    first_offset: txn.first_offset,
                })
                .collect()
        }),
        diverging_epoch: read.diverging.map_or_else(Default::default, |end| FetchResponseEpochEndOffset {
            epoch: end.epoch,
            end_offset: end.end_offset,
        }),
        preferred_read_replica: read.preferred.unwrap_or(NO_BROKER),
        records: Records::Bytes(Bytes::new()),
        ..Default::default()
    }
}
