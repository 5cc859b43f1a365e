//! A partition leader asks the coordinator whether a transaction has its partition (KIP-890 part 1; `AddPartitionsToTxnManager`).
//!
//! Asked before the first batch of a transaction is appended, so that a produce which comes after the transaction's end can't open one
//! that nobody ends. One AddPartitionsToTxn per coordinating broker is in flight, with everything that has gathered; a coordinator on this
//! broker is asked without a connection.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::coordinator::{Coordinator, TRANSACTION_TOPIC};
use super::markers::Lookup;
use super::transaction::Producer;
use crate::base::env::Lane;
use crate::base::{BrokerId, Env, ErrorCode, TopicPartition};
use crate::client::{BrokerClient, ClientError, ClientOptions};
use crate::cluster::Cluster;
use crate::wire::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnRequestTopic, AddPartitionsToTxnRequestTransaction,
    AddPartitionsToTxnResponse, AddPartitionsToTxnResponseTransaction,
};

/// The first version that asks for many transactions without adding to them.
const FIRST_VERIFY_VERSION: i16 = 4;

/// Transactions of one request at most.
const MAX_QUESTIONS: usize = 1000;

/// The code of each partition that was asked about, in order.
type Codes = Vec<ErrorCode>;

struct Question {
    id: Arc<str>,
    who: Producer,
    partitions: Vec<TopicPartition>,
    answer: oneshot::Sender<Codes>,
}

/// Where questions queue, by coordinating broker.
pub(super) struct Verifications {
    env: Env,
    cluster: Arc<Cluster>,
    lookup: Lookup,
    request_timeout: Duration,
    // Unbounded, and yet bounded: each question belongs to a request that waits for it, and those the server bounds.
    queues: Mutex<BTreeMap<BrokerId, mpsc::UnboundedSender<Question>>>,
}

impl Verifications {
    pub(super) fn new(env: Env, cluster: Arc<Cluster>, lookup: Lookup, request_timeout: Duration) -> Self {
        Self { env, cluster, lookup, request_timeout, queues: Mutex::default() }
    }

    fn queue(&self, coordinator: BrokerId, question: Question) {
        let mut queues = self.queues.lock();
        let queue = queues.entry(coordinator).or_insert_with(|| {
            let (sender, queue) = mpsc::unbounded_channel();
            let asker = Asker {
                env: self.env.clone(),
                me: self.cluster.broker_id,
                coordinator,
                lookup: self.lookup.clone(),
                request_timeout: self.request_timeout,
                client: None,
            };
            self.env.tasks.spawn(Lane::Data, "transaction verification", asker.run(queue));
            sender
        });
        let _ = queue.send(question); // an error: the runtime is going
    }
}

impl Coordinator {
    /// Asks whoever coordinates the id whether the partitions are in its open transaction: the code of each, in order. What a producer
    /// does not understand is put into words it does: INVALID_PRODUCER_EPOCH when fenced, INVALID_TXN_STATE unless `knows_abortable`.
    pub async fn verify(
        &self,
        id: &str,
        who: Producer,
        partitions: Vec<TopicPartition>,
        knows_abortable: bool,
    ) -> Vec<ErrorCode> {
        let count = partitions.len();
        let leader = {
            let image = self.cluster.metadata.load();
            let partition = image.partition(TRANSACTION_TOPIC, self.partition_of(id));
            partition.map(|info| info.leader).filter(|leader| image.is_alive(*leader))
        };
        let codes = match leader {
            None => vec![ErrorCode::CoordinatorNotAvailable; count],
            Some(leader) if leader == self.cluster.broker_id => {
                self.check_partitions(id, who, &partitions).unwrap_or_else(|code| vec![code; count])
            }
            Some(leader) => {
                let (answer, codes) = oneshot::channel();
                self.verifications.queue(leader, Question { id: id.into(), who, partitions, answer });
                codes.await.unwrap_or_else(|_| vec![ErrorCode::NetworkException; count])
            }
        };
        let told = |code| match code {
            ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
            ErrorCode::TransactionAbortable if !knows_abortable => ErrorCode::InvalidTxnState,
            code => code,
        };
        codes.into_iter().map(told).collect()
    }
}

/// Asks one broker, for the life of the process.
struct Asker {
    env: Env,
    me: BrokerId,
    coordinator: BrokerId,
    lookup: Lookup,
    request_timeout: Duration,
    client: Option<BrokerClient>,
}

impl Asker {
    async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Question>) {
        let mut gathered = Vec::new();
        while queue.recv_many(&mut gathered, MAX_QUESTIONS).await > 0 {
            let questions = one_each(&mut gathered);
            let transactions: Vec<_> = questions.values().map(transaction).collect();
            match self.ask(transactions).await {
                Ok(answer) => tell(questions, &answer),
                // Brokers before IBP 3.5 can't be asked: no verification.
                Err(ClientError::Unsupported { .. }) => tell_all(questions, ErrorCode::None),
                Err(error) => {
                    tracing::info!(broker = self.coordinator, %error, "transactions could not be verified");
                    tell_all(questions, ErrorCode::NetworkException);
                }
            }
        }
    }

    async fn ask(
        &mut self,
        transactions: Vec<AddPartitionsToTxnRequestTransaction>,
    ) -> Result<AddPartitionsToTxnResponse, ClientError> {
        let Some(target) = (self.lookup)(self.coordinator) else {
            let target = crate::client::Target::new("", 0);
            return Err(ClientError::Connect { target, source: std::io::ErrorKind::NotConnected.into() });
        };
        let client = self.client.get_or_insert_with(|| {
            let mut options = ClientOptions::new(self.me.to_string());
            options.request_timeout = self.request_timeout;
            BrokerClient::new(self.env.clone(), target.clone(), options)
        });
        client.retarget(target);
        let newest = crate::wire::ApiKey::AddPartitionsToTxn.max_version();
        let request = AddPartitionsToTxnRequest { transactions, ..Default::default() };
        client.send_negotiated(FIRST_VERIFY_VERSION..=newest, |_| request).await
    }
}

/// One question an id: of several, that of the newest epoch stays, and of the same epoch the last; the others are told to try again.
fn one_each(gathered: &mut Vec<Question>) -> BTreeMap<Arc<str>, Question> {
    let mut questions: BTreeMap<Arc<str>, Question> = BTreeMap::new();
    for question in gathered.drain(..) {
        let (question, code) = match questions.entry(question.id.clone()) {
            Entry::Vacant(place) => {
                place.insert(question);
                continue;
            }
            Entry::Occupied(before) if before.get().who.epoch > question.who.epoch => {
                (question, ErrorCode::InvalidProducerEpoch)
            }
            Entry::Occupied(mut before) => {
                let is_newer = before.get().who.epoch < question.who.epoch;
                let code = if is_newer { ErrorCode::InvalidProducerEpoch } else { ErrorCode::NetworkException };
                (before.insert(question), code)
            }
        };
        tell_one(question, code);
    }
    questions
}

fn transaction(question: &Question) -> AddPartitionsToTxnRequestTransaction {
    let mut topics: BTreeMap<&Arc<str>, Vec<i32>> = BTreeMap::new();
    for id in &question.partitions {
        topics.entry(&id.topic).or_default().push(id.partition);
    }
    AddPartitionsToTxnRequestTransaction {
        transactional_id: (&question.id).into(),
        producer_id: question.who.id,
        producer_epoch: question.who.epoch,
        verify_only: true,
        topics: topics
            .into_iter()
            .map(|(name, partitions)| AddPartitionsToTxnRequestTopic { name: name.into(), partitions })
            .collect(),
    }
}

fn tell(questions: BTreeMap<Arc<str>, Question>, answer: &AddPartitionsToTxnResponse) {
    if answer.error_code != ErrorCode::None.code() {
        let code = match ErrorCode::from_code(answer.error_code) {
            // Not the client's affair.
            ErrorCode::ClusterAuthorizationFailed => ErrorCode::InvalidTxnState,
            code => code,
        };
        return tell_all(questions, code);
    }
    let by_id: BTreeMap<&str, &AddPartitionsToTxnResponseTransaction> =
        answer.results_by_transaction.iter().map(|result| (&*result.transactional_id, result)).collect();
    for question in questions.into_values() {
        let result = by_id.get(&*question.id);
        let code = |id: &TopicPartition| {
            let topic = result?.topic_results.iter().find(|topic| *topic.name == *id.topic)?;
            let partition = topic.results_by_partition.iter().find(|p| p.partition_index == id.partition)?;
            Some(ErrorCode::from_code(partition.partition_error_code))
        };
        // What was not answered is not known to be in the transaction.
        let codes = question.partitions.iter().map(|id| code(id).unwrap_or(ErrorCode::NetworkException)).collect();
        let _ = question.answer.send(codes); // or the connection is gone
    }
}

fn tell_all(questions: BTreeMap<Arc<str>, Question>, code: ErrorCode) {
    questions.into_values().for_each(|question| tell_one(question, code));
}

fn tell_one(question: Question, code: ErrorCode) {
    let codes = vec![code; question.partitions.len()];
    let _ = question.answer.send(codes); // or the connection is gone
}
