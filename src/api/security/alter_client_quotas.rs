//! AlterClientQuotas (49): sets and removes quotas in ZooKeeper; any broker does it. All brokers hear of it by `/config/changes`.

use std::sync::Arc;

use crate::admin::AdminError;
use crate::admin::quota::{self, Name};
use crate::api::admin::to_its_end;
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::wire::{
    AlterClientQuotasRequest, AlterClientQuotasRequestEntry, AlterClientQuotasResponse,
    AlterClientQuotasResponseEntity, AlterClientQuotasResponseEntry, Str,
};

/// Answers when all entries are written or refused, each on its own.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: AlterClientQuotasRequest = request.decode()?;
    let replier = request.replier();
    let api = api.clone();
    Ok(Outcome::later(async move {
        let work = {
            let api = api.clone();
            async move {
                let mut entries = Vec::with_capacity(asked.entries.len());
                for entry in &asked.entries {
                    entries.push(alter(&api, entry, asked.validate_only).await);
                }
                entries
            }
        };
        let entries = to_its_end(&api.env, &api.admin, "alter client quotas", work).await;
        replier.reply(&AlterClientQuotasResponse { entries, ..Default::default() })
    }))
}

async fn alter(
    api: &Api,
    entry: &AlterClientQuotasRequestEntry,
    validate_only: bool,
) -> AlterClientQuotasResponseEntry {
    let components: Vec<(String, Name)> =
        entry.entity.iter().map(|e| (e.entity_type.to_string(), e.entity_name.as_ref().map(String::from))).collect();
    let ops: Vec<(String, Option<f64>)> =
        entry.ops.iter().map(|op| (op.key.to_string(), (!op.remove).then_some(op.value))).collect();
    let done = match quota::entity(&components) {
        Ok(entity) => api.admin.alter_client_quotas(&entity, &ops, validate_only).await,
        Err(error) => Err(error),
    };
    response(entry, done)
}

/// What is told of one entity.
pub fn response(entry: &AlterClientQuotasRequestEntry, done: Result<(), AdminError>) -> AlterClientQuotasResponseEntry {
    let (code, message) = done.err().map_or((ErrorCode::None, None), |error| error.answer());
    AlterClientQuotasResponseEntry {
        error_code: code.code(),
        error_message: message.map(Str::from),
        entity: entry
            .entity
            .iter()
            .map(|e| AlterClientQuotasResponseEntity {
                entity_type: e.entity_type.clone(),
                entity_name: e.entity_name.clone(),
            })
            .collect(),
    }
}
