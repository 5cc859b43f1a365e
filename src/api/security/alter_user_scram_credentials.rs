//! AlterUserScramCredentials (51): sets and removes SCRAM credentials in ZooKeeper. Only the controller does it.
//!
//! Beware: the request holds secrets. Nothing of it is logged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::admin::scram::{Deletion, Refusal, Upsertion};
use crate::api::admin::to_its_end;
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::wire::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, AlterUserScramCredentialsResponseUser, Str,
};

/// Answers when all users are written or refused, each on its own.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: AlterUserScramCredentialsRequest = request.decode()?;
    let replier = request.replier();
    if !api.controller.is_active() {
        return Ok(replier.reply(&answer(not_controller(&asked))));
    }
    let deletions: Vec<Deletion> =
        asked.deletions.iter().map(|d| Deletion { user: d.name.to_string(), mechanism: d.mechanism }).collect();
    let upsertions: Vec<Upsertion> = asked
        .upsertions
        .iter()
        .map(|u| Upsertion {
            user: u.name.to_string(),
            mechanism: u.mechanism,
            iterations: u.iterations,
            salt: u.salt.to_vec(),
            salted_password: u.salted_password.to_vec(),
        })
        .collect();
    let api = api.clone();
    Ok(Outcome::later(async move {
        let admin = api.admin.clone();
        let work = async move { admin.alter_scram_users(&deletions, &upsertions).await };
        replier.reply(&answer(to_its_end(&api.env, &api.admin, "alter SCRAM users", work).await))
    }))
}

fn not_controller(asked: &AlterUserScramCredentialsRequest) -> BTreeMap<String, Result<(), Refusal>> {
    let users: BTreeSet<&Str> =
        asked.deletions.iter().map(|d| &d.name).chain(asked.upsertions.iter().map(|u| &u.name)).collect();
    let refusal = Refusal { code: ErrorCode::NotController, message: None };
    users.into_iter().map(|user| (user.to_string(), Err(refusal.clone()))).collect()
}

/// The answer, in the order of the users.
pub fn answer(results: BTreeMap<String, Result<(), Refusal>>) -> AlterUserScramCredentialsResponse {
    let result = |(user, done): (String, Result<(), Refusal>)| match done {
        Ok(()) => AlterUserScramCredentialsResponseUser { user: user.into(), ..Default::default() },
        Err(refusal) => AlterUserScramCredentialsResponseUser {
            user: user.into(),
            error_code: refusal.code.code(),
            error_message: refusal.message.map(Str::from),
        },
    };
    AlterUserScramCredentialsResponse { results: results.into_iter().map(result).collect(), ..Default::default() }
}
