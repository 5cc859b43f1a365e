//! Clients as their users run them: kcat, Python programs from `tests/cluster/python`, Kafka's own tools. Each run has a time limit.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{broker::need_jars, cache, need, repository, script};

/// Long enough for a Java tool on a busy machine of two cores.
const LIMIT: Duration = Duration::from_secs(90);

/// What a client that has ended said.
#[derive(Debug)]
pub struct Ran {
    command: String,
    /// Exit code 0.
    pub success: bool,
    /// Exit code; -1 after a signal.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Standard output of a client that succeeded; fails the test for one that did not.
    pub fn ok(self) -> String {
        assert!(self.success, "failed: {}\n--- stdout\n{}\n--- stderr\n{}", self.command, self.out, self.err);
        self.out
    }
}

/// Runs a command to its end with `input` on its standard input.
fn run(mut command: Command, input: &str) -> Ran {
    let text = format!("{command:?}");
    // cargo puts the librdkafka that our tools are built with there: clients are to be run with their own.
    let mut child = command
        .env_remove("LD_LIBRARY_PATH")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{text}: {e}"));
    let mut stdin = child.stdin.take().expect("piped");
    let (mut stdout, mut stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let read = |pipe: &mut dyn Read| {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    };
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input.as_bytes())); // a client that does not read it all is its own matter
        let out = scope.spawn(move || read(&mut stdout));
        let err = scope.spawn(move || read(&mut stderr));
        let end = Instant::now() + LIMIT;
        let status = loop {
            match child.try_wait().expect("our own child") {
                Some(status) => break Some(status),
                None if Instant::now() >= end => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let (out, err) = (out.join().expect("no panic"), err.join().expect("no panic"));
        assert!(status.is_some(), "still running after {LIMIT:?}: {text}\n--- stdout\n{out}\n--- stderr\n{err}");
        let code = status.and_then(|s| s.code()).unwrap_or(-1);
        Ran { command: text, success: code == 0, code, out, err }
    })
}

/// Any program with arguments and variables.
pub fn command(program: &Path, args: &[&str], variables: &[(&str, &str)], input: &str) -> Ran {
    let mut command = Command::new(program);
    command.args(args).envs(variables.iter().copied());
    run(command, input)
}

/// Debian's kcat against a broker.
pub fn kcat(address: &str, args: &[&str], input: &str) -> Ran {
    need("kcat", Path::new("/usr/bin/kcat"));
    let mut command = Command::new("/usr/bin/kcat");
    command.args(["-b", address]).args(args);
    run(command, input)
}

/// The values of a whole partition, one a line, read by kcat.
pub fn kcat_values(address: &str, topic: &str, partition: i32) -> Vec<String> {
    let args = ["-C", "-t", topic, "-p", &partition.to_string(), "-o", "beginning", "-e", "-q"];
    kcat(address, &args, "").ok().lines().map(String::from).collect()
}

/// A program of `tests/cluster/python`, ready to be run in the environment that `scripts/test.sh` made.
pub fn python_command(program: &str, args: &[&str]) -> Command {
    let python = cache().join("python/bin/python");
    need("the Python environment", &python);
    let mut command = Command::new(python);
    command.arg("-u").arg(repository().join("tests/cluster/python").join(program)).args(args);
    command
}

/// Runs a program of `tests/cluster/python` to its end.
pub fn python(program: &str, args: &[&str]) -> Ran {
    run(python_command(program, args), "")
}

/// One of Kafka's Java tools, by its script's name.
pub fn java(tool: &str, args: &[&str], input: &str) -> Ran {
    need_jars();
    let mut command = Command::new(script("apache-kafka.sh"));
    command.args(["tool", tool]).args(args);
    run(command, input)
}

/// Makes a topic with Kafka's `kafka-topics.sh`.
pub fn create_topic(address: &str, topic: &str, partitions: i32, configs: &[&str]) {
    let partitions = partitions.to_string();
    let mut args = vec!["--bootstrap-server", address, "--create", "--topic", topic, "--partitions", &partitions];
    configs.iter().for_each(|config| args.extend(["--config", config]));
    java("kafka-topics.sh", &args, "").ok();
}

/// A class of an old Kafka (0.10.2.2 or 0.11.0.3), with its clients of then.
pub fn old_java(version: &str, class: &str, args: &[&str], input: &str) -> Ran {
    need("an old Kafka", &cache().join(format!("kafka-{version}")));
    let mut command = Command::new(script("apache-kafka.sh"));
    command.args(["old", version, class]).args(args);
    run(command, input)
}
