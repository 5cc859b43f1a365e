//! Connections of this process go through a proxy of the harness: `connect` with another address.
//!
//! `TORTURE_SHIM_NET` is two numbers with a dot between them, the run's and this node's. Node `D` of run `R` is at 127.R.0.D; who comes from
//! node `S` finds it at 127.R.S.D, where the harness listens and passes on what it shall. Number 1 is the clients, who have no shim: they
//! are told of 127.R.1.D.

use std::ffi::c_int;

use libc::{sockaddr, socklen_t, syscall};

use super::control::variable;

/// The addresses that a node is known by: its own, and the one that clients are told.
const KNOWN_BY: [u8; 2] = [0, 1];
/// How an IPv6 address begins that is an IPv4 one.
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

fn number(digits: &[u8]) -> Option<u8> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The run's number, and this node's.
fn here() -> Option<(u8, u8)> {
    let mut numbers = variable(c"TORTURE_SHIM_NET")?.split(|byte| *byte == b'.').map(number);
    numbers.next()?.zip(numbers.next()?)
}

/// Where a node goes in place of an address; none for what is not in the run's network.
fn detour(address: [u8; 4]) -> Option<[u8; 4]> {
    let (run, node) = here()?;
    let [127, of, from, to] = address else { return None };
    // To itself it has no link.
    let from = KNOWN_BY.contains(&from).then_some(if to == node { 0 } else { node })?;
    (of == run).then_some([127, of, from, to])
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn connect(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int {
    let pass = |address: *const sockaddr| {
        // SAFETY: a descriptor, and an address of that length: the caller's, or one of ours.
        unsafe { syscall(libc::SYS_connect, fd, address, len) as c_int }
    };
    if address.is_null() || (len as usize) < size_of::<libc::sa_family_t>() {
        return pass(address);
    }
    // SAFETY: not null, and as long as its family at least.
    let family = c_int::from(unsafe { (&raw const (*address).sa_family).read_unaligned() });
    if family == libc::AF_INET && len as usize >= size_of::<libc::sockaddr_in>() {
        // SAFETY: such an address, says its family, and it is long enough.
        let mut moved = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
        if let Some(to) = detour(moved.sin_addr.s_addr.to_ne_bytes()) {
            moved.sin_addr.s_addr = u32::from_ne_bytes(to);
            return pass((&raw const moved).cast());
        }
    } else if family == libc::AF_INET6 && len as usize >= size_of::<libc::sockaddr_in6>() {
        // SAFETY: as above.
        let mut moved = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
        let (begin, v4) = moved.sin6_addr.s6_addr.split_at_mut(MAPPED.len());
        if let (true, Some(to)) = (*begin == MAPPED, v4.try_into().ok().and_then(detour)) {
            v4.copy_from_slice(&to);
            return pass((&raw const moved).cast());
        }
    }
    pass(address)
}
