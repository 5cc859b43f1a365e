//! The thread that writes log lines. Whoever logs puts a line into a bounded queue and goes on; when the queue is full, because a disk or
//! a terminal does not keep up, the line is dropped and counted, and the count is told when there is room again.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use super::rolling::RollingFile;
use super::time;
use crate::config::loggers::LogFile;

/// Lines that wait at most: a second's worth of a very talkative broker.
const QUEUE_LINES: usize = 8192;
/// How long an end of the process waits for lines to be written.
const FLUSH_WAIT: Duration = Duration::from_secs(2);

/// A line and where it goes.
#[derive(Debug)]
pub struct Line {
    /// The file; without `LOG_DIR` all are standard output.
    pub file: LogFile,
    /// With its newline.
    pub text: String,
}

enum Message {
    Line(Line),
    Flush(SyncSender<()>),
}

/// The queue to the thread.
pub struct LogWriter {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogWriter").field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

impl LogWriter {
    /// Starts the thread. It ends when the last writer is gone.
    ///
    /// # Errors
    /// No thread.
    pub fn start(dir: Option<&Path>) -> io::Result<Self> {
        let files = match dir.map(|dir| std::fs::create_dir_all(dir).map(|()| dir)) {
            None => Vec::new(),
            Some(Ok(dir)) => LogFile::ALL.map(|file| RollingFile::new(dir.join(file.name()))).into(),
            Some(Err(error)) => {
                eprintln!("ottla: LOG_DIR can't be used, logging to standard output alone: {error}");
                Vec::new()
            }
        };
        Self::start_with(Outlets { files, stdout: Box::new(io::stdout()), failing: false })
    }

    /// With other outlets than a process has.
    ///
    /// # Errors
    /// No thread.
    pub fn start_with(mut outlets: Outlets) -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE_LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let count = dropped.clone();
        // Not of Env's lanes: it writes before there is an Env, and after.
        std::thread::Builder::new().name("log".into()).spawn(move || write_all(&lines, &mut outlets, &count))?;
        Ok(Self { queue, dropped })
    }

    /// Hands a line over; drops it when the queue is full.
    pub fn put(&self, line: Line) {
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what was handed over is written, two seconds at most.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(FLUSH_WAIT); // in vain: the outlet is stuck, and the process must end
        }
    }
}

fn write_all(lines: &Receiver<Message>, outlets: &mut Outlets, dropped: &AtomicU64) {
    while let Ok(first) = lines.recv() {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Line(line) => outlets.write(&line),
                Message::Flush(done) => {
                    outlets.flush();
                    let _ = done.try_send(()); // whoever waited may have given up
                }
            }
            next = lines.try_recv().ok();
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let what = "lines were dropped here: the disk of LOG_DIR or the reader of standard output did not keep up";
            let text = format!("[{}] WARN {lost} {what} (kafka.server.KafkaServer)\n", time());
            outlets.write(&Line { file: LogFile::Server, text });
        }
        outlets.flush();
    }
}

/// Where lines end up.
pub struct Outlets {
    /// In the order of [`LogFile::ALL`]; none: everything goes to `stdout`.
    pub files: Vec<RollingFile>,
    /// Gets what `server.log` gets, or everything.
    pub stdout: Box<dyn Write + Send>,
    /// A file could not be written, which was told.
    pub failing: bool,
}

impl Outlets {
    fn write(&mut self, line: &Line) {
        let at = LogFile::ALL.iter().position(|file| *file == line.file).unwrap_or_default();
        let file = self.files.get_mut(at);
        if file.is_none() || line.file == LogFile::Server {
            let _ = self.stdout.write_all(line.text.as_bytes()); // nobody reads it: nothing to be done
        }
        let Some(file) = file else { return };
        match file.write(line.text.as_bytes(), &chrono::Local::now().format(super::rolling::STAMP).to_string()) {
            Ok(()) => self.failing = false,
            Err(error) => self.complain(&error),
        }
    }

    fn flush(&mut self) {
        let _ = self.stdout.flush();
        let failed = self.files.iter_mut().filter_map(|file| file.flush().err()).last();
        if let Some(error) = failed {
            self.complain(&error);
        }
    }

    /// Once, on standard output: a full disk would fail every line.
    fn complain(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            let what = "a log file in LOG_DIR can't be written";
            let _ = writeln!(self.stdout, "[{}] ERROR {what}: {error} (kafka.server.KafkaServer)", time());
        }
    }
}
