//! The arm that talks to real servers, over the crate `zookeeper-client`. One keeper task per session, on the control lane, follows the
//! crate's state and resumes the session when the crate gave up on it.
//!
//! What to know of the crate (0.11.2): it calls a session expired by its own clock, 7/5 of the timeout after the last answer, without
//! asking a server; the keeper then resumes the session by id and password, and only a server's refusal is expiry. Requests made while
//! disconnected wait inside it and are sent after the reconnect; those in flight fail with ConnectionLoss. After a reconnect it arms
//! one-shot watches again, but a new client (a resumed session) starts without any. It can't write null data, nor tell it from empty.
//! A session is closed by dropping every clone of its `Client`, hence no call may hold one past `closing`. Names are resolved at each
//! connect.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, watch as channel};
use zookeeper_client as zk;

use super::error::{ConnectError, ZkErrorKind};
use super::types::{CreateMode, Op, OpResult, SessionId, SessionState, Stat};
use super::watch::{Source, Watch, WatchKind};
use super::{Failure, Link, Reply, Request, Session, Shared, ZkOptions};
use crate::base::Env;
use crate::base::env::Lane;

/// How long a close waits for a server's word: long enough for a slow one, short beside the wait of whoever stops the broker.
pub(super) const CLOSE_WAIT: Duration = Duration::from_secs(5);
/// Pause between attempts to open or resume a session; the crate waits between servers by itself.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// Pause after a refused authentication (`AUTH_FAILED` in Kafka: it tries every second).
const AUTH_PAUSE: Duration = Duration::from_secs(1);

/// Open ACLs: `zookeeper.set.acl=true` needs SASL or mTLS to ZooKeeper and is refused by the configuration.
const OPEN: zk::Acls<'static> = zk::Acls::anyone_all();

/// A client of the crate, as long as it serves this session; none once the session closes.
#[derive(Clone)]
pub(super) struct LiveLink(Option<Arc<zk::Client>>);

/// Opens a session within the connection timeout.
pub(super) async fn open(env: &Env, options: &ZkOptions, generation: u64) -> Result<Session, ConnectError> {
    let address = Address::parse(&options.connect)?;
    let options = options.clone();
    let tasks = env.tasks.clone();
    // The crate starts its own task where connect runs: it must be the control lane, whoever asks.
    let opening = env.tasks.spawn(Lane::Control, "zookeeper connect", async move {
        let client = connect(&address, &options).await?;
        let shared = Arc::new(Shared {
            generation,
            id: SessionId(client.session_id().0),
            timeout: client.session_timeout(),
            state: channel::Sender::new(SessionState::Connected),
            link: channel::Sender::new(Link::Live(LiveLink(Some(Arc::new(client.clone()))))),
            closing: channel::Sender::new(false),
            in_flight: Semaphore::new(options.max_in_flight.max(1)),
            batches: Default::default(),
        });
        tracing::info!(session = %shared.id, generation, timeout_ms = shared.timeout.as_millis(), "ZooKeeper session open");
        tasks.spawn_vital(Lane::Control, "zookeeper session", keep(Arc::clone(&shared), client, address, options));
        Ok(Session::new(shared))
    });
    opening.await.unwrap_or(Err(ConnectError::Stopped))
}

/// `zookeeper.connect` in its two parts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    servers: String,
    chroot: Option<String>,
}

impl Address {
    fn parse(connect: &str) -> Result<Self, ConnectError> {
        let bad = |why: &str| Err(ConnectError::BadAddress(format!("{why}: {connect:?}")));
        let connect_string = connect.trim();
        let (servers, chroot) = match connect_string.find('/') {
            Some(slash) => connect_string.split_at(slash),
            None => (connect_string, ""),
        };
        // Java's client takes blanks and trailing commas between servers.
        let servers: Vec<&str> = servers.split(',').map(str::trim).filter(|server| !server.is_empty()).collect();
        if servers.is_empty() {
            return bad("no server named");
        }
        let chroot = chroot.trim_end_matches('/');
        if chroot.contains("//") || chroot.split('/').any(|name| name == "." || name == "..") {
            return bad("not a path");
        }
        Ok(Self { servers: servers.join(","), chroot: (!chroot.is_empty()).then(|| chroot.to_owned()) })
    }
}

fn connector(options: &ZkOptions) -> zk::Connector {
    zk::Client::connector().with_session_timeout(options.session_timeout)
}

/// A new session, rooted at the chroot.
async fn connect(address: &Address, options: &ZkOptions) -> Result<zk::Client, ConnectError> {
    let mut last = String::from("no answer");
    let attempts = async {
        loop {
            match connector(options).connect(&address.servers).await {
                Ok(client) => match rooted(client, address, options.makes_chroot).await {
                    Err(ConnectError::Timeout { last: why, .. }) => last = why,
                    done => return done,
                },
                Err(zk::Error::AuthFailed) => return Err(ConnectError::Auth),
                Err(zk::Error::BadArguments(why)) => {
                    return Err(ConnectError::BadAddress(format!("{why}: {:?}", options.connect)));
                }
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    };
    match tokio::time::timeout(options.connection_timeout, attempts).await {
        Ok(done) => done,
        Err(_) => Err(ConnectError::Timeout {
            connect: options.connect.clone(),
            timeout_ms: options.connection_timeout.as_millis(),
            last,
        }),
    }
}

/// Makes the chroot where it is missing (or says that it is) and roots the client there. A lost connection answers as Timeout: try again.
async fn rooted(client: zk::Client, address: &Address, makes_chroot: bool) -> Result<zk::Client, ConnectError> {
    let Some(chroot) = &address.chroot else { return Ok(client) };
    let failed = |why: String| ConnectError::Chroot { path: chroot.clone(), why };
    match client.check_stat(chroot).await {
        Ok(Some(_)) => {}
        Ok(None) if !makes_chroot => return Err(failed("it does not exist".into())),
        Ok(None) => {
            client
                .mkdir(chroot, &zk::CreateMode::Persistent.with_acls(OPEN))
                .await
                .map_err(|e| failed(format!("it could not be created: {e}")))?;
        }
        Err(zk::Error::ConnectionLoss) => {
            return Err(ConnectError::Timeout {
                connect: String::new(),
                timeout_ms: 0,
                last: "connection lost".into(),
            });
        }
        Err(error) => return Err(failed(error.to_string())),
    }
    client.chroot(chroot.as_str()).map_err(|_| failed("not a path".into()))
}

/// Follows the session until it is over: publishes its state, resumes it when the crate gave it up.
async fn keep(shared: Arc<Shared>, mut client: zk::Client, address: Address, options: ZkOptions) {
    let mut closing = shared.closing.subscribe();
    loop {
        let over = tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => true,
            () = follow(&shared, &client) => false,
        };
        if over {
            close(&shared, client).await;
            return;
        }
        publish(&shared, SessionState::Disconnected);
        tracing::warn!(session = %shared.id, "no word from ZooKeeper for longer than the session timeout; resuming the session");
        let info = client.session().clone();
        let resumed = tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => {
                // Nobody can be told: the server ends the session when its timeout is over.
                publish(&shared, SessionState::Closed);
                return;
            }
            resumed = resume(info, &address, &options) => resumed,
        };
        match resumed {
            Some(resumed) => {
                tracing::info!(session = %shared.id, "ZooKeeper session resumed; its watches are gone");
                client = resumed.clone();
                shared.link.send_replace(Link::Live(LiveLink(Some(Arc::new(resumed)))));
                publish(&shared, SessionState::Connected);
            }
            None => {
                tracing::warn!(session = %shared.id, generation = shared.generation, "ZooKeeper session expired");
                publish(&shared, SessionState::Expired);
                return;
            }
        }
    }
}

/// Publishes what the crate says until it says something final.
async fn follow(shared: &Shared, client: &zk::Client) {
    let mut states = client.state_watcher();
    let mut state = states.peek_state();
    loop {
        match state {
            zk::SessionState::SyncConnected | zk::SessionState::ConnectedReadOnly => {
                publish(shared, SessionState::Connected)
            }
            zk::SessionState::Disconnected => publish(shared, SessionState::Disconnected),
            zk::SessionState::Expired | zk::SessionState::AuthFailed | zk::SessionState::Closed => return,
        }
        state = states.changed().await;
    }
}

fn publish(shared: &Shared, new: SessionState) {
    shared.state.send_if_modified(|state| {
        let changed = *state != new && !state.is_terminal();
        if changed {
            tracing::info!(session = %shared.id, state = ?new, "ZooKeeper connection");
            *state = new;
        }
        changed
    });
}

/// Takes the session up again over a new client; none when a server says that it is over. Tries for ever otherwise: as long as no
/// server answers, nobody else can take what is ours either.
async fn resume(info: zk::SessionInfo, address: &Address, options: &ZkOptions) -> Option<zk::Client> {
    loop {
        let pause = match connector(options).with_session(info.clone()).connect(&address.servers).await {
            Ok(client) => {
                let client = match &address.chroot {
                    Some(chroot) => client.chroot(chroot.as_str()).unwrap_or_else(|client| client),
                    None => client,
                };
                // Another server may lag behind what this session has already seen.
                match client.sync("/").await {
                    Ok(()) => return Some(client),
                    Err(zk::Error::SessionExpired) if client.state() == zk::SessionState::Expired => RETRY_PAUSE,
                    Err(error) => {
                        tracing::warn!(%error, "a resumed ZooKeeper session was lost again");
                        RETRY_PAUSE
                    }
                }
            }
            Err(zk::Error::SessionExpired) => return None,
            Err(zk::Error::AuthFailed) => AUTH_PAUSE,
            Err(error) => {
                tracing::debug!(%error, "ZooKeeper session not resumed yet");
                RETRY_PAUSE
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Lets go of the client, which closes the session, and waits for the server's word.
async fn close(shared: &Shared, client: zk::Client) {
    let mut states = client.state_watcher();
    let state = states.peek_state();
    drop(client);
    // The published link holds the last clone.
    shared.link.send_replace(Link::Live(LiveLink(None)));
    let told = async {
        let mut state = state;
        while !state.is_terminated() {
            state = states.changed().await;
        }
    };
    if tokio::time::timeout(CLOSE_WAIT, told).await.is_err() {
        tracing::warn!(session = %shared.id, "no ZooKeeper server could be told that the session closes; it ends with its timeout");
    }
    publish(shared, SessionState::Closed);
}

impl LiveLink {
    /// One attempt at a request.
    pub(super) async fn execute(&self, request: Request<'_>) -> Result<Reply, Failure> {
        let Some(client) = self.0.as_deref() else { return Err(Failure::LinkGone) };
        match request {
            Request::Get { path, watch: false } => match client.get_data(path).await {
                Ok((data, stat)) => Ok(Reply::Data(Some((Bytes::from(data), stat_of(&stat))), None)),
                Err(zk::Error::NoNode) => Ok(Reply::Data(None, None)),
                Err(error) => Err(failure(client, error, None)),
            },
            Request::Get { path, watch: true } => match client.get_and_watch_data(path).await {
                Ok((data, stat, watch)) => {
                    Ok(Reply::Data(Some((Bytes::from(data), stat_of(&stat))), Some(watch_of(path, watch))))
                }
                Err(zk::Error::NoNode) => Ok(Reply::Data(None, None)),
                Err(error) => Err(failure(client, error, None)),
            },
            Request::Exists { path, watch: false } => match client.check_stat(path).await {
                Ok(stat) => Ok(Reply::Exists(stat.as_ref().map(stat_of), None)),
                Err(error) => Err(failure(client, error, None)),
            },
            Request::Exists { path, watch: true } => match client.check_and_watch_stat(path).await {
                Ok((stat, watch)) => Ok(Reply::Exists(stat.as_ref().map(stat_of), Some(watch_of(path, watch)))),
                Err(error) => Err(failure(client, error, None)),
            },
            Request::Children { path, watch: false } => match client.list_children(path).await {
                Ok(names) => Ok(Reply::Children(Some(sorted(names)), None)),
                Err(zk::Error::NoNode) => Ok(Reply::Children(None, None)),
                Err(error) => Err(failure(client, error, None)),
            },
            Request::Children { path, watch: true } => match client.list_and_watch_children(path).await {
                Ok((names, watch)) => Ok(Reply::Children(Some(sorted(names)), Some(watch_of(path, watch)))),
                Err(zk::Error::NoNode) => Ok(Reply::Children(None, None)),
                Err(error) => Err(failure(client, error, None)),
            },
            Request::Create { path, data, mode } => match client.create(path, data, &options_of(mode)).await {
                Ok((stat, sequence)) => {
                    let path = if mode == CreateMode::PersistentSequential {
                        format!("{path}{sequence}")
                    } else {
                        path.into()
                    };
                    Ok(Reply::Created(path, stat_of(&stat)))
                }
                Err(error) => Err(failure(client, error, None)),
            },
            Request::Set { path, data, version } => match client.set_data(path, data, version).await {
                Ok(stat) => Ok(Reply::Set(stat_of(&stat))),
                Err(error) => Err(failure(client, error, None)),
            },
            Request::Delete { path, version } => match client.delete(path, version).await {
                Ok(()) => Ok(Reply::Deleted),
                Err(error) => Err(failure(client, error, None)),
            },
            Request::GetMany(paths) => get_many(client, paths).await,
            Request::Multi(ops) => multi(client, ops).await,
        }
    }
}

async fn get_many(client: &zk::Client, paths: &[String]) -> Result<Reply, Failure> {
    let mut reader = client.new_multi_reader();
    for (index, path) in paths.iter().enumerate() {
        reader.add_get_data(path).map_err(|error| failure(client, error, Some(index)))?;
    }
    let results = reader.commit().await.map_err(|error| failure(client, error, None))?;
    if results.len() != paths.len() {
        return Err(Failure::Refused(ZkErrorKind::Other("an answer of another length".into()), None));
    }
    let mut nodes = Vec::with_capacity(results.len());
    for (index, result) in results.into_iter().enumerate() {
        nodes.push(match result {
            zk::MultiReadResult::Data { data, stat } => Some((Bytes::from(data), stat_of(&stat))),
            zk::MultiReadResult::Error { err: zk::Error::NoNode } => None,
            zk::MultiReadResult::Error { err } => return Err(failure(client, err, Some(index))),
            _ => return Err(Failure::Refused(ZkErrorKind::Other("an answer of another kind".into()), Some(index))),
        });
    }
    Ok(Reply::DataOfMany(nodes))
}

async fn multi(client: &zk::Client, ops: &[Op]) -> Result<Reply, Failure> {
    let mut writer = client.new_multi_writer();
    for (index, op) in ops.iter().enumerate() {
        let added = match op {
            Op::Check { path, version } => writer.add_check_version(path, *version),
            Op::Create { path, data, mode } => writer.add_create(path, data, &options_of(*mode)),
            Op::Set { path, data, version } => writer.add_set_data(path, data, *version),
            Op::Delete { path, version } => writer.add_delete(path, *version),
        };
        added.map_err(|error| failure(client, error, Some(index)))?;
    }
    let results = match writer.commit().await {
        Ok(results) => results,
        Err(zk::MultiWriteError::RequestFailed { source }) => return Err(failure(client, source, None)),
        Err(zk::MultiWriteError::OperationFailed { index, source }) => {
            return Err(failure(client, source, Some(index)));
        }
    };
    if results.len() != ops.len() {
        return Err(Failure::Refused(ZkErrorKind::Other("a multi's reply of another length".into()), None));
    }
    let results = results.into_iter().map(|result| match result {
        zk::MultiWriteResult::Delete => OpResult::Deleted,
        zk::MultiWriteResult::Create { path, .. } => OpResult::Created { path },
        zk::MultiWriteResult::SetData { stat } => OpResult::Set { stat: stat_of(&stat) },
        _ => OpResult::Checked, // Check, the only one left; the enum is open
    });
    Ok(Reply::Multi(results.collect()))
}

fn failure(client: &zk::Client, error: zk::Error, op: Option<usize>) -> Failure {
    let refused = |kind| Failure::Refused(kind, op);
    match error {
        zk::Error::ConnectionLoss => Failure::ReplyLost,
        zk::Error::Throttled => Failure::Throttled,
        zk::Error::NoNode => refused(ZkErrorKind::NoNode),
        zk::Error::NodeExists => refused(ZkErrorKind::NodeExists),
        zk::Error::BadVersion => refused(ZkErrorKind::BadVersion),
        zk::Error::NotEmpty => refused(ZkErrorKind::NotEmpty),
        zk::Error::NoChildrenForEphemerals => refused(ZkErrorKind::NoChildrenForEphemerals),
        zk::Error::NoAuth => refused(ZkErrorKind::NoAuth),
        zk::Error::QuotaExceeded => refused(ZkErrorKind::QuotaExceeded),
        zk::Error::Unimplemented => refused(ZkErrorKind::Unsupported),
        // Of this client; whether the session itself is over, the keeper finds out.
        zk::Error::SessionExpired
        | zk::Error::SessionMoved
        | zk::Error::ClientClosed
        | zk::Error::Timeout
        | zk::Error::AuthFailed
        | zk::Error::NoHosts => Failure::LinkGone,
        // An I/O error on a connection that the crate then replaces.
        zk::Error::Custom(_) => Failure::ReplyLost,
        other if client.state().is_terminated() => {
            tracing::debug!(error = %other, "a ZooKeeper client ended");
            Failure::LinkGone
        }
        other => refused(ZkErrorKind::Other(other.to_string())),
    }
}

fn options_of(mode: CreateMode) -> zk::CreateOptions<'static> {
    match mode {
        CreateMode::Persistent => zk::CreateMode::Persistent,
        CreateMode::PersistentSequential => zk::CreateMode::PersistentSequential,
        CreateMode::Ephemeral => zk::CreateMode::Ephemeral,
    }
    .with_acls(OPEN)
}

fn stat_of(stat: &zk::Stat) -> Stat {
    Stat {
        czxid: stat.czxid,
        mzxid: stat.mzxid,
        ctime_ms: stat.ctime,
        mtime_ms: stat.mtime,
        version: stat.version,
        cversion: stat.cversion,
        ephemeral_owner: stat.ephemeral_owner,
        num_children: stat.num_children,
    }
}

fn watch_of(path: &str, watch: zk::OneshotWatcher) -> Watch {
    let changed = async move {
        match watch.changed().await.event_type {
            zk::EventType::NodeCreated => WatchKind::Created,
            zk::EventType::NodeDeleted => WatchKind::Deleted,
            zk::EventType::NodeDataChanged => WatchKind::DataChanged,
            zk::EventType::NodeChildrenChanged => WatchKind::ChildrenChanged,
            zk::EventType::Session => WatchKind::SessionLost,
        }
    };
    Watch::new(path, Source::Live(Box::pin(changed)))
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names
}
