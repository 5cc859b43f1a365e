//! A thread that is at work for seconds lets others go first that wake up, and keeps its share of the processor.
//!
//! Linux lets a thread that wakes up take the place of one with a longer slice (`sched_setattr`, from 6.12 on; before, nothing changes).
//! With equal slices it waits until the other's is over, milliseconds, on a machine whose cores are all at work. A lower priority is
//! no such courtesy: it takes the share away, and whoever waits for what the thread holds waits for it all the longer. Beware: a slice
//! is also what the whole control group waits for when another group has the core, so it must not be much longer than the others'.

use std::mem::size_of;

/// While it lives, the thread that made it has a longer slice than threads have by default.
#[derive(Debug)]
pub(super) struct LongSlice(());

impl LongSlice {
    pub(super) fn begin() -> Self {
        set_slice(LONG_NS);
        Self(())
    }
}

impl Drop for LongSlice {
    fn drop(&mut self) {
        set_slice(DEFAULT);
    }
}

/// The kernel's default is 0.7 to 3 ms, by the number of cores.
const LONG_NS: u64 = 5_000_000;
/// The kernel's own choice.
const DEFAULT: u64 = 0;

/// Asks for another slice of the calling thread; policy and priority stay. A kernel that refuses is left alone: nothing depends on it.
fn set_slice(ns: u64) {
    let mut attr = libc::sched_attr {
        size: ATTR_BYTES,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: thread 0 is the calling one; the kernel writes at most the size it is told, which is that of the structure it is given.
    let asked = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attr, ATTR_BYTES, 0) };
    if asked != 0 || attr.sched_policy != libc::SCHED_OTHER.cast_unsigned() {
        return; // an operator's choice of another policy stands
    }
    (attr.size, attr.sched_runtime) = (ATTR_BYTES, ns);
    // SAFETY: as above; the kernel only reads.
    let _ = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
}

const ATTR_BYTES: u32 = size_of::<libc::sched_attr>() as u32;
