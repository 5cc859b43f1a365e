//! Broker processes: Ottla's binary or Apache Kafka through its script, under the same `server.properties`, stock but for the addresses.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rustix::process::{Pid, Signal, kill_process};

use crate::client::Connection;
use crate::{Args, Result};

/// Which broker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub enum Kind {
    /// The one this repository builds.
    Ottla,
    /// Apache Kafka.
    Kafka,
}

/// What Kafka's own scripts give its Java machine, over the small and quick one of the tests.
const KAFKA_JVM: &str = "-Xmx1G -Xms1G -server -XX:TieredStopAtLevel=4 -XX:-UseSerialGC -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
    -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent -XX:MaxInlineLevel=15 -Djava.awt.headless=true";

/// Longest wait for a broker to serve: an 18 s session that has to run out, and a slow start after it.
const SERVE_LIMIT: Duration = Duration::from_secs(120);

/// Pause between two looks at a broker that does not serve yet: a hundredth of the shortest start.
const LOOK_PAUSE: Duration = Duration::from_millis(1);

/// How a broker is to be started.
#[derive(Clone, Debug)]
pub struct Plan {
    id: i32,
    /// Of its one listener.
    pub address: SocketAddr,
    /// `zookeeper.connect`.
    pub connect: String,
    /// `log.dirs`.
    pub data: PathBuf,
    dir: PathBuf,
    program: PathBuf,
    /// Further lines of `server.properties`.
    extra: Vec<String>,
}

impl Plan {
    /// Broker `id` of the cluster called `name`: brokers of one name find each other.
    pub fn new(args: &Args, kind: Kind, name: &str, id: i32) -> Result<Self> {
        let dir = args.dir.join(name);
        fs::create_dir_all(&dir)?;
        Ok(Self {
            id,
            address: free_address()?,
            connect: format!("{}/{name}", args.zookeeper),
            data: dir.join(format!("data{id}")),
            dir,
            extra: Vec::new(),
            program: program(args, kind),
        })
    }

    /// With one more line in `server.properties`.
    pub fn with(mut self, property: &str) -> Self {
        self.extra.push(property.into());
        self
    }

    /// The same broker, of another kind: with its id, address and directories.
    pub fn as_kind(&self, args: &Args, kind: Kind) -> Self {
        Self { program: program(args, kind), ..self.clone() }
    }

    /// Starts the process, and nothing more.
    pub fn launch(&self) -> Result<Broker> {
        let file = self.dir.join(format!("server{}.properties", self.id));
        let properties = [
            format!("broker.id={}", self.id),
            format!("listeners=PLAINTEXT://{}", self.address),
            format!("log.dirs={}", self.data.display()),
            format!("zookeeper.connect={}", self.connect),
            "offsets.topic.replication.factor=1".into(),
        ];
        fs::write(&file, [&properties[..], &self.extra].concat().join("\n"))?;
        let log = File::options().create(true).append(true).open(self.dir.join(format!("broker{}.log", self.id)))?;
        let child = Command::new(&self.program)
            .arg("broker")
            .arg(&file)
            .env("PEER_JVM", KAFKA_JVM)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{}: {error}", self.program.display()))?;
        Ok(Broker { child, plan: self.clone(), launched: Instant::now() })
    }

    /// Starts the broker and waits until it serves.
    pub fn start(&self) -> Result<Broker> {
        let mut broker = self.launch()?;
        broker.await_serving()?;
        Ok(broker)
    }

    /// Takes away what it left behind.
    pub fn clean(&self) -> Result<()> {
        Ok(fs::remove_dir_all(&self.dir)?)
    }
}

/// A running broker; killed when it goes out of scope.
#[derive(Debug)]
pub struct Broker {
    child: Child,
    plan: Plan,
    launched: Instant,
}

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// User and system time of all threads.
    pub cpu: Duration,
    /// Resident memory, as the kernel counts it.
    pub resident_mb: f64,
    /// The part of it that is the process's own: no file's pages.
    pub anonymous_mb: f64,
}

impl Broker {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.plan.address
    }

    /// How it was started.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Since the process was started.
    pub fn age(&self) -> Duration {
        self.launched.elapsed()
    }

    /// Waits until a client can work: a connection is answered, and the metadata has this broker.
    pub fn await_serving(&mut self) -> Result<()> {
        while self.age() < SERVE_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the broker ended: {status}; see {}", self.plan.dir.display()).into());
            }
            if Connection::to(self.address())
                .is_ok_and(|mut c| c.brokers().is_ok_and(|ids| ids.contains(&self.plan.id)))
            {
                return Ok(());
            }
            thread::sleep(LOOK_PAUSE);
        }
        Err(format!("the broker does not serve; see {}", self.plan.dir.display()).into())
    }

    /// CPU time and memory until now.
    pub fn usage(&self) -> Result<Usage> {
        let proc = Path::new("/proc").join(self.child.id().to_string());
        let stat = fs::read_to_string(proc.join("stat"))?;
        // After the command's name, which may hold anything: state is the first field, user and system time the 12th and 13th.
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<u64>().ok()).ok_or("/proc/PID/stat");
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        let status = fs::read_to_string(proc.join("status"))?;
        let megabytes = |name: &str| -> Result<f64> {
            let found = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("/proc/PID/status")?;
            Ok(found.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / 1e6)
        };
        Ok(Usage {
            cpu: Duration::from_secs_f64((ticks(11)? + ticks(12)?) as f64 / per_second),
            resident_mb: megabytes("VmRSS:")?,
            anonymous_mb: megabytes("RssAnon:")?,
        })
    }

    /// CPU seconds that the work cost the broker.
    pub fn cpu_of(&self, work: impl FnOnce() -> Result<()>) -> Result<f64> {
        let before = self.usage()?.cpu;
        work()?;
        Ok((self.usage()?.cpu - before).as_secs_f64())
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// True when the process is gone by itself.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill(); // gone already is as good
        let _ = self.child.wait();
    }
}

fn program(args: &Args, kind: Kind) -> PathBuf {
    match kind {
        Kind::Ottla => args.ottla.clone(),
        Kind::Kafka => args.scripts.join("apache-kafka.sh"),
    }
}

/// An address that nothing listens on. Its port stays free but for bad luck: the system hands out others first.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
