//! Reads requests off a connection: a four-byte size, then that many bytes.
//!
//! A small request is cut from a small shared buffer; a large one gets a buffer of its size, which the kernel fills and the log writes
//! from: its records are not copied in between. The first read of a request is made for the size of those before it, so that a
//! producer of even batches costs one system call a request. An idle connection holds no buffer. Beware: [`FrameReader::next`] is
//! used in `select!`, so everything it has read lives in the reader, never in the future.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::env::Stream;

/// What the first read of a request asks for at least: most requests fit, and a thousand busy connections hold 16 MB.
const READ_BYTES: usize = 16 * 1024;

/// What it asks for at most, whatever the requests before were: these bytes are held before the budget has a say.
const MAX_READ_BYTES: usize = 128 * 1024;

/// The bytes of a request's size. A buffer has room for those of the next request too: pipelined requests then cost one read each
/// (the size is known when the body is read), and a read that comes back short tells that the socket is empty, without asking it again.
const SIZE_BYTES: usize = 4;

/// A request takes its share of the budget once this much of it has come and more is to come: peers that announce 100 MB and fall silent,
/// thousands of them, cost nobody else a wait.
const EARNEST_BYTES: usize = 4 * 1024;

/// How long a request may stand still while it holds its share of the budget: five peers that send a piece of 100 MB and fall silent must
/// not stop the others for the ten minutes of `connections.max.idle.ms`.
const STALL_WAIT: Duration = Duration::from_secs(30);

/// Budgets are counted in units of this size, so that 4 GiB fit the semaphore's permits and a small request costs one permit.
const BUDGET_UNIT_BYTES: usize = 4 * 1024;

/// Bytes of requests read whose handler has not returned, over all connections; not those that came whole into a connection's first
/// buffer, which is held anyway: small requests never wait behind large ones. Kafka's `queued.max.request.bytes` is off by default and its
/// bound is then 500 queued requests of 100 MiB; this is always on.
#[derive(Clone, Debug)]
pub struct RequestBudget {
    units: Arc<Semaphore>,
    total: u32,
}

impl RequestBudget {
    /// A budget of about `bytes`.
    pub fn new(bytes: usize) -> Self {
        let total = u32::try_from(bytes.div_ceil(BUDGET_UNIT_BYTES)).unwrap_or(u32::MAX).max(1);
        Self { units: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// Waits for room for a frame. A frame above the whole budget takes all of it.
    async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(BUDGET_UNIT_BYTES)).unwrap_or(u32::MAX).clamp(1, self.total);
        self.units.clone().acquire_many_owned(units).await.ok()
    }
}

/// One request: the bytes after the size, and its share of the budget, given back when the frame is dropped.
#[derive(Debug)]
pub struct Frame {
    /// Header and body.
    pub bytes: Bytes,
    /// Held until the request's handler returns; none for a small request.
    pub budget: Option<OwnedSemaphorePermit>,
}

/// Why no further request can be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The peer sent a negative size or one above `socket.request.max.bytes`. Bytes of another protocol look like this too.
    #[error("invalid receive (size = {size}, larger than {max}){}", hint(*.size))]
    Size {
        /// As read.
        size: i32,
        /// `socket.request.max.bytes`.
        max: usize,
    },
    /// The peer began a request and fell silent.
    #[error("a request of {size} bytes stopped after {received}")]
    Stalled {
        /// Announced.
        size: usize,
        /// Of them received.
        received: usize,
    },
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What the first four bytes look like when a peer speaks something else.
fn hint(size: i32) -> &'static str {
    match size.to_be_bytes() {
        [0x16, 0x03, _, _] => ": the peer speaks TLS, this listener is plaintext",
        [b'G', b'E', b'T', b' '] | [b'P', b'O', b'S', b'T'] | [b'H', b'E', b'A', b'D'] => ": the peer speaks HTTP",
        _ => "",
    }
}

/// The reading side of a connection.
#[derive(Debug)]
pub struct FrameReader {
    buffer: BytesMut,
    budget: RequestBudget,
    /// Taken for the frame at the head of the buffer, before most of its body is read.
    reserved: Option<OwnedSemaphorePermit>,
    /// About the largest of the last few frames: what the next first read asks for.
    usual_bytes: usize,
    max_bytes: usize,
}

impl FrameReader {
    /// A reader that refuses frames above `max_bytes`.
    pub fn new(budget: RequestBudget, max_bytes: usize) -> Self {
        Self { buffer: BytesMut::new(), budget, reserved: None, usual_bytes: 0, max_bytes }
    }

    /// The next request; `None` when the peer closed between two requests or within one. Safe to drop at any point.
    ///
    /// # Errors
    /// [`FrameError`]; the connection is then to be closed.
    pub async fn next(&mut self, stream: &mut Stream) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(size) = self.head()? {
                if self.buffer.len() >= SIZE_BYTES + size {
                    return Ok(Some(self.cut(size)));
                }
                if self.reserved.is_none() && self.buffer.len() >= EARNEST_BYTES {
                    self.reserved = self.budget.take(size).await;
                }
                if self.reserved.is_some() {
                    self.make_room(SIZE_BYTES + size);
                }
                let filled = tokio::time::timeout(STALL_WAIT, self.fill(stream)).await;
                match filled {
                    Ok(Ok(0)) => return Ok(None),
                    Ok(more) => more?,
                    Err(_) => return Err(FrameError::Stalled { size, received: self.buffer.len() - SIZE_BYTES }),
                };
            } else if self.fill(stream).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// True while a request has begun and not ended.
    pub fn is_mid_frame(&self) -> bool {
        !self.buffer.is_empty()
    }

    fn head(&self) -> Result<Option<usize>, FrameError> {
        let Some(head) = self.buffer.first_chunk::<SIZE_BYTES>() else { return Ok(None) };
        let size = i32::from_be_bytes(*head);
        match usize::try_from(size) {
            Ok(bytes) if bytes <= self.max_bytes => Ok(Some(bytes)),
            _ => Err(FrameError::Size { size, max: self.max_bytes }),
        }
    }

    fn cut(&mut self, size: usize) -> Frame {
        self.buffer.advance(SIZE_BYTES);
        let bytes = self.buffer.split_to(size).freeze();
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new(); // an idle connection holds nothing
        }
        // Falls slowly: among even batches a short one is the exception.
        self.usual_bytes = size.max(self.usual_bytes - self.usual_bytes / 8);
        Frame { bytes, budget: self.reserved.take() }
    }

    /// Room for the frame, and no more than the next one's size behind it: reading can't run into bytes that would be copied again.
    fn make_room(&mut self, frame: usize) {
        if self.buffer.capacity() < frame {
            self.grow(frame + SIZE_BYTES);
        }
    }

    fn grow(&mut self, bytes: usize) {
        let mut whole = BytesMut::with_capacity(bytes);
        whole.extend_from_slice(&self.buffer);
        self.buffer = whole;
    }

    async fn fill(&mut self, stream: &mut Stream) -> io::Result<usize> {
        if self.buffer.is_empty()
            && let Some(tcp) = stream.tcp()
        {
            // Wait without a buffer: most connections are idle most of the time.
            poll_fn(|cx| tcp.poll_read_ready(cx)).await?;
        }
        if self.buffer.capacity() == self.buffer.len() {
            let usual = (self.usual_bytes + 2 * SIZE_BYTES).min(MAX_READ_BYTES);
            self.grow(self.buffer.len() + usual.max(READ_BYTES));
        }
        stream.read_buf(&mut self.buffer).await
    }
}
