//! Configs of topics and brokers: read, altered as a whole, altered key by key. Every accepted alteration is written and told to all
//! brokers by a change notification, also one that changes nothing; a refused one writes nothing.
//!
//! Beware: reading, changing and writing is not one step (in Kafka neither): of two alterations of one resource at the same moment, the
//! last one written wins.

use super::shell::{Admin, node_map};
use super::{AdminError, names};
use crate::base::BrokerId;
use crate::config::dynamic::{self, Scope};
use crate::config::ops::{self, AlterOp, Resource};
use crate::config::{ConfigMap, topic};
use crate::zk::session::Session;
use crate::zk::store;
use crate::zk::znode::config::ConfigEntity;

impl Admin {
    /// The overrides of a topic, as ZooKeeper holds them; empty when there are none.
    ///
    /// # Errors
    /// ZooKeeper's.
    pub async fn topic_config(&self, topic: &str) -> Result<ConfigMap, AdminError> {
        names::check(topic)?;
        self.read(&ConfigEntity::topic(topic)).await
    }

    /// What `/config/brokers` holds for a broker, or for all (`None`).
    ///
    /// # Errors
    /// ZooKeeper's.
    pub async fn broker_config(&self, broker: Option<BrokerId>) -> Result<ConfigMap, AdminError> {
        self.read(&ConfigEntity::broker(broker)).await
    }

    /// Replaces all overrides of a topic.
    ///
    /// # Errors
    /// [`AdminError`] with Kafka's code and words.
    pub async fn alter_topic_config(
        &self,
        topic: &str,
        map: &ConfigMap,
        validate_only: bool,
    ) -> Result<(), AdminError> {
        self.check_known(topic)?;
        let session = self.session().await;
        self.replace_topic_config(&session, topic, map, validate_only).await
    }

    /// Sets, removes, appends to and subtracts from single overrides of a topic.
    ///
    /// # Errors
    /// [`AdminError`] with Kafka's code and words.
    pub async fn alter_topic_keys(
        &self,
        topic: &str,
        operations: &[AlterOp],
        validate_only: bool,
    ) -> Result<(), AdminError> {
        self.check_known(topic)?;
        let session = self.session().await;
        let mut map = store::configs::read(&session, &ConfigEntity::topic(topic)).await?.to_map();
        ops::apply(&mut map, operations, Resource::Topic)?;
        self.replace_topic_config(&session, topic, &map, validate_only).await
    }

    /// Replaces the dynamic configs of this broker, or of all (`None`).
    ///
    /// # Errors
    /// [`AdminError`] with Kafka's code and words.
    pub async fn alter_broker_config(
        &self,
        broker: Option<BrokerId>,
        map: &ConfigMap,
        validate_only: bool,
    ) -> Result<(), AdminError> {
        let scope = if broker.is_some() { Scope::Broker } else { Scope::Default };
        dynamic::validate_alter(self.config.statics(), &self.config.current().dynamic, scope, map)?;
        if validate_only {
            return Ok(());
        }
        let session = self.session().await;
        write(&session, &ConfigEntity::broker(broker), map).await
    }

    /// Sets, removes, appends to and subtracts from single dynamic configs of this broker, or of all (`None`).
    ///
    /// # Errors
    /// [`AdminError`] with Kafka's code and words.
    pub async fn alter_broker_keys(
        &self,
        broker: Option<BrokerId>,
        operations: &[AlterOp],
        validate_only: bool,
    ) -> Result<(), AdminError> {
        let mut map = self.broker_config(broker).await?;
        ops::apply(&mut map, operations, Resource::Broker)?;
        self.alter_broker_config(broker, &map, validate_only).await
    }

    /// Refused before its name becomes part of a path.
    fn check_known(&self, topic: &str) -> Result<(), AdminError> {
        if topic.is_empty() {
            return Err(AdminError::InvalidRequest("Default topic resources are not allowed.".into()));
        }
        if !self.cluster.metadata.load().contains(topic) {
            return Err(AdminError::UnknownTopic(format!("The topic '{topic}' does not exist.")));
        }
        names::check(topic)
    }

    async fn replace_topic_config(
        &self,
        session: &Session,
        topic: &str,
        map: &ConfigMap,
        validate_only: bool,
    ) -> Result<(), AdminError> {
        if store::topics::get(session, topic).await?.is_none() {
            return Err(AdminError::UnknownTopic(format!("Topic '{topic}' does not exist.")));
        }
        topic::validate(map, &self.config.current().effective.values)
            .map_err(|error| AdminError::InvalidConfig(error.alter_message(topic)))?;
        if validate_only {
            return Ok(());
        }
        tracing::info!(topic, config = ?map, "altering the topic's config");
        write(session, &ConfigEntity::topic(topic), map).await
    }

    pub(super) async fn read(&self, entity: &ConfigEntity) -> Result<ConfigMap, AdminError> {
        let session = self.session().await;
        Ok(store::configs::read(&session, entity).await?.to_map())
    }
}

/// Writes an entity's config and tells all brokers.
pub(super) async fn write(session: &Session, entity: &ConfigEntity, map: &ConfigMap) -> Result<(), AdminError> {
    let node = node_map(map)?;
    store::configs::write(session, entity, &node).await.map_err(|error| AdminError::of(error, entity))?;
    Ok(store::configs::notify(session, entity).await?)
}
