//! Configs described and altered.
