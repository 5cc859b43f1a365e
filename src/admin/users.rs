//! Client quotas and SCRAM credentials in ZooKeeper. The rules are in [`super::quota`] and [`super::scram`]; here is what reads and writes.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::AdminError;
use super::configs::write;
use super::quota::{self, Entity, Filter, Match, Quotas};
use super::scram::{self, Deletion, Refusal, Upsertion};
use super::shell::Admin;
use crate::config::ConfigMap;
use crate::config::unenforced::{self, Kind};
use crate::zk::session::Session;
use crate::zk::store;
use crate::zk::znode::config::{ConfigEntity, ConfigType, DEFAULT};
use crate::zk::znode::sanitize::{desanitize, sanitize};

/// How long the name of a host with a connection quota may take to resolve.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

impl Admin {
    /// The quotas of all entities that the filter lets through, in the order of their nodes. One node is read where the filter names
    /// one entity, else all of its types.
    ///
    /// # Errors
    /// ZooKeeper's; a stored value that is no number.
    pub async fn describe_client_quotas(&self, filter: &Filter) -> Result<Vec<Quotas>, AdminError> {
        let session = self.session().await;
        let mut found = Vec::new();
        if let Some(entity) = only_entity(filter) {
            let map = store::configs::read(&session, &node_of(&entity)).await?.to_map();
            found.push((entity, map));
        } else {
            for kind in [ConfigType::Users, ConfigType::Clients, ConfigType::Ips] {
                let wanted =
                    if kind == ConfigType::Ips { filter.wants_ips() } else { filter.wants_users_and_clients() };
                if wanted {
                    let all = store::configs::read_all(&session, kind).await?;
                    found.extend(all.into_iter().map(|(node, map)| (entity_of(&node), map.to_map())));
                }
            }
        }
        let mut shown = Vec::new();
        for (entity, map) in found {
            if filter.lets(&entity) {
                let values = quota::values_of(&entity, &map)?;
                if !values.is_empty() {
                    shown.push((entity, values.into_iter().collect()));
                }
            }
        }
        Ok(shown)
    }

    /// Sets and removes quotas of one entity. A node without any key left is removed.
    ///
    /// # Errors
    /// [`AdminError`] with Kafka's code and words; [`AdminError::Unenforced`] for one to be set which nobody would enforce.
    pub async fn alter_client_quotas(
        &self,
        entity: &Entity,
        ops: &[(String, Option<f64>)],
        validate_only: bool,
    ) -> Result<(), AdminError> {
        if let Some(Some(ip)) = &entity.ip {
            check_address(ip).await?;
        }
        let session = self.session().await;
        let node = node_of(entity);
        let stored = store::configs::read(&session, &node).await?.to_map();
        let map = quota::apply(entity, stored, ops)?;
        if ops.iter().any(|(_, value)| value.is_some()) {
            self.may_set(Kind::Quotas)?;
        }
        if validate_only { Ok(()) } else { put(&session, &node, &map).await }
    }

    /// The config of a user: SCRAM credentials and quotas. Beware: secrets.
    ///
    /// # Errors
    /// ZooKeeper's.
    pub async fn user_config(&self, user: &str) -> Result<ConfigMap, AdminError> {
        self.read(&ConfigEntity::user(Some(user))).await
    }

    /// The configs of all users that have any, by name. Beware: secrets.
    ///
    /// # Errors
    /// ZooKeeper's.
    pub async fn user_configs(&self) -> Result<BTreeMap<String, ConfigMap>, AdminError> {
        let session = self.session().await;
        let all = store::configs::read_all(&session, ConfigType::Users).await?;
        let users = all.into_iter().filter(|(node, _)| !node.name().contains('/'));
        Ok(users.map(|(node, map)| (desanitize(node.name()), map.to_map())).collect())
    }

    /// Removes and sets SCRAM credentials, each user on its own; every user named gets a result. Setting is refused while nobody would
    /// ask for the password.
    pub async fn alter_scram_users(
        &self,
        deletions: &[Deletion],
        upsertions: &[Upsertion],
    ) -> BTreeMap<String, Result<(), Refusal>> {
        let (refused, users) = scram::screen(deletions, upsertions);
        let mut results: BTreeMap<String, Result<(), Refusal>> =
            refused.into_iter().map(|(user, refusal)| (user, Err(refusal))).collect();
        let session = self.session().await;
        for user in users {
            let sets = upsertions.iter().any(|upsertion| upsertion.user == user);
            let allowed = if sets { self.may_set(Kind::ScramUsers) } else { Ok(()) };
            let result = match allowed {
                Ok(()) => alter_scram_user(&session, &user, deletions, upsertions).await,
                Err(error) => Err(refusal(&error)),
            };
            results.insert(user, result);
        }
        results
    }

    /// Whether settings of a kind are enforced, or kept all the same.
    fn may_set(&self, kind: Kind) -> Result<(), AdminError> {
        match unenforced::refusal(kind) {
            Some(why) if !self.config.load().accept_unenforced => Err(AdminError::Unenforced(why)),
            _ => Ok(()),
        }
    }
}

async fn alter_scram_user(
    session: &Session,
    user: &str,
    deletions: &[Deletion],
    upsertions: &[Upsertion],
) -> Result<(), Refusal> {
    let failed = |error: AdminError| {
        tracing::warn!(user, %error, "could not alter SCRAM credentials");
        refusal(&error)
    };
    let node = ConfigEntity::user(Some(user));
    let stored = store::configs::read(session, &node).await.map_err(|error| failed(error.into()))?.to_map();
    let map = scram::apply(user, stored, deletions, upsertions)?;
    put(session, &node, &map).await.map_err(failed)
}

fn refusal(error: &AdminError) -> Refusal {
    let (code, message) = error.answer();
    Refusal { code, message }
}

/// Writes the config of a user, client or address, or removes its node when nothing is left; tells all brokers.
async fn put(session: &Session, node: &ConfigEntity, map: &ConfigMap) -> Result<(), AdminError> {
    if !map.is_empty() {
        return write(session, node, map).await;
    }
    store::configs::delete(session, node).await.map_err(|error| AdminError::of(error, node))?;
    Ok(store::configs::notify(session, node).await?)
}

/// The entity of a strict filter that names each of its components.
fn only_entity(filter: &Filter) -> Option<Entity> {
    let name = |component: &Option<Match>| match component {
        Some(Match::Exact(name)) => Some(Some(name.clone())),
        Some(Match::Any) => None,
        None => Some(None),
    };
    let both = filter.user.is_some() && filter.client.is_some();
    let any = both || filter.ip.is_some() || (filter.strict && (filter.user.is_some() || filter.client.is_some()));
    any.then_some(())?;
    Some(Entity { user: name(&filter.user)?, client: name(&filter.client)?, ip: name(&filter.ip)? })
}

fn node_of(entity: &Entity) -> ConfigEntity {
    match (&entity.user, &entity.client, &entity.ip) {
        (Some(user), Some(client), _) => ConfigEntity::user_client(user.as_deref(), client.as_deref()),
        (Some(user), None, _) => ConfigEntity::user(user.as_deref()),
        (None, Some(client), _) => ConfigEntity::client(client.as_deref()),
        (None, None, ip) => ConfigEntity::ip(ip.as_ref().and_then(|name| name.as_deref())),
    }
}

fn entity_of(node: &ConfigEntity) -> Entity {
    let name = |encoded: &str| Some((encoded != DEFAULT).then(|| desanitize(encoded)));
    let mut entity = Entity::default();
    match (node.kind(), node.name().split_once("/clients/")) {
        (ConfigType::Users, Some((user, client))) => {
            entity.user = name(user);
            entity.client = name(client);
        }
        (ConfigType::Users, None) => entity.user = name(node.name()),
        (ConfigType::Clients, _) => entity.client = name(node.name()),
        _ => entity.ip = name(node.name()),
    }
    entity
}

/// An address or a host that resolves, judged by its encoded form as Kafka does: so an IPv6 literal won't do, since no reader would
/// take its encoding away again.
async fn check_address(ip: &str) -> Result<(), AdminError> {
    let encoded = sanitize(ip);
    if encoded.parse::<Ipv4Addr>().is_ok() {
        return Ok(());
    }
    let resolved = match encoded.contains('%') {
        true => false,
        false => {
            let lookup = tokio::net::lookup_host((encoded.as_str(), 0));
            matches!(tokio::time::timeout(RESOLVE_TIMEOUT, lookup).await, Ok(Ok(_)))
        }
    };
    if resolved {
        return Ok(());
    }
    Err(AdminError::InvalidRequest(format!("{encoded} is not a valid IP or resolvable host.")))
}
