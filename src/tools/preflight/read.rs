//! Gathers the facts of a preflight: the file, the log directories, ZooKeeper, the running brokers. Writes nothing, locks nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::PreflightArgs;
use super::facts::{Answer, ClusterFacts, Dir, Facts, Peer, Settings, Topic};
use crate::base::{Env, TopicPartition};
use crate::client::Target;
use crate::config::{self, BrokerConfig, DynamicConfig, Properties, Sources, StaticConfig, Values, properties};
use crate::log::meta::{self, MetaProperties};
use crate::tools::admin_client::configs::{Resource, Source};
use crate::tools::admin_client::{AdminClient, AdminConfig};
use crate::tools::console::Console;
use crate::tools::java::Exception;
use crate::wire::ApiKey;
use crate::zk::session::{Session, Zk, ZkOptions};
use crate::zk::store::{self, StoreError};
use crate::zk::znode::config::ConfigEntity;
use crate::zk::znode::migration::{self, MigrationNode};

/// How long ZooKeeper and each broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The mark of a clean stop (`CleanShutdownFileHandler`).
const CLEAN_MARKER: &str = ".kafka_cleanshutdown";

/// Reads the file and puts the overrides on top.
///
/// # Errors
/// A file that can't be read, an override that is none.
pub fn settings(args: &PreflightArgs) -> Result<Settings, String> {
    let file = properties::read_file(&args.file)
        .map_err(|error| format!("could not read {}: {error}", args.file.display()))?;
    let overrides = args.overrides.iter().map(|text| config::load::parse_override(text)).collect::<Result<Vec<_>, _>>();
    let overrides = overrides.map_err(|error| error.to_string())?;
    // As a broker would be started from here.
    let text = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((key.into_string().ok()?, value.into_string().ok()?))
    };
    let env = std::env::vars_os().filter_map(text).collect();
    let sources = Sources { file, env, plain_kafka_env: args.kafka_env, overrides };
    Ok(settings_of(&sources, args.accept_unenforced))
}

/// What the layers come to; also of what does not load, as much as can be read.
pub fn settings_of(sources: &Sources, accept_unenforced: bool) -> Settings {
    match config::load(sources) {
        Ok(loaded) => {
            let values = loaded.statics.values();
            of_config(&loaded.config, &values, loaded.statics, Vec::new(), loaded.warnings, accept_unenforced)
        }
        Err(error) => {
            let errors = error.errors.iter().map(ToString::to_string).collect();
            let file = sources.file.iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
            let raw = file.chain(sources.overrides.iter().cloned()).collect();
            let statics = StaticConfig::new(raw);
            let values = statics.values();
            // Where listeners are what is wrong, the rest is still of use.
            let config = BrokerConfig::from_values(&values).unwrap_or_else(|_| BrokerConfig {
                zookeeper_connect: values.str("zookeeper.connect"),
                broker_id: values.int("broker.id"),
                log_dirs: values.str("log.dirs").split(',').map(|dir| dir.trim().to_owned()).collect(),
                ..Default::default()
            });
            of_config(&config, &values, statics, errors, Vec::new(), accept_unenforced)
        }
    }
}

fn of_config(
    config: &BrokerConfig,
    values: &Values,
    statics: StaticConfig,
    errors: Vec<String>,
    warnings: Vec<String>,
    accept_unenforced: bool,
) -> Settings {
    let advertised = config.advertised_listeners.iter().filter_map(|l| Some((l.host.clone()?, l.port)));
    Settings {
        errors,
        warnings,
        statics,
        connect: config.zookeeper_connect.clone(),
        broker_id: config.broker_id,
        log_dirs: config.log_dirs.iter().map(PathBuf::from).collect(),
        ibp: config.inter_broker_protocol_version,
        inter_broker_listener: config.inter_broker_listener.clone(),
        advertised: advertised.collect(),
        min_isr: usize::try_from(values.int("min.insync.replicas")).unwrap_or(1),
        accept_unenforced: accept_unenforced || config.accept_unenforced,
    }
}

/// Reads everything else.
pub async fn facts(settings: Settings, console: &Console) -> Facts {
    let dirs: Vec<Dir> = settings.log_dirs.iter().map(|path| directory(path)).collect();
    let mut settings = settings;
    if settings.broker_id < 0 {
        let stored = dirs.iter().find_map(|dir| dir.meta.as_ref()?.as_ref().ok()?.broker_id);
        settings.broker_id = stored.unwrap_or(-1);
    }
    let zk = zookeeper(&settings).await;
    let mut peers = Vec::new();
    if let Ok(zk) = &zk {
        for broker in &zk.brokers {
            let endpoint = broker.endpoint(&settings.inter_broker_listener).or(broker.endpoints.first());
            let target = endpoint.and_then(|e| Some(Target::new(e.host.clone(), u16::try_from(e.port).ok()?)));
            let answer = match target {
                Some(target) => ask(broker.id, target, console).await.map_err(|error| error.to_string()),
                None => Err("it is registered without an address".into()),
            };
            peers.push(Peer { id: broker.id, answer });
        }
    }
    Facts { settings, dirs, zk, peers }
}

fn directory(path: &Path) -> Dir {
    let mut dir = Dir { path: path.to_path_buf(), ..Default::default() };
    match std::fs::read_dir(path) {
        Ok(entries) => {
            let inner = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            dir.names = inner.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            dir.names.sort_unstable();
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return dir,
        Err(error) => dir.problem = Some(error.to_string()),
    }
    dir.is_clean = path.join(CLEAN_MARKER).exists();
    dir.meta = match std::fs::read(path.join(meta::META)) {
        Ok(bytes) => Some(MetaProperties::read(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(error.to_string())),
    };
    dir
}

async fn zookeeper(settings: &Settings) -> Result<ClusterFacts, String> {
    let options = ZkOptions {
        session_timeout: PATIENCE,
        connection_timeout: PATIENCE,
        makes_chroot: false, // it only looks
        ..ZkOptions::new(settings.connect.clone())
    };
    let zk = Zk::connect(&Env::current(), options).await.map_err(|error| error.to_string())?;
    let found = cluster(&zk.session(), settings).await.map_err(|error| error.to_string());
    zk.close().await;
    found
}

/// Reads what a session sees.
///
/// # Errors
/// The session's end, or a refusal. What can't be understood is a fact.
pub async fn cluster(session: &Session, settings: &Settings) -> Result<ClusterFacts, StoreError> {
    let mut unreadable = Vec::new();
    let cluster_id = readable(&mut unreadable, store::ids::cluster_id(session).await)?.flatten();
    let controller = readable(&mut unreadable, store::controller::current(session).await)?.flatten();
    let features = readable(&mut unreadable, store::features::read(session).await)?.flatten();
    let migration = session.get(migration::PATH).await?.map(|(data, _)| MigrationNode::decode(&data).ok());
    let mut brokers = Vec::new();
    for id in store::brokers::ids(session).await? {
        let broker = readable(&mut unreadable, store::brokers::get(session, id).await)?.flatten();
        brokers.extend(broker.map(|registration| registration.node));
    }
    let of_broker = |id| ConfigEntity::broker(id);
    let default = readable(&mut unreadable, store::configs::read(session, &of_broker(None)).await)?;
    let per_broker =
        readable(&mut unreadable, store::configs::read(session, &of_broker(Some(settings.broker_id))).await)?;
    let dynamic = DynamicConfig {
        default: default.map(|map| map.to_map()).unwrap_or_default(),
        per_broker: per_broker.map(|map| map.to_map()).unwrap_or_default(),
    };
    let mut topics = Vec::new();
    for name in store::topics::names(session).await? {
        let Some((node, _)) = readable(&mut unreadable, store::topics::get(session, &name).await)?.flatten() else {
            continue;
        };
        let partitions: Vec<_> = node.partitions.keys().map(|p| TopicPartition::new(&*name, *p)).collect();
        let states = readable(&mut unreadable, store::partitions::states(session, &partitions).await)?;
        let states = partitions.iter().zip(states.unwrap_or_default());
        let states = states.filter_map(|(id, found)| Some((id.partition, found?.0))).collect();
        let config = readable(&mut unreadable, store::configs::read(session, &ConfigEntity::topic(&name)).await)?;
        topics.push(Topic { name, node, states, config: config.map(|map| map.to_map()).unwrap_or_default() });
    }
    Ok(ClusterFacts {
        cluster_id,
        controller: controller.map(|(node, _)| node),
        migration,
        features: features.map(|(node, _)| node.features.into_keys().collect()).unwrap_or_default(),
        brokers,
        unenforced: store::unenforced::read(session).await?,
        dynamic,
        topics,
        deletions: session.children("/admin/delete_topics").await?.unwrap_or_default(),
        unreadable,
    })
}

/// What was read; none, and a line more, where the node can't be understood.
fn readable<T>(unreadable: &mut Vec<String>, read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(StoreError::Znode(error)) => {
            unreadable.push(error.to_string());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What a running broker says of itself.
async fn ask(id: i32, target: Target, console: &Console) -> Result<Answer, Exception> {
    let mut config = AdminConfig::new(&format!("{}:{}", target.host, target.port), &Properties::new(), console)?;
    (config.api_timeout, config.request_timeout, config.connect_timeout) = (PATIENCE, PATIENCE, PATIENCE);
    let mut client = AdminClient::new(config, console.clone());
    let versions = client.api_versions(id).await?;
    let fetch = versions.api_keys.iter().find(|key| key.api_key == ApiKey::Fetch as i16);
    let entries = client.describe_configs(&Resource::Broker(id), false).await?;
    let from_file = entries.iter().filter(|e| e.source == Source::StaticBrokerConfig).map(|e| e.name.clone()).collect();
    let configs = entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect();
    Ok(Answer { configs, from_file, fetch_version: fetch.map_or(0, |key| key.max_version) })
}
