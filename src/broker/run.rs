//! The process of a broker: reads the configuration, starts, waits for a signal, stops.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::logging::Logging;
use super::start::StartError;
use super::{Broker, stop};
use crate::base::{Env, sabotage};
use crate::config::{self, Loaded, Sources, properties};

/// `ottla broker FILE [--override k=v]...`
#[derive(Debug, clap::Args)]
pub struct BrokerArgs {
    /// Kafka's server.properties.
    pub file: PathBuf,
    /// Overrides a key of the file.
    #[arg(long = "override", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Also takes keys from plain variables, KAFKA_LOG_DIRS for log.dirs, as containers do. KAFKA_CFG_LOG_DIRS is always taken, and wins.
    #[arg(long)]
    pub kafka_env: bool,
    /// Starts also where ZooKeeper holds quotas, ACLs, SCRAM users or tokens, which are not enforced yet.
    #[arg(long)]
    pub accept_unenforced: bool,
}

/// Runs a broker until SIGTERM or SIGINT. 0 after a clean stop, 1 when the start failed.
pub fn run(args: &BrokerArgs, logging: &Logging) -> ExitCode {
    let ran = sabotage::check_environment().and_then(|()| try_run(args, logging).map_err(|error| error.to_string()));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            eprintln!("ottla: {error}");
            ExitCode::FAILURE
        }
    }
}

fn try_run(args: &BrokerArgs, logging: &Logging) -> Result<(), StartError> {
    let Loaded { config, statics, warnings } = load(args)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // One more than cores: an append that waits for the disk leaves a worker for the rest.
    let env = Env::real(cores + 1).map_err(StartError::Threads)?;
    env.tasks.before_halt(logging.flusher());
    let loggers = logging.loggers.clone();
    let result = env.tasks.block_on(async {
        let stopping = stop_signal()?;
        let broker = match Broker::start(&env, config, statics, loggers, stopping.clone()).await {
            Err(StartError::Stopped) => {
                tracing::info!("stopped before the start was complete");
                return Ok(());
            }
            started => Arc::new(started?),
        };
        tracing::info!(target: "kafka.server.KafkaServer", "[KafkaServer id={}] started", broker.id);
        let mut stopping = stopping;
        let _ = stopping.wait_for(|stop| *stop).await; // the sender never goes while a signal may come
        stop::stop(&broker).await;
        Ok(())
    });
    env.tasks.shutdown();
    result
}

fn load(args: &BrokerArgs) -> Result<Loaded, StartError> {
    let file = properties::read_file(&args.file)
        .map_err(|error| StartError::Message(format!("could not read {}: {error}", args.file.display())))?;
    let overrides = args.overrides.iter().map(|text| config::load::parse_override(text)).collect::<Result<_, _>>();
    let mut overrides: Vec<_> = overrides.map_err(|error| StartError::Message(error.to_string()))?;
    if args.accept_unenforced {
        overrides.push(("ottla.accept.unenforced".into(), "true".into()));
    }
    // A variable that is no text can't be a setting of ours.
    let text = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((key.into_string().ok()?, value.into_string().ok()?))
    };
    let env = std::env::vars_os().filter_map(text).collect();
    let sources = Sources { file, env, plain_kafka_env: args.kafka_env, overrides };
    config::load(&sources).map_err(|error| StartError::Message(error.to_string()))
}

/// True from the first SIGTERM or SIGINT on.
fn stop_signal() -> Result<watch::Receiver<bool>, StartError> {
    let mut term = signal(SignalKind::terminate()).map_err(StartError::Threads)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Threads)?;
    let (sender, receiver) = watch::channel(false);
    #[allow(clippy::disallowed_methods)] // there is no Env lane for signals: this runs where the caller blocks
    tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("asked to stop");
            sender.send_replace(true);
        }
    });
    Ok(receiver)
}
