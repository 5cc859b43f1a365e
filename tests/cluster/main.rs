//! Tests with real servers and clients.
