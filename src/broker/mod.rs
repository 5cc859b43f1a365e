//! Wiring: start and stop order, the session sequencer, config watch.
