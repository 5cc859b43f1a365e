//! One-shot watches: a future that resolves once.
//!
//! A watch whose session was resumed, expired or closed resolves too, as [`WatchKind::SessionLost`]: whoever watches reads again, and the
//! read tells how the session stands. Beware: between the event and the next armed read, changes go unseen; only what is read counts.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What happened to a watched node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WatchKind {
    /// It was created.
    Created,
    /// It was deleted.
    Deleted,
    /// Its data changed.
    DataChanged,
    /// A child came or went.
    ChildrenChanged,
    /// The watch is gone with the session's connection.
    SessionLost,
}

/// The one event of a watch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchEvent {
    /// What happened.
    pub kind: WatchKind,
    /// The watched node.
    pub path: String,
}

/// An armed watch. Dropping it takes the watch away at the server.
#[must_use = "a dropped watch never fires"]
pub struct Watch {
    path: String,
    source: Source,
}

pub(super) enum Source {
    Live(Pin<Box<dyn Future<Output = WatchKind> + Send>>),
    #[cfg(feature = "sim")]
    Sim(tokio::sync::oneshot::Receiver<WatchKind>),
}

impl Watch {
    pub(super) fn new(path: &str, source: Source) -> Self {
        Self { path: path.into(), source }
    }

    /// The watched node.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watch({})", self.path)
    }
}

impl Future for Watch {
    type Output = WatchEvent;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<WatchEvent> {
        let kind = match &mut self.source {
            Source::Live(changed) => changed.as_mut().poll(cx),
            #[cfg(feature = "sim")]
            Source::Sim(event) => Pin::new(event).poll(cx).map(|kind| kind.unwrap_or(WatchKind::SessionLost)),
        };
        kind.map(|kind| WatchEvent { kind, path: std::mem::take(&mut self.path) })
    }
}
