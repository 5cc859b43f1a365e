//! ZooKeeper, in three floors. [`session`] is the seam to a server (or to the simulated one); [`znode`] has one path and JSON codec per
//! znode, without I/O; [`store`] joins them to typed, conditional operations.
//!
//! The layout is Kafka's, text for text: `zk-layout/` beside `src/` has a page with samples for every znode, and the tests hold
//! [`znode`] against them.

pub mod session;
pub mod store;
pub mod znode;
