//! One connection: reads requests, starts them, answers them in their order.
//!
//! **Produce overlaps Produce**: a produce is verified and appended in its turn on this task, its wait for replication is kept in
//! [`Connection::pending`] while the next produce is read. Any other request starts when everything before it is answered. A closing
//! follows the answers due before it. A request's share of the budget is given back when its handler returns: what waits then is its
//! answer, not its bytes, and a follower's fetch must get in while a thousand produces wait for it.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::dispatch::{self, Refused};
use super::frame::{FrameError, FrameReader};
use super::limits::Place;
use super::send;
use crate::api::{self, Api, Outcome, Peer, Request};
use crate::base::env::{Lane, Stream, Tasks};
use crate::config::loggers::REQUEST;
use crate::wire::ApiKey;

/// Produces of one connection that wait for replication at a time. Kafka's producer sends five; librdkafka's default is a million, of
/// which more would only wait in memory here instead of in the socket.
const MAX_PIPELINED: usize = 64;

/// A connection and what it still owes.
pub struct Connection {
    stream: Stream,
    reader: FrameReader,
    peer: Arc<Peer>,
    api: Arc<Api>,
    pending: VecDeque<Pending>,
    /// Read, but not to be started before all of `pending` is answered.
    held: Option<(Request, Option<OwnedSemaphorePermit>)>,
    max_idle: Duration,
    on_control: bool,
    /// A close is queued: nothing more is read.
    closing: bool,
    place: Place,
}

struct Pending {
    outcome: Outcome,
    key: ApiKey,
}

/// How a connection's stay on a lane ends.
enum End {
    Closed,
    MoveToControl,
}

impl Connection {
    /// A connection just accepted.
    pub fn new(
        stream: Stream,
        reader: FrameReader,
        peer: Arc<Peer>,
        api: Arc<Api>,
        max_idle: Duration,
        place: Place,
    ) -> Self {
        Self {
            stream,
            reader,
            peer,
            api,
            pending: VecDeque::new(),
            held: None,
            max_idle,
            on_control: false,
            closing: false,
            place,
        }
    }

    /// Serves until the peer goes, errs, idles too long, or the broker stops.
    pub async fn run(mut self) {
        match self.serve().await {
            End::Closed => {}
            End::MoveToControl => {
                self.on_control = true;
                let tasks = self.api.env.tasks.clone();
                // This task stays, so that a stop finds the connection among its tasks and can end it.
                let mut moved = Moved(tasks.spawn(Lane::Control, "control connection", async move {
                    self.serve().await;
                }));
                let _ = (&mut moved.0).await; // a panic was reported where it happened
            }
        }
    }

    async fn serve(&mut self) -> End {
        // Both are armed once: a request moves `idle_at` alone, and the timer looks at it when it fires.
        let mut idle_at = Instant::now() + self.max_idle;
        let mut idle = pin!(tokio::time::sleep_until(idle_at));
        let peer = self.peer.clone();
        let mut stop = pin!(peer.stopped());
        let mut stopping = false;
        loop {
            if !self.answer_ready().await {
                return End::Closed;
            }
            stopping |= *peer.stopping.borrow(); // a peer that never lets the reader wait would keep `stop` from being looked at
            if self.pending.is_empty() {
                if let Some((request, budget)) = self.held.take() {
                    if self.belongs_to_control(&request) {
                        self.held = Some((request, budget));
                        return End::MoveToControl;
                    }
                    self.start(request, budget).await;
                    idle_at = Instant::now() + self.max_idle;
                    continue;
                }
                if stopping {
                    return End::Closed;
                }
            }
            let may_read = self.held.is_none() && !self.closing && self.pending.len() < MAX_PIPELINED && !stopping;
            tokio::select! {
                biased;
                outcome = front(&mut self.pending), if !self.pending.is_empty() => {
                    if let Some(front) = self.pending.front_mut() {
                        front.outcome = outcome;
                    }
                    idle_at = Instant::now() + self.max_idle; // a long poll is no idleness
                }
                frame = self.reader.next(&mut self.stream), if may_read => match frame {
                    Ok(Some(frame)) => match dispatch::open(frame.bytes, &self.peer) {
                        Ok(request) if self.may_overlap(&request) => {
                            self.start(request, frame.budget).await;
                            idle_at = Instant::now() + self.max_idle;
                        }
                        Ok(request) => self.held = Some((request, frame.budget)),
                        Err(refused) => self.refuse(refused),
                    },
                    Ok(None) => {
                        if self.reader.is_mid_frame() {
                            tracing::debug!(peer = %self.peer.address, "connection ended within a request");
                        }
                        return End::Closed;
                    }
                    Err(FrameError::Io(error)) => {
                        tracing::debug!(peer = %self.peer.address, %error, "connection broke");
                        return End::Closed;
                    }
                    Err(error @ FrameError::Stalled { .. }) => {
                        tracing::info!(peer = %self.peer.address, listener = %self.peer.listener, "{error}; closing the connection");
                        return End::Closed;
                    }
                    Err(error @ FrameError::Size { .. }) => {
                        tracing::warn!(peer = %self.peer.address, listener = %self.peer.listener, "{error}; closing the connection");
                        self.close_in_turn();
                    }
                },
                () = &mut stop, if !stopping => stopping = true,
                () = &mut idle, if self.pending.is_empty() => {
                    if Instant::now() < idle_at {
                        idle.as_mut().reset(idle_at);
                        continue;
                    }
                    tracing::debug!(peer = %self.peer.address, "connection idle for connections.max.idle.ms");
                    return End::Closed;
                }
            }
        }
    }

    /// A produce behind produces.
    fn may_overlap(&self, request: &Request) -> bool {
        request.key == ApiKey::Produce
            && self.pending.iter().all(|p| p.key == ApiKey::Produce)
            && !self.pending.is_empty()
    }

    /// The controller's requests are served on its own lane; a connection shows what it is for with its first API.
    fn belongs_to_control(&self, request: &Request) -> bool {
        !self.on_control && request.key.is_cluster_action()
    }

    async fn start(&mut self, request: Request, budget: Option<OwnedSemaphorePermit>) {
        let key = request.key;
        self.place.touch();
        tracing::debug!(target: REQUEST, peer = %self.peer.address, listener = %self.peer.listener, version = request.version(), "{key}");
        match api::call(&self.api, request).await {
            Ok(outcome) => self.pending.push_back(Pending { outcome, key }),
            Err(malformed) => self.refuse(malformed.into()),
        }
        drop(budget);
    }

    fn refuse(&mut self, why: Refused) {
        tracing::warn!(peer = %self.peer.address, listener = %self.peer.listener, "{why}; closing the connection");
        self.close_in_turn();
    }

    /// Closes once what was accepted before is answered.
    fn close_in_turn(&mut self) {
        self.held = None;
        self.closing = true;
        self.pending.push_back(Pending { outcome: Outcome::Close, key: ApiKey::ApiVersions });
    }

    /// Sends the answers that are ready at the head of the queue; false when the connection is to be closed.
    async fn answer_ready(&mut self) -> bool {
        while let Some(front) = self.pending.front() {
            if matches!(front.outcome, Outcome::Later(_)) {
                break;
            }
            let Some(pending) = self.pending.pop_front() else { break };
            match pending.outcome {
                Outcome::Reply(reply) => {
                    let tasks: &Tasks = &self.api.env.tasks;
                    if let Err(error) = send::reply(tasks, &mut self.stream, reply, self.max_idle).await {
                        tracing::debug!(peer = %self.peer.address, %error, "could not send an answer");
                        return false;
                    }
                }
                Outcome::Close => return false,
                Outcome::NoReply | Outcome::Later(_) => {}
            }
        }
        true
    }
}

/// The part of a connection that runs on the control lane; it ends with whoever waits for it.
struct Moved(JoinHandle<()>);

impl Drop for Moved {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for the answer at the head of the queue.
async fn front(pending: &mut VecDeque<Pending>) -> Outcome {
    match pending.front_mut().map(|p| &mut p.outcome) {
        Some(Outcome::Later(future)) => future.await,
        _ => std::future::pending().await, // nothing waits: `answer_ready` has taken it
    }
}
