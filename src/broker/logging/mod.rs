//! Log lines in Kafka's form, `[2026-11-20 12:07:22,718] INFO text (logger)`, to standard output and into the files of `LOG_DIR`.
//!
//! | file | what |
//! |---|---|
//! | `mod` | the subscriber: which events become lines, by [`config::loggers`](crate::config::loggers) |
//! | [`writer`] | the one thread that writes; nobody else ever waits for a disk or a terminal |
//! | [`rolling`] | a file that is rolled each hour or when large, and never takes more than its share |
//!
//! With `LOG_DIR`, which `kafka-server-start.sh` sets, the lines go where Kafka's `log4j.properties` sends them; without it, as in a
//! container, all go to standard output. Called once, by `main`, before anything logs.

pub mod rolling;
pub mod writer;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::loggers::{self, Level, Loggers, ROOT, Rule};
use crate::config::ops::{AlterOp, Op};
use writer::{Line, LogWriter};

/// A longer line is cut: what clients send must not fill the queue.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// Kafka's containers set levels by these: `INFO`, and `kafka.controller=DEBUG,...`.
const ROOT_LEVEL: &str = "KAFKA_LOG4J_ROOT_LOGLEVEL";
const LEVELS: &str = "KAFKA_LOG4J_LOGGERS";

/// Logging of this process, until dropped: then what waits is written.
#[derive(Debug)]
pub struct Logging {
    /// The levels.
    pub loggers: Arc<Loggers>,
    writer: Arc<LogWriter>,
}

impl Logging {
    /// Writes what waits, for a moment at most: for the last words before the process ends without more ado.
    pub fn flusher(&self) -> impl Fn() + Send + Sync + 'static {
        let writer = self.writer.clone();
        move || writer.flush()
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.writer.flush();
    }
}

/// Starts logging as the environment says.
///
/// # Errors
/// No thread.
pub fn start() -> std::io::Result<Logging> {
    let dir = std::env::var_os("LOG_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let writer = Arc::new(LogWriter::start(dir.as_deref())?);
    let (filter, handle) = reload::Layer::new(Targets::new());
    let lines = Lines { writer: writer.clone() };
    // A second start in one process is a test's, which has its own.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
    let loggers = Arc::new(Loggers::new(move |root, rules| {
        let _ = handle.reload(targets(root, rules)); // fails when the subscriber is gone: at the process's end
    }));
    report_panics();
    for problem in set_levels(&loggers, |name| std::env::var(name).ok()) {
        tracing::warn!("{problem}");
    }
    Ok(Logging { loggers, writer })
}

/// What the environment says of levels; gives what of it can't be.
pub fn set_levels(loggers: &Loggers, variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let root = variable(ROOT_LEVEL).map(|level| (ROOT.to_owned(), level));
    let others = variable(LEVELS).unwrap_or_default();
    let others = others.split(',').filter_map(|item| {
        let (name, level) = item.split_once('=')?;
        Some((name.trim().to_owned(), level.trim().to_owned()))
    });
    let mut problems = Vec::new();
    for (key, level) in root.into_iter().chain(others) {
        let operation = AlterOp { key, op: Op::Set, value: Some(level) };
        if let Err(error) = loggers.alter(&[operation], false) {
            problems.push(format!("{LEVELS}: {error}"));
        }
    }
    problems
}

fn targets(root: Level, rules: &[Rule]) -> Targets {
    let filter = |level: Level| match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
        Level::Fatal => LevelFilter::OFF,
    };
    Targets::new()
        .with_default(filter(root))
        .with_targets(rules.iter().map(|(target, level)| (*target, filter(*level))))
}

/// Makes a line of each event.
struct Lines {
    writer: Arc<LogWriter>,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let meta = event.metadata();
        let logger = loggers::of_target(meta.target());
        self.writer.put(Line { file: logger.file, text: line(meta.level().as_str(), logger.name, event) });
    }
}

fn line(level: &str, logger: &str, event: &Event<'_>) -> String {
    let mut text = String::with_capacity(160);
    // Writing into a String does not fail.
    let _ = write!(text, "[{}] {level} ", time());
    let _ = DefaultFields::new().format_fields(Writer::new(&mut text), event);
    if text.len() > MAX_LINE_BYTES {
        text.truncate(text.floor_char_boundary(MAX_LINE_BYTES));
        text.push_str("...");
    }
    let _ = writeln!(text, " ({logger})");
    text
}

fn time() -> impl std::fmt::Display {
    chrono::Local::now().format("%Y-%m-%d %H:%M:%S,%3f")
}

/// A panic is told where operators look, too.
fn report_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        default(panic);
        tracing::error!(target: "kafka.server.KafkaServer", "{panic}");
    }));
}
