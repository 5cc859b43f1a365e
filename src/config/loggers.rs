//! Kafka's logger names (KIP-412): which of Ottla's tracing targets belong to which logger, its file, and the level it has now.
//!
//! One table, [`LOGGERS`]: log lines carry these names, `kafka-configs --entity-type broker-loggers` shows and sets these levels. As in
//! log4j a logger without a level of its own has that of its nearest ancestor by dots, at last `root`'s. Pure but for the callback that
//! puts new levels into effect; `broker/logging` gives it.

use std::collections::BTreeMap;
use std::fmt;

use parking_lot::Mutex;

use super::ops::{AlterError, AlterOp, Op};

/// Kafka's name of the logger above all others.
pub const ROOT: &str = "root";

/// Levels of log4j that Kafka lets be set (`LogLevelConfig`), most talkative first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Everything.
    Trace,
    /// For who looks for an error in the broker.
    Debug,
    /// What happens.
    Info,
    /// What may need a look.
    Warn,
    /// What failed.
    Error,
    /// Nothing: no event of Ottla's is above [`Level::Error`].
    Fatal,
}

/// All levels, in the order of Kafka's messages.
const LEVELS: [(&str, Level); 6] = [
    ("DEBUG", Level::Debug),
    ("ERROR", Level::Error),
    ("FATAL", Level::Fatal),
    ("INFO", Level::Info),
    ("TRACE", Level::Trace),
    ("WARN", Level::Warn),
];

impl Level {
    /// Kafka's name.
    pub fn name(self) -> &'static str {
        LEVELS.iter().find(|(_, level)| *level == self).map_or("INFO", |(name, _)| name)
    }

    /// The level of Kafka's name, exactly.
    pub fn from_name(name: &str) -> Option<Self> {
        LEVELS.iter().find(|(known, _)| *known == name).map(|(_, level)| *level)
    }
}

/// The file in `LOG_DIR` that a logger's lines go to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LogFile {
    /// `server.log`, and standard output.
    Server,
    /// `controller.log`.
    Controller,
    /// `state-change.log`.
    StateChange,
    /// `log-cleaner.log`.
    LogCleaner,
    /// `kafka-request.log`.
    Request,
    /// `kafka-authorizer.log`.
    Authorizer,
}

impl LogFile {
    /// All files.
    pub const ALL: [Self; 6] =
        [Self::Server, Self::Controller, Self::StateChange, Self::LogCleaner, Self::Request, Self::Authorizer];

    /// Its name in `LOG_DIR`, Kafka's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server.log",
            Self::Controller => "controller.log",
            Self::StateChange => "state-change.log",
            Self::LogCleaner => "log-cleaner.log",
            Self::Request => "kafka-request.log",
            Self::Authorizer => "kafka-authorizer.log",
        }
    }
}

/// One logger.
#[derive(Clone, Copy, Debug)]
pub struct Logger {
    /// Kafka's name.
    pub name: &'static str,
    /// Tracing targets whose events are its: each stands for itself and what is below it by `::`. The longest that fits counts.
    pub targets: &'static [&'static str],
    /// The level it starts with; none is its ancestor's.
    pub level: Option<Level>,
    /// Where its lines go.
    pub file: LogFile,
}

const fn logger(name: &'static str, targets: &'static [&'static str], file: LogFile) -> Logger {
    Logger { name, targets, level: None, file }
}

const fn leveled(name: &'static str, targets: &'static [&'static str], level: Level, file: LogFile) -> Logger {
    Logger { name, targets, level: Some(level), file }
}

use LogFile::{Authorizer, Controller, LogCleaner, Request, Server, StateChange};

/// Target of the lines of `state-change.log`: each change of a leader or of in-sync replicas, by who decides and by who obeys.
pub const STATE_CHANGE: &str = "state.change.logger";
/// Target of the lines of `kafka-request.log`: each request, at DEBUG.
pub const REQUEST: &str = "kafka.request.logger";

/// Every logger; parents before children. Levels are those of Kafka's `log4j.properties` where that has no reason in Java.
#[rustfmt::skip]
pub const LOGGERS: &[Logger] = &[
    leveled(ROOT, &[], Level::Info, Server),
    leveled("kafka", &["ottla"], Level::Info, Server),
    logger("kafka.cluster.Partition", &["ottla::replica::partition", "ottla::replica::isr", "ottla::replica::isr_changes"], Server),
    logger("kafka.controller", &["ottla::controller"], Controller),
    logger("kafka.controller.ControllerChannelManager", &["ottla::controller::channel"], Controller),
    logger("kafka.coordinator.group.GroupCoordinator", &["ottla::group"], Server),
    logger("kafka.coordinator.transaction.TransactionCoordinator", &["ottla::txn"], Server),
    logger("kafka.log", &["ottla::log"], Server),
    leveled("kafka.log.LogCleaner", &["ottla::log::cleaner"], Level::Info, LogCleaner),
    logger("kafka.log.LogManager", &["ottla::log::manager", "ottla::log::dirs", "ottla::log::home"], Server),
    logger("kafka.network.SocketServer", &["ottla::server"], Server),
    leveled(REQUEST, &[REQUEST], Level::Warn, Request),
    logger("kafka.server.ClientQuotaManager", &["ottla::quota"], Server),
    logger("kafka.server.KafkaApis", &["ottla::api"], Server),
    logger("kafka.server.KafkaConfig", &["ottla::config"], Server),
    logger("kafka.server.KafkaServer", &["ottla::broker", "ottla::console", "kafka.server.KafkaServer"], Server),
    logger("kafka.server.ReplicaFetcherThread", &["ottla::replica::fetcher"], Server),
    logger("kafka.server.ReplicaManager", &["ottla::replica"], Server),
    logger("kafka.server.ZkAdminManager", &["ottla::admin"], Server),
    logger("kafka.server.ZkConfigManager", &["ottla::broker::config_watch", "ottla::broker::reconfigure"], Server),
    logger("kafka.zookeeper.ZooKeeperClient", &["ottla::zk"], Server),
    leveled("kafka.authorizer.logger", &["kafka.authorizer.logger"], Level::Info, Authorizer),
    leveled("org.apache.kafka", &[], Level::Info, Server),
    logger("org.apache.kafka.clients.NetworkClient", &["ottla::client"], Server),
    logger("org.apache.kafka.common.security", &["ottla::security"], Server),
    leveled("org.apache.zookeeper", &["zookeeper_client"], Level::Warn, Server),
    leveled(STATE_CHANGE, &[STATE_CHANGE], Level::Info, StateChange),
];

/// The logger that an event of `target` is told under; `root` for what is nobody's.
pub fn of_target(target: &str) -> &'static Logger {
    let fits = |own: &str| target.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    let length = |logger: &Logger| logger.targets.iter().filter(|own| fits(own)).map(|own| own.len()).max();
    // Of equals the first counts; all without a target are equal.
    LOGGERS.iter().rev().max_by_key(|logger| length(logger)).unwrap_or(&LOGGERS[0])
}

fn find(name: &str) -> Option<&'static Logger> {
    LOGGERS.iter().find(|logger| logger.name == name)
}

/// The nearest ancestor that is in the table.
fn parent(name: &str) -> &'static str {
    let mut rest = name;
    while let Some((above, _)) = rest.rsplit_once('.') {
        if let Some(logger) = find(above) {
            return logger.name;
        }
        rest = above;
    }
    ROOT
}

/// A target and the level from which its events are logged.
pub type Rule = (&'static str, Level);

/// Puts levels into effect: that of targets that are no logger's, and that of each that is.
type Apply = Box<dyn Fn(Level, &[Rule]) + Send + Sync>;

/// The levels of the moment.
pub struct Loggers {
    set: Mutex<BTreeMap<&'static str, Level>>,
    apply: Apply,
}

impl fmt::Debug for Loggers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loggers").field("set", &self.set).finish_non_exhaustive()
    }
}

impl Default for Loggers {
    /// Levels that nothing is logged by: for a broker inside a test.
    fn default() -> Self {
        Self::new(|_, _| ())
    }
}

impl Loggers {
    /// The table's levels. `apply` is called with the level of targets that are no logger's, and that of each that is, now and after
    /// each change.
    pub fn new(apply: impl Fn(Level, &[Rule]) + Send + Sync + 'static) -> Self {
        let set = LOGGERS.iter().filter_map(|logger| Some((logger.name, logger.level?))).collect();
        let loggers = Self { set: Mutex::new(set), apply: Box::new(apply) };
        loggers.put_into_effect(&loggers.set.lock());
        loggers
    }

    fn put_into_effect(&self, set: &BTreeMap<&'static str, Level>) {
        let rules: Vec<Rule> = LOGGERS
            .iter()
            .flat_map(|logger| logger.targets.iter().map(|target| (*target, resolve(set, logger.name))))
            .collect();
        (self.apply)(resolve(set, ROOT), &rules);
    }

    /// Every logger with the level that counts for it, by name.
    pub fn levels(&self) -> BTreeMap<&'static str, Level> {
        let set = self.set.lock();
        LOGGERS.iter().map(|logger| (logger.name, resolve(&set, logger.name))).collect()
    }

    /// Sets and takes back levels: all, or with an error none (`RuntimeLoggerManager`).
    ///
    /// # Errors
    /// INVALID_CONFIG for a logger or level there isn't; INVALID_REQUEST for other operations, and for taking back root's level.
    pub fn alter(&self, operations: &[AlterOp], validate_only: bool) -> Result<(), AlterError> {
        let changes = operations.iter().map(check).collect::<Result<Vec<_>, _>>()?;
        if validate_only || changes.is_empty() {
            return Ok(());
        }
        let mut set = self.set.lock();
        for (name, level) in &changes {
            match level {
                Some(level) => drop(set.insert(name, *level)),
                None => drop(set.remove(name)),
            }
        }
        self.put_into_effect(&set);
        drop(set); // what is logged next asks nothing of this lock, but need not rely on that
        for (name, level) in changes {
            match level {
                Some(level) => tracing::warn!("Updated the log level of {name} to {}", level.name()),
                None => tracing::warn!("Unset the log level of {name}"),
            }
        }
        Ok(())
    }
}

fn resolve(set: &BTreeMap<&'static str, Level>, name: &'static str) -> Level {
    match set.get(name) {
        Some(level) => *level,
        None if name == ROOT => Level::Info,
        None => resolve(set, parent(name)),
    }
}

fn check(operation: &AlterOp) -> Result<(&'static str, Option<Level>), AlterError> {
    let AlterOp { key, op, value } = operation;
    let known = || find(key).ok_or_else(|| AlterError::config(format!("Logger {key} does not exist!")));
    match op {
        Op::Set => {
            let logger = known()?;
            let level = value.as_deref().unwrap_or_default();
            let names: Vec<&str> = LEVELS.iter().map(|(name, _)| *name).collect();
            let level = Level::from_name(level).ok_or_else(|| {
                AlterError::config(format!(
                    "Cannot set the log level of {key} to {level} as it is not a supported log level. Valid log levels are {}",
                    names.join(", ")
                ))
            })?;
            Ok((logger.name, Some(level)))
        }
        Op::Delete if known()?.name == ROOT => {
            Err(AlterError::request(format!("Removing the log level of the {ROOT} logger is not allowed")))
        }
        Op::Delete => Ok((known()?.name, None)),
        Op::Append | Op::Subtract => {
            let name = if *op == Op::Append { "APPEND" } else { "SUBTRACT" };
            Err(AlterError::request(format!("{name} operation is not allowed for the BROKER_LOGGER resource")))
        }
    }
}
