//! One sender per broker (`ControllerChannelManager`, `RequestSendThread`): a queue, one request in flight, tried for ever.
//!
//! `run.rs` hands requests in order; each broker gets them in that order. A request is tried every 100 ms until it is answered or
//! the broker's channel is closed, which drops what is queued. To this broker itself it goes over the network like to any other, at
//! the address where its listener is bound. Answers come back as events. A sender also notices when its broker's connection closes and
//! nobody listens there any more: `on/dead_process` acts on it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::batch::{Batch, ControlRequest};
use super::context::{Broker, Context};
use super::doubt::{LogEnd, Told};
use super::event::{Event, Events};
use super::settings::{ControlVersions, ControllerSettings};
use crate::base::env::Lane;
use crate::base::{BrokerId, Env, TopicPartition};
use crate::client::{Beat, BrokerClient, ClientError, ClientOptions, Pulse, Target};
use crate::wire::{
    LeaderAndIsrResponse, ListOffsetsResponse, ListOffsetsResponsePartition, ListOffsetsResponseTopic,
    StopReplicaResponse,
};

/// Between two tries of a request.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);

/// After a connection was closed, before the next attempt: a peer that accepts and closes must not be asked without end.
const CLOSED_PAUSE: Duration = Duration::from_millis(20);

/// What brokers are asked for the ends of logs with: all of IBP 2.8 and later know it, and it is the first that may carry more than
/// Kafka says.
const LIST_OFFSETS_VERSION: i16 = 6;

/// The senders of the registered brokers.
#[derive(Debug)]
pub(super) struct Channels {
    env: Env,
    events: Events,
    by_broker: BTreeMap<BrokerId, Channel>,
}

#[derive(Debug)]
struct Channel {
    // Unbounded like Kafka's: what waits here are the changes of a broker that does not answer, and it is dropped at the latest
    // when its session ends.
    queue: mpsc::UnboundedSender<ControlRequest>,
    target: watch::Sender<Target>,
    /// It has answered a request, or was found dead, or neither yet.
    is_there: watch::Receiver<Option<bool>>,
    sender: JoinHandle<()>,
}

impl Channels {
    pub(super) fn new(env: Env, events: Events) -> Self {
        Self { env, events, by_broker: BTreeMap::new() }
    }

    /// Starts the sender of a broker that has none. A suspected one has been found dead already, by this broker's other part.
    pub(super) fn add(&mut self, broker: &Broker, settings: &ControllerSettings, suspected: bool) {
        if self.by_broker.contains_key(&broker.id) {
            return;
        }
        let Some(target) = target_of(broker, settings) else { return };
        let mut options = ClientOptions::new(settings.broker_id.to_string());
        options.request_timeout = settings.request_timeout;
        options.connect_timeout = settings.connect_timeout;
        let client = BrokerClient::new(self.env.clone(), target.clone(), options.clone());
        let (queue, requests) = mpsc::unbounded_channel();
        let (target, targets) = watch::channel(target);
        let (seen, is_there) = watch::channel(None);
        // Nobody takes himself for dead.
        let detect = if broker.id == settings.broker_id { Duration::ZERO } else { settings.dead_process_detect };
        let pulse = Pulse::new(detect);
        let sender = Sender {
            broker: broker.id,
            epoch: broker.epoch,
            client,
            targets,
            seen,
            options,
            detect,
            pulse: if suspected { pulse.found_dead() } else { pulse },
            env: self.env.clone(),
            versions: settings.versions,
            events: self.events.clone(),
        };
        let sender = self.env.tasks.spawn(Lane::Control, "controller-sender", sender.run(requests));
        self.by_broker.insert(broker.id, Channel { queue, target, is_there, sender });
    }

    /// The broker may have another address: its sender goes there from its next try on, with what it has queued. Kafka's keeps the old one.
    pub(super) fn redirect(&self, broker: &Broker, settings: &ControllerSettings) {
        if let (Some(channel), Some(target)) = (self.by_broker.get(&broker.id), target_of(broker, settings)) {
            channel.target.send_if_modified(|now| std::mem::replace(now, target.clone()) != target);
        }
    }

    /// Waits until each of these brokers has answered a request or is found dead, or the time is over.
    pub(super) async fn await_answers(&self, brokers: &BTreeSet<BrokerId>, within: Duration) {
        let channels = brokers.iter().filter_map(|id| self.by_broker.get(id));
        let answers = channels.map(|channel| {
            let mut is_there = channel.is_there.clone();
            async move { drop(is_there.wait_for(Option::is_some).await) }
        });
        // Who has not answered by then is asked for by `has_answered`.
        let _ = tokio::time::timeout(within, futures_util::future::join_all(answers)).await;
    }

    /// The broker has answered a request of this term: its process is there, whatever becomes of it next.
    pub(super) fn has_answered(&self, broker: BrokerId) -> bool {
        self.by_broker.get(&broker).is_some_and(|channel| *channel.is_there.borrow() == Some(true))
    }

    /// Ends the sender of a broker at once; what it had queued is lost.
    pub(super) fn remove(&mut self, broker: BrokerId) {
        if let Some(channel) = self.by_broker.remove(&broker) {
            channel.sender.abort();
        }
    }

    /// Ends all senders.
    pub(super) fn clear(&mut self) {
        for (_, channel) in std::mem::take(&mut self.by_broker) {
            channel.sender.abort();
        }
    }

    /// Queues the requests of a batch.
    pub(super) fn send(&self, batch: Batch, ctx: &Context, settings: &ControllerSettings) {
        for (broker, request) in batch.into_requests(ctx, settings) {
            match self.by_broker.get(&broker) {
                // Only the end of the sender closes its queue, and it ends only by removal.
                Some(channel) => drop(channel.queue.send(request)),
                None => tracing::warn!(broker, "not sending to a broker that is offline"),
            }
        }
    }
}

/// Where a broker takes control requests.
fn target_of(broker: &Broker, settings: &ControllerSettings) -> Option<Target> {
    if broker.id == settings.broker_id {
        return Some(settings.own_address.clone());
    }
    let endpoint = broker.endpoint(&settings.listener);
    let target = endpoint.and_then(|e| Some(Target::new(e.host.clone(), u16::try_from(e.port).ok()?)));
    if target.is_none() {
        tracing::error!(broker = broker.id, listener = %settings.listener, "broker has no endpoint on this listener");
    }
    target
}

impl Drop for Channels {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The sending task of one broker.
struct Sender {
    broker: BrokerId,
    /// Of its registration.
    epoch: i64,
    client: BrokerClient,
    /// Where it is to be found.
    targets: watch::Receiver<Target>,
    seen: watch::Sender<Option<bool>>,
    options: ClientOptions,
    detect: Duration,
    pulse: Pulse,
    env: Env,
    versions: ControlVersions,
    events: Events,
}

impl Sender {
    async fn run(mut self, mut requests: mpsc::UnboundedReceiver<ControlRequest>) {
        loop {
            let request = tokio::select! {
                biased;
                request = requests.recv() => request,
                () = self.feel(), if self.pulse.is_on() => continue,
            };
            match request {
                Some(request) => self.deliver(&request).await,
                None => return,
            }
        }
    }

    /// Goes where the broker is to be found now. What the old address said of its process says nothing of the new one, but for a verdict.
    fn follow(&mut self) {
        if !self.targets.has_changed().unwrap_or(false) {
            return;
        }
        let target = self.targets.borrow_and_update().clone();
        tracing::info!(broker = self.broker, address = %target, "control requests go to another address");
        self.client = BrokerClient::new(self.env.clone(), target, self.options.clone());
        if !self.pulse.is_dead() {
            self.pulse = Pulse::new(self.detect);
        }
    }

    /// Between two requests: waits for the end of the connection, then tries to make another. May be dropped.
    async fn feel(&mut self) {
        if self.client.is_connected() {
            self.client.closed().await;
            tokio::time::sleep(CLOSED_PAUSE).await;
        }
        self.follow();
        if let Err(error) = self.client.connect().await {
            self.failed(&error);
            tokio::time::sleep(RETRY_BACKOFF).await;
        } else {
            self.connected();
        }
    }

    fn connected(&mut self) {
        if self.pulse.connected() == Beat::Back {
            self.events.put(Event::ProcessBack(self.broker, self.epoch));
        }
    }

    fn failed(&mut self, error: &ClientError) {
        // A connection that was made and broke says nothing: the next attempt to connect will.
        if error.is_connect() && self.pulse.failed(error.is_refused(), self.env.clock.now()) == Beat::Died {
            self.seen.send_replace(Some(false));
            self.events.put(Event::ProcessDied(self.broker, self.epoch));
        }
    }

    /// Sends a request until it is answered.
    async fn deliver(&mut self, request: &ControlRequest) {
        let mut warned = false;
        loop {
            match self.try_send(request).await {
                Ok(event) => {
                    self.connected();
                    // A refusal comes from another life of the broker: that of this registration is over.
                    self.seen.send_replace(Some(!event.as_ref().is_some_and(Event::is_refusal)));
                    event.into_iter().for_each(|event| self.events.put(event));
                    return;
                }
                Err(error) => {
                    self.failed(&error);
                    if warned {
                        tracing::debug!(broker = self.broker, "control request, still: {error}");
                    } else {
                        tracing::warn!(broker = self.broker, "control request, trying again: {error}");
                    }
                    warned = true;
                    tokio::time::sleep(RETRY_BACKOFF).await;
                }
            }
        }
    }

    /// One try. The event is what the controller must hear of the answer.
    async fn try_send(&mut self, request: &ControlRequest) -> Result<Option<Event>, ClientError> {
        self.follow();
        let broker = self.broker;
        Ok(match request {
            ControlRequest::LeaderAndIsr(request) => {
                let answer = self.client.send(request, self.versions.leader_and_isr).await?;
                let topic_names: BTreeMap<_, _> =
                    request.topic_states.iter().map(|t| (t.topic_id, t.topic_name.clone())).collect();
                let errors = leader_and_isr_errors(&answer, &topic_names);
                Some(Event::LeaderAndIsrAnswered { broker, error: answer.error_code, errors })
            }
            ControlRequest::UpdateMetadata(request) => {
                let answer = self.client.send(request, self.versions.update_metadata).await?;
                (answer.error_code != 0).then_some(Event::UpdateMetadataAnswered { broker, error: answer.error_code })
            }
            ControlRequest::StopReplica(request) => {
                let answer = self.client.send(request, self.versions.stop_replica).await?;
                let deleting = deleting_partitions(request);
                let errors: Vec<_> =
                    stop_replica_errors(&answer).into_iter().filter(|(of, _)| deleting.contains(of)).collect();
                (!deleting.is_empty()).then(|| Event::StopReplicaAnswered {
                    broker,
                    error: answer.error_code,
                    // A top-level error answers no partition: all that were asked for have failed then.
                    errors: match answer.error_code {
                        0 => errors,
                        code => deleting.into_iter().map(|of| (of, code)).collect(),
                    },
                })
            }
            ControlRequest::ListOffsets(request) => {
                let answer = self.client.send(request, LIST_OFFSETS_VERSION).await?;
                Some(Event::LogEndsTold { broker, epoch: self.epoch, ends: log_ends(&answer) })
            }
        })
    }
}

fn log_ends(answer: &ListOffsetsResponse) -> Vec<(TopicPartition, Told)> {
    let told = |p: &ListOffsetsResponsePartition| match p.error_code {
        0 => {
            let end = LogEnd { epoch: Some(p.log_epoch).filter(|epoch| *epoch >= -1), offset: p.offset };
            Ok(Some(end).filter(|end| end.offset >= 0))
        }
        code => Err(code),
    };
    let of_topic = |topic: &ListOffsetsResponseTopic| {
        let name = std::sync::Arc::<str>::from(&*topic.name);
        let ends = topic.partitions.iter();
        ends.map(|p| (TopicPartition::new(name.clone(), p.partition_index), told(p))).collect::<Vec<_>>()
    };
    answer.topics.iter().flat_map(of_topic).collect()
}

fn leader_and_isr_errors(
    answer: &LeaderAndIsrResponse,
    names: &BTreeMap<crate::base::TopicId, crate::wire::Str>,
) -> Vec<(TopicPartition, i16)> {
    let flat =
        answer.partition_errors.iter().map(|e| (TopicPartition::new(&*e.topic_name, e.partition_index), e.error_code));
    let by_id = answer.topics.iter().flat_map(|topic| {
        let name = names.get(&topic.topic_id).map(|name| std::sync::Arc::<str>::from(&**name));
        topic.partition_errors.iter().filter_map(move |e| {
            Some((TopicPartition { topic: name.clone()?, partition: e.partition_index }, e.error_code))
        })
    });
    flat.chain(by_id).collect()
}

fn deleting_partitions(request: &crate::wire::StopReplicaRequest) -> std::collections::BTreeSet<TopicPartition> {
    let mut out = std::collections::BTreeSet::new();
    for topic in &request.topic_states {
        let deleted = topic.partition_states.iter().filter(|p| p.delete_partition);
        out.extend(deleted.map(|p| TopicPartition::new(&*topic.topic_name, p.partition_index)));
    }
    if request.delete_partitions {
        let flat = request.ungrouped_partitions.iter();
        out.extend(flat.map(|p| TopicPartition::new(&*p.topic_name, p.partition_index)));
        for topic in &request.topics {
            out.extend(topic.partition_indexes.iter().map(|p| TopicPartition::new(&*topic.name, *p)));
        }
    }
    out
}

fn stop_replica_errors(answer: &StopReplicaResponse) -> Vec<(TopicPartition, i16)> {
    let errors = answer.partition_errors.iter();
    errors.map(|e| (TopicPartition::new(&*e.topic_name, e.partition_index), e.error_code)).collect()
}
