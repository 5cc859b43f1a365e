//! ListTransactions (0-1): the transactional ids coordinated here, by state, producer and age.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::txn::{Filter, State};
use crate::wire::{ListTransactionsRequest, ListTransactionsResponse, ListTransactionsResponseTransaction};

/// Lists what is loaded; nothing while something is being read.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: ListTransactionsRequest = request.decode()?;
    let filter = Filter {
        states: asked.state_filters.iter().filter_map(|name| State::of_name(name)).collect(),
        by_state: !asked.state_filters.is_empty(),
        producer_ids: asked.producer_id_filters,
        duration_ms: asked.duration_filter,
    };
    let answer = match api.txns.list(&filter) {
        Ok(listed) => ListTransactionsResponse {
            unknown_state_filters: asked
                .state_filters
                .into_iter()
                .filter(|name| State::of_name(name).is_none())
                .collect(),
            transaction_states: listed
                .into_iter()
                .map(|txn| ListTransactionsResponseTransaction {
                    transactional_id: txn.id.into(),
                    producer_id: txn.producer_id,
                    transaction_state: txn.state.name().into(),
                })
                .collect(),
            ..Default::default()
        },
        Err(error) => ListTransactionsResponse { error_code: error.code(), ..Default::default() },
    };
    Ok(request.replier().reply(&answer))
}
