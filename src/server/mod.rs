//! Listeners, connections, frames, dispatch, sending.
