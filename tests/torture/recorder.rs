//! Writes down what happens, as it happens: every event is a line of the history's file before the next one of its client.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::history::{ClientId, Event, History, Outcome, Polled, Role, Step, What};

/// What was counted so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Sends, polled records, transactions, commits.
    pub operations: u64,
    /// Sends that were acknowledged.
    pub acked: u64,
    /// Records that were read.
    pub read: u64,
}

/// The history on its way into its file; kept in memory too, for the judge.
pub struct Recorder {
    start: Instant,
    kept: Mutex<Kept>,
    clients: AtomicU16,
    operations: AtomicU64,
    acked: AtomicU64,
    read: AtomicU64,
}

struct Kept {
    file: BufWriter<File>,
    history: History,
}

impl Recorder {
    /// Starts the clock and the file.
    pub fn start(file: &Path) -> Arc<Self> {
        let file = File::create(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        Arc::new(Self {
            start: Instant::now(),
            kept: Mutex::new(Kept { file: BufWriter::new(file), history: History::default() }),
            clients: AtomicU16::new(0),
            operations: AtomicU64::new(0),
            acked: AtomicU64::new(0),
            read: AtomicU64::new(0),
        })
    }

    /// Microseconds since the start.
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).expect("not that long")
    }

    /// A new client, which says what it is.
    pub fn client(self: &Arc<Self>, role: Role) -> Voice {
        let voice = Voice { recorder: self.clone(), id: self.clients.fetch_add(1, Ordering::Relaxed) };
        voice.says(What::Client(role));
        voice
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts { operations: of(&self.operations), acked: of(&self.acked), read: of(&self.read) }
    }

    fn record(&self, event: Event) {
        self.count(&event.what);
        let line = event.line();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(kept.file, "{line}").expect("the history can be written");
        kept.history.events.push(event);
    }

    fn count(&self, what: &What) {
        let add = |counter: &AtomicU64, many: usize| {
            counter.fetch_add(many as u64, Ordering::Relaxed);
        };
        let polled = |polls: &[Polled]| polls.iter().map(|p| p.records.len()).sum::<usize>();
        let sent = |outcome: &Outcome| usize::from(*outcome == Outcome::Ok);
        match what {
            What::Send(send) => {
                add(&self.operations, 1);
                add(&self.acked, sent(&send.outcome));
            }
            What::Poll(polls) => {
                add(&self.operations, polled(polls));
                add(&self.read, polled(polls));
            }
            What::Txn(txn) => {
                add(&self.operations, 1 + txn.steps.len());
                for step in &txn.steps {
                    match step {
                        Step::Send(send) => add(&self.acked, sent(&send.outcome)),
                        Step::Poll(polls) => add(&self.read, polled(polls)),
                    }
                }
            }
            What::Commit { .. } | What::Committed(_) => add(&self.operations, 1),
            _ => {}
        }
    }

    /// Ends the file and gives the history out.
    pub fn finish(&self) -> History {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.file.flush().expect("the history can be written");
        std::mem::take(&mut kept.history)
    }
}

/// One client's way to the recorder.
#[derive(Clone)]
pub struct Voice {
    recorder: Arc<Recorder>,
    id: ClientId,
}

impl Voice {
    /// Its number.
    pub fn id(&self) -> ClientId {
        self.id
    }

    /// Microseconds since the start.
    pub fn now(&self) -> u64 {
        self.recorder.now()
    }

    /// Something that takes no time.
    pub fn says(&self, what: What) {
        self.did(self.now(), what);
    }

    /// Something that began then and ended now.
    pub fn did(&self, begin: u64, what: What) {
        self.recorder.record(Event { by: self.id, begin, end: self.now(), what });
    }
}
