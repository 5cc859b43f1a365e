//! A gate before a port: open, it passes bytes on; shut, its host refuses connections, as a firewall that rejects with a reset does.
//!
//! A broker that advertises the gate's port in the place of its own can be made unreachable, to those who come by that way, while it
//! lives and is reached by others.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::zookeeper::free_port;

/// See the head of the file.
pub struct Gate {
    /// Where it listens while it is open.
    pub port: u16,
    to: u16,
    passing: Option<Passing>,
}

struct Passing {
    over: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    thread: JoinHandle<()>,
}

impl Gate {
    /// An open one before a port of this host.
    pub fn before(to: u16) -> Self {
        let mut gate = Self { port: free_port(), to, passing: None };
        gate.open();
        gate
    }

    /// Lets connections through again.
    pub fn open(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("the gate's port is free");
        listener.set_nonblocking(true).expect("a listener");
        let (over, streams) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<TcpStream>>>::default());
        let (is_over, all, to) = (over.clone(), streams.clone(), self.to);
        let thread = std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((here, _)) => join(here, to, &all),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(2)),
                    Err(error) => panic!("the gate: {error}"),
                }
            }
        });
        self.passing = Some(Passing { over, streams, thread });
    }

    /// Ends all connections and refuses new ones.
    pub fn shut(&mut self) {
        let Some(Passing { over, streams, thread }) = self.passing.take() else { return };
        over.store(true, Ordering::Relaxed);
        thread.join().expect("the gate's thread");
        for stream in streams.lock().expect("no panic").iter() {
            let _ = stream.shutdown(Shutdown::Both); // it may have ended already
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shut();
    }
}

fn join(here: TcpStream, to: u16, all: &Mutex<Vec<TcpStream>>) {
    let Ok(there) = TcpStream::connect(("127.0.0.1", to)) else { return }; // closes the other side
    for stream in [&here, &there] {
        let _ = (stream.set_nonblocking(false), stream.set_nodelay(true));
        all.lock().expect("no panic").push(stream.try_clone().expect("a second handle"));
    }
    let (from_here, from_there) = (here.try_clone().expect("a handle"), there.try_clone().expect("a handle"));
    std::thread::spawn(move || pass(from_here, there));
    std::thread::spawn(move || pass(from_there, here));
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
