//! The names of all quotas, ACLs, SCRAM users and delegation tokens: what `config::unenforced` judges.
//!
//! Names alone, whatever the nodes say: one that can't be understood was meant to hold somebody back, too.

use super::StoreError;
use crate::config::unenforced::{Kind, Unenforced};
use crate::zk::session::Session;
use crate::zk::znode::acl::Pattern;
use crate::zk::znode::config::{ConfigEntity, ConfigMap, ConfigType};
use crate::zk::znode::tokens;

/// Reads them; kinds of which nothing is set are left out.
///
/// # Errors
/// The session's end, or a refusal.
pub async fn read(session: &Session) -> Result<Unenforced, StoreError> {
    let mut found = Unenforced::new();
    for kind in [ConfigType::Users, ConfigType::Clients, ConfigType::Ips] {
        let entities = entities(session, kind).await?;
        let paths: Vec<String> = entities.iter().map(ConfigEntity::path).collect();
        for (entity, found_at) in entities.iter().zip(session.get_all(&paths).await?) {
            let Some((data, _)) = found_at.filter(|(data, _)| !data.is_empty()) else { continue }; // a parent
            let name = format!("{}/{}", kind.name(), entity.name());
            let Ok(config) = ConfigMap::decode(&entity.path(), &data) else {
                found.entry(Kind::Quotas).or_default().push(format!("{name}, which can't be read"));
                continue;
            };
            let mut kinds: Vec<Kind> = config.iter().map(|(key, _)| Kind::of_key(key)).collect();
            kinds.sort_unstable();
            kinds.dedup();
            for kind in kinds {
                found.entry(kind).or_default().push(name.clone());
            }
        }
    }
    for pattern in [Pattern::Literal, Pattern::Prefixed] {
        for resource_type in children(session, pattern.root()).await? {
            let resources = children(session, &format!("{}/{resource_type}", pattern.root())).await?;
            let suffix = if pattern == Pattern::Prefixed { "*" } else { "" };
            let names = resources.into_iter().map(|name| format!("{resource_type}:{name}{suffix}"));
            found.entry(Kind::Acls).or_default().extend(names);
        }
    }
    found.entry(Kind::DelegationTokens).or_default().extend(children(session, tokens::PATH).await?);
    for names in found.values_mut() {
        names.sort_unstable();
    }
    found.retain(|_, names| !names.is_empty());
    Ok(found)
}

/// Entities of a type; of users also their clients.
async fn entities(session: &Session, kind: ConfigType) -> Result<Vec<ConfigEntity>, StoreError> {
    let names = children(session, &kind.path()).await?;
    let mut paths: Vec<String> = names.iter().map(|name| format!("{}/{name}", kind.name())).collect();
    if kind == ConfigType::Users {
        let parents: Vec<String> = names.iter().map(|name| format!("{}/{name}/clients", kind.path())).collect();
        for (name, clients) in names.iter().zip(session.children_all(&parents).await?) {
            paths.extend(clients.unwrap_or_default().iter().map(|client| format!("users/{name}/clients/{client}")));
        }
    }
    Ok(paths.iter().filter_map(|path| ConfigEntity::from_entity_path(path)).collect())
}

async fn children(session: &Session, path: &str) -> Result<Vec<String>, StoreError> {
    Ok(session.children(path).await?.unwrap_or_default())
}
