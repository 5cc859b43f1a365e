//! DescribeTransactions (0): state, producer and partitions of transactional ids.

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::wire::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, DescribeTransactionsResponseTopic,
    DescribeTransactionsResponseTransaction, Str,
};

/// Answers from memory.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: DescribeTransactionsRequest = request.decode()?;
    let transaction_states = asked.transactional_ids.into_iter().map(|id| one(api, id)).collect();
    Ok(request.replier().reply(&DescribeTransactionsResponse { transaction_states, ..Default::default() }))
}

fn one(api: &Api, id: Str) -> DescribeTransactionsResponseTransaction {
    let described = match api.txns.describe(&id) {
        Ok(described) => described,
        Err(error) => {
            return DescribeTransactionsResponseTransaction {
                transactional_id: id,
                error_code: error.code(),
                ..Default::default()
            };
        }
    };
    let mut topics: Vec<DescribeTransactionsResponseTopic> = Vec::new();
    for partition in described.partitions {
        match topics.last_mut() {
            Some(topic) if *topic.topic == *partition.topic => topic.partitions.push(partition.partition),
            _ => topics.push(DescribeTransactionsResponseTopic {
                topic: (&partition.topic).into(),
                partitions: vec![partition.partition],
            }),
        }
    }
    DescribeTransactionsResponseTransaction {
        error_code: 0,
        transactional_id: id,
        transaction_state: described.state.name().into(),
        transaction_timeout_ms: described.timeout_ms,
        transaction_start_time_ms: described.start_ms,
        producer_id: described.producer.id,
        producer_epoch: described.producer.epoch,
        topics,
    }
}
