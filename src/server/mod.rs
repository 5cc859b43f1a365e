//! Listeners, connections, frames, dispatch, sending.
//!
//! One task a connection reads a request, calls its handler and writes the answer: no queue and no hand-over in between.
//! `broker/` binds and starts the [`Server`]; handlers live in `api/`.

mod connection;
mod dispatch;
mod frame;
mod limits;
mod listeners;
pub mod pace;
mod send;

pub use frame::RequestBudget;
pub use limits::{ConnectionBounds, ConnectionLimits, ListenerBounds};
pub use listeners::{BoundListener, Server, ServerOptions};
