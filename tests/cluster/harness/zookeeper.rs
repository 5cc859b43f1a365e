//! A real ZooKeeper (Debian's): one for the whole run with a chroot per test, or a test's own, to be killed and paused.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use super::process::{Process, run_dir};
use super::{need, script};

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

/// A running ZooKeeper.
pub struct ZooKeeper {
    process: Process,
    port: u16,
    dir: PathBuf,
}

impl ZooKeeper {
    /// Starts one and waits until it serves.
    pub fn start() -> Self {
        need("Debian's ZooKeeper", Path::new("/usr/share/java/zookeeper.jar"));
        let port = free_port();
        let dir = run_dir().join(format!("zookeeper-{port}"));
        std::fs::create_dir_all(&dir).expect("a directory");
        Self { process: Self::launch(port, &dir), port, dir }
    }

    fn launch(port: u16, dir: &Path) -> Process {
        let mut command = Command::new(script("zookeeper.sh"));
        command.arg("serve").arg(port.to_string()).arg(dir);
        let mut process = Process::start("ZooKeeper", command, dir.join("log"));
        let ready = process.await_ready(Duration::from_secs(60), |_| {
            Command::new(script("zookeeper.sh")).arg("ready").arg(port.to_string()).status().is_ok_and(|s| s.success())
        });
        process.show_log = false;
        ready.unwrap_or_else(|why| panic!("{why}"));
        process
    }

    /// Its address, without a chroot.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on its data after [`ZooKeeper::kill`].
    pub fn start_again(&mut self) {
        self.process = Self::launch(self.port, &self.dir);
    }

    /// Stops it in its tracks: connections stay open and silent.
    pub fn pause(&mut self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on after [`ZooKeeper::pause`].
    pub fn resume(&mut self) {
        self.process.signal(Signal::CONT);
    }
}

/// The address of the ZooKeeper that all tests share.
pub fn shared() -> String {
    static SHARED: LazyLock<ZooKeeper> = LazyLock::new(ZooKeeper::start);
    SHARED.address()
}
