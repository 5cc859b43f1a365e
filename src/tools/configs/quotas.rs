//! Quotas of users, clients and addresses; SCRAM credentials of users.

use std::io::Read;

use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha512};

use super::resources::invalid;
use super::{Change, Entities};
use crate::base::ErrorCode;
use crate::config::entity;
use crate::config::value::java_double;
use crate::tools::admin_client::AdminClient;
use crate::tools::admin_client::quotas::{Match, Quotas, Upsertion};
use crate::tools::console::Console;
use crate::tools::java::{Exception, class_name};

/// Mechanisms by name, with their number on the wire.
const MECHANISMS: [(&str, i8); 2] = [("SCRAM-SHA-256", 1), ("SCRAM-SHA-512", 2)];
const MIN_ITERATIONS: i32 = 4096;
const DEFAULT_ITERATIONS: i32 = 4096;
/// As long as Java's.
const SALT_BYTES: usize = 26;

/// Shows quotas, and the users' credentials unless clients are asked about.
pub(super) async fn describe_quotas_and_scram(
    entities: &Entities,
    admin: &mut AdminClient,
    console: &Console,
) -> Result<(), Exception> {
    describe_quotas(entities, admin, console).await?;
    if entities.types.iter().any(|t| t == "clients") || entities.names.iter().any(String::is_empty) {
        return Ok(());
    }
    for user in admin.describe_scram(&entities.names).await.map_err(Exception::in_future)? {
        let code = ErrorCode::from_code(user.error_code);
        let name = &user.user;
        if code == ErrorCode::ResourceNotFound {
            continue;
        }
        if !code.is_none() {
            let class = class_name(code);
            let error = Exception::of_code(code, user.error_message.as_deref());
            let class = class.rsplit('.').next().unwrap_or_default();
            console.say(format_args!(
                "Error retrieving SCRAM credential configs for user-principal '{name}': {class}: {error}"
            ));
            continue;
        }
        let credentials: Vec<_> = user
            .credential_infos
            .iter()
            .map(|c| format!("{}=iterations={}", mechanism_name(c.mechanism), c.iterations))
            .collect();
        console
            .say(format_args!("SCRAM credential configs for user-principal '{name}' are {}", credentials.join(", ")));
    }
    Ok(())
}

fn mechanism_name(number: i8) -> &'static str {
    MECHANISMS.iter().find(|(_, n)| *n == number).map_or("UNKNOWN", |(name, _)| name)
}

/// Shows the quotas of what matches.
pub(super) async fn describe_quotas(
    entities: &Entities,
    admin: &mut AdminClient,
    console: &Console,
) -> Result<(), Exception> {
    for found in quotas(entities, admin).await? {
        let of_type = |entity_type: &str, shown: &str| {
            let (_, name) = found.entity.iter().find(|(t, _)| t == entity_type)?;
            Some(match name {
                Some(name) => format!("{shown} '{name}'"),
                None => format!("the default {shown}"),
            })
        };
        let parts = [of_type("user", "user-principal"), of_type("client-id", "client-id"), of_type("ip", "ip")];
        let entity = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let values: Vec<_> = found.values.iter().map(|(key, value)| format!("{key}={}", java_double(*value))).collect();
        console.say(format_args!("Quota configs for {entity} are {}", values.join(", ")));
    }
    Ok(())
}

/// The wire's name of an entity type.
fn wire_type(entity_type: &str) -> Result<&'static str, Exception> {
    Ok(match entity_type {
        "users" => "user",
        "clients" => "client-id",
        "ips" => "ip",
        _ => return Err(Exception::illegal(format!("Unexpected entity type {entity_type}"))),
    })
}

async fn quotas(entities: &Entities, admin: &mut AdminClient) -> Result<Vec<Quotas>, Exception> {
    if entities.names.len() > entities.types.len() {
        return Err(Exception::illegal("More entity names specified than entity types"));
    }
    let mut filter = Vec::new();
    for (i, entity_type) in entities.types.iter().enumerate() {
        let wanted = match entities.names.get(i).map(String::as_str) {
            None => Match::Any,
            Some("") => Match::Default,
            Some(name) => Match::Name(name.to_owned()),
        };
        filter.push((wire_type(entity_type)?, wanted));
    }
    admin.describe_client_quotas(&filter).await.map_err(Exception::in_future)
}

fn is_quota(key: &str) -> bool {
    entity::CLIENT_KEYS.iter().any(|known| known.name == key)
}

fn is_scram(key: &str) -> bool {
    MECHANISMS.iter().any(|(name, _)| *name == key)
}

/// The keys of a kind.
fn only<'a>(keys: &[&'a str], wanted: fn(&str) -> bool) -> Vec<&'a str> {
    keys.iter().copied().filter(|key| wanted(key)).collect()
}

/// As Scala prints a set or list of keys.
fn listed(kind: &str, keys: &[&str]) -> String {
    format!("{kind}({})", keys.join(", "))
}

/// Changes quotas of a user, a client or both, or credentials of a user.
pub(super) async fn alter_user_or_client(
    entities: &Entities,
    change: &Change,
    admin: &mut AdminClient,
) -> Result<(), Exception> {
    let set: Vec<&str> = change.set.iter().map(|(key, _)| key.as_str()).collect();
    let delete: Vec<&str> = change.delete.iter().map(String::as_str).collect();
    let client = entities.types[0] == "clients" || entities.types.len() == 2;
    let refused: fn(&str) -> bool = if client { |key| !is_quota(key) } else { |key| !is_quota(key) && !is_scram(key) };
    let (what, whose) = if client { ("quota", "clients") } else { ("quota and SCRAM credential", "users") };
    for (keys, done, kind) in [(&set, "added", "Set"), (&delete, "deleted", "List")] {
        let refused = only(keys, refused);
        if !refused.is_empty() {
            return Err(Exception::illegal(format!(
                "Only {what} configs can be {done} for '{whose}' using --bootstrap-server. Unexpected config names: {}",
                listed(kind, &refused)
            )));
        }
    }
    let scram = !only(&set, is_scram).is_empty() || !only(&delete, is_scram).is_empty();
    let quota = !only(&set, is_quota).is_empty() || !only(&delete, is_quota).is_empty();
    if scram {
        if entities.names.iter().any(String::is_empty) {
            return Err(Exception::illegal(
                "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using --bootstrap-server.",
            ));
        }
        if quota {
            return Err(Exception::illegal(
                "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using --bootstrap-server.",
            ));
        }
        return alter_scram(&entities.names[0], change, admin).await;
    }
    alter_quotas(entities, change, admin).await
}

/// Changes the quota of an address.
pub(super) async fn alter_ip(entities: &Entities, change: &Change, admin: &mut AdminClient) -> Result<(), Exception> {
    let keys = change.set.iter().map(|(key, _)| key).chain(&change.delete);
    let unknown: Vec<&str> =
        keys.map(String::as_str).filter(|key| entity::IP_KEYS.iter().all(|known| known.name != *key)).collect();
    if !unknown.is_empty() {
        return Err(Exception::illegal(format!(
            "Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config names: {}",
            unknown.join(",")
        )));
    }
    alter_quotas(entities, change, admin).await
}

async fn alter_quotas(entities: &Entities, change: &Change, admin: &mut AdminClient) -> Result<(), Exception> {
    let old = quotas(entities, admin).await?.into_iter().next().map(|found| found.values).unwrap_or_default();
    let missing: Vec<&str> =
        change.delete.iter().filter(|key| old.iter().all(|(k, _)| k != *key)).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(invalid(format!("Invalid config(s): {}", missing.join(","))));
    }
    let mut entity = Vec::new();
    for (entity_type, name) in entities.types.iter().zip(&entities.names) {
        entity.push((wire_type(entity_type)?, Some(name.clone()).filter(|name| !name.is_empty())));
    }
    let mut ops = Vec::new();
    for (key, text) in &change.set {
        let value = text.trim().parse::<f64>();
        let value = value
            .map_err(|_| Exception::illegal(format!("Cannot parse quota configuration value for {key}: {text}")))?;
        ops.push((key.clone(), Some(value)));
    }
    ops.extend(change.delete.iter().map(|key| (key.clone(), None)));
    admin.alter_client_quotas(&entity, &ops).await.map_err(Exception::in_future)
}

async fn alter_scram(user: &str, change: &Change, admin: &mut AdminClient) -> Result<(), Exception> {
    let number = |key: &str| MECHANISMS.iter().find(|(name, _)| *name == key).map(|(_, number)| *number);
    let deletions: Vec<i8> = change.delete.iter().filter_map(|key| number(key)).collect();
    let mut upsertions = Vec::new();
    for (mechanism, credential) in &change.set {
        let Some(number) = number(mechanism) else { continue };
        let (iterations, password) = parse_credential(mechanism, credential)?;
        upsertions.push(upsertion(number, iterations, password.as_bytes())?);
    }
    admin.alter_scram(user, &deletions, &upsertions).await.map_err(Exception::in_future)
}

/// `iterations=8192,password=x`; the iterations may be left out.
fn parse_credential<'a>(mechanism: &str, credential: &'a str) -> Result<(i32, &'a str), Exception> {
    // The credential is not repeated: it holds a password.
    let invalid = || Exception::illegal(format!("Invalid credential property {mechanism}"));
    let (iterations, rest) = match credential.strip_prefix("iterations=") {
        Some(rest) => {
            let (number, rest) = rest.split_once(',').ok_or_else(invalid)?;
            (number.parse::<i32>().map_err(|_| invalid())?, rest)
        }
        None => (DEFAULT_ITERATIONS, credential),
    };
    let password = rest.strip_prefix("password=").ok_or_else(invalid)?;
    let iterations = if iterations == -1 { DEFAULT_ITERATIONS } else { iterations };
    if iterations < MIN_ITERATIONS {
        return Err(Exception::illegal(format!(
            "Iterations {iterations} is less than the minimum {MIN_ITERATIONS} required for {mechanism}"
        )));
    }
    Ok((iterations, password))
}

fn upsertion(mechanism: i8, iterations: i32, password: &[u8]) -> Result<Upsertion, Exception> {
    let salt = random_salt().map_err(|e| Exception::new("java.io.IOException", format!("no random bytes: {e}")))?;
    let salted_password = match mechanism {
        1 => salted::<Hmac<Sha256>>(password, &salt, iterations),
        _ => salted::<Hmac<Sha512>>(password, &salt, iterations),
    };
    Ok(Upsertion { mechanism, iterations, salt, salted_password })
}

/// From the system: a salt is to be new, here and everywhere, so it does not come from a seeded generator.
fn random_salt() -> std::io::Result<Vec<u8>> {
    let mut salt = vec![0; SALT_BYTES];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut salt)?;
    Ok(salt)
}

/// `Hi` of RFC 5802, which is PBKDF2 with one block.
pub fn salted<M: Mac + hmac::digest::KeyInit + Clone>(password: &[u8], salt: &[u8], iterations: i32) -> Vec<u8> {
    // HMAC takes keys of any length.
    let Ok(mac) = <M as Mac>::new_from_slice(password) else { return Vec::new() };
    let round = |parts: &[&[u8]]| {
        let mut mac = mac.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    };
    let mut last = round(&[salt, &1u32.to_be_bytes()]);
    let mut result = last.clone();
    for _ in 1..iterations {
        last = round(&[&last]);
        result.iter_mut().zip(&last).for_each(|(r, l)| *r ^= l);
    }
    result
}
