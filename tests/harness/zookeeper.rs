//! A real ZooKeeper (Debian's): one for the whole run with a chroot per test, or a test's own, to be killed and paused, alone or as
//! an ensemble of three.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use super::process::{Process, run_dir};
use super::{eventually, need, script};

/// A Java machine on two cores, where others build meanwhile.
const START_LIMIT: Duration = Duration::from_secs(150);

/// Ports are taken from below the range that the system gives to outgoing connections, from a place that differs between processes.
pub fn free_port() -> u16 {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static NEXT: LazyLock<AtomicU16> =
        LazyLock::new(|| AtomicU16::new((std::process::id() * 131 % u32::from(COUNT)) as u16));
    loop {
        let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A running ZooKeeper: alone, or one server of an [`Ensemble`].
pub struct ZooKeeper {
    process: Process,
    plan: Plan,
}

/// Where in the network a server runs: its address, and the words in front of a command that enter there.
#[derive(Clone, Debug)]
pub struct Place {
    /// An IPv4 address.
    pub host: String,
    /// None here.
    pub enter: Vec<String>,
}

impl Place {
    fn here() -> Self {
        Self { host: "127.0.0.1".into(), enter: Vec::new() }
    }
}

/// How a server is started, also again.
#[derive(Clone)]
struct Plan {
    place: Place,
    port: u16,
    dir: PathBuf,
    /// Its number in an ensemble, and the address and inner ports of all servers there.
    member: Option<(usize, Vec<String>)>,
}

impl Plan {
    fn new(place: Place, member: Option<(usize, Vec<String>)>) -> Self {
        need("Debian's ZooKeeper", Path::new("/usr/share/java/zookeeper.jar"));
        let port = free_port();
        let dir = run_dir().join(format!("zookeeper-{port}"));
        std::fs::create_dir_all(&dir).expect("a directory");
        Self { place, port, dir, member }
    }

    /// Starts the process; see [`ZooKeeper::await_serving`].
    fn launch(self) -> ZooKeeper {
        let script = script("zookeeper.sh").display().to_string();
        let mut words = self.place.enter.iter().chain([&script]);
        let mut command = Command::new(words.next().expect("at least the script"));
        command.args(words);
        command.arg("serve").arg(self.port.to_string()).arg(&self.dir);
        let name = match &self.member {
            None => "ZooKeeper".to_string(),
            Some((id, ports)) => {
                command.arg(id.to_string()).args(ports);
                format!("ZooKeeper server {id}")
            }
        };
        let process = Process::start(&name, command, self.dir.join("log"));
        ZooKeeper { process, plan: self }
    }
}

impl ZooKeeper {
    /// Starts one that is alone and waits until it serves.
    pub fn start() -> Self {
        let mut server = Plan::new(Place::here(), None).launch();
        server.await_serving();
        server
    }

    /// Waits until it answers clients; a server of an ensemble does so only while it is in a quorum.
    pub fn await_serving(&mut self) {
        self.process.show_log = true;
        let plan = self.plan.clone();
        let ready = self.process.await_ready(START_LIMIT, |_| mode(&plan).is_some());
        self.process.show_log = false;
        ready.unwrap_or_else(|why| panic!("{why}"));
    }

    /// Its address, without a chroot.
    pub fn address(&self) -> String {
        format!("{}:{}", self.plan.place.host, self.plan.port)
    }

    /// It answers clients.
    pub fn is_serving(&self) -> bool {
        mode(&self.plan).is_some()
    }

    /// Ends it with SIGTERM.
    pub fn terminate(&mut self) {
        self.process.signal(Signal::TERM);
        self.process.wait(Duration::from_secs(20));
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on its data after [`ZooKeeper::kill`] and waits until it serves.
    pub fn start_again(&mut self) {
        self.launch_again();
        self.await_serving();
    }

    /// Starts it again without waiting: a server of an ensemble that has no quorum serves nobody.
    pub fn launch_again(&mut self) {
        *self = self.plan.clone().launch();
        self.process.show_log = false;
    }

    /// Stops it in its tracks: connections stay open and silent.
    pub fn pause(&mut self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on after [`ZooKeeper::pause`].
    pub fn resume(&mut self) {
        self.process.signal(Signal::CONT);
    }

    /// Where its snapshots and transaction logs are.
    pub fn data(&self) -> PathBuf {
        self.plan.dir.join("data/version-2")
    }
}

/// What a server says it is: `standalone`, `leader` or `follower`; none while it does not serve.
fn mode(plan: &Plan) -> Option<String> {
    let address = format!("{}:{}", plan.place.host, plan.port).parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(b"srvr").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.lines().find_map(|line| line.strip_prefix("Mode: ")).map(String::from)
}

/// Three servers, of which one may be away at any time.
pub struct Ensemble {
    /// The servers, to be killed, paused and started again one by one.
    pub servers: Vec<ZooKeeper>,
}

impl Ensemble {
    /// Starts three and waits until all serve.
    pub fn start() -> Self {
        Self::start_at([Place::here(), Place::here(), Place::here()])
    }

    /// Starts three, each at a place, and waits until all serve.
    pub fn start_at(places: [Place; 3]) -> Self {
        let peer = |place: &Place| format!("{}:{}:{}", place.host, free_port(), free_port());
        let peers: Vec<_> = places.iter().map(peer).collect();
        let launch = |(place, id)| Plan::new(place, Some((id, peers.clone()))).launch();
        let mut servers: Vec<_> = places.into_iter().zip(1..).map(launch).collect();
        servers.iter_mut().for_each(ZooKeeper::await_serving);
        Self { servers }
    }

    /// The addresses of all, without a chroot.
    pub fn address(&self) -> String {
        self.servers.iter().map(ZooKeeper::address).collect::<Vec<_>>().join(",")
    }

    /// Which of `servers` leads; waits for an election that is under way.
    pub fn leader(&self) -> usize {
        eventually("a leader of the ensemble", Duration::from_secs(60), || {
            self.servers.iter().position(|server| mode(&server.plan).as_deref() == Some("leader"))
        })
    }
}

/// The address of the ZooKeeper that all tests share.
pub fn shared() -> String {
    static SHARED: LazyLock<ZooKeeper> = LazyLock::new(ZooKeeper::start);
    SHARED.address()
}
