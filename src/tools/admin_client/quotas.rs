//! Client quotas (KIP-546) and SCRAM credentials (KIP-554).
//!
//! Beware: a salted password is as good as the password; nothing of an upsertion is printed.

use bytes::Bytes;

use super::{AdminClient, To, all, checked, never, not_controller};
use crate::tools::java::{Exception, hash_order};
use crate::wire::{
    AlterClientQuotasRequest, AlterClientQuotasRequestEntity, AlterClientQuotasRequestEntry,
    AlterClientQuotasRequestOp, AlterUserScramCredentialsRequest, AlterUserScramCredentialsRequestDeletion,
    AlterUserScramCredentialsRequestUpsertion, ApiKey, DescribeClientQuotasRequest,
    DescribeClientQuotasRequestComponent, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsRequestUser,
    DescribeUserScramCredentialsResponseUser, Str,
};

/// An entity type (`user`, `client-id`, `ip`) and a name; `None` is the default entity.
pub type Entity = (&'static str, Option<String>);

/// What of an entity type is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Match {
    /// This name.
    Name(String),
    /// The default entity.
    Default,
    /// Whatever there is.
    Any,
}

/// The quotas of one entity.
#[derive(Clone, PartialEq, Debug)]
pub struct Quotas {
    /// Type and name of each part of the entity.
    pub entity: Vec<(String, Option<String>)>,
    /// Keys and values in the order of Java's client.
    pub values: Vec<(String, f64)>,
}

/// A SCRAM credential to set.
#[derive(Clone, PartialEq, Eq)]
pub struct Upsertion {
    /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    pub mechanism: i8,
    /// Rounds.
    pub iterations: i32,
    /// Random.
    pub salt: Vec<u8>,
    /// `Hi(password, salt, iterations)` of RFC 5802.
    pub salted_password: Vec<u8>,
}

/// Kafka's broker sends the keys in the order of a map of 16 entries, its client puts them into one of as many as there are.
fn in_java_order(values: Vec<(String, f64)>) -> Vec<(String, f64)> {
    let count = values.len();
    let key = |value: &(String, f64)| value.0.clone();
    hash_order(hash_order(values, 16, key), count, key)
}

impl AdminClient {
    /// The quotas of the entities that have exactly these types and match.
    ///
    /// # Errors
    /// The broker's; UNSUPPORTED_VERSION before 2.6.
    pub async fn describe_client_quotas(&mut self, filter: &[(&'static str, Match)]) -> Result<Vec<Quotas>, Exception> {
        let component = |(entity_type, wanted): &(&'static str, Match)| {
            let (match_type, name) = match wanted {
                Match::Name(name) => (0, Some(Str::from(name))),
                Match::Default => (1, None),
                Match::Any => (2, None),
            };
            DescribeClientQuotasRequestComponent {
                entity_type: Str::from_static(entity_type),
                match_type,
                r#match: name,
            }
        };
        let build =
            |_, _| DescribeClientQuotasRequest { components: filter.iter().map(component).collect(), strict: true };
        let ours = all(ApiKey::DescribeClientQuotas);
        let answer = self.call("describeClientQuotas", To::Any, ours, build, never).await?;
        checked(answer.error_code, answer.error_message.as_deref())?;
        let entry = |e: &crate::wire::DescribeClientQuotasResponseEntry| Quotas {
            entity: e
                .entity
                .iter()
                .map(|part| (part.entity_type.to_string(), part.entity_name.as_ref().map(ToString::to_string)))
                .collect(),
            values: in_java_order(e.values.iter().map(|v| (v.key.to_string(), v.value)).collect()),
        };
        Ok(answer.entries.unwrap_or_default().iter().map(entry).collect())
    }

    /// Sets quotas of an entity, or removes those without a value.
    ///
    /// # Errors
    /// The broker's.
    pub async fn alter_client_quotas(
        &mut self,
        entity: &[Entity],
        ops: &[(String, Option<f64>)],
    ) -> Result<(), Exception> {
        let part = |(entity_type, name): &Entity| AlterClientQuotasRequestEntity {
            entity_type: Str::from_static(entity_type),
            entity_name: name.as_ref().map(Str::from),
        };
        let op = |(key, value): &(String, Option<f64>)| AlterClientQuotasRequestOp {
            key: key.into(),
            value: value.unwrap_or(0.0),
            remove: value.is_none(),
        };
        let build = |_, _| AlterClientQuotasRequest {
            entries: vec![AlterClientQuotasRequestEntry {
                entity: entity.iter().map(part).collect(),
                ops: ops.iter().map(op).collect(),
            }],
            validate_only: false,
        };
        let ours = all(ApiKey::AlterClientQuotas);
        let answer = self.call("alterClientQuotas", To::Any, ours, build, never).await?;
        answer.entries.iter().try_for_each(|e| checked(e.error_code, e.error_message.as_deref()))
    }

    /// The credentials of users; all users' for none.
    ///
    /// # Errors
    /// The broker's for the whole request; a user's own is in its result.
    pub async fn describe_scram(
        &mut self,
        users: &[String],
    ) -> Result<Vec<DescribeUserScramCredentialsResponseUser>, Exception> {
        let user = |name: &String| DescribeUserScramCredentialsRequestUser { name: name.into() };
        let build = |_, _| DescribeUserScramCredentialsRequest { users: Some(users.iter().map(user).collect()) };
        let ours = all(ApiKey::DescribeUserScramCredentials);
        let answer = self.call("describeUserScramCredentials", To::Any, ours, build, never).await?;
        checked(answer.error_code, answer.error_message.as_deref())?;
        Ok(answer.results)
    }

    /// Sets and removes credentials of one user.
    ///
    /// # Errors
    /// The broker's.
    pub async fn alter_scram(
        &mut self,
        user: &str,
        deletions: &[i8],
        upsertions: &[Upsertion],
    ) -> Result<(), Exception> {
        let build = |_, _| AlterUserScramCredentialsRequest {
            deletions: deletions
                .iter()
                .map(|mechanism| AlterUserScramCredentialsRequestDeletion { name: user.into(), mechanism: *mechanism })
                .collect(),
            upsertions: upsertions
                .iter()
                .map(|u| AlterUserScramCredentialsRequestUpsertion {
                    name: user.into(),
                    mechanism: u.mechanism,
                    iterations: u.iterations,
                    salt: Bytes::copy_from_slice(&u.salt),
                    salted_password: Bytes::copy_from_slice(&u.salted_password),
                })
                .collect(),
        };
        let again = |r: &crate::wire::AlterUserScramCredentialsResponse| {
            r.results.iter().find_map(|u| not_controller(u.error_code))
        };
        let ours = all(ApiKey::AlterUserScramCredentials);
        let answer = self.call("alterUserScramCredentials", To::Controller, ours, build, again).await?;
        answer.results.iter().try_for_each(|u| checked(u.error_code, u.error_message.as_deref()))
    }
}
