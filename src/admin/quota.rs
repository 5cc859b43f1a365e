//! Client quotas (KIP-546) as they lie in `/config/users`, `/config/clients` and `/config/ips`: filters, alterations, number formats.
//!
//! Pure; `Admin` reads and writes. Values are doubles on the wire whatever the key's type, and text in ZooKeeper: whole numbers for
//! rates in bytes and connections, Java's `Double.toString` for the others.

use std::collections::BTreeMap;

use super::AdminError;
use crate::config::ConfigMap;
use crate::config::value::java_double;

/// `user` on the wire.
pub const USER: &str = "user";
/// `client-id` on the wire.
pub const CLIENT_ID: &str = "client-id";
/// `ip` on the wire.
pub const IP: &str = "ip";

/// A component of an entity: `None` inside means the default entity.
pub type Name = Option<String>;

/// What a quota holds for. At least one is set; `ip` never with the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entity {
    /// Principal name.
    pub user: Option<Name>,
    /// Client id.
    pub client: Option<Name>,
    /// Address.
    pub ip: Option<Name>,
}

/// An entity with its quotas, by key.
pub type Quotas = (Entity, Vec<(String, f64)>);

/// Which names a filter component lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// This name; `None` is the default entity.
    Exact(Name),
    /// Any name, the default included.
    Any,
}

impl Match {
    fn lets(&self, name: &Name) -> bool {
        match self {
            Match::Exact(wanted) => wanted == name,
            Match::Any => true,
        }
    }
}

/// A filter of DescribeClientQuotas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The `user` component.
    pub user: Option<Match>,
    /// The `client-id` component.
    pub client: Option<Match>,
    /// The `ip` component.
    pub ip: Option<Match>,
    /// Entities must have no component that the filter does not name.
    pub strict: bool,
}

impl Filter {
    /// Builds a filter from (entity type, match) pairs.
    ///
    /// # Errors
    /// As Kafka: duplicates, empty and unknown types, `ip` beside another.
    pub fn new(components: Vec<(String, Match)>, strict: bool) -> Result<Self, AdminError> {
        let mut filter = Filter { strict, ..Filter::default() };
        for (entity_type, wanted) in components {
            let (slot, word) = match entity_type.as_str() {
                USER => (&mut filter.user, "user"),
                CLIENT_ID => (&mut filter.client, "client"),
                IP => (&mut filter.ip, "ip"),
                "" => return Err(invalid("Unexpected empty filter component entity type")),
                other => {
                    return Err(AdminError::UnsupportedVersion(format!("Custom entity type '{other}' not supported")));
                }
            };
            if slot.replace(wanted).is_some() {
                return Err(invalid(format!("Duplicate {word} filter component entity type")));
            }
        }
        if filter.ip.is_some() && (filter.user.is_some() || filter.client.is_some()) {
            return Err(invalid(
                "Invalid entity filter component combination, IP filter component should not be used with user or clientId \
                 filter component.",
            ));
        }
        Ok(filter)
    }

    /// True when users and clients may match at all.
    pub fn wants_users_and_clients(&self) -> bool {
        self.ip.is_none()
    }

    /// True when addresses may match at all.
    pub fn wants_ips(&self) -> bool {
        let named = self.user.is_some() || self.client.is_some();
        !named && (self.ip.is_some() || !self.strict)
    }

    /// True when the entity is to be shown.
    pub fn lets(&self, entity: &Entity) -> bool {
        let lets = |component: &Option<Match>, name: &Option<Name>| match (component, name) {
            (Some(wanted), Some(name)) => wanted.lets(name),
            (Some(_), None) => false,
            (None, Some(_)) => !self.strict,
            (None, None) => true,
        };
        match entity.ip {
            Some(_) => self.wants_ips() && lets(&self.ip, &entity.ip),
            None => {
                self.wants_users_and_clients() && lets(&self.user, &entity.user) && lets(&self.client, &entity.client)
            }
        }
    }
}

/// How a quota's number is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Long,
    Int,
    Double,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Long => "LONG",
            Kind::Int => "INT",
            Kind::Double => "DOUBLE",
        }
    }
}

const USER_AND_CLIENT_KEYS: [(&str, Kind); 4] = [
    ("consumer_byte_rate", Kind::Long),
    ("controller_mutation_rate", Kind::Double),
    ("producer_byte_rate", Kind::Long),
    ("request_percentage", Kind::Double),
];
const IP_KEYS: [(&str, Kind); 1] = [("connection_creation_rate", Kind::Int)];

fn keys_of(entity: &Entity) -> &'static [(&'static str, Kind)] {
    if entity.ip.is_some() { &IP_KEYS } else { &USER_AND_CLIENT_KEYS }
}

/// The quotas in an entity's config; other keys (SCRAM) are left out.
///
/// # Errors
/// [`AdminError::Corrupt`] when a stored value is no number.
pub fn values_of(entity: &Entity, map: &ConfigMap) -> Result<BTreeMap<String, f64>, AdminError> {
    let mut values = BTreeMap::new();
    for (key, _) in keys_of(entity) {
        let Some(text) = map.get(*key) else { continue };
        let value = text.trim().parse::<f64>().map_err(|_| {
            AdminError::Corrupt(format!("Unexpected client quota configuration value: {key} -> {text}"))
        })?;
        values.insert((*key).into(), value);
    }
    Ok(values)
}

/// The config of an entity after `ops` (key, new value or removal).
///
/// # Errors
/// [`AdminError::InvalidRequest`]: unknown key, a value off its type.
pub fn apply(entity: &Entity, mut map: ConfigMap, ops: &[(String, Option<f64>)]) -> Result<ConfigMap, AdminError> {
    for (key, value) in ops {
        let Some(value) = value else {
            map.remove(key);
            continue;
        };
        let kind = keys_of(entity).iter().find(|(known, _)| known == key).map(|(_, kind)| *kind);
        let Some(kind) = kind else {
            return Err(invalid(format!("Invalid configuration key {key}")));
        };
        map.insert(key.clone(), format_value(key, *value, kind)?);
    }
    Ok(map)
}

/// How far a double may be off a whole number to count as one (Kafka's).
const EPSILON: f64 = 1e-6;

#[allow(clippy::cast_possible_truncation)] // `as` saturates, as Java's casts do
fn format_value(key: &str, value: f64, kind: Kind) -> Result<String, AdminError> {
    let whole = match kind {
        Kind::Double => return Ok(java_double(value)),
        Kind::Long => (value + EPSILON) as i64,
        Kind::Int => i64::from((value + EPSILON) as i32),
    };
    #[allow(clippy::cast_precision_loss)]
    let off = (whole as f64 - value).abs();
    if off > EPSILON || value.is_nan() {
        return Err(invalid(format!("Configuration {key} must be a {} value", kind.name())));
    }
    if kind == Kind::Int && whole < 0 {
        return Err(invalid(format!("Invalid value {whole} for configuration {key}: Value must be at least 0")));
    }
    Ok(whole.to_string())
}

/// Builds an entity from (entity type, name) pairs.
///
/// # Errors
/// [`AdminError::InvalidRequest`] with Kafka's words.
pub fn entity(components: &[(String, Name)]) -> Result<Entity, AdminError> {
    if components.is_empty() {
        return Err(invalid("Invalid empty client quota entity"));
    }
    let mut entity = Entity::default();
    for (entity_type, name) in components {
        match entity_type.as_str() {
            USER => entity.user = Some(name.clone()),
            CLIENT_ID => entity.client = Some(name.clone()),
            IP => entity.ip = Some(name.clone()),
            other => return Err(invalid(format!("Unhandled client quota entity type: {other}"))),
        }
        if name.as_deref() == Some("") {
            return Err(invalid(format!("Empty {entity_type} not supported")));
        }
    }
    if entity.ip.is_some() && (entity.user.is_some() || entity.client.is_some()) {
        return Err(invalid(
            "Invalid quota entity combination, IP entity should not be used with user/client ID entity.",
        ));
    }
    Ok(entity)
}

fn invalid(message: impl Into<String>) -> AdminError {
    AdminError::InvalidRequest(message.into())
}
