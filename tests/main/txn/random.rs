//! Random requests, failed writes and crashes against one transactional id and a slow, obvious model of it.
//!
//! The model is a log: a list of written values and at most one on its way; its answers are read off a table of states. It knows
//! nothing of how the machine remembers things.

use std::collections::{BTreeMap, BTreeSet};

use ottla::base::{ErrorCode, TopicPartition};
use ottla::txn::record::TxnValue;
use ottla::txn::{Change, Init, Producer, State, Transaction};
use proptest::prelude::*;

const TIMEOUT_MS: i32 = 100;

#[derive(Clone, Debug)]
enum Act {
    Init { known: Option<usize> },
    Add { who: usize, partitions: Vec<i32> },
    End { who: usize, commit: bool },
    TimeOut,
    Expire,
    Write { fails: bool },
    Marker,
    Crash,
    Pass(i64),
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0usize..4;
    prop_oneof![
        2 => proptest::option::of(who.clone()).prop_map(|known| Act::Init { known }),
        4 => (who.clone(), proptest::collection::vec(0..3, 1..3)).prop_map(|(who, partitions)| Act::Add { who, partitions }),
        3 => (who, any::<bool>()).prop_map(|(who, commit)| Act::End { who, commit }),
        1 => Just(Act::TimeOut),
        1 => Just(Act::Expire),
        8 => proptest::bool::weighted(0.15).prop_map(|fails| Act::Write { fails }),
        6 => Just(Act::Marker),
        1 => Just(Act::Crash),
        2 => (0i64..150).prop_map(Act::Pass),
    ]
}

/// What the log of the id says, and what is on its way into it.
struct Model {
    log: Vec<TxnValue>,
    on_its_way: Option<TxnValue>,
    /// The epoch in memory may be above the log's: a fence that could not be written.
    fenced_epoch: Option<i16>,
    /// Answered with the same once more (KIP-360): what it knew, while nobody else came.
    may_repeat: Option<Producer>,
    unmarked: BTreeSet<TopicPartition>,
}

/// What becomes of a commit or an abort.
type Ended = Result<State, ErrorCode>;

/// Every table row: in this state, what becomes of a commit, and of an abort.
const ENDS: [(State, Ended, Ended); 6] = [
    (State::Empty, Err(ErrorCode::InvalidTxnState), Err(ErrorCode::InvalidTxnState)),
    (State::Ongoing, Ok(State::PrepareCommit), Ok(State::PrepareAbort)),
    (State::PrepareCommit, Err(ErrorCode::ConcurrentTransactions), Err(ErrorCode::InvalidTxnState)),
    (State::PrepareAbort, Err(ErrorCode::InvalidTxnState), Err(ErrorCode::ConcurrentTransactions)),
    (State::CompleteCommit, Ok(State::CompleteCommit), Err(ErrorCode::InvalidTxnState)),
    (State::CompleteAbort, Err(ErrorCode::InvalidTxnState), Ok(State::CompleteAbort)),
];

/// Which state a written value may follow (Kafka's `validPreviousStates`).
fn may_follow(before: State, after: State) -> bool {
    use State::{CompleteAbort, CompleteCommit, Empty, Ongoing, PrepareAbort, PrepareCommit};
    match after {
        Empty => matches!(before, Empty | CompleteCommit | CompleteAbort),
        Ongoing => matches!(before, Ongoing | Empty | CompleteCommit | CompleteAbort),
        PrepareCommit | PrepareAbort => before == Ongoing,
        CompleteCommit => before == PrepareCommit,
        CompleteAbort => before == PrepareAbort,
        _ => false,
    }
}

impl Model {
    fn state(&self) -> State {
        self.log.last().map_or(State::Empty, |value| value.state)
    }

    fn producer(&self) -> Producer {
        let (id, epoch) = self.log.last().map_or((7, -1), |value| (value.producer_id, value.producer_epoch));
        Producer { id, epoch: self.fenced_epoch.unwrap_or(epoch) }
    }

    fn refuses(&self, who: Producer) -> Option<ErrorCode> {
        let own = self.producer();
        if who.id != own.id {
            Some(ErrorCode::InvalidProducerIdMapping)
        } else if who.epoch != own.epoch || own.epoch == -1 {
            Some(ErrorCode::ProducerFenced)
        } else if self.on_its_way.is_some() {
            Some(ErrorCode::ConcurrentTransactions)
        } else {
            None
        }
    }

    fn end(&self, who: Producer, commit: bool) -> Result<State, ErrorCode> {
        if let Some(code) = self.refuses(who) {
            return Err(code);
        }
        let (_, committed, aborted) = ENDS.iter().find(|row| row.0 == self.state()).expect("a state of the log");
        if commit { *committed } else { *aborted }
    }

    fn add(&self, who: Producer, partitions: &BTreeSet<TopicPartition>) -> Result<BTreeSet<TopicPartition>, ErrorCode> {
        if let Some(code) = self.refuses(who) {
            return Err(code);
        }
        let mut all = match self.state() {
            State::PrepareCommit | State::PrepareAbort => return Err(ErrorCode::ConcurrentTransactions),
            State::Ongoing => self.log.last().map(|value| value.partitions.clone()).unwrap_or_default(),
            _ => BTreeSet::new(),
        };
        all.extend(partitions.iter().cloned());
        Ok(all)
    }

    /// The producer to be told, or the epoch that fences.
    fn init(&self, known: Option<Producer>) -> Result<Producer, ErrorCode> {
        let own = self.producer();
        if self.on_its_way.is_some() {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        let repeats = known.is_some() && known == self.may_repeat;
        let is_own =
            known.is_none_or(|known| known.id == own.id || own.epoch == -1 || repeats && known.epoch >= 32_766);
        if !is_own {
            return Err(ErrorCode::ProducerFenced);
        }
        match self.state() {
            State::PrepareCommit | State::PrepareAbort => Err(ErrorCode::ConcurrentTransactions),
            State::Ongoing if self.fenced_epoch.is_some() => Ok(own),
            State::Ongoing => Ok(Producer { epoch: own.epoch + 1, ..own }),
            _ if repeats => Ok(own),
            _ if known.is_some_and(|known| own.epoch != -1 && known.epoch != own.epoch) => {
                Err(ErrorCode::ProducerFenced)
            }
            _ if own.epoch >= 32_766 => Ok(Producer { id: FRESH, epoch: 0 }),
            _ => Ok(Producer { epoch: own.epoch + 1, ..own }),
        }
    }
}

/// Stands for an id that nobody has had.
const FRESH: i64 = -99;

struct World {
    txn: Transaction,
    model: Model,
    change: Option<Change>,
    completing: Option<Change>,
    clients: [Producer; 4],
    fresh: i64,
    now_ms: i64,
    granted: BTreeMap<i64, i16>,
    expired: bool,
}

impl World {
    fn new(first_epoch: i16) -> Self {
        let mut txn = Transaction::new("id".into(), 7, TIMEOUT_MS, 0);
        let mut log = Vec::new();
        if first_epoch >= 0 {
            txn.producer.epoch = first_epoch;
            log.push(TxnValue {
                producer_id: 7,
                producer_epoch: first_epoch,
                timeout_ms: TIMEOUT_MS,
                state: State::Empty,
                partitions: BTreeSet::new(),
                updated_ms: 0,
                start_ms: -1,
            });
        }
        Self {
            txn,
            model: Model { log, on_its_way: None, fenced_epoch: None, may_repeat: None, unmarked: BTreeSet::new() },
            change: None,
            completing: None,
            clients: [Producer { id: 7, epoch: first_epoch }; 4],
            fresh: 1000,
            now_ms: 1,
            granted: BTreeMap::new(),
            expired: false,
        }
    }

    fn on_its_way(&mut self, change: Change) {
        assert!(self.model.on_its_way.is_none(), "two at once");
        self.model.on_its_way = Some(change.value());
        self.change = Some(change);
    }

    fn init(&mut self, known: Option<Producer>) {
        let mut expected = self.model.init(known);
        if let Ok(told) = &mut expected
            && told.id == FRESH
        {
            told.id = self.fresh;
        }
        let fresh = self.fresh;
        let got = self.txn.init(TIMEOUT_MS, known, self.now_ms, || Some(fresh));
        match got {
            Err(code) => assert_eq!(Err(code), expected),
            Ok(Init::Fence(change)) => {
                assert_eq!(Ok(change.producer), expected);
                assert_eq!((self.model.state(), change.to), (State::Ongoing, State::PrepareAbort));
                self.model.fenced_epoch = Some(change.producer.epoch);
                self.model.may_repeat = None;
                self.on_its_way(change);
            }
            Ok(Init::Write(change)) => {
                assert_eq!(Ok(change.producer), expected);
                assert_eq!((change.to, change.start_ms, change.partitions.len()), (State::Empty, -1, 0));
                self.fresh += i64::from(change.producer.id == fresh);
                self.on_its_way(change);
            }
        }
    }

    fn write(&mut self, fails: bool) {
        let Some(change) = self.change.take() else { return };
        let value = self.model.on_its_way.take().expect("the same");
        if fails {
            self.txn.not_written(&change);
            return;
        }
        self.txn.written(&change);
        let before = self.model.state();
        assert!(may_follow(before, value.state), "{:?} after {before:?}", value.state);
        if let Some(last) = self.model.log.last()
            && last.producer_id == value.producer_id
        {
            assert!(value.producer_epoch >= last.producer_epoch, "epochs never go back");
        }
        if value.state == State::Empty {
            let told = change.producer;
            let repeated = self.model.producer() == told;
            if !repeated {
                let before = self.granted.insert(told.id, told.epoch);
                assert!(before.is_none_or(|before| before < told.epoch), "an epoch is given once");
                let own = self.model.producer();
                self.model.may_repeat = (change.last.epoch >= 0).then_some(own);
            }
            self.clients[usize::from(told.epoch.cast_unsigned()) % 4] = told;
        }
        self.model.fenced_epoch = None;
        self.model.log.push(value.clone());
        if value.state.is_prepared() {
            self.model.unmarked = value.partitions;
            self.begin_end();
        }
    }

    fn begin_end(&mut self) {
        let change = self.txn.complete(self.now_ms).expect("prepared");
        assert!(change.partitions.is_empty());
        self.completing = Some(change);
        // Whoever asks meanwhile is told so.
        self.model.on_its_way = self.completing.as_ref().map(Change::value);
    }

    fn marker(&mut self) {
        let Some(next) = self.model.unmarked.pop_first() else { return };
        let is_last = self.txn.marker_written(&next);
        assert_eq!(is_last, self.model.unmarked.is_empty());
        if is_last {
            self.change = self.completing.take();
        }
    }

    /// Another coordinator reads the log: what was on its way is lost, and so is what only memory knew.
    fn crash(&mut self) {
        let Some(value) = self.model.log.last().cloned() else { return };
        self.txn = Transaction::load("id".into(), value.clone());
        (self.change, self.completing, self.model.on_its_way) = (None, None, None);
        (self.model.fenced_epoch, self.model.may_repeat) = (None, None);
        if value.state.is_prepared() {
            self.model.unmarked = value.partitions;
            self.begin_end();
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            // Without an epoch it says that it knows nothing.
            Act::Init { known } => self.init(known.map(|i| self.clients[i]).filter(|known| known.epoch >= 0)),
            Act::Add { who, partitions } => {
                let partitions = partitions.into_iter().map(|index| TopicPartition::new("t", index)).collect();
                let who = self.clients[who];
                let expected = self.model.add(who, &partitions);
                match self.txn.add_partitions(who, partitions, self.now_ms) {
                    Err(code) => assert_eq!(Err(code), expected),
                    Ok(None) => {
                        let all = self.model.log.last().expect("open").partitions.clone();
                        assert_eq!(expected, Ok(all), "nothing new");
                    }
                    Ok(Some(change)) => {
                        assert_eq!(Ok(change.partitions.clone()), expected);
                        let last = self.model.log.last().expect("a producer");
                        let begins = last.state != State::Ongoing;
                        assert_eq!(change.start_ms, if begins { self.now_ms } else { last.start_ms });
                        self.on_its_way(change);
                    }
                }
            }
            Act::End { who, commit } => {
                let who = self.clients[who];
                let expected = self.model.end(who, commit);
                match self.txn.end(who, commit, self.now_ms) {
                    Err(code) => assert_eq!(Err(code), expected),
                    Ok(None) => assert_eq!(Ok(self.model.state()), expected),
                    Ok(Some(change)) => {
                        assert_eq!(Ok(change.to), expected);
                        self.on_its_way(change);
                    }
                }
            }
            Act::TimeOut => {
                let is_over = self.model.log.last().is_some_and(|value| {
                    value.state == State::Ongoing && value.start_ms + i64::from(TIMEOUT_MS) < self.now_ms
                });
                let change = self.txn.time_out(self.now_ms);
                assert_eq!(change.is_some(), is_over && self.model.on_its_way.is_none());
                if let Some(change) = change {
                    self.model.fenced_epoch = Some(change.producer.epoch);
                    self.model.may_repeat = None;
                    self.on_its_way(change);
                }
            }
            Act::Expire => {
                let at_rest =
                    !matches!(self.model.state(), State::Ongoing | State::PrepareCommit | State::PrepareAbort);
                if self.model.log.is_empty() {
                    return; // nothing to remove
                }
                let idle = self.model.log.last().is_some_and(|value| value.updated_ms <= self.now_ms - 120);
                let expires = self.txn.expire(self.now_ms, 120);
                assert_eq!(expires, at_rest && idle && self.model.on_its_way.is_none());
                self.expired = expires;
            }
            Act::Write { fails } if self.completing.is_none() => {
                let is_end =
                    self.change.as_ref().is_some_and(|change| change.to.is_at_rest() && change.to != State::Empty);
                self.write(fails && !is_end); // the end of a transaction is tried until it is written
            }
            Act::Write { .. } => {}
            Act::Marker => self.marker(),
            Act::Crash => self.crash(),
            Act::Pass(ms) => self.now_ms += ms,
        }
    }

    /// Memory and log tell the same story.
    fn check(&self) {
        let Some(value) = self.model.log.last() else { return };
        assert_eq!(self.txn.state, value.state);
        assert_eq!(self.txn.producer, self.model.producer());
        if value.state == State::Ongoing {
            assert_eq!((&self.txn.partitions, self.txn.start_ms), (&value.partitions, value.start_ms));
        }
        if value.state.is_prepared() {
            assert_eq!(self.txn.partitions, self.model.unmarked, "those that lack their marker");
        }
        assert_eq!(self.txn.pending.is_some(), self.model.on_its_way.is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn machine_and_model_agree_whatever_comes(
        first_epoch in prop_oneof![Just(-1i16), Just(32_760i16)],
        acts in proptest::collection::vec(act(), 1..120),
    ) {
        let mut world = World::new(first_epoch);
        for act in acts {
            world.act(act);
            if world.expired {
                break; // a tombstone follows; the next one to come is another id
            }
            world.check();
        }
    }
}
