//! Follows the configs in ZooKeeper: all of them at the start of a session, then those that change notifications name.
//!
//! A notification only says which entity to read; the node is the truth. Whoever notifies wrote the node first.

use std::sync::Arc;
use std::time::Duration;

use super::reconfigure::Reconfigure;
use super::start::StartError;
use crate::base::{BrokerId, Env};
use crate::cluster::Cluster;
use crate::config::DynamicConfig;
use crate::config::live::LiveConfig;
use crate::controller::ControllerHandle;
use crate::log::LogManager;
use crate::zk::session::{Session, Zk};
use crate::zk::store;
use crate::zk::store::StoreError;
use crate::zk::znode::config::{ConfigEntity, ConfigType};

/// Pause before the configs are read again after a refusal that was not the session's end.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The key whose change can elect leaders.
const UNCLEAN: &str = "unclean.leader.election.enable";

/// Reads both layers of this broker's dynamic configuration.
///
/// # Errors
/// ZooKeeper's.
pub async fn read_dynamic(session: &Session, id: BrokerId) -> Result<DynamicConfig, StartError> {
    Ok(dynamic(session, id).await?)
}

/// Reads the overrides of all topics, for the logs to be loaded with.
///
/// # Errors
/// ZooKeeper's.
pub async fn read_topics(session: &Session, cluster: &Cluster) -> Result<(), StartError> {
    let all = store::configs::read_all(session, ConfigType::Topics).await?;
    cluster.overrides.set_many(all.into_iter().map(|(entity, overrides)| (entity.name().into(), overrides.to_map())));
    Ok(())
}

async fn dynamic(session: &Session, id: BrokerId) -> Result<DynamicConfig, StoreError> {
    let default = store::configs::read(session, &ConfigEntity::broker(None)).await?.to_map();
    let per_broker = store::configs::read(session, &ConfigEntity::broker(Some(id))).await?.to_map();
    Ok(DynamicConfig { per_broker, default })
}

/// A node that can't be understood leaves its entity as it was, and all others alone.
fn skip_unreadable(done: Result<(), StoreError>) -> Result<(), StoreError> {
    match done {
        Err(StoreError::Znode(error)) => {
            tracing::error!(%error, "a config is left as it was");
            Ok(())
        }
        done => done,
    }
}

/// The task that follows configs.
pub struct ConfigWatch {
    /// Clock, for purging old notifications.
    pub env: Env,
    /// Sessions.
    pub zk: Zk,
    /// Gets topic overrides.
    pub cluster: Arc<Cluster>,
    /// Gets the broker's dynamic layers.
    pub config: Arc<LiveConfig>,
    /// Get their topics' new configs.
    pub logs: Arc<LogManager>,
    /// Hears of unclean election of a topic.
    pub controller: ControllerHandle,
    /// Puts the broker's own changes into effect.
    pub(super) reconfigure: Reconfigure,
}

impl ConfigWatch {
    /// Runs for the life of the broker, session after session.
    pub async fn run(self) {
        let mut generations = self.zk.generations();
        loop {
            let session = generations.borrow_and_update().clone();
            if let Err(error) = self.follow(&session).await
                && !session.state().is_terminal()
            {
                tracing::error!(%error, "could not follow the configs; trying again");
                tokio::time::sleep(RETRY_PAUSE).await;
                continue;
            }
            if generations.changed().await.is_err() {
                return;
            }
        }
    }

    async fn follow(&self, session: &Session) -> Result<(), StoreError> {
        let mut after = -1;
        let mut read_all = true;
        loop {
            // The watch is set before anything is read: what is written later is notified.
            let (changes, watch) = store::configs::changes_and_watch(session, after).await?;
            if std::mem::take(&mut read_all) {
                self.everything(session).await?;
            }
            for change in changes {
                after = change.number;
                match &change.entity {
                    Some(entity) => skip_unreadable(self.one(session, entity).await)?,
                    None => tracing::warn!(name = change.name, "skipped a config change that can't be understood"),
                }
            }
            store::configs::purge_changes(session, self.env.clock.wall_ms(), after).await?;
            let event = watch.await;
            // After a blip notifications may have been purged unseen.
            read_all = event.kind == crate::zk::session::WatchKind::SessionLost;
        }
    }

    async fn everything(&self, session: &Session) -> Result<(), StoreError> {
        skip_unreadable(self.broker(session).await)?;
        match store::configs::read_all(session, ConfigType::Topics).await {
            Ok(all) => {
                for (entity, overrides) in all {
                    self.topic(entity.name(), overrides.to_map());
                }
            }
            Err(StoreError::Znode(_)) => {
                // One topic's node is broken: the others must not suffer, so each is read alone.
                for topic in store::topics::names(session).await? {
                    skip_unreadable(self.one(session, &ConfigEntity::topic(&topic)).await)?;
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn one(&self, session: &Session, entity: &ConfigEntity) -> Result<(), StoreError> {
        tracing::info!(entity = entity.entity_path(), "config changed");
        match entity.kind() {
            ConfigType::Topics => {
                let overrides = store::configs::read(session, entity).await?.to_map();
                self.topic(entity.name(), overrides);
                Ok(())
            }
            ConfigType::Brokers => self.broker(session).await,
            // Quotas and SCRAM users have no effect yet.
            ConfigType::Clients | ConfigType::Users | ConfigType::Ips => Ok(()),
        }
    }

    fn topic(&self, topic: &str, overrides: crate::cluster::Overrides) {
        if *self.cluster.overrides.get(topic) == overrides {
            return;
        }
        let unclean = overrides.get(UNCLEAN).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        self.logs.reconfigure_topic(topic, &self.config.topic(&overrides));
        self.cluster.overrides.set(topic, overrides);
        if unclean {
            self.controller.topic_unclean_enabled(topic);
        }
    }

    async fn broker(&self, session: &Session) -> Result<(), StoreError> {
        let dynamic = dynamic(session, self.cluster.broker_id).await?;
        if dynamic == *self.config.current().dynamic {
            return Ok(());
        }
        let old = self.config.load();
        if let Err(error) = self.config.set_dynamic(dynamic) {
            tracing::error!(%error, "the dynamic configuration is left as it was");
            return Ok(());
        }
        let mut topics: Vec<Arc<str>> = self.logs.logs().iter().map(|log| log.partition().topic.clone()).collect();
        topics.sort();
        topics.dedup();
        for topic in topics {
            self.logs.reconfigure_topic(&topic, &self.config.topic(&self.cluster.overrides.get(&topic)));
        }
        self.reconfigure.apply(&old, &self.config.load()).await;
        Ok(())
    }
}
