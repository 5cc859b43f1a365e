//! Connections to a whole broker on simulated parts: order, pipelining, bad frames, bounds, stopping.

mod bounds;
mod frames;
mod pipeline;
mod tcp;
