//! DescribeClientQuotas (48): quotas of users, client ids and addresses, read from ZooKeeper by any broker.

use std::sync::Arc;

use crate::admin::AdminError;
use crate::admin::quota::{CLIENT_ID, Entity, Filter, IP, Match, Name, Quotas, USER};
use crate::api::{Api, Malformed, Outcome, Request};
use crate::wire::{
    DescribeClientQuotasRequest, DescribeClientQuotasResponse, DescribeClientQuotasResponseEntity,
    DescribeClientQuotasResponseEntry, DescribeClientQuotasResponseValue, Str,
};

/// Match types of KIP-546.
const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

/// Answers when ZooKeeper has been read.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: DescribeClientQuotasRequest = request.decode()?;
    let replier = request.replier();
    let admin = api.admin.clone();
    Ok(Outcome::later(async move {
        let found = match filter(&asked) {
            Ok(filter) => admin.describe_client_quotas(&filter).await,
            Err(error) => Err(error),
        };
        replier.reply(&answer(found))
    }))
}

fn filter(asked: &DescribeClientQuotasRequest) -> Result<Filter, AdminError> {
    let components = asked
        .components
        .iter()
        .map(|component| {
            let wanted = match (component.match_type, &component.r#match) {
                (EXACT, Some(name)) => Match::Exact(Some(name.into())),
                (EXACT, None) => return Err(AdminError::InvalidRequest("An exact match needs a name".into())),
                (DEFAULT, _) => Match::Exact(None),
                (ANY, _) => Match::Any,
                (other, _) => return Err(AdminError::InvalidRequest(format!("Unexpected match type: {other}"))),
            };
            Ok((component.entity_type.to_string(), wanted))
        })
        .collect::<Result<_, _>>()?;
    Filter::new(components, asked.strict)
}

/// The answer.
pub fn answer(found: Result<Vec<Quotas>, AdminError>) -> DescribeClientQuotasResponse {
    match found {
        Ok(entries) => DescribeClientQuotasResponse {
            entries: Some(entries.into_iter().map(|(entity, values)| entry(&entity, values)).collect()),
            ..Default::default()
        },
        Err(error) => {
            let (code, message) = error.answer();
            DescribeClientQuotasResponse {
                error_code: code.code(),
                error_message: message.map(Str::from),
                entries: None,
                ..Default::default()
            }
        }
    }
}

fn entry(entity: &Entity, values: Vec<(String, f64)>) -> DescribeClientQuotasResponseEntry {
    let component = |entity_type: &'static str, name: &Option<Name>| {
        name.as_ref().map(|name| DescribeClientQuotasResponseEntity {
            entity_type: Str::from_static(entity_type),
            entity_name: name.as_deref().map(Str::from),
        })
    };
    DescribeClientQuotasResponseEntry {
        entity: [component(USER, &entity.user), component(CLIENT_ID, &entity.client), component(IP, &entity.ip)]
            .into_iter()
            .flatten()
            .collect(),
        values: values
            .into_iter()
            .map(|(key, value)| DescribeClientQuotasResponseValue { key: key.into(), value })
            .collect(),
    }
}
