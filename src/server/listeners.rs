//! Binding, accepting, stopping.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::connection::Connection;
use super::frame::{FrameReader, RequestBudget};
use super::limits::ConnectionLimits;
use crate::api::{Api, Peer};
use crate::base::Env;
use crate::base::env::{Lane, Listener};

/// What connections of all listeners share.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// `socket.request.max.bytes`.
    pub max_request_bytes: usize,
    /// `connections.max.idle.ms`.
    pub max_idle: Duration,
    /// Bytes of requests in flight.
    pub budget: RequestBudget,
    /// Counts of connections.
    pub limits: ConnectionLimits,
}

/// The least backlog, whatever `socket.listen.backlog.size` says (Kafka's default is 50): what finds it full is dropped by the kernel and
/// tried again after 1, 3, 7, 15 seconds, so that of thousands of clients that come back at once the last are served half a minute
/// later. Linux allows as many by default (`net.core.somaxconn`); one that waits costs a few hundred bytes.
const LEAST_BACKLOG: i32 = 4096;

/// A listener that is bound and does not accept yet: peers wait in its backlog.
#[derive(Debug)]
pub struct BoundListener {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// With the real port.
    pub address: SocketAddr,
    listener: Listener,
}

impl BoundListener {
    /// The listener itself, for who serves another protocol on it.
    pub fn into_listener(self) -> Listener {
        self.listener
    }

    /// Binds a listener. `host` empty means all addresses, as in Kafka. `backlog` is taken for [`LEAST_BACKLOG`] where it is less.
    ///
    /// # Errors
    /// The system's, with the address in the text.
    pub async fn bind(env: &Env, name: &str, host: &str, port: u16, backlog: i32) -> io::Result<Self> {
        let explain = |error: io::Error| io::Error::new(error.kind(), format!("{name}://{host}:{port}: {error}"));
        let candidates: Vec<SocketAddr> = if host.is_empty() {
            vec![(std::net::Ipv6Addr::UNSPECIFIED, port).into(), (std::net::Ipv4Addr::UNSPECIFIED, port).into()]
        } else {
            tokio::net::lookup_host((host, port)).await.map_err(explain)?.collect()
        };
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in candidates {
            match env.net.listen(address, Some(backlog.max(LEAST_BACKLOG))) {
                Ok(listener) => {
                    let address = listener.local_addr()?;
                    return Ok(Self { name: name.into(), address, listener });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(explain(error)),
                Err(error) => last = error, // for instance no IPv6 here: the next address
            }
        }
        Err(explain(last))
    }
}

/// The running listeners and their connections.
#[derive(Debug, Default)]
pub struct Server {
    serving: Mutex<BTreeMap<Arc<str>, Serving>>,
    connections: Arc<tokio::sync::Mutex<JoinSet<()>>>,
}

/// A listener that accepts.
#[derive(Debug)]
struct Serving {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    acceptor: JoinHandle<()>,
}

/// How long a stop waits for answers that are due; a peer that does not read must not hold the broker up.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// How long to wait when accepting failed: the usual reason is a lack of file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

impl Server {
    /// Begins to accept on a listener.
    pub fn serve(&self, bound: BoundListener, api: Arc<Api>, options: ServerOptions) {
        let (name, address) = (bound.name.clone(), bound.address);
        let (stop, stopping) = watch::channel(false);
        let tasks = api.env.tasks.clone();
        let acceptor = accept(bound, api, options, stopping, self.connections.clone());
        let acceptor = tasks.spawn(Lane::Data, "acceptor", acceptor);
        self.serving.lock().insert(name, Serving { address, stop, acceptor });
    }

    /// Where each listener is bound, by name.
    pub fn addresses(&self) -> BTreeMap<Arc<str>, SocketAddr> {
        self.serving.lock().iter().map(|(name, serving)| (name.clone(), serving.address)).collect()
    }

    /// Stops accepting on a listener and lets its connections end as [`Server::stop`] does; its port is free on return.
    pub async fn remove(&self, name: &str) {
        let serving = self.serving.lock().remove(name);
        if let Some(Serving { stop, acceptor, .. }) = serving {
            stop.send_replace(true);
            let _ = acceptor.await; // it ends by itself on `stop`; a panic in it was reported already
        }
    }

    /// Stops accepting and reading, answers what was accepted, closes. Long polls answer with what they have.
    pub async fn stop(&self) {
        let serving = std::mem::take(&mut *self.serving.lock());
        for serving in serving.values() {
            serving.stop.send_replace(true);
        }
        for serving in serving.into_values() {
            let _ = serving.acceptor.await; // as in `remove`
        }
        let mut connections = self.connections.lock().await;
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WAIT, all).await.is_err() {
            tracing::warn!("some connections did not take their answers in {STOP_WAIT:?}; closing them");
            connections.shutdown().await; // nothing of them runs when the logs are closed next
        }
    }
}

async fn accept(
    bound: BoundListener,
    api: Arc<Api>,
    options: ServerOptions,
    mut stopping: watch::Receiver<bool>,
    connections: Arc<tokio::sync::Mutex<JoinSet<()>>>,
) {
    loop {
        let next = async {
            let accepted = bound.listener.accept().await;
            // After the accept, as Kafka waits: a listener that nobody connects to must not hold a place of `max.connections`.
            let room = if accepted.is_ok() { Some(options.limits.room(&bound.name).await) } else { None };
            (room, accepted)
        };
        let (room, accepted) = tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            next = next => next,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(listener = %bound.name, %error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
                continue;
            }
        };
        let Some(place) = room.and_then(|room| options.limits.admit(room, address.ip())) else {
            tracing::info!(peer = %address, "rejected a connection: max.connections.per.ip is reached");
            continue;
        };
        let peer = Arc::new(Peer::new(bound.name.clone(), address, stopping.clone()));
        let reader = FrameReader::new(options.budget.clone(), options.max_request_bytes);
        let ticket = place.ticket();
        let connection = Connection::new(stream, reader, peer, api.clone(), options.max_idle, place);
        let mut connections = connections.lock().await;
        while connections.try_join_next().is_some() {} // what has ended needs no place in the set
        options.limits.serving(ticket, connections.spawn(connection.run()));
    }
}
