//! DescribeUserScramCredentials (50): which users have SCRAM credentials, with their iterations; never a key. Any broker.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::admin::{AdminError, scram};
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::config::ConfigMap;
use crate::wire::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResponseCredential, DescribeUserScramCredentialsResponseUser, Str,
};

/// Answers when ZooKeeper has been read.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: DescribeUserScramCredentialsRequest = request.decode()?;
    let replier = request.replier();
    let api = api.clone();
    Ok(Outcome::later(async move {
        let names: Vec<String> = asked.users.iter().flatten().map(|user| user.name.to_string()).collect();
        let response = if names.is_empty() { all(&api).await } else { some(&api, names).await };
        replier.reply(&response)
    }))
}

async fn all(api: &Api) -> DescribeUserScramCredentialsResponse {
    match api.admin.user_configs().await {
        Ok(users) => DescribeUserScramCredentialsResponse {
            results: users.into_iter().filter_map(|(user, map)| credentials(&user, &map)).collect(),
            ..Default::default()
        },
        Err(error) => {
            let (code, message) = error.answer();
            DescribeUserScramCredentialsResponse {
                error_code: code.code(),
                error_message: message.map(Str::from),
                ..Default::default()
            }
        }
    }
}

/// One result a user, in the order asked.
async fn some(api: &Api, names: Vec<String>) -> DescribeUserScramCredentialsResponse {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for user in &names {
        *times.entry(user).or_default() += 1;
    }
    let mut results = Vec::with_capacity(times.len());
    for user in &names {
        let Some(times) = times.remove(user.as_str()) else { continue };
        results.push(if user.is_empty() {
            refused(user, ErrorCode::ResourceNotFound, Some("Username must not be empty".into()))
        } else if times > 1 {
            let twice =
                format!("Cannot describe SCRAM credentials for the same user twice in a single request: {user}");
            refused(user, ErrorCode::DuplicateResource, Some(twice))
        } else {
            one(user, api.admin.user_config(user).await)
        });
    }
    DescribeUserScramCredentialsResponse { results, ..Default::default() }
}

/// What is told of a user that was named.
pub fn one(user: &str, config: Result<ConfigMap, AdminError>) -> DescribeUserScramCredentialsResponseUser {
    match config {
        Ok(map) => credentials(user, &map).unwrap_or_else(|| {
            let missing = format!("Attempt to describe a user credential that does not exist: {user}");
            refused(user, ErrorCode::ResourceNotFound, Some(missing))
        }),
        Err(error) => {
            let (code, message) = error.answer();
            refused(user, code, message)
        }
    }
}

/// `None` when the user has no credential.
fn credentials(user: &str, map: &ConfigMap) -> Option<DescribeUserScramCredentialsResponseUser> {
    let Ok(found) = scram::describe(map)? else {
        tracing::error!(user, "a stored SCRAM credential can't be read");
        return Some(refused(user, ErrorCode::UnknownServerError, None));
    };
    Some(DescribeUserScramCredentialsResponseUser {
        user: user.into(),
        credential_infos: found
            .into_iter()
            .map(|(mechanism, iterations)| DescribeUserScramCredentialsResponseCredential {
                mechanism: mechanism.number(),
                iterations,
            })
            .collect(),
        ..Default::default()
    })
}

fn refused(user: &str, code: ErrorCode, message: Option<String>) -> DescribeUserScramCredentialsResponseUser {
    DescribeUserScramCredentialsResponseUser {
        user: user.into(),
        error_code: code.code(),
        error_message: message.map(Str::from),
        credential_infos: Vec::new(),
    }
}
