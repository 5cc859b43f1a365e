//! The links as proxies on the loopback device, for where no namespaces can be made.
//!
//! Node `D` of run `R` listens at 127.R.0.D. The shim below each node `S` makes its connections to there go to 127.R.S.D, where the proxy of
//! that link listens: so who comes is known by where it comes to, brokers and ZooKeeper servers need no other settings, and the two ways of
//! a link are held, slowed and delayed apart ([`Rules`]). A proxy listens while its node does, so that a dead broker's port is refused, as it is
//! in a network. What differs from one: a connection over a link that is cut is made, and then silent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::rules::{Fate, Host, Rules};
use super::{Net, Way};

/// Clients and the driver, who have no shim.
const CLIENTS: Host = 1;
/// The number of the first node.
const FIRST: Host = 11;
/// Numbers of runs: the second of an address. One that no other run on this machine has is taken.
const RUNS: std::ops::RangeInclusive<u8> = 64..=250;
/// Who listens there has the number.
const CLAIM: u16 = 11_111;
/// So often it is looked who listens.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// An address that is taken for longer is somebody's who has no business there.
const TELLS_AFTER: u32 = 50;
/// What is read and passed on at once: little enough for a slow link.
const CHUNK: usize = 4096;

/// Proxies of all links, in a thread of their own.
pub struct Proxies {
    nodes: BTreeMap<String, Host>,
    shim: PathBuf,
    links: Arc<Links>,
}

/// What proxies share.
struct Links {
    run: u8,
    hosts: Vec<Host>,
    rules: Mutex<Rules>,
    /// Told at every change of the rules.
    changed: watch::Sender<()>,
    /// That the number is taken, for as long as anybody listens.
    _claim: TcpListener,
}

impl Proxies {
    /// For these nodes; `shim` is put below each.
    ///
    /// # Panics
    /// No number is free.
    pub fn build(names: &[String], shim: &Path) -> Self {
        let nodes: BTreeMap<_, _> = names.iter().cloned().zip(FIRST..).collect();
        let claim = |run: u8| Some((run, TcpListener::bind((Ipv4Addr::new(127, run, 0, CLIENTS), CLAIM)).ok()?));
        let (run, claim) = RUNS.into_iter().find_map(claim).expect("a network 127.R.0.0 that no other run has");
        let links = Arc::new(Links {
            run,
            hosts: nodes.values().copied().chain([CLIENTS]).collect(),
            rules: Mutex::new(Rules::new(u64::from(std::process::id()))),
            changed: watch::Sender::new(()),
            _claim: claim,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let of_thread = links.clone();
        let work = move || runtime.block_on(of_thread.follow_listeners());
        std::thread::Builder::new().name("proxies".into()).spawn(work).expect("a thread");
        Self { nodes, shim: shim.into(), links }
    }

    fn host(&self, node: &str) -> Host {
        self.nodes[node]
    }

    fn change<T>(&self, change: impl FnOnce(&mut Rules) -> T) -> T {
        let result = change(&mut self.links.rules());
        self.links.changed.send_replace(());
        result
    }
}

impl Net for Proxies {
    fn address(&self, node: &str) -> Ipv4Addr {
        self.links.address(0, self.host(node))
    }

    fn address_for_clients(&self, node: &str) -> Ipv4Addr {
        self.links.address(CLIENTS, self.host(node))
    }

    fn enter(&self, node: &str) -> Vec<String> {
        // A broker has more to be loaded, and has that in its environment; what is named twice is loaded once.
        let set = r#"export LD_PRELOAD="$1${LD_PRELOAD:+ $LD_PRELOAD}" TORTURE_SHIM_NET="$2" && shift 2 && exec "$@""#;
        let shim = self.shim.display().to_string();
        ["sh", "-c", set, "sh", &shim, &format!("{}.{}", self.links.run, self.host(node))].map(String::from).into()
    }

    fn cut(&self, node: &str, from: &[Ipv4Addr], way: Way) {
        self.change(|rules| rules.cut(self.host(node), from.iter().map(|address| address.octets()[3]), way));
    }

    fn lose(&self, node: &str, percent: u32) {
        self.change(|rules| rules.lose(self.host(node), percent));
    }

    fn slow(&self, node: &str, kbit: u32) {
        self.change(|rules| rules.slow(self.host(node), kbit));
    }

    fn heal(&self, node: &str) -> u64 {
        self.change(|rules| rules.heal(self.host(node)))
    }
}

impl Links {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn address(&self, from: Host, to: Host) -> Ipv4Addr {
        Ipv4Addr::new(127, self.run, from, to)
    }

    /// Listens on every link to each port where its node does.
    async fn follow_listeners(self: Arc<Self>) {
        let mut proxies: BTreeMap<(Host, u16), Vec<JoinHandle<()>>> = BTreeMap::new();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // Nobody is gone because it can't be looked: there may be no descriptor for a moment.
            let Ok(there) = listeners(self.run) else { continue };
            proxies.retain(|place, tasks| {
                let stays = there.contains(place);
                tasks.iter().filter(|_| !stays).for_each(JoinHandle::abort);
                stays
            });
            for &(to, port) in &there {
                proxies.entry((to, port)).or_insert_with(|| {
                    let sources = self.hosts.iter().filter(|from| **from != to);
                    sources.map(|from| tokio::spawn(self.clone().listen(*from, to, port))).collect()
                });
            }
        }
    }

    async fn listen(self: Arc<Self>, from: Host, to: Host, port: u16) {
        let here = SocketAddrV4::new(self.address(from, to), port);
        let listen = || {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(here.into())?;
            socket.listen(1024)
        };
        let mut tries = 0;
        let listener = loop {
            match listen() {
                Ok(listener) => break listener,
                Err(error) if tries == TELLS_AFTER => {
                    eprintln!("the proxy at {here}: {error}; does somebody listen at 0.0.0.0:{port}? Trying again");
                }
                Err(_) => {}
            }
            tries += 1;
            tokio::time::sleep(LOOK_EVERY).await;
        };
        loop {
            // Out of descriptors: who is there gets another try when some are free.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            };
            tokio::spawn(self.clone().connect(stream, from, to, port));
        }
    }

    /// One connection, from its begin to its end.
    async fn connect(self: Arc<Self>, near: TcpStream, from: Host, to: Host, port: u16) {
        // Both ways are needed to make one.
        self.pass(from, to, 0).await;
        self.pass(to, from, 0).await;
        let far = TcpStream::connect((self.address(0, to), port)).await;
        let Ok(far) = far else {
            self.pass(to, from, 0).await;
            return reset(&near);
        };
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        let (near_in, mut near_out) = near.into_split();
        let (far_in, mut far_out) = far.into_split();
        let there = self.pump(near_in, &mut far_out, from, to);
        let back = self.pump(far_in, &mut near_out, to, from);
        if tokio::try_join!(there, back).is_err() {
            for half in [near_out, far_out] {
                reset(half.as_ref());
                half.forget(); // it would say first that it has ended
            }
        }
    }

    /// One way of a connection, with its end. Of a break the other side hears when it may hear of anything.
    async fn pump(&self, mut source: OwnedReadHalf, sink: &mut OwnedWriteHalf, from: Host, to: Host) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = match source.read(&mut chunk).await {
                Ok(count) => count,
                Err(error) => {
                    self.pass(from, to, 0).await;
                    return Err(error);
                }
            };
            self.pass(from, to, count).await;
            if count == 0 {
                return sink.shutdown().await;
            }
            if let Err(error) = sink.write_all(&chunk[..count]).await {
                self.pass(to, from, 0).await;
                return Err(error);
            }
        }
    }

    /// Waits until so many bytes may go on.
    async fn pass(&self, from: Host, to: Host, bytes: usize) {
        let mut changes = self.changed.subscribe();
        let fate = self.rules().fate(from, to, bytes, Instant::now());
        if let Fate::Late(by) = fate {
            let end = tokio::time::Instant::now() + by;
            // What was slow is so no more when the link is healed.
            while tokio::time::timeout_at(end, changes.changed()).await.is_ok() && self.rules().disturbs(from, to) {}
        }
        while self.rules().holds(from, to) {
            let _ = changes.changed().await;
        }
    }
}

/// The other side sees that the connection is broken, not that it has ended.
fn reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Nodes of a run that listen, with their ports.
fn listeners(run: u8) -> io::Result<BTreeSet<(Host, u16)>> {
    let v6 = match fs::read_to_string("/proc/net/tcp6") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(), // the system has none
        other => other?,
    };
    let v4 = fs::read_to_string("/proc/net/tcp")?;
    let of_run = |(address, port): (Ipv4Addr, u16)| match address.octets() {
        [127, of, 0, node] if of == run && node != CLIENTS => Some((node, port)),
        _ => None,
    };
    Ok(v4.lines().chain(v6.lines()).filter_map(listener).filter_map(of_run).collect())
}

/// The IPv4 address and the port of a line of `/proc/net/tcp` or `tcp6`, if it is one where somebody listens.
fn listener(line: &str) -> Option<(Ipv4Addr, u16)> {
    const LISTEN: &str = "0A";
    let mut words = line.split_whitespace();
    let (address, port) = words.nth(1)?.split_once(':')?;
    if words.nth(1)? != LISTEN {
        return None;
    }
    // Words of 32 bits in the machine's order. Of IPv6 it is the last one, in an address that is an IPv4 one.
    let (front, last) = address.split_at_checked(address.len().checked_sub(8)?)?;
    let address = u32::from_str_radix(last, 16).ok()?.to_ne_bytes();
    let mapped = format!("{:016X}{:08X}", 0, u32::from_ne_bytes([0, 0, 0xff, 0xff]));
    (front.is_empty() || front == mapped).then_some((address.into(), u16::from_str_radix(port, 16).ok()?))
}
