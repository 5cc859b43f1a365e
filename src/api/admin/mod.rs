//! Topics made, grown and deleted; directories described.

pub mod describe_log_dirs;
