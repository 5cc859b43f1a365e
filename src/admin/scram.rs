//! SCRAM credentials as they lie in `/config/users/<user>`: pure derivation, text form, and the rules of AlterUserScramCredentials.
//!
//! The client sends the salted password; the broker derives two keys from it and stores only these (RFC 5802). Beware: what passes
//! through here is as good as a password; nothing of it may be logged, so the types print without it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};

use crate::base::ErrorCode;
use crate::config::ConfigMap;

/// Fewest iterations of either mechanism.
pub const MIN_ITERATIONS: i32 = 4096;
/// Most: more would let one login keep a broker busy.
pub const MAX_ITERATIONS: i32 = 16384;

/// A SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mechanism {
    /// SCRAM-SHA-256, 1 on the wire.
    Sha256,
    /// SCRAM-SHA-512, 2 on the wire.
    Sha512,
}

impl Mechanism {
    /// Both, by number.
    pub const ALL: [Mechanism; 2] = [Mechanism::Sha256, Mechanism::Sha512];

    /// The mechanism of a number on the wire.
    pub fn from_wire(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.number() == number)
    }

    /// Its number on the wire.
    pub fn number(self) -> i8 {
        match self {
            Mechanism::Sha256 => 1,
            Mechanism::Sha512 => 2,
        }
    }

    /// Its name, which is the config key too.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Sha256 => "SCRAM-SHA-256",
            Mechanism::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn hash(self, data: &[u8]) -> Vec<u8> {
        match self {
            Mechanism::Sha256 => Sha256::digest(data).to_vec(),
            Mechanism::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    /// `None` never happens with HMAC, which takes keys of any length.
    fn hmac(self, key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        match self {
            Mechanism::Sha256 => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
                mac.update(data);
                Some(mac.finalize().into_bytes().to_vec())
            }
            Mechanism::Sha512 => {
                let mut mac = Hmac::<Sha512>::new_from_slice(key).ok()?;
                mac.update(data);
                Some(mac.finalize().into_bytes().to_vec())
            }
        }
    }
}

/// The text stored for a salted password (`ScramCredentialUtils.credentialToString`); `None` for an empty one.
pub fn credential_text(mechanism: Mechanism, salt: &[u8], salted_password: &[u8], iterations: i32) -> Option<String> {
    if salted_password.is_empty() {
        return None;
    }
    let client_key = mechanism.hmac(salted_password, b"Client Key")?;
    let server_key = mechanism.hmac(salted_password, b"Server Key")?;
    Some(format!(
        "salt={},stored_key={},server_key={},iterations={iterations}",
        STANDARD.encode(salt),
        STANDARD.encode(mechanism.hash(&client_key)),
        STANDARD.encode(server_key),
    ))
}

/// The iterations in a stored credential; `None` when the text is not one.
pub fn iterations_of(text: &str) -> Option<i32> {
    let mut fields = BTreeMap::new();
    for field in text.split(',') {
        let (key, value) = field.split_once('=')?;
        fields.insert(key, value);
    }
    let complete = ["salt", "stored_key", "server_key", "iterations"].iter().all(|key| fields.contains_key(key));
    if fields.len() == 4 && complete { fields["iterations"].parse().ok() } else { None }
}

/// A credential to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Whose.
    pub user: String,
    /// Wire number of the mechanism.
    pub mechanism: i8,
}

/// A credential to set.
#[derive(Clone, PartialEq, Eq)]
pub struct Upsertion {
    /// Whose.
    pub user: String,
    /// Wire number of the mechanism.
    pub mechanism: i8,
    /// PBKDF2 rounds the client did.
    pub iterations: i32,
    /// The client's salt.
    pub salt: Vec<u8>,
    /// The secret.
    pub salted_password: Vec<u8>,
}

impl fmt::Debug for Upsertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upsertion")
            .field("user", &self.user)
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

/// What one request asks of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Kafka's code.
    pub code: ErrorCode,
    /// Kafka's words.
    pub message: Option<String>,
}

fn refusal(code: ErrorCode, message: &str) -> Refusal {
    Refusal { code, message: Some(message.into()) }
}

/// First checks of a request, before anything is read: users to refuse, and users to go on with. Any fault refuses all that is
/// asked for its user, as in Kafka.
pub fn screen(deletions: &[Deletion], upsertions: &[Upsertion]) -> (BTreeMap<String, Refusal>, BTreeSet<String>) {
    let mut refused: BTreeMap<String, Refusal> = BTreeMap::new();
    for deletion in deletions {
        if let Some(refusal) = fault(&deletion.user, deletion.mechanism, MIN_ITERATIONS) {
            refused.insert(deletion.user.clone(), refusal);
        }
    }
    for upsertion in upsertions {
        if let Some(refusal) = fault(&upsertion.user, upsertion.mechanism, upsertion.iterations) {
            refused.insert(upsertion.user.clone(), refusal);
        }
    }
    let asked =
        deletions.iter().map(|d| (&d.user, d.mechanism)).chain(upsertions.iter().map(|u| (&u.user, u.mechanism)));
    let mut seen = BTreeSet::new();
    for (user, mechanism) in asked {
        if !refused.contains_key(user) && !seen.insert((user.clone(), mechanism)) {
            let twice = "A user credential cannot be altered twice in the same request";
            refused.insert(user.clone(), refusal(ErrorCode::DuplicateResource, twice));
        }
    }
    let users = seen.into_iter().map(|(user, _)| user).filter(|user| !refused.contains_key(user)).collect();
    (refused, users)
}

fn fault(user: &str, mechanism: i8, iterations: i32) -> Option<Refusal> {
    if user.is_empty() {
        return Some(refusal(ErrorCode::UnacceptableCredential, "Username must not be empty"));
    }
    if Mechanism::from_wire(mechanism).is_none() {
        return Some(refusal(ErrorCode::UnsupportedSaslMechanism, "Unknown SCRAM mechanism"));
    }
    if iterations < MIN_ITERATIONS {
        return Some(refusal(ErrorCode::UnacceptableCredential, "Too few iterations"));
    }
    if iterations > MAX_ITERATIONS {
        return Some(refusal(ErrorCode::UnacceptableCredential, "Too many iterations"));
    }
    None
}

/// The config map of one user after the request; `map` is what is stored now.
///
/// # Errors
/// A [`Refusal`]: nothing is to be written for the user.
pub fn apply(
    user: &str,
    mut map: ConfigMap,
    deletions: &[Deletion],
    upsertions: &[Upsertion],
) -> Result<ConfigMap, Refusal> {
    for deletion in deletions.iter().filter(|d| d.user == user) {
        let key = Mechanism::from_wire(deletion.mechanism).map_or("", Mechanism::name);
        if map.remove(key).is_none() {
            let missing = "Attempt to delete a user credential that does not exist";
            return Err(refusal(ErrorCode::ResourceNotFound, missing));
        }
    }
    for upsertion in upsertions.iter().filter(|u| u.user == user) {
        let text = Mechanism::from_wire(upsertion.mechanism).and_then(|mechanism| {
            let text = credential_text(mechanism, &upsertion.salt, &upsertion.salted_password, upsertion.iterations)?;
            Some((mechanism.name(), text))
        });
        let Some((key, text)) = text else {
            return Err(refusal(ErrorCode::UnacceptableCredential, "The salted password must not be empty"));
        };
        map.insert(key.into(), text);
    }
    Ok(map)
}

/// What a user's stored config tells of credentials: mechanism and iterations, never a key. `None`: the user has none. `Some(Err)`:
/// a stored text can't be read.
pub fn describe(map: &ConfigMap) -> Option<Result<Vec<(Mechanism, i32)>, ()>> {
    let stored: Vec<(Mechanism, &String)> =
        Mechanism::ALL.into_iter().filter_map(|mechanism| Some((mechanism, map.get(mechanism.name())?))).collect();
    if stored.is_empty() {
        return None;
    }
    Some(stored.into_iter().map(|(mechanism, text)| iterations_of(text).map(|n| (mechanism, n)).ok_or(())).collect())
}
