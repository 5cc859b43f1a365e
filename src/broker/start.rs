//! The order of a start (`KafkaServer.startup`), one step a function, and what each failure tells the operator.
//!
//! Before anything touches ZooKeeper the log directories are locked: whoever holds the locks may end the session of a process that
//! was killed here. Listeners are bound before the registration, so that a taken port fails the start and not the cluster, and accept
//! last; meanwhile peers wait in the backlog.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::reconfigure::Reconfigure;
use super::{
    Broker, config_watch, controller_watch, dir_notice, feature_watch, fresh_disk, identity, producer_ids, register,
    session, sockets,
};
use crate::admin::Admin;
use crate::api::Api;
use crate::api::control::{Applier, ApplierParts};
use crate::api::txn::write_txn_markers;
use crate::base::env::Lane;
use crate::base::{BrokerId, Env};
use crate::client::Target;
use crate::cluster::Cluster;
use crate::config::live::LiveConfig;
use crate::config::loggers::Loggers;
use crate::config::unenforced::{self, Unenforced};
use crate::config::{BrokerConfig, RACK_AWARE_SELECTOR, StaticConfig};
use crate::console::Console;
use crate::controller::{ControlVersions, Controller, ControllerSettings};
use crate::disk::Disk;
use crate::group::{Coordinator, OFFSETS_TOPIC, Settings};
use crate::log::{CancelFlag, CleanerConfig, LogDirs, LogManager, ManagerConfig};
use crate::replica::Replicas;
use crate::replica::fetcher::{FetcherSettings, Fetchers};
use crate::server::ServerOptions;
use crate::txn::{self, TRANSACTION_TOPIC};
use crate::zk::session::{ConnectError, Session, Zk, ZkOptions};
use crate::zk::store;
use crate::zk::store::StoreError;

/// Why a broker did not start. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Configuration, identity, or anything else whose text is complete.
    #[error("{0}")]
    Message(String),
    /// ZooKeeper was not reached, or refused.
    #[error("{0}")]
    Connect(#[from] ConnectError),
    /// ZooKeeper answered with something that can't be worked with.
    #[error("ZooKeeper: {0}")]
    Store(#[from] StoreError),
    /// Directories and logs.
    #[error("{0}")]
    Logs(#[from] crate::log::StartError),
    /// Threads, signals.
    #[error("could not start: {0}")]
    Threads(io::Error),
    /// A listener could not be bound.
    #[error("could not listen on {0}")]
    Listen(io::Error),
    /// Asked to stop while starting.
    #[error("asked to stop")]
    Stopped,
}

/// What the process gives beside the typed configuration.
struct Given {
    /// The configuration as texts.
    statics: StaticConfig,
    /// Levels of loggers.
    loggers: Arc<Loggers>,
}

impl Broker {
    /// Starts a broker; it serves when this returns.
    ///
    /// # Errors
    /// [`StartError`]; whatever was begun is given up.
    pub(super) async fn start(
        env: &Env,
        config: BrokerConfig,
        statics: StaticConfig,
        loggers: Arc<Loggers>,
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, StartError> {
        let connected = async {
            let dirs = lock_dirs(env, &config, Disk::Real).await?;
            Ok((dirs, Zk::connect(env, zk_options(&config)).await?))
        };
        let (dirs, zk) = unless_stopped(&stopping, connected).await?;
        Self::start_on(env, &config, Given { statics, loggers }, &stopping, dirs, zk).await
    }

    /// A broker on simulated parts.
    ///
    /// # Errors
    /// As [`Broker::start`].
    #[cfg(feature = "sim")]
    pub async fn start_sim(
        env: &Env,
        config: BrokerConfig,
        statics: StaticConfig,
        disk: Disk,
        zk: Zk,
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, StartError> {
        let dirs = lock_dirs(env, &config, disk).await?;
        let given = Given { statics, loggers: Arc::default() };
        Self::start_on(env, &config, given, &stopping, dirs, zk).await
    }

    /// Whatever ends the start, a stop included: a node that was registered goes at once.
    async fn start_on(
        env: &Env,
        config: &BrokerConfig,
        given: Given,
        stopping: &watch::Receiver<bool>,
        dirs: LogDirs,
        zk: Zk,
    ) -> Result<Self, StartError> {
        let steps = Self::steps(env, config, given, stopping, dirs, zk.clone());
        let started = unless_stopped(stopping, steps).await;
        if started.is_err() {
            zk.close().await;
        }
        started
    }

    async fn steps(
        env: &Env,
        config: &BrokerConfig,
        given: Given,
        stopping: &watch::Receiver<bool>,
        mut dirs: LogDirs,
        zk: Zk,
    ) -> Result<Self, StartError> {
        let session = zk.session();
        let unenforced = refuse_unenforced(&session, config.accept_unenforced).await?;
        store::ids::create_top_level_paths(&session).await?;
        let is_fresh = dirs.metas().iter().all(|(_, meta)| meta.is_none());
        let identity = identity::establish(env, &session, config, &mut dirs).await?;
        let id = identity.broker_id;
        session::end_previous_process(&session, id, &dirs).await?;
        let live = Arc::new(
            LiveConfig::new(given.statics, config_watch::read_dynamic(&session, id).await?)
                .map_err(|e| StartError::Message(e.to_string()))?,
        );
        // What ZooKeeper holds counts from here on. All keys used above can change by a restart alone.
        let config = &*live.load();
        let cluster = Arc::new(Cluster::new(identity.cluster_id, id));
        config_watch::read_topics(&session, &cluster).await?;
        let session_file = session::SessionFile::in_first_dir(&dirs);
        let logs = load_logs(env, &live, &cluster, dirs, stopping).await?;
        // Recovery may have taken hours, and ZooKeeper may not have stayed all the while.
        let session = if session.state().is_terminal() { zk.reopen().await? } else { session };
        session_file.write(session.id());
        if is_fresh {
            fresh_disk::let_others_lead(&session, id).await?;
        }
        feature_watch::start(env, zk.clone(), cluster.clone()).await?;

        let bound = sockets::bind_all(env, config).await?;
        let console = sockets::bind_console(env, config).await?;
        let own_address = sockets::own_address(config, &bound)?;
        let addresses = bound.iter().map(|b| (b.name.clone(), b.address)).collect();
        let node = register::node(env, id, config, &addresses)?;
        register::refuse_shared_endpoints(&session, &node).await?;
        let epoch = register::register(&session, &node, &[]).await?;
        cluster.epochs.registered(epoch);
        env.tasks.spawn(Lane::Data, "reachable?", register::warn_of_unreachable(node.clone()));

        let controller =
            Controller::start(env.clone(), zk.clone(), controller_settings(id, config, own_address.clone()));
        let slots = usize::try_from(config.max_incremental_fetch_session_cache_slots).unwrap_or(0);
        let replicas = Arc::new(Replicas::new(env.clone(), cluster.clone(), logs.clone(), slots));
        replicas.set_max_lag(ms(config.replica_lag_time_max_ms));
        replicas.start_fetching(Fetchers::new(env.clone(), cluster.clone(), FetcherSettings::new(config)));
        set_up_replicas(&replicas, config, &live.load());
        let admin = Arc::new(Admin::new(env.clone(), zk.clone(), cluster.clone(), live.clone()));
        let offsets_topic = store::topics::get(&session, OFFSETS_TOPIC).await?;
        let offsets_partitions = offsets_topic.map(|(topic, _)| topic.partitions.len());
        let groups = Coordinator::start(env.clone(), replicas.clone(), Settings::of(config, offsets_partitions));
        let transaction_topic = store::topics::get(&session, TRANSACTION_TOPIC).await?;
        let transaction_partitions = transaction_topic.map(|(topic, _)| topic.partitions.len());
        let txns = txn::Coordinator::start(
            env.clone(),
            replicas.clone(),
            cluster.clone(),
            txn::Settings::of(config, transaction_partitions),
            broker_lookup(&cluster, &live, &own_address),
        );
        let applier = Applier::start(ApplierParts {
            env: env.clone(),
            cluster: cluster.clone(),
            replicas: replicas.clone(),
            groups: groups.clone(),
            txns: txns.clone(),
            admin: admin.clone(),
            config: live.clone(),
        });
        let api = Arc::new(Api {
            env: env.clone(),
            cluster: cluster.clone(),
            replicas: replicas.clone(),
            groups,
            txns,
            controller: controller.clone(),
            admin: admin.clone(),
            config: live.clone(),
            loggers: given.loggers,
            applier,
        });
        write_markers_here(&api);
        let broker = Self {
            env: env.clone(),
            id,
            config: live.clone(),
            zk: zk.clone(),
            cluster,
            logs: logs.clone(),
            replicas,
            controller,
            server: Arc::default(),
            own_address,
            sequencer: Mutex::default(),
            background: Mutex::default(),
            session_file,
            _api: api.clone(),
            _admin: admin,
        };
        let options = sockets::options(env, config).await;
        broker.start_tasks(Arc::new(Mutex::new(node)), options.clone());
        logs.start_background();
        if let Some(console) = console {
            let shown = Console {
                env: env.clone(),
                id,
                zk: zk.clone(),
                cluster: broker.cluster.clone(),
                replicas: broker.replicas.clone(),
                logs: logs.clone(),
                groups: api.groups.clone(),
                txns: api.txns.clone(),
                controller: broker.controller.clone(),
                stopping: stopping.clone(),
                unenforced,
            };
            env.tasks.spawn(Lane::Data, "console", shown.serve(console.into_listener()));
        }
        for listener in bound {
            broker.server.serve(listener, api.clone(), options.clone());
        }
        Ok(broker)
    }

    fn start_tasks(&self, node: Arc<Mutex<register::Node>>, options: ServerOptions) {
        let tasks = &self.env.tasks;
        let sequencer = session::Sequencer {
            env: self.env.clone(),
            zk: self.zk.clone(),
            cluster: self.cluster.clone(),
            controller: self.controller.clone(),
            node: node.clone(),
            session_file: self.session_file.clone(),
        };
        *self.sequencer.lock() = Some(tasks.spawn_vital(Lane::Control, "session sequencer", sequencer.run()));
        let watch = config_watch::ConfigWatch {
            env: self.env.clone(),
            zk: self.zk.clone(),
            cluster: self.cluster.clone(),
            config: self.config.clone(),
            logs: self.logs.clone(),
            controller: self.controller.clone(),
            reconfigure: Reconfigure {
                api: self._api.clone(),
                server: self.server.clone(),
                options,
                zk: self.zk.clone(),
                node,
            },
        };
        let ids = producer_ids::run(self.controller_channel(), self.cluster.clone());
        let replicas = self.replicas.clone();
        let isr_changes = replicas.clone().send_isr_changes(self.controller_channel());
        let notices = dir_notice::start(&self.env, self.zk.clone(), self.id);
        let failures = self.replicas.clone().follow_dir_failures(notices);
        self.background.lock().extend([
            tasks.spawn_vital(Lane::Control, "config watch", watch.run()),
            tasks.spawn_vital(Lane::Control, "producer ids", ids),
            tasks.spawn_vital(Lane::Control, "log directory failures", failures),
            tasks.spawn_vital(Lane::Control, "ISR changes", isr_changes),
            tasks.spawn_vital(Lane::Data, "ISR check", replicas.watch_lag()),
        ]);
        let config = self.config.load();
        for _ in 0..config.num_replica_alter_log_dirs_threads.max(1) {
            let moves = self.replicas.clone().carry_moves();
            self.background.lock().push(tasks.spawn_vital(Lane::Data, "moves between directories", moves));
        }
        let watch = controller_watch::ControllerWatch {
            env: self.env.clone(),
            zk: self.zk.clone(),
            cluster: self.cluster.clone(),
            controller: self.controller.clone(),
            listener: config.inter_broker_listener.clone(),
            detect: ms(config.dead_process_detect_ms),
        };
        if !watch.detect.is_zero() {
            self.background.lock().push(tasks.spawn_vital(Lane::Control, "controller watch", watch.run()));
        }
    }
}

/// Ends a step of the start when the broker is asked to stop.
async fn unless_stopped<T>(
    stopping: &watch::Receiver<bool>,
    step: impl Future<Output = Result<T, StartError>>,
) -> Result<T, StartError> {
    let mut stop = stopping.clone();
    tokio::select! {
        biased;
        _ = async { let _ = stop.wait_for(|stop| *stop).await; } => Err(StartError::Stopped),
        done = step => done,
    }
}

/// What ZooKeeper holds and Ottla does not enforce, where that is accepted.
///
/// # Errors
/// Where it is not: by name, with what to do.
async fn refuse_unenforced(session: &Session, accepted: bool) -> Result<Unenforced, StartError> {
    let found = store::unenforced::read(session).await?;
    let findings = unenforced::findings(&found);
    if accepted {
        findings.iter().for_each(|finding| tracing::warn!("{finding}"));
    } else if !findings.is_empty() {
        return Err(StartError::Message(format!("{}. {}", findings.join(". "), unenforced::ADVICE)));
    }
    Ok(found)
}

/// Where brokers are reached by brokers: this one at the address it is bound to.
pub(super) fn broker_lookup(cluster: &Arc<Cluster>, config: &Arc<LiveConfig>, own: &Target) -> txn::Lookup {
    let (cluster, own) = (cluster.clone(), own.clone());
    let listener = config.load().inter_broker_listener.clone();
    Arc::new(move |broker| {
        if broker == cluster.broker_id {
            return Some(own.clone());
        }
        let image = cluster.metadata.load();
        let endpoint = image.endpoint(broker, &listener)?;
        Some(Target::new(endpoint.host.clone(), u16::try_from(endpoint.port).ok()?))
    })
}

/// Transactions coordinated here end without a connection in partitions that are led from here, and without a marker in deleted ones.
fn write_markers_here(api: &Arc<Api>) {
    let weak = Arc::downgrade(api); // the coordinator is the API's own
    api.txns.write_local_markers_by(Arc::new(move |request| {
        let api = weak.upgrade();
        Box::pin(async move {
            match api {
                Some(api) => write_txn_markers::write(&api, request).await,
                None => Default::default(), // the broker is gone: nothing is said to be written
            }
        })
    }));
    let weak = Arc::downgrade(api);
    api.txns.ask_for_deleted_by(Arc::new(move |topic| {
        let api = weak.upgrade();
        Box::pin(async move {
            match api {
                Some(api) => api.admin.is_deleted(&topic).await,
                None => false,
            }
        })
    }));
}

async fn lock_dirs(env: &Env, config: &BrokerConfig, disk: Disk) -> Result<LogDirs, StartError> {
    let paths: Vec<PathBuf> = config.log_dirs.iter().map(PathBuf::from).collect();
    Ok(env.tasks.blocking(move || LogDirs::open(disk, &paths)).await?)
}

fn ms(value: impl TryInto<u64>) -> Duration {
    Duration::from_millis(value.try_into().unwrap_or(0))
}

fn zk_options(config: &BrokerConfig) -> ZkOptions {
    ZkOptions {
        connect: config.zookeeper_connect.clone(),
        session_timeout: ms(config.zookeeper_session_timeout_ms),
        connection_timeout: ms(config.zookeeper_connection_timeout_ms),
        max_in_flight: usize::try_from(config.zookeeper_max_in_flight_requests).unwrap_or(1),
        makes_chroot: true,
    }
}

async fn load_logs(
    env: &Env,
    live: &Arc<LiveConfig>,
    cluster: &Arc<Cluster>,
    dirs: LogDirs,
    stopping: &watch::Receiver<bool>,
) -> Result<Arc<LogManager>, StartError> {
    let cancel = CancelFlag::new();
    let on_stop = {
        let (cancel, mut stopping) = (cancel.clone(), stopping.clone());
        env.tasks.spawn(Lane::Control, "cancel loading", async move {
            let _ = stopping.wait_for(|stop| *stop).await;
            cancel.cancel();
        })
    };
    let (loading_env, live, cluster) = (env.clone(), live.clone(), cluster.clone());
    let loaded = env
        .tasks
        .blocking(move || {
            let topic_config = |topic: &str| live.topic(&cluster.overrides.get(topic));
            let config = manager_config(&live.load());
            LogManager::load(loading_env, dirs, config, &topic_config, &cancel)
        })
        .await;
    on_stop.abort();
    Ok(loaded?)
}

fn manager_config(config: &BrokerConfig) -> ManagerConfig {
    let every = |ms: i64| u64::try_from(ms).unwrap_or(0);
    ManagerConfig {
        recovery_threads_per_dir: usize::try_from(config.num_recovery_threads_per_data_dir).unwrap_or(1).max(1),
        retention_check_ms: every(config.log_retention_check_interval_ms),
        flush_check_ms: every(config.log_flush_scheduler_interval_ms),
        recovery_checkpoint_ms: every(config.log_flush_offset_checkpoint_interval_ms.into()),
        start_offset_checkpoint_ms: every(config.log_flush_start_offset_checkpoint_interval_ms.into()),
        initial_task_delay_ms: every(config.log_initial_task_delay_ms),
        producer_expiration_ms: config.producer_id_expiration_ms.into(),
        producer_expiration_check_ms: every(config.producer_id_expiration_check_interval_ms.into()),
        verify_transactions: config.transaction_partition_verification_enable,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        cleaner: cleaner_config(config),
    }
}

/// Throttles, with the rates that ZooKeeper holds, and who consumers read from.
fn set_up_replicas(replicas: &Replicas, config: &BrokerConfig, live: &BrokerConfig) {
    let windows = usize::try_from(config.replication_quota_window_num).unwrap_or(1);
    let window = Duration::from_secs(u64::try_from(config.replication_quota_window_size_seconds).unwrap_or(1));
    replicas.set_throttle_windows(windows, window);
    replicas.set_throttle_rates(live.leader_replication_throttled_rate, live.follower_replication_throttled_rate);
    let windows = usize::try_from(config.alter_log_dirs_replication_quota_window_num).unwrap_or(1);
    let window = u64::try_from(config.alter_log_dirs_replication_quota_window_size_seconds).unwrap_or(1);
    replicas.moves.throttle.set_windows(windows, Duration::from_secs(window));
    replicas.set_move_rate(live.replica_alter_log_dirs_io_max_bytes_per_second);
    if config.replica_selector_class.as_deref() == Some(RACK_AWARE_SELECTOR) {
        replicas.selector.set_rack_aware();
    }
}

/// What the log cleaner is told, at start and when the configuration changes.
pub(super) fn cleaner_config(config: &BrokerConfig) -> CleanerConfig {
    CleanerConfig {
        enabled: config.log_cleaner_enable,
        threads: usize::try_from(config.log_cleaner_threads).unwrap_or(0),
        dedupe_buffer_bytes: usize::try_from(config.log_cleaner_dedupe_buffer_size).unwrap_or(0),
        load_factor: config.log_cleaner_io_buffer_load_factor,
        io_buffer_bytes: usize::try_from(config.log_cleaner_io_buffer_size).unwrap_or(0),
        max_bytes_per_second: config.log_cleaner_io_max_bytes_per_second,
        backoff_ms: u64::try_from(config.log_cleaner_backoff_ms).unwrap_or(0),
    }
}

fn controller_settings(id: BrokerId, config: &BrokerConfig, own_address: Target) -> ControllerSettings {
    let ibp = config.inter_broker_protocol_version.release();
    let listener = config.control_plane_listener.clone().unwrap_or_else(|| config.inter_broker_listener.clone());
    ControllerSettings {
        inter_broker_listener: config.inter_broker_listener.clone(),
        versions: ControlVersions::for_ibp(ibp),
        topic_ids: ibp >= (2, 8),
        leader_recovery: ibp >= (3, 2),
        feature_version: if ibp >= (3, 3) { 2 } else { 1 },
        delete_topic_enable: config.delete_topic_enable,
        unclean_leader_election: config.log.unclean_leader_election_enable,
        min_insync_replicas: config.log.min_insync_replicas,
        auto_leader_rebalance: config.auto_leader_rebalance_enable,
        imbalance_check_interval: Duration::from_secs(
            u64::try_from(config.leader_imbalance_check_interval_seconds).unwrap_or(1),
        ),
        imbalance_percentage: u32::try_from(config.leader_imbalance_per_broker_percentage).unwrap_or(0),
        dead_process_detect: ms(config.dead_process_detect_ms),
        request_timeout: ms(config.request_timeout_ms),
        // Kafka's sender gives up at the first of both.
        connect_timeout: ms(config.socket_connection_setup_timeout_ms).min(ms(config.controller_socket_timeout_ms)),
        ..ControllerSettings::new(id, listener, own_address)
    }
}
