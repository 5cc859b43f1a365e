//! `/latest_producer_id_block`: the last block of producer ids handed out.
//!
//! Made without data at broker start. Kafka treats null data as "no block yet", but empty data as broken JSON, and this client can only
//! write empty data: so Ottla leaves the node out until the first block, and a Kafka broker makes it when it starts.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{ZnodeError, parse, print};
use crate::base::BrokerId;

/// The node.
pub const PATH: &str = "/latest_producer_id_block";
/// Ids in a block.
pub const BLOCK_SIZE: i64 = 1000;

/// A block of producer ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerIdBlock {
    /// The broker it was given to.
    pub broker: BrokerId,
    /// First id.
    pub start: i64,
    /// Last id, inclusive.
    pub end: i64,
}

#[derive(Serialize, Deserialize)]
struct Json {
    version: i32,
    broker: BrokerId,
    block_start: String,
    block_end: String,
}

impl ProducerIdBlock {
    /// The block after `last`; none when ids have run out (`ZkProducerIdManager`).
    pub fn next(last: Option<&Self>, broker: BrokerId) -> Option<Self> {
        let start = match last {
            Some(last) => last.end.checked_add(1)?,
            None => 0,
        };
        let end = start.checked_add(BLOCK_SIZE - 1)?;
        (start >= 0).then_some(Self { broker, start, end })
    }

    /// Reads the node; none for no data.
    ///
    /// # Errors
    /// When it is not that JSON.
    pub fn decode(data: &[u8]) -> Result<Option<Self>, ZnodeError> {
        if data.is_empty() {
            return Ok(None);
        }
        let json: Json = parse(PATH, data)?;
        let id = |text: &str| text.parse().map_err(|_| ZnodeError::new(PATH, "not a producer id", data));
        Ok(Some(Self { broker: json.broker, start: id(&json.block_start)?, end: id(&json.block_end)? }))
    }

    /// The node's data.
    pub fn encode(&self) -> Bytes {
        let (block_start, block_end) = (self.start.to_string(), self.end.to_string());
        print(&Json { version: 1, broker: self.broker, block_start, block_end })
    }
}
