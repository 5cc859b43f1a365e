//! Three lanes for work: **data** (connections, appends, fetchers), **control** (one thread: session, controller, applier), **disk**
//! (blocking calls). A future names its lane when it is spawned and stays there.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use super::slice::LongSlice;

/// Where a future runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// Connections, appends, reads, fetchers: as many threads as cores and one.
    Data,
    /// Session, controller, applier, coordinators: one thread.
    Control,
}

/// The broker's runtimes. Clones share them; they end with [`Tasks::shutdown`], or when the last clone goes.
#[derive(Clone, Debug)]
pub struct Tasks {
    data: Handle,
    control: Handle,
    owned: Arc<parking_lot::Mutex<Option<Runtimes>>>,
    last_words: Arc<OnceLock<LastWords>>,
}

/// What is still to be done when the process halts.
struct LastWords(Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for LastWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastWords")
    }
}

#[derive(Debug)]
struct Runtimes {
    data: Runtime,
    control: Runtime,
}

impl Tasks {
    /// Starts the threads of the data and the control lane. Each has a blocking pool of its own behind it.
    pub(super) fn real(data_workers: usize) -> std::io::Result<Self> {
        let data = Builder::new_multi_thread()
            .worker_threads(data_workers.max(1))
            .max_blocking_threads(MAX_BLOCKING_THREADS)
            .thread_name("data")
            .enable_all()
            .build()?;
        let control = Builder::new_multi_thread().worker_threads(1).thread_name("control").enable_all().build()?;
        Ok(Self {
            data: data.handle().clone(),
            control: control.handle().clone(),
            owned: Arc::new(parking_lot::Mutex::new(Some(Runtimes { data, control }))),
            last_words: Arc::default(),
        })
    }

    /// All lanes on the runtime that the caller is in.
    pub(super) fn current() -> Self {
        let here = Handle::current();
        Self { data: here.clone(), control: here, owned: Arc::default(), last_words: Arc::default() }
    }

    /// Starts a future on a lane. `name` tells what it is in a trace.
    pub fn spawn<F>(&self, lane: Lane, name: &'static str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let handle = match lane {
            Lane::Data => &self.data,
            Lane::Control => &self.control,
        };
        tracing::trace!(name, ?lane, "spawn");
        handle.spawn(future)
    }

    /// Starts a future that the broker can't do without: should it panic, the process halts, so that a supervisor starts a whole broker
    /// in place of a half-dead one.
    pub fn spawn_vital<F>(&self, lane: Lane, name: &'static str, future: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let tasks = self.clone();
        self.spawn(lane, name, async move {
            if AssertUnwindSafe(future).catch_unwind().await.is_err() {
                tasks.halt(&format!("a panic ended the task \"{name}\""));
            }
        })
    }

    /// Runs a blocking call beside the lanes and waits for it. The call runs to its end even when the wait is dropped.
    ///
    /// # Panics
    /// When the call panicked.
    pub async fn blocking<T, F>(&self, call: F) -> T
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self.data.spawn_blocking(call).await {
            Ok(value) => value,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => std::future::pending().await, // the runtime is going: nobody waits for this any more
            },
        }
    }

    /// As [`Tasks::blocking`], for work of seconds that nobody waits for: meanwhile every thread goes first that wakes up.
    ///
    /// # Panics
    /// When the call panicked.
    pub async fn background<T, F>(&self, call: F) -> T
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let aside = move || {
            let _long = LongSlice::begin();
            call()
        };
        self.blocking(aside).await
    }

    /// Runs a future from a thread that is in no runtime, on the control lane.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.control.block_on(future)
    }

    /// Ends the runtimes. Futures are dropped where they wait; blocking calls that have begun (a recovery that was told to stop) get a
    /// few seconds to end by themselves. Only from a thread that is in none of the runtimes.
    pub fn shutdown(&self) {
        let owned = self.owned.lock().take();
        if let Some(runtimes) = owned {
            runtimes.data.shutdown_timeout(SHUTDOWN_WAIT);
            runtimes.control.shutdown_background();
        }
    }

    /// What [`Tasks::halt`] does last: the reason must come out. Once; a second call changes nothing.
    pub fn before_halt(&self, last_words: impl Fn() + Send + Sync + 'static) {
        let _ = self.last_words.set(LastWords(Box::new(last_words)));
    }

    /// Ends the process at once, without the steps of a clean stop: the next start recovers. For what must not go on, such as the
    /// loss of the last log directory (`Exit.halt` in Kafka).
    pub fn halt(&self, reason: &str) -> ! {
        tracing::error!("halting: {reason}");
        if let Some(LastWords(speak)) = self.last_words.get() {
            speak();
        }
        #[allow(clippy::disallowed_methods)] // the one place
        std::process::exit(1)
    }
}

/// A cancelled recovery ends after the batch at hand; a disk that does not answer must not hold the process.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(10);

/// More than any sensible number of log directories times recovery threads; a stalled disk can't start threads without end.
const MAX_BLOCKING_THREADS: usize = 64;
