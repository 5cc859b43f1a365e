//! Who this broker is: its id and its cluster's, from configuration, log directories and ZooKeeper, which must agree.

use std::collections::BTreeSet;

use super::start::StartError;
use crate::base::{BrokerId, Env};
use crate::config::BrokerConfig;
use crate::log::LogDirs;
use crate::zk::session::Session;
use crate::zk::store;

/// Agreed upon by all sides and written into every directory.
pub struct Identity {
    /// `/cluster/id`.
    pub cluster_id: String,
    /// `broker.id`, generated when the configuration leaves it open.
    pub broker_id: BrokerId,
}

/// Finds the identity, or says which side contradicts which.
///
/// # Errors
/// Directories of another cluster or broker, or no way to an id.
pub async fn establish(
    env: &Env,
    session: &Session,
    config: &BrokerConfig,
    dirs: &mut LogDirs,
) -> Result<Identity, StartError> {
    let proposed = env.rng.topic_id().to_string(); // the same form: 22 characters of base64url
    let cluster_id = store::ids::cluster_id_get_or_create(session, &proposed).await?;
    tracing::info!("Cluster ID = {cluster_id}");
    let metas = dirs.metas();
    for (dir, meta) in &metas {
        if let Some(found) = meta.as_ref().and_then(|meta| meta.cluster_id.as_ref())
            && *found != cluster_id
        {
            return Err(StartError::Message(format!(
                "The Cluster ID {cluster_id} doesn't match stored clusterId {found} in meta.properties of {}. The broker is trying to \
                 join the wrong cluster: point zookeeper.connect at the cluster the data belongs to, or log.dirs at other directories",
                dir.display()
            )));
        }
    }
    let stored: BTreeSet<BrokerId> = metas.iter().filter_map(|(_, meta)| meta.as_ref()?.broker_id).collect();
    if stored.len() > 1 {
        return Err(StartError::Message(format!(
            "log.dirs hold the data of several brokers ({stored:?} in their meta.properties): give each broker its own directories"
        )));
    }
    let broker_id = match (config.broker_id, stored.first().copied()) {
        (configured, Some(stored)) if configured >= 0 && configured != stored => {
            return Err(StartError::Message(format!(
                "Configured broker.id {configured} doesn't match stored broker.id {stored} in meta.properties. If you moved your data, \
                 make sure your configured broker.id matches. If you intend to create a new broker, you should remove all data in your \
                 data directories (log.dirs)"
            )));
        }
        (configured, _) if configured >= 0 => configured,
        (_, Some(stored)) => stored,
        (_, None) if config.broker_id_generation_enable => {
            store::ids::generate_broker_id(session, config.reserved_broker_max_id).await?
        }
        (_, None) => {
            return Err(StartError::Message(
                "broker.id is not set and broker.id.generation.enable is false: set broker.id to a number no other broker has".into(),
            ));
        }
    };
    dirs.write_meta(broker_id, &cluster_id, env.clock.wall_ms())?;
    Ok(Identity { cluster_id, broker_id })
}
