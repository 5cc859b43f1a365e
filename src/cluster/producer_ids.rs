//! This broker's stock of producer ids: handed out one by one, refilled in blocks of a thousand by whoever fetches them.
//!
//! A pure stock: `broker/` waits for [`ProducerIds::wanted`] and fills it; handlers take from it, or wait a moment for the first block.
//! Kafka's class: `RPCProducerIdManager`.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::base::notified::until_found;

/// A run of ids, each used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdBlock {
    /// The first id.
    pub first: i64,
    /// How many.
    pub count: i32,
}

#[derive(Debug, Default)]
struct Stock {
    next: i64,
    end: i64,
    prefetch_at: i64,
    prefetched: Option<IdBlock>,
    asked: bool,
}

/// The stock. One a broker.
#[derive(Debug, Default)]
pub struct ProducerIds {
    stock: Mutex<Stock>,
    wanted: Notify,
    filled: Notify,
}

/// The next block is fetched when this share of the current one is used, so that nobody waits for it.
const PREFETCH_TENTHS: i64 = 9;

impl ProducerIds {
    /// The next id, or none until a block has come.
    pub fn next(&self) -> Option<i64> {
        let mut stock = self.stock.lock();
        if stock.next == stock.end
            && let Some(block) = stock.prefetched.take()
        {
            stock.next = block.first;
            stock.end = block.first + i64::from(block.count);
            stock.prefetch_at = block.first + i64::from(block.count) * PREFETCH_TENTHS / 10;
        }
        let id = (stock.next < stock.end).then_some(stock.next);
        if id.is_some() {
            stock.next += 1;
        }
        if stock.next >= stock.prefetch_at && stock.prefetched.is_none() && !stock.asked {
            stock.asked = true;
            self.wanted.notify_one();
        }
        id
    }

    /// The next id, waiting for the block that is on its way: a client that is sent away comes back half a second later.
    pub async fn next_within(&self, limit: Duration) -> Option<i64> {
        tokio::time::timeout(limit, until_found(&self.filled, || self.next())).await.ok()
    }

    /// Resolves when a block is wanted: at the first request, and when the current block is nearly used up.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Puts a block in stock.
    pub fn fill(&self, block: IdBlock) {
        let mut stock = self.stock.lock();
        stock.prefetched = Some(block);
        stock.asked = false;
        drop(stock);
        self.filled.notify_waiters();
    }
}
