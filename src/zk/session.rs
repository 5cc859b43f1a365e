//! The seam to ZooKeeper. [`Zk`] is what a broker keeps for its whole life; a [`Session`] is one ZooKeeper session of it and, once over,
//! refuses everything for ever, so that nothing decided under an old session is written under a new one.
//!
//! Calls wait for a lost connection to come back and send again, as Kafka's `retryRequestsUntilConnected` does; so a write may have
//! happened although its answer is NodeExists, BadVersion or NoNode ([`ZkError::after_loss`] tells; `zk::store` resolves it). Dropping a
//! call's future does not take a write back. At most `zookeeper.max.in.flight.requests` calls are under way; the rest wait in order.

mod error;
mod live;
mod many;
#[cfg(feature = "sim")]
pub mod sim;
mod types;
mod watch;
mod zk;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, watch as channel};

pub use error::{ConnectError, ZkError, ZkErrorKind};
pub use types::{CreateMode, Op, OpResult, SessionId, SessionState, Stat};
pub use watch::{Watch, WatchEvent, WatchKind};
pub use zk::{Zk, ZkOptions};

/// How often paths are made again when parents vanish meanwhile, before giving up.
const MAX_PARENT_ROUNDS: usize = 16;
/// A server that throttles is asked again after this.
const THROTTLED_PAUSE: Duration = Duration::from_millis(100);

/// One ZooKeeper session. Cheap to clone; the last clone that goes closes it.
#[derive(Clone)]
pub struct Session(Arc<Handle>);

/// What the user's handles share; its end asks the session to close.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.closing.send_replace(true);
        #[cfg(feature = "sim")]
        if let Link::Sim(link) = &*self.0.link.borrow() {
            link.close();
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({}, generation {}, {:?})", self.id(), self.generation(), self.state())
    }
}

/// What handles and the keeper of the connection share.
struct Shared {
    generation: u64,
    id: SessionId,
    timeout: Duration,
    state: channel::Sender<SessionState>,
    /// Replaced when the session is resumed over a new client.
    link: channel::Sender<Link>,
    closing: channel::Sender<bool>,
    in_flight: Semaphore,
    batches: many::Batches,
}

/// What serves requests at the moment.
#[derive(Clone)]
enum Link {
    Live(live::LiveLink),
    #[cfg(feature = "sim")]
    Sim(sim::SimLink),
}

/// A request on its way through the retry loop to an arm.
#[derive(Clone, Copy)]
enum Request<'a> {
    Get { path: &'a str, watch: bool },
    GetMany(&'a [String]),
    Exists { path: &'a str, watch: bool },
    Children { path: &'a str, watch: bool },
    Create { path: &'a str, data: &'a Bytes, mode: CreateMode },
    Set { path: &'a str, data: &'a Bytes, version: Option<i32> },
    Delete { path: &'a str, version: Option<i32> },
    Multi(&'a [Op]),
}

impl Request<'_> {
    fn path(&self, op: Option<usize>) -> &str {
        match self {
            Request::Get { path, .. }
            | Request::Exists { path, .. }
            | Request::Children { path, .. }
            | Request::Create { path, .. }
            | Request::Set { path, .. }
            | Request::Delete { path, .. } => path,
            Request::GetMany(paths) => paths.get(op.unwrap_or(0)).map_or("(reads)", String::as_str),
            Request::Multi(ops) => ops.get(op.unwrap_or(0)).map_or("(multi)", Op::path),
        }
    }
}

enum Reply {
    Data(Option<(Bytes, Stat)>, Option<Watch>),
    DataOfMany(Vec<Option<(Bytes, Stat)>>),
    Exists(Option<Stat>, Option<Watch>),
    Children(Option<Vec<String>>, Option<Watch>),
    Created(String, Stat),
    Set(Stat),
    Deleted,
    Multi(Vec<OpResult>),
}

/// How one attempt failed.
enum Failure {
    /// The reply was lost: done or not, nobody knows. The link is good for another attempt.
    ReplyLost,
    /// The link is finished; the keeper brings another or declares the session over.
    LinkGone,
    /// The server asks for patience; nothing was done.
    Throttled,
    /// The server refused; of a multi with the index of the operation.
    Refused(ZkErrorKind, Option<usize>),
}

impl Session {
    fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Handle(shared)))
    }

    fn shared(&self) -> &Shared {
        &self.0.0
    }

    /// Its id; what `Stat::owner` of its ephemeral nodes is.
    pub fn id(&self) -> SessionId {
        self.shared().id
    }

    /// 1 for the first session of a [`Zk`], and one more with each reopening.
    pub fn generation(&self) -> u64 {
        self.shared().generation
    }

    /// The session timeout the server granted: after so long without a word it ends the session.
    pub fn timeout(&self) -> Duration {
        self.shared().timeout
    }

    /// How it stands.
    pub fn state(&self) -> SessionState {
        *self.shared().state.borrow()
    }

    /// How it stands, with changes. Short blips may be skipped.
    pub fn states(&self) -> channel::Receiver<SessionState> {
        self.shared().state.subscribe()
    }

    /// Waits until the session is over and says how.
    pub async fn ended(&self) -> SessionState {
        let mut states = self.states();
        let ended = states.wait_for(|state| state.is_terminal()).await;
        ended.map_or(SessionState::Closed, |state| *state)
    }

    /// Closes the session; see [`Zk::close`]. Calls under way answer Closed.
    pub async fn close(&self) {
        self.shared().closing.send_replace(true);
        #[cfg(feature = "sim")]
        if let Link::Sim(link) = &*self.shared().link.borrow() {
            link.close();
        }
        // Holding no link here: the live client closes its session when the last clone of it goes.
        let _ = tokio::time::timeout(live::CLOSE_WAIT, self.ended()).await;
        self.shared().state.send_if_modified(|state| {
            let open = !state.is_terminal();
            if open {
                *state = SessionState::Closed;
            }
            open
        });
    }

    /// Runs a request until it is answered, refused, or the session is over.
    async fn run(&self, request: Request<'_>) -> Result<(Reply, bool), ZkError> {
        let shared = self.shared();
        let mut after_loss = false;
        let fail = |kind, op, after_loss| ZkError { kind, path: request.path(op).to_owned(), op, after_loss };
        let _permit = shared.in_flight.acquire().await;
        loop {
            let mut links = shared.link.subscribe();
            let link = links.borrow_and_update().clone();
            let attempt = async {
                match &link {
                    Link::Live(link) => link.execute(request).await,
                    #[cfg(feature = "sim")]
                    Link::Sim(link) => link.execute(request).await,
                }
            };
            let outcome = tokio::select! {
                biased;
                state = self.over() => {
                    let kind = if state == SessionState::Expired { ZkErrorKind::Expired } else { ZkErrorKind::Closed };
                    return Err(fail(kind, None, after_loss));
                }
                outcome = attempt => outcome,
            };
            match outcome {
                Ok(reply) => return Ok((reply, after_loss)),
                Err(Failure::Refused(kind, op)) => return Err(fail(kind, op, after_loss)),
                Err(Failure::ReplyLost) => after_loss = true,
                Err(Failure::Throttled) => tokio::time::sleep(THROTTLED_PAUSE).await,
                Err(Failure::LinkGone) => {
                    after_loss = true;
                    drop(link); // the keeper can only close the session when nobody holds its client
                    tokio::select! {
                        biased;
                        _ = self.over() => {}
                        _ = links.changed() => {}
                    }
                }
            }
        }
    }

    /// Over, or asked to close: no call goes on.
    async fn over(&self) -> SessionState {
        let mut closing = self.shared().closing.subscribe();
        tokio::select! {
            biased;
            state = self.ended() => state,
            _ = closing.wait_for(|closing| *closing) => SessionState::Closed,
        }
    }

    /// The data of a node; none when there is no such node. Null data reads as empty.
    ///
    /// # Errors
    /// The session's end, or a refusal.
    pub async fn get(&self, path: &str) -> Result<Option<(Bytes, Stat)>, ZkError> {
        match self.run(Request::Get { path, watch: false }).await?.0 {
            Reply::Data(found, _) => Ok(found),
            _ => Err(mismatch(path)),
        }
    }

    /// Whether a node exists.
    ///
    /// # Errors
    /// The session's end, or a refusal.
    pub async fn exists(&self, path: &str) -> Result<Option<Stat>, ZkError> {
        match self.run(Request::Exists { path, watch: false }).await?.0 {
            Reply::Exists(stat, _) => Ok(stat),
            _ => Err(mismatch(path)),
        }
    }

    /// The names of a node's children, sorted; none when there is no such node.
    ///
    /// # Errors
    /// The session's end, or a refusal.
    pub async fn children(&self, path: &str) -> Result<Option<Vec<String>>, ZkError> {
        match self.run(Request::Children { path, watch: false }).await?.0 {
            Reply::Children(names, _) => Ok(names),
            _ => Err(mismatch(path)),
        }
    }

    /// [`Session::get`] with a watch for the node's data and existence, also when there is no such node.
    ///
    /// # Errors
    /// The session's end, or a refusal.
    pub async fn get_and_watch(&self, path: &str) -> Result<(Option<(Bytes, Stat)>, Watch), ZkError> {
        loop {
            if let Reply::Data(Some(found), Some(watch)) = self.run(Request::Get { path, watch: true }).await?.0 {
                return Ok((Some(found), watch));
            }
            // An absent node can only be watched by asking for its existence. Created in between: read it after all.
            if let (None, watch) = self.exists_and_watch(path).await? {
                return Ok((None, watch));
            }
        }
    }

    /// [`Session::exists`] with a watch for creation, data and deletion.
    ///
    /// # Errors
    /// The session's end, or a refusal.
    pub async fn exists_and_watch(&self, path: &str) -> Result<(Option<Stat>, Watch), ZkError> {
        match self.run(Request::Exists { path, watch: true }).await?.0 {
            Reply::Exists(stat, Some(watch)) => Ok((stat, watch)),
            _ => Err(mismatch(path)),
        }
    }

    /// [`Session::children`] with a watch for children coming and going and for the node's deletion; of an absent node, for its creation.
    ///
    /// # Errors
    /// The session's end, or a refusal.
    pub async fn children_and_watch(&self, path: &str) -> Result<(Option<Vec<String>>, Watch), ZkError> {
        loop {
            if let Reply::Children(Some(names), Some(watch)) =
                self.run(Request::Children { path, watch: true }).await?.0
            {
                return Ok((Some(names), watch));
            }
            if let (None, watch) = self.exists_and_watch(path).await? {
                return Ok((None, watch));
            }
        }
    }

    /// Creates a node and says its real path. A sequential one may, after a lost reply, exist twice.
    ///
    /// # Errors
    /// NodeExists, NoNode (the parent), or the session's end.
    pub async fn create(
        &self,
        path: &str,
        data: impl Into<Bytes>,
        mode: CreateMode,
    ) -> Result<(String, Stat), ZkError> {
        let data = data.into();
        match self.run(Request::Create { path, data: &data, mode }).await?.0 {
            Reply::Created(path, stat) => Ok((path, stat)),
            _ => Err(mismatch(path)),
        }
    }

    /// Creates a persistent node, and its parents (without data) where they are missing.
    ///
    /// # Errors
    /// NodeExists, or the session's end.
    pub async fn create_recursive(&self, path: &str, data: impl Into<Bytes>) -> Result<Stat, ZkError> {
        let data = data.into();
        for _ in 0..MAX_PARENT_ROUNDS {
            match self.create(path, data.clone(), CreateMode::Persistent).await {
                Ok((_, stat)) => return Ok(stat),
                Err(error) if error.kind == ZkErrorKind::NoNode => {
                    let parent = parent(path).ok_or(error)?;
                    Box::pin(self.make_path(parent)).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(ZkError {
            kind: ZkErrorKind::Other("its parents vanish as fast as they are made".into()),
            path: path.into(),
            op: None,
            after_loss: false,
        })
    }

    /// Makes a node without data, and its parents; existing ones are left alone.
    ///
    /// # Errors
    /// The session's end, or a refusal.
    pub async fn make_path(&self, path: &str) -> Result<(), ZkError> {
        match self.create_recursive(path, Bytes::new()).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ZkErrorKind::NodeExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Replaces a node's data; `None` whatever its version.
    ///
    /// # Errors
    /// NoNode, BadVersion, or the session's end.
    pub async fn set(&self, path: &str, data: impl Into<Bytes>, version: Option<i32>) -> Result<Stat, ZkError> {
        let data = data.into();
        match self.run(Request::Set { path, data: &data, version }).await?.0 {
            Reply::Set(stat) => Ok(stat),
            _ => Err(mismatch(path)),
        }
    }

    /// Deletes a node without children; `None` whatever its version.
    ///
    /// # Errors
    /// NoNode, BadVersion, NotEmpty, or the session's end.
    pub async fn delete(&self, path: &str, version: Option<i32>) -> Result<(), ZkError> {
        match self.run(Request::Delete { path, version }).await?.0 {
            Reply::Deleted => Ok(()),
            _ => Err(mismatch(path)),
        }
    }

    /// Deletes a node with all below it, children first; false when there was no such node. Not atomic. One round trip a node: for large
    /// trees the controller has `store::fenced::delete_recursive`.
    ///
    /// # Errors
    /// The session's end, or a refusal.
    pub async fn delete_recursive(&self, path: &str) -> Result<bool, ZkError> {
        let mut existed = false;
        let mut left = vec![path.to_owned()];
        while let Some(node) = left.last().cloned() {
            match self.delete(&node, None).await {
                Ok(()) => existed |= node == path,
                Err(error) if error.kind == ZkErrorKind::NoNode => existed |= error.after_loss && node == path,
                Err(error) if error.kind == ZkErrorKind::NotEmpty => {
                    let names = self.children(&node).await?.unwrap_or_default();
                    left.extend(names.into_iter().map(|name| format!("{node}/{name}")));
                    continue;
                }
                Err(error) => return Err(error),
            }
            left.pop();
        }
        Ok(existed)
    }

    /// All of the operations, in order, or none.
    ///
    /// # Errors
    /// The first refusal, with the operation's index and path; or the session's end.
    pub async fn multi(&self, ops: &[Op]) -> Result<Vec<OpResult>, ZkError> {
        match self.run(Request::Multi(ops)).await?.0 {
            Reply::Multi(results) => Ok(results),
            _ => Err(mismatch("(multi)")),
        }
    }
}

/// The node above; none for the root and what lies directly under it.
fn parent(path: &str) -> Option<&str> {
    path.rfind('/').filter(|slash| *slash > 0).and_then(|slash| path.get(..slash))
}

/// A reply of another request: a fault of the arm, told rather than panicked over.
fn mismatch(path: &str) -> ZkError {
    let kind = ZkErrorKind::Other("the reply does not fit the request".into());
    ZkError { kind, path: path.into(), op: None, after_loss: false }
}
