//! A file system of a few megabytes, to be filled by a broker.
//!
//! It is mounted in a namespace of its own, which a sleeping process holds open: nothing of it is seen from outside, and it is gone
//! with that process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::Process;

/// The mounted file system.
pub struct TinyFs {
    holder: Process,
    dir: PathBuf,
}

/// Who is not root becomes it inside a user namespace, where the system allows that.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl TinyFs {
    /// Mounts one of `bytes` at `dir`, which is made. Fails the test where neither root nor a user namespace may mount.
    pub fn mount(dir: &Path, bytes: usize) -> Self {
        std::fs::create_dir(dir).expect("the test's directory is writable");
        let mut command = Command::new("unshare");
        command.arg("--mount").args((!is_root()).then_some("--map-root-user"));
        command.args(["sh", "-c", r#"mount -t tmpfs -o "size=$2" tmpfs "$1" && echo mounted && exec sleep 600"#, "sh"]);
        command.arg(dir).arg(bytes.to_string());
        let mut holder = Process::start("tiny file system", command, dir.with_extension("log"));
        holder
            .await_ready(Duration::from_secs(10), |p| p.output().contains("mounted"))
            .unwrap_or_else(|why| panic!("no right to mount a file system (run as root): {why}"));
        Self { holder, dir: dir.into() }
    }

    /// Where it is for a process that is inside.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// One of its files, as this process reaches it.
    pub fn outside(&self, file: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.pid()));
        root.join(self.dir.strip_prefix("/").expect("an absolute path")).join(file)
    }

    /// The words in front of a command that run it inside.
    pub fn enter(&self) -> Vec<String> {
        let target = self.holder.pid().to_string();
        let mut words: Vec<String> = ["nsenter", "--mount", "--target", &target].map(String::from).into();
        if !is_root() {
            words.extend(["--user", "--preserve-credentials"].map(String::from));
        }
        words
    }
}
