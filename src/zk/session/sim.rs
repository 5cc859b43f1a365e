//! A ZooKeeper in memory, for tests: several sessions, versions, zxids, ephemerals, sequences, one-shot watches, multis; and, on command,
//! lost connections, lost replies, resumed and expired sessions.
//!
//! Everything happens at once and in the order of the calls, so a test that awaits its calls repeats exactly. The rules (which error for
//! what, which event for whom) are those of ZooKeeper's `DataTree` and `PrepRequestProcessor`; the contract test holds both arms to them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot, watch as channel};

use super::error::ZkErrorKind;
use super::types::{CreateMode, Op, OpResult, SessionId, SessionState, Stat};
use super::watch::{Source, Watch, WatchKind};
use super::zk::{Opener, Zk};
use super::{Failure, Link, Reply, Request, Session, Shared};

/// The server. Clones are the same server.
#[derive(Clone, Debug, Default)]
pub struct SimZk(Arc<Mutex<Server>>);

#[derive(Debug, Default)]
struct Server {
    zxid: i64,
    now_ms: i64,
    nodes: BTreeMap<String, Node>,
    watches: Vec<Armed>,
    sessions: BTreeMap<i64, SimSession>,
    next_session: i64,
    multis: Vec<Vec<Op>>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    data: Bytes,
    stat: Stat,
    sequence: i32,
}

#[derive(Debug)]
struct Armed {
    session: i64,
    path: String,
    on: WatchOn,
    /// What happened while its session was disconnected: told at the reconnect.
    missed: Option<WatchKind>,
    fire: oneshot::Sender<WatchKind>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum WatchOn {
    Data,
    Children,
}

#[derive(Debug)]
struct SimSession {
    state: channel::Sender<SessionState>,
    replies_to_lose: usize,
}

/// One session's way to the server.
#[derive(Clone, Debug)]
pub(super) struct SimLink {
    server: SimZk,
    id: i64,
    state: channel::Sender<SessionState>,
}

/// A refused operation.
type Refusal = ZkErrorKind;

impl SimZk {
    /// A server with nothing but a root.
    pub fn new() -> Self {
        let server = Self::default();
        server.0.lock().nodes.insert("/".into(), Node::default());
        server
    }

    /// A broker's access, with a session of its own.
    pub async fn connect(&self) -> Zk {
        let first = self.open(1);
        Zk(Arc::new(super::zk::ZkInner { opener: Opener::Sim(self.clone()), current: channel::Sender::new(first) }))
    }

    pub(super) fn open(&self, generation: u64) -> Session {
        let mut server = self.0.lock();
        server.next_session += 1;
        let id = 0x1000_0000 + server.next_session;
        let state = channel::Sender::new(SessionState::Connected);
        server.sessions.insert(id, SimSession { state: state.clone(), replies_to_lose: 0 });
        drop(server);
        let link = SimLink { server: self.clone(), id, state: state.clone() };
        Session::new(Arc::new(Shared {
            generation,
            id: SessionId(id),
            timeout: Duration::from_secs(18),
            state,
            link: channel::Sender::new(Link::Sim(link)),
            closing: channel::Sender::new(false),
            in_flight: Semaphore::new(10),
            batches: Default::default(),
        }))
    }

    /// The server ends a session: its ephemeral nodes go, its calls answer Expired.
    pub fn expire(&self, id: SessionId) {
        self.end(id.0, SessionState::Expired);
    }

    /// The connection is lost: calls wait. What others write meanwhile is not seen; ephemeral nodes stay.
    pub fn disconnect(&self, id: SessionId) {
        self.publish(id, SessionState::Disconnected);
    }

    /// The connection is back: waiting calls go on; watches fire for what they missed, as `SetWatches` does.
    pub fn reconnect(&self, id: SessionId) {
        self.publish(id, SessionState::Connected);
        let mut server = self.0.lock();
        for armed in server.watches.extract_if(.., |armed| armed.session == id.0 && armed.missed.is_some()) {
            let _ = armed.fire.send(armed.missed.unwrap_or(WatchKind::SessionLost));
        }
    }

    /// The connection was lost for so long that the client had to resume the session: the session lives, all of its watches are lost.
    pub fn resume(&self, id: SessionId) {
        self.0.lock().lose_watches(id.0);
        self.publish(id, SessionState::Connected);
    }

    /// The next `n` writes of a session are done, but their replies are lost: the session sends each again.
    pub fn lose_replies(&self, id: SessionId, n: usize) {
        if let Some(session) = self.0.lock().sessions.get_mut(&id.0) {
            session.replies_to_lose = n;
        }
    }

    /// Every node's data as text, and its stat.
    pub fn dump(&self) -> BTreeMap<String, (String, Stat)> {
        let server = self.0.lock();
        let text = |node: &Node| String::from_utf8_lossy(&node.data).into_owned();
        server.nodes.iter().map(|(path, node)| (path.clone(), (text(node), node.stat))).collect()
    }

    /// One node's data as text.
    pub fn text(&self, path: &str) -> Option<String> {
        self.0.lock().nodes.get(path).map(|node| String::from_utf8_lossy(&node.data).into_owned())
    }

    /// Every multi that was done so far, oldest first.
    pub fn multis(&self) -> Vec<Vec<Op>> {
        self.0.lock().multis.clone()
    }

    /// Sets the server's clock, which stamps nodes.
    pub fn set_now_ms(&self, now_ms: i64) {
        self.0.lock().now_ms = now_ms;
    }

    /// Creates a node with its parents, or sets it, as somebody else would; watches fire.
    pub fn put(&self, path: &str, data: impl Into<Bytes>) {
        let mut server = self.0.lock();
        for (slash, _) in path.match_indices('/').skip(1) {
            let _ = server.apply_alone(0, &Op::create(&path[..slash], Bytes::new()));
        }
        let data = data.into();
        if server.apply_alone(0, &Op::create(path, data.clone())).is_err() {
            let _ = server.apply_alone(0, &Op::set(path, data, None));
        }
    }

    /// Deletes a node, as somebody else would; watches fire.
    pub fn remove(&self, path: &str) {
        let _ = self.0.lock().apply_alone(0, &Op::delete(path, None));
    }

    fn publish(&self, id: SessionId, new: SessionState) {
        let server = self.0.lock();
        let Some(session) = server.sessions.get(&id.0) else { return };
        session.state.send_if_modified(|state| {
            let changed = !state.is_terminal() && *state != new;
            if changed {
                *state = new;
            }
            changed
        });
    }

    fn end(&self, id: i64, how: SessionState) {
        let mut server = self.0.lock();
        let Some(session) = server.sessions.remove(&id) else { return };
        server.lose_watches(id);
        let owned: Vec<String> = server
            .nodes
            .iter()
            .filter(|(_, node)| node.stat.ephemeral_owner == id)
            .map(|(path, _)| path.clone())
            .collect();
        for path in owned {
            let _ = server.apply_alone(0, &Op::delete(path, None));
        }
        session.state.send_replace(how);
    }
}

impl SimLink {
    pub(super) fn close(&self) {
        self.server.end(self.id, SessionState::Closed);
    }

    pub(super) async fn execute(&self, request: Request<'_>) -> Result<Reply, Failure> {
        // One turn of the scheduler, as a request to a server always takes: callers must not rely on an answer at once.
        tokio::task::yield_now().await;
        let mut states = self.state.subscribe();
        if states.wait_for(|state| *state != SessionState::Disconnected).await.is_err() {
            return Err(Failure::LinkGone);
        }
        let mut server = self.server.0.lock();
        if !server.sessions.contains_key(&self.id) {
            return Err(Failure::LinkGone);
        }
        let reply = server.execute(self.id, request);
        let is_read = matches!(
            request,
            Request::Get { .. } | Request::GetMany(_) | Request::Exists { .. } | Request::Children { .. }
        );
        if let Some(session) = server.sessions.get_mut(&self.id)
            && !is_read
            && session.replies_to_lose > 0
        {
            session.replies_to_lose -= 1;
            return Err(Failure::ReplyLost);
        }
        reply
    }
}

impl Server {
    fn execute(&mut self, session: i64, request: Request<'_>) -> Result<Reply, Failure> {
        let refuse = |kind: Refusal| Failure::Refused(kind, None);
        match request {
            Request::Get { path, watch } => {
                let found = self.nodes.get(path).map(|node| (node.data.clone(), node.stat));
                let watch = (watch && found.is_some()).then(|| self.arm(session, path, WatchOn::Data));
                Ok(Reply::Data(found, watch))
            }
            Request::GetMany(paths) => {
                let read = |path: &String| self.nodes.get(path).map(|node| (node.data.clone(), node.stat));
                Ok(Reply::DataOfMany(paths.iter().map(read).collect()))
            }
            Request::Exists { path, watch } => {
                let stat = self.nodes.get(path).map(|node| node.stat);
                Ok(Reply::Exists(stat, watch.then(|| self.arm(session, path, WatchOn::Data))))
            }
            Request::Children { path, watch } => {
                let names = self.nodes.contains_key(path).then(|| self.children(path));
                let watch = (watch && names.is_some()).then(|| self.arm(session, path, WatchOn::Children));
                Ok(Reply::Children(names, watch))
            }
            Request::Create { path, data, mode } => {
                let op = Op::Create { path: path.into(), data: data.clone(), mode };
                match self.apply_alone(session, &op).map_err(refuse)? {
                    OpResult::Created { path } => {
                        let stat = self.nodes.get(&path).map(|node| node.stat).unwrap_or_default();
                        Ok(Reply::Created(path, stat))
                    }
                    _ => Err(Failure::LinkGone),
                }
            }
            Request::Set { path, data, version } => {
                match self.apply_alone(session, &Op::set(path, data.clone(), version)).map_err(refuse)? {
                    OpResult::Set { stat } => Ok(Reply::Set(stat)),
                    _ => Err(Failure::LinkGone),
                }
            }
            Request::Delete { path, version } => {
                self.apply_alone(session, &Op::delete(path, version)).map_err(refuse)?;
                Ok(Reply::Deleted)
            }
            Request::Multi(ops) => self.multi(session, ops).map(Reply::Multi),
        }
    }

    fn multi(&mut self, session: i64, ops: &[Op]) -> Result<Vec<OpResult>, Failure> {
        let before = (self.nodes.clone(), self.zxid);
        self.zxid += 1;
        let mut results = Vec::with_capacity(ops.len());
        let mut events = Vec::new();
        for (index, op) in ops.iter().enumerate() {
            match self.apply(session, op, &mut events) {
                Ok(result) => results.push(result),
                Err(kind) => {
                    (self.nodes, self.zxid) = before;
                    return Err(Failure::Refused(kind, Some(index)));
                }
            }
        }
        self.multis.push(ops.to_vec());
        self.fire_all(events);
        Ok(results)
    }

    fn apply_alone(&mut self, session: i64, op: &Op) -> Result<OpResult, Refusal> {
        let mut events = Vec::new();
        self.zxid += 1;
        let result = self.apply(session, op, &mut events);
        if result.is_err() {
            self.zxid -= 1;
        }
        self.fire_all(events);
        result
    }

    fn apply(&mut self, session: i64, op: &Op, events: &mut Vec<(String, WatchKind)>) -> Result<OpResult, Refusal> {
        match op {
            Op::Check { path, version } => {
                self.node_at(path, Some(*version))?;
                Ok(OpResult::Checked)
            }
            Op::Create { path, data, mode } => self.create(session, path, data.clone(), *mode, events),
            Op::Set { path, data, version } => {
                let (zxid, now_ms) = (self.zxid, self.now_ms);
                let node = self.node_at(path, *version)?;
                node.data = data.clone();
                node.stat.version += 1;
                node.stat.mzxid = zxid;
                node.stat.mtime_ms = now_ms;
                let stat = node.stat;
                events.push((path.clone(), WatchKind::DataChanged));
                Ok(OpResult::Set { stat })
            }
            Op::Delete { path, version } => {
                let node = self.node_at(path, *version)?;
                if node.stat.num_children > 0 {
                    return Err(ZkErrorKind::NotEmpty);
                }
                self.nodes.remove(path);
                let parent = parent_of(path);
                if let Some(node) = self.nodes.get_mut(parent) {
                    node.stat.cversion += 1;
                    node.stat.num_children -= 1;
                }
                events.push((path.clone(), WatchKind::Deleted));
                events.push((parent.to_owned(), WatchKind::ChildrenChanged));
                Ok(OpResult::Deleted)
            }
        }
    }

    fn create(
        &mut self,
        session: i64,
        path: &str,
        data: Bytes,
        mode: CreateMode,
        events: &mut Vec<(String, WatchKind)>,
    ) -> Result<OpResult, Refusal> {
        let (zxid, now_ms) = (self.zxid, self.now_ms);
        let parent = parent_of(path).to_owned();
        let above = self.nodes.get_mut(&parent).ok_or(ZkErrorKind::NoNode)?;
        let path = match mode {
            CreateMode::PersistentSequential => format!("{path}{:010}", above.sequence),
            CreateMode::Persistent | CreateMode::Ephemeral => path.to_owned(),
        };
        if above.stat.ephemeral_owner != 0 {
            return Err(ZkErrorKind::NoChildrenForEphemerals);
        }
        if self.nodes.contains_key(&path) {
            return Err(ZkErrorKind::NodeExists);
        }
        if let Some(above) = self.nodes.get_mut(&parent) {
            above.stat.cversion += 1;
            above.stat.num_children += 1;
            above.sequence += 1;
        }
        let stat = Stat {
            czxid: zxid,
            mzxid: zxid,
            ctime_ms: now_ms,
            mtime_ms: now_ms,
            ephemeral_owner: if mode == CreateMode::Ephemeral { session } else { 0 },
            ..Stat::default()
        };
        self.nodes.insert(path.clone(), Node { data, stat, sequence: 0 });
        events.push((path.clone(), WatchKind::Created));
        events.push((parent, WatchKind::ChildrenChanged));
        Ok(OpResult::Created { path })
    }

    fn node_at(&mut self, path: &str, version: Option<i32>) -> Result<&mut Node, Refusal> {
        let node = self.nodes.get_mut(path).ok_or(ZkErrorKind::NoNode)?;
        match version {
            Some(version) if version != node.stat.version => Err(ZkErrorKind::BadVersion),
            _ => Ok(node),
        }
    }

    fn children(&self, path: &str) -> Vec<String> {
        let prefix = if path == "/" { String::from("/") } else { format!("{path}/") };
        let below = self.nodes.range(prefix.clone()..).take_while(|(node, _)| node.starts_with(&prefix));
        let names = below.filter_map(|(node, _)| node.strip_prefix(&prefix));
        let mut names: Vec<String> =
            names.filter(|name| !name.is_empty() && !name.contains('/')).map(str::to_owned).collect();
        names.sort_unstable();
        names
    }

    fn arm(&mut self, session: i64, path: &str, on: WatchOn) -> Watch {
        let (fire, event) = oneshot::channel();
        self.watches.retain(|armed| !armed.fire.is_closed());
        self.watches.push(Armed { session, path: path.into(), on, missed: None, fire });
        Watch::new(path, Source::Sim(event))
    }

    fn fire_all(&mut self, events: Vec<(String, WatchKind)>) {
        for (path, kind) in events {
            let sessions = &self.sessions;
            let heard = |armed: &mut Armed| {
                let meant = armed.path == path
                    && match armed.on {
                        WatchOn::Data => kind != WatchKind::ChildrenChanged,
                        WatchOn::Children => matches!(kind, WatchKind::ChildrenChanged | WatchKind::Deleted),
                    };
                let away =
                    sessions.get(&armed.session).is_some_and(|s| *s.state.borrow() == SessionState::Disconnected);
                if meant && away {
                    armed.missed.get_or_insert(kind);
                }
                meant && !away
            };
            for armed in self.watches.extract_if(.., heard) {
                let _ = armed.fire.send(kind);
            }
        }
    }

    fn lose_watches(&mut self, session: i64) {
        for armed in self.watches.extract_if(.., |armed| armed.session == session) {
            let _ = armed.fire.send(WatchKind::SessionLost);
        }
    }
}

/// The node above; the root for what lies directly under it.
fn parent_of(path: &str) -> &str {
    match path.rfind('/') {
        Some(slash) if slash > 0 => &path[..slash],
        _ => "/",
    }
}
