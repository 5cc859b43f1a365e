//! Ctrl-C and SIGTERM as a flag that a tool's loop looks at, so that it ends as Kafka's do: offsets committed, counts said.
//!
//! A second signal ends the process at once, for a loop that hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::tools::java::Exception;

/// Longest wait between two looks at the flag.
pub const LOOK: std::time::Duration = std::time::Duration::from_millis(50);

/// The flag; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Stop {
    /// Listens for both signals, in this process, from now on.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn on_signals() -> Result<Self, Exception> {
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // The order counts: what is registered first acts first, so that only a second signal finds the flag set.
            flag::register_conditional_shutdown(signal, 128 + signal, stop.asked.clone())
                .and_then(|_| flag::register_usize(signal, stop.signal.clone(), usize::try_from(signal).unwrap_or(0)))
                .and_then(|_| flag::register(signal, stop.asked.clone()))
                .map_err(|error| Exception::new("java.io.IOException", error.to_string()))?;
        }
        Ok(stop)
    }

    /// Has one come?
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// The exit code of a process that ends for it: 130 after Ctrl-C, 143 after SIGTERM, as a Java machine's.
    pub fn exit_code(&self) -> Option<u8> {
        let signal = self.signal.load(Ordering::SeqCst);
        self.asked().then(|| u8::try_from(128 + signal).unwrap_or(1))
    }
}
