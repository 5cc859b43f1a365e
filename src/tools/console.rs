//! Where a command writes: its standard output and error, as handles that parts of it share.
//!
//! Commands are given a [`Console`] and arguments and return an exit code, so that a test can run one and look at what it printed.
//! Beware: a write that fails (a closed pipe behind `| head`) is let go, as Java's `System.out` does.

use std::io::Write;
use std::sync::Arc;

use parking_lot::Mutex;

use super::java::Exception;

type Sink = Arc<Mutex<dyn Write + Send>>;

/// Standard output and error of a command. Clones write to the same places.
#[derive(Clone)]
pub struct Console {
    out: Sink,
    err: Sink,
}

impl Console {
    /// A console over two writers.
    pub fn new(out: impl Write + Send + 'static, err: impl Write + Send + 'static) -> Self {
        Self { out: Arc::new(Mutex::new(out)), err: Arc::new(Mutex::new(err)) }
    }

    /// The process's own. Output is written line by line.
    pub fn process() -> Self {
        Self::new(std::io::stdout(), std::io::stderr())
    }

    /// Standard output as a writer, whose errors are the writer's to look at.
    pub fn out(&self) -> impl Write + use<> {
        Shared(self.out.clone())
    }

    /// Standard error as a writer.
    pub fn err(&self) -> impl Write + use<> {
        Shared(self.err.clone())
    }

    /// A line on standard output.
    pub fn say(&self, line: impl std::fmt::Display) {
        let _ = writeln!(self.out.lock(), "{line}");
    }

    /// Text on standard output, without a line's end.
    pub fn print(&self, text: impl std::fmt::Display) {
        let mut out = self.out.lock();
        let _ = write!(out, "{text}").and_then(|()| out.flush());
    }

    /// A line on standard error.
    pub fn complain(&self, line: impl std::fmt::Display) {
        let _ = writeln!(self.err.lock(), "{line}");
    }

    /// A line in the form of Kafka's tools' log: `[2026-11-20 12:07:22,718] WARN text (logger)`, on standard error.
    pub fn log(&self, level: &str, text: impl std::fmt::Display, logger: &str) {
        let now = chrono::Local::now().format("%Y-%m-%d %H:%M:%S,%3f");
        self.complain(format_args!("[{now}] {level} {text} ({logger})"));
    }

    /// The same at level `ERROR` with the exception behind it.
    pub fn log_error(&self, text: impl std::fmt::Display, logger: &str, error: &Exception) {
        self.log("ERROR", text, logger);
        self.complain(error.stack());
    }
}

struct Shared(Sink);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.lock().flush()
    }
}
