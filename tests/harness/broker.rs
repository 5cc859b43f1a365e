//! Brokers as processes: Ottla's binary or Apache Kafka, with the same `server.properties` and the same ways to end them.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::Signal;

use super::process::{Process, run_dir};
use super::tiny_fs::TinyFs;
use super::zookeeper::{free_port, shared};
use super::{cache, eventually, need, raw, script, tree};

/// Which broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The one this repository builds.
    Ottla,
    /// The real one, through `scripts/apache-kafka.sh`.
    Apache,
}

/// The broker under test: Ottla, unless the environment says `OTTLA_TEST_TARGET=apache`.
pub fn target() -> Kind {
    match std::env::var("OTTLA_TEST_TARGET").as_deref() {
        Err(_) | Ok("" | "ottla") => Kind::Ottla,
        Ok("apache") => Kind::Apache,
        Ok(other) => panic!("OTTLA_TEST_TARGET is {other:?}: ottla or apache"),
    }
}

/// The line that both brokers print once they serve.
const STARTED: &str = "started (kafka.server.KafkaServer)";
/// A Java broker takes ten seconds at times on a machine of two cores, and minutes where others build on it meanwhile.
const START_LIMIT: Duration = Duration::from_secs(240);
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// Kept small, so that a test that needs a session to end does not wait long. Several ticks of the test ZooKeeper (500 ms).
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(4);

/// One test's world: a directory and a chroot. Brokers of one cluster share the chroot.
pub struct Cluster {
    /// `zookeeper.connect`.
    pub connect: String,
    /// The test's own directory; removed at its end, unless it failed.
    pub dir: PathBuf,
}

impl Cluster {
    /// A fresh one on the shared ZooKeeper. `name` is unique among the tests.
    pub fn new(name: &str) -> Self {
        Self::on(&shared(), name)
    }

    /// A fresh one on a given ZooKeeper.
    pub fn on(zookeeper: &str, name: &str) -> Self {
        let dir = run_dir().join(name);
        std::fs::create_dir(&dir).unwrap_or_else(|e| panic!("{}: {e} (is the name unique?)", dir.display()));
        Self { connect: format!("{zookeeper}/{name}"), dir }
    }

    /// The plan of broker `id`, of the kind under test.
    pub fn broker(&self, id: i32) -> Plan {
        Plan {
            kind: target(),
            id,
            host: "127.0.0.1".into(),
            port: free_port(),
            connect: self.connect.clone(),
            dir: self.dir.clone(),
            logs: self.dir.join(format!("logs{id}")),
            extra: Vec::new(),
            wrapper: Vec::new(),
            overrides: Vec::new(),
            flags: Vec::new(),
            file: None,
            variables: Vec::new(),
            program: PathBuf::from(env!("CARGO_BIN_EXE_ottla")),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the files of this test are in {}", self.dir.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// How a broker is to be started; kept by the running one, so that it can be started again, as either kind.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Ottla or Apache.
    pub kind: Kind,
    /// `broker.id`.
    pub id: i32,
    /// Of its one listener.
    pub host: String,
    /// Of its one listener.
    pub port: u16,
    /// `zookeeper.connect`.
    pub connect: String,
    /// Where `server.properties` and the broker's output go.
    pub dir: PathBuf,
    /// `log.dirs`.
    pub logs: PathBuf,
    extra: Vec<(String, String)>,
    wrapper: Vec<String>,
    overrides: Vec<String>,
    flags: Vec<String>,
    file: Option<String>,
    variables: Vec<(String, String)>,
    program: PathBuf,
}

impl Plan {
    /// Sets a property, over what stands there already.
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.extra.retain(|(k, _)| k != key);
        self.extra.push((key.into(), value.to_string()));
        self
    }

    /// Sets a property on the command line, over what the file says.
    pub fn with_override(mut self, property: &str) -> Self {
        self.overrides.push(property.into());
        self
    }

    /// Gives Ottla an option of its own on the command line.
    pub fn with_flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Sets a variable of its environment.
    pub fn with_variable(mut self, key: &str, value: &str) -> Self {
        self.variables.push((key.into(), value.into()));
        self
    }

    /// Starts it from this `server.properties` and no other settings but the listener's address, as an override.
    pub fn with_file(mut self, text: &str) -> Self {
        self.file = Some(text.into());
        let port = self.port;
        self.with_override(&format!("listeners=PLAINTEXT://127.0.0.1:{port}"))
    }

    /// The same broker as another kind.
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Runs it elsewhere in the network: at an address, entered by these words in front of its command.
    pub fn at(mut self, host: &str, port: u16, enter: Vec<String>) -> Self {
        (self.host, self.port, self.wrapper) = (host.into(), port, enter);
        self
    }

    /// Another build of Ottla than the one that is tested.
    pub fn with_program(mut self, ottla: &Path) -> Self {
        self.program = ottla.into();
        self
    }

    /// Runs it where it sees a small file system.
    pub fn inside(mut self, file_system: &TinyFs) -> Self {
        self.wrapper = file_system.enter();
        self
    }

    /// Runs it with so many files that it may open.
    pub fn with_open_files(mut self, count: u32) -> Self {
        self.wrapper = vec!["prlimit".into(), format!("--nofile={count}:{count}")];
        self
    }

    /// Runs it where `/etc/hosts` is another file, which may be written again while it runs.
    pub fn with_hosts(mut self, hosts: &Path) -> Self {
        let mount = r#"mount --bind "$1" /etc/hosts && shift && exec "$@""#;
        let root = rustix::process::geteuid().is_root();
        let words = ["unshare", "--mount"].into_iter().chain((!root).then_some("--map-root-user"));
        self.wrapper = words.chain(["sh", "-c", mount, "sh"]).map(String::from).collect();
        self.wrapper.push(hosts.display().to_string());
        self
    }

    fn properties(&self) -> String {
        if let Some(text) = &self.file {
            return text.clone();
        }
        let mut lines: Vec<(String, String)> = [
            ("broker.id", self.id.to_string()),
            ("zookeeper.connect", self.connect.clone()),
            ("zookeeper.session.timeout.ms", SESSION_TIMEOUT.as_millis().to_string()),
            ("listeners", format!("PLAINTEXT://{}:{}", self.host, self.port)),
            ("log.dirs", self.logs.display().to_string()),
            ("offsets.topic.replication.factor", "1".into()),
        ]
        .map(|(k, v)| (k.into(), v))
        .into();
        lines.retain(|(key, _)| self.extra.iter().all(|(k, _)| k != key));
        lines.extend(self.extra.iter().cloned());
        lines.iter().fold(String::new(), |mut text, (key, value)| {
            let _ = writeln!(text, "{key}={value}");
            text
        })
    }

    /// Where its `server.properties` is, once it was started.
    pub fn properties_file(&self) -> PathBuf {
        self.dir.join(format!("broker{}-{}.properties", self.id, self.port))
    }

    fn launch(&self) -> Process {
        let file = self.properties_file();
        std::fs::write(&file, self.properties()).expect("the test's directory is writable");
        let program = match self.kind {
            Kind::Ottla => self.program.clone(),
            Kind::Apache => {
                need_jars();
                script("apache-kafka.sh")
            }
        };
        let mut words = self.wrapper.iter().map(OsStr::new).chain([program.as_os_str()]);
        let mut command = Command::new(words.next().expect("at least the program"));
        command.args(words).arg("broker").arg(&file);
        for property in &self.overrides {
            command.args(["--override", property]);
        }
        command.args(self.flags.iter().filter(|_| self.kind == Kind::Ottla));
        if self.kind == Kind::Apache {
            // The cleaner's 128 MB would not fit the small heap.
            command.args(["--override", "log.cleaner.dedupe.buffer.size=2097152"]);
        }
        command.envs(self.variables.iter().map(|(key, value)| (key, value)));
        // Each life of a broker has a log of its own.
        let log = |life| self.dir.join(format!("broker{}-{}-{life}.log", self.id, self.port));
        let log = (1..).map(log).find(|log| !log.exists()).expect("few lives");
        Process::start(&format!("broker {} ({:?})", self.id, self.kind), command, log)
    }

    /// Starts the broker and waits until it serves and knows itself and the leaders of all topics.
    pub fn start(self) -> Broker {
        let broker = self.start_among_leaderless();
        raw::await_metadata(&broker.address(), &tree::children(&broker.plan.connect, "/brokers/topics"));
        broker
    }

    /// Starts the broker and waits until it serves, also where topics have no leader.
    pub fn start_among_leaderless(self) -> Broker {
        if self.kind == Kind::Apache {
            self.wait_for_old_session();
        }
        let mut process = self.launch();
        process
            .await_ready(START_LIMIT, |p| {
                p.output().contains(STARTED) && std::net::TcpStream::connect((self.host.as_str(), self.port)).is_ok()
            })
            .unwrap_or_else(|why| panic!("{why}"));
        Broker { process, plan: self }
    }

    /// Starts the broker and waits for nothing: for who looks after it by himself ([`Broker::ended`]).
    pub fn begin(self) -> Broker {
        Broker { process: self.launch(), plan: self }
    }

    /// Starts a broker that can't start, waits for its end and returns how it ended and all it said.
    pub fn fails_to_start(self) -> Failed {
        let mut process = self.launch();
        let status = eventually("the end of a broker that can't start", START_LIMIT, || {
            assert!(!process.output().contains(STARTED), "it started after all, with\n{}", self.properties());
            process.poll()
        });
        let output = process.output();
        assert!(!output.contains("panicked"), "it panicked:\n{output}");
        Failed { status, output }
    }

    /// Apache Kafka does not start while the session of its killed predecessor still owns the broker's node.
    fn wait_for_old_session(&self) {
        eventually("the end of the old session", Duration::from_secs(30), || {
            let path = format!("/brokers/ids/{}", self.id);
            tree::dump(&self.connect).iter().all(|node| node.path != path).then_some(())
        });
    }
}

/// How a broker failed to start.
pub struct Failed {
    /// Exit status.
    pub status: ExitStatus,
    /// Both outputs.
    pub output: String,
}

impl Failed {
    /// Exit code 1, and each of `words` (any case) somewhere in what it said.
    pub fn says(&self, words: &[&str]) {
        assert_eq!(self.status.code(), Some(1), "exit status, with the output:\n{}", self.output);
        let said = self.output.to_lowercase();
        for word in words {
            assert!(said.contains(&word.to_lowercase()), "it does not say {word:?}:\n{}", self.output);
        }
    }
}

/// A running broker.
pub struct Broker {
    process: Process,
    /// How it was started.
    pub plan: Plan,
}

impl Broker {
    /// `host:port` for clients.
    pub fn address(&self) -> String {
        format!("{}:{}", self.plan.host, self.plan.port)
    }

    /// Everything it logged since this start.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// The directory of a partition.
    pub fn partition_dir(&self, topic: &str, partition: i32) -> PathBuf {
        self.plan.logs.join(format!("{topic}-{partition}"))
    }

    /// SIGTERM, a clean end with exit code 0 (Java: 143, as its shutdown hook leaves it). Gives the plan to start it again.
    pub fn stop(mut self) -> Plan {
        self.process.signal(Signal::TERM);
        let status = self.process.wait(STOP_LIMIT);
        match self.plan.kind {
            Kind::Ottla => assert_eq!(status.code(), Some(0), "after SIGTERM:\n{}", self.output()),
            Kind::Apache => assert_eq!(status.code(), Some(143), "after SIGTERM:\n{}", self.output()),
        }
        assert!(self.plan.logs.join(".kafka_cleanshutdown").exists(), "no mark of a clean stop in the log directory");
        self.plan.clone()
    }

    /// Files it has open now, sockets too.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.pid())).expect("it runs").count()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// SIGKILL. Gives the plan to start it again.
    pub fn kill(mut self) -> Plan {
        self.process.kill();
        self.plan.clone()
    }

    /// Stops it in its tracks (SIGSTOP), or lets it go on (SIGCONT).
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// How it ended, when it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.poll()
    }

    /// It has served since this start.
    pub fn has_started(&self) -> bool {
        self.output().contains(STARTED)
    }

    /// Where its output goes.
    pub fn log_file(&self) -> &Path {
        self.process.log_file()
    }

    /// It runs and has not panicked.
    pub fn assert_alive(&mut self) {
        assert!(self.process.poll().is_none(), "the broker ended:\n{}", self.output());
        assert!(!self.output().contains("panicked"), "a panic in the log:\n{}", self.output());
    }
}

/// The jars of Apache Kafka are there.
pub fn need_jars() {
    let there = std::fs::read_dir(cache()).into_iter().flatten().flatten().any(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().starts_with("kafka-3.9.") && entry.path().is_dir()
    });
    if !there {
        need("Apache Kafka 3.9", Path::new("its jars"));
    }
}
