//! Child processes that never outlive the tests, and the directory of one test run.
//!
//! A [`Process`] is killed when it goes out of scope. Should the test binary itself die, a small shell, the leash, sees its standard
//! input close and kills what is left: only pids that it was told of, and that were not reaped since.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, Mutex, OnceLock};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::tail;

/// Reads `+ PID` and `- PID`; when the tests are gone, kills what is left and removes the ZooKeepers' data.
const LEASH: &str = r#"
trap '' INT TERM HUP
held=' '
while read -r sign pid; do
  case $sign in
    +) held="$held$pid " ;;
    -) held="${held%% $pid *} ${held#* $pid }" ;;
  esac
done
for pid in $held; do kill -9 "$pid"; done 2>/dev/null
rm -rf "$1"/zookeeper-*
rmdir "$1"
"#;

static LEASH_INPUT: LazyLock<Mutex<ChildStdin>> = LazyLock::new(|| {
    #[allow(clippy::zombie_processes)] // it ends after this process does
    let mut leash = Command::new("sh")
        .args(["-c", LEASH, "leash"])
        .arg(run_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh starts");
    Mutex::new(leash.stdin.take().expect("piped"))
});

fn leash(sign: char, pid: u32) {
    let mut input = LEASH_INPUT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let _ = writeln!(input, "{sign} {pid}");
}

static RUN_DIR: OnceLock<PathBuf> = OnceLock::new();

/// Makes `dir` the directory of this run; before anything asks for it.
pub fn set_run_dir(dir: PathBuf) {
    RUN_DIR.set(dir).expect("set before it is asked for");
}

/// The directory of this run of the test binary. Those of earlier runs, where failed tests left their logs, are removed first.
pub fn run_dir() -> &'static Path {
    RUN_DIR.get_or_init(|| {
        let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster");
        for old in std::fs::read_dir(&all).into_iter().flatten().flatten() {
            if !Path::new("/proc").join(old.file_name()).exists() {
                let _ = std::fs::remove_dir_all(old.path());
            }
        }
        let dir = all.join(std::process::id().to_string());
        std::fs::create_dir_all(&dir).expect("the target directory is writable");
        dir
    })
}

/// A running child whose output goes to a file.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
    /// Whether a failed test shows the end of the log.
    pub show_log: bool,
}

impl Process {
    /// Starts a command with both its outputs appended to `log`.
    pub fn start(name: &str, mut command: Command, log: PathBuf) -> Self {
        let out = File::options().create(true).append(true).open(&log).expect("the log can be opened");
        let err = out.try_clone().expect("a second handle");
        // As in `client::run`: what is tested runs with the system's libraries.
        let child = command
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|e| panic!("{name} does not start: {e} ({command:?})"));
        leash('+', child.id());
        Self { name: name.into(), child, log, ended: None, show_log: true }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its outputs go.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Everything it wrote so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Sends a signal; to a process that has ended, nothing.
    pub fn signal(&mut self, signal: Signal) {
        if self.poll().is_none() {
            let pid = Pid::from_child(&self.child);
            kill_process(pid, signal).unwrap_or_else(|e| panic!("{signal:?} to {}: {e}", self.name));
        }
    }

    /// Its exit status, once it has ended.
    pub fn poll(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("our own child");
            if self.ended.is_some() {
                leash('-', self.child.id());
            }
        }
        self.ended
    }

    /// Waits for its end; fails the test when it takes longer than `limit`.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.poll() {
                return status;
            }
            assert!(Instant::now() < end, "{} did not end within {limit:?}:\n{}", self.name, tail(&self.output(), 40));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until `ready` holds. An error tells what the process wrote, when it ended or took longer than `limit`.
    pub fn await_ready(&mut self, limit: Duration, mut ready: impl FnMut(&Self) -> bool) -> Result<(), String> {
        let end = Instant::now() + limit;
        loop {
            if ready(self) {
                return Ok(());
            }
            if let Some(status) = self.poll() {
                return Err(format!(
                    "{} ended ({status}) before it was ready:\n{}",
                    self.name,
                    tail(&self.output(), 60)
                ));
            }
            if Instant::now() >= end {
                return Err(format!("{} not ready within {limit:?}:\n{}", self.name, tail(&self.output(), 60)));
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait(Duration::from_secs(10));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.show_log && std::thread::panicking() {
            eprintln!("--- end of the log of {} ---\n{}\n---", self.name, tail(&self.output(), 40));
        }
        if self.poll().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            leash('-', self.child.id());
        }
    }
}
