//! Files and directories: the only place that touches a file system for data.
//!
//! [`Disk`] names things (open, rename, list, lock), [`File`] reads and writes at positions, [`FileSlice`] is a piece of a file on its way
//! to a socket, [`Gate`] keeps a stalled disk from taking the lanes. Each has a simulated arm under the feature `sim`: files in memory
//! that know what was fsynced, fail on command and lose power. One contract test runs on both arms.
//! Nothing here knows what a log is. All calls block; on the lanes they run inside [`Gate::run`].

mod file;
mod gate;
mod real;
#[cfg(feature = "sim")]
mod sim;
mod slice;
mod storage;

pub use file::{File, Mapping};
pub use gate::{Gate, GateLimit, PLACE_WAIT, STALL};
pub use slice::FileSlice;
pub use storage::{Disk, Entry, FileSystem, Lock, Space, temporary};

#[cfg(feature = "sim")]
pub use sim::{Fault, SimDisk};
