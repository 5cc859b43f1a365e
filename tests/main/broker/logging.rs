//! Log files: where lines go, how files are set aside, what a stuck outlet costs; levels from the environment.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use ottla::broker::logging::rolling::{MAX_FILE_BYTES, MAX_KEPT_BYTES, MAX_KEPT_FILES, RollingFile, surplus};
use ottla::broker::logging::set_levels;
use ottla::broker::logging::writer::{Line, LogWriter, Outlets};
use ottla::config::loggers::{Level, LogFile, Loggers, ROOT};

/// What is written comes out of the channel.
struct Outlet(Sender<String>);

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn files(dir: &Path) -> Vec<RollingFile> {
    LogFile::ALL.map(|file| RollingFile::new(dir.join(file.name()))).into()
}

fn start(files: Vec<RollingFile>) -> (LogWriter, Receiver<String>) {
    let (said, stdout) = channel();
    let outlets = Outlets { files, stdout: Box::new(Outlet(said)), failing: false };
    (LogWriter::start_with(outlets).expect("a thread"), stdout)
}

fn put(writer: &LogWriter, file: LogFile, text: &str) {
    writer.put(Line { file, text: format!("{text}\n") });
}

fn read(dir: &Path, file: LogFile) -> String {
    std::fs::read_to_string(dir.join(file.name())).unwrap_or_default()
}

#[test]
fn each_line_goes_to_its_file_and_the_servers_to_standard_output_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let (writer, stdout) = start(files(dir.path()));
    put(&writer, LogFile::Server, "a");
    put(&writer, LogFile::Controller, "b");
    put(&writer, LogFile::StateChange, "c");
    put(&writer, LogFile::LogCleaner, "d");
    writer.flush();
    drop(writer);
    assert_eq!(stdout.iter().collect::<Vec<_>>(), ["a\n"]);
    let found = [LogFile::Server, LogFile::Controller, LogFile::StateChange, LogFile::LogCleaner];
    assert_eq!(found.map(|file| read(dir.path(), file)), ["a\n", "b\n", "c\n", "d\n"]);
    assert!(!dir.path().join("kafka-request.log").exists(), "a file comes with its first line");
}

#[test]
fn without_a_directory_everything_goes_to_standard_output() {
    let (writer, stdout) = start(Vec::new());
    put(&writer, LogFile::StateChange, "a");
    put(&writer, LogFile::Server, "b");
    writer.flush();
    drop(writer);
    assert_eq!(stdout.iter().collect::<Vec<_>>(), ["a\n", "b\n"]);
}

#[test]
fn a_stuck_outlet_holds_nobody_up_and_what_is_dropped_is_counted() {
    /// Takes a line only when told to.
    struct Stuck(Receiver<()>, Outlet);
    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (go, gate) = channel();
    let (said, stdout) = channel();
    let outlets = Outlets { files: Vec::new(), stdout: Box::new(Stuck(gate, Outlet(said))), failing: false };
    let writer = LogWriter::start_with(outlets).expect("a thread");
    let lines = 20_000;
    for n in 0..lines {
        put(&writer, LogFile::Server, &n.to_string());
    }
    // More than there are lines: the thread takes one for each it writes.
    (0..=lines).for_each(|_| go.send(()).expect("the thread waits"));
    drop(go);
    drop(writer);
    let all: Vec<String> = stdout.iter().collect();
    let (told, written): (Vec<&String>, Vec<&String>) = all.iter().partition(|line| line.contains("were dropped here"));
    assert_eq!(written[0], "0\n");
    let dropped: usize =
        told.iter().map(|line| line.split(' ').nth(3).expect("a count").parse::<usize>().unwrap()).sum();
    assert!(dropped > 0 && written.len() + dropped == lines, "{} written, {dropped} dropped: {told:?}", written.len());
}

#[test]
fn a_new_hour_sets_the_file_aside_under_kafkas_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut log = RollingFile::new(dir.path().join("server.log"));
    log.write(b"one\n", "2026-11-20-12").expect("written");
    log.write(b"two\n", "2026-11-20-12").expect("written");
    log.write(b"three\n", "2026-11-20-13").expect("written");
    log.flush().expect("written");
    let text = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("a file");
    assert_eq!(text("server.log.2026-11-20-12"), "one\ntwo\n");
    assert_eq!(text("server.log"), "three\n");
}

#[test]
fn a_restart_goes_on_with_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("server.log");
    let hour = chrono::Local::now().format(ottla::broker::logging::rolling::STAMP).to_string();
    for line in ["one\n", "two\n"] {
        let mut log = RollingFile::new(path.clone());
        log.write(line.as_bytes(), &hour).expect("written");
        log.flush().expect("written");
    }
    let there: String = std::fs::read_dir(dir.path())
        .expect("a directory")
        .map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).expect("text"))
        .collect();
    assert!(there == "one\ntwo\n" || there == "two\none\n", "an hour may have passed in between: {there}");
}

#[test]
fn a_large_file_is_set_aside_and_two_of_an_hour_are_told_apart() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("server.log");
    for expected in ["server.log.h", "server.log.h.1"] {
        let mut log = RollingFile::new(path.clone());
        log.write(b"x", "h").expect("written");
        log.flush().expect("written");
        drop(log);
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("a file");
        file.set_len(MAX_FILE_BYTES).expect("grown");
        drop(file);
        let mut log = RollingFile::new(path.clone());
        log.write(b"y", "h").expect("written"); // of another hour by its time, or too large: aside it goes
        let aside: Vec<_> = std::fs::read_dir(dir.path()).expect("a directory").flatten().collect();
        assert!(aside.iter().any(|e| e.file_name() != "server.log"), "{expected}: {aside:?}");
        std::fs::remove_file(&path).expect("removed");
    }
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 2);
}

#[test]
fn what_is_set_aside_stays_within_its_share() {
    let file = |n: usize, size: u64| (PathBuf::from(format!("server.log.{n}")), size);
    let few: Vec<_> = (0..10).map(|n| file(n, 1)).collect();
    assert!(surplus(&few).is_empty());
    let many: Vec<_> = (0..MAX_KEPT_FILES + 3).map(|n| file(n, 1)).collect();
    assert_eq!(surplus(&many), [Path::new("server.log.0"), Path::new("server.log.1"), Path::new("server.log.2")]);
    let large: Vec<_> = (0..5).map(|n| file(n, MAX_KEPT_BYTES / 3)).collect();
    assert_eq!(surplus(&large), [Path::new("server.log.0"), Path::new("server.log.1")]);
}

#[test]
fn a_file_that_can_not_be_written_is_told_of_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let in_the_way = dir.path().join("controller.log");
    std::fs::create_dir(&in_the_way).expect("made");
    let (writer, stdout) = start(files(dir.path()));
    put(&writer, LogFile::Controller, "a");
    put(&writer, LogFile::Controller, "b");
    writer.flush();
    drop(writer);
    let said: Vec<String> = stdout.iter().collect();
    let told = said.iter().filter(|text| text.contains("can't be written")).count();
    assert_eq!(told, 1, "{said:?}");
}

#[test]
fn levels_come_from_the_environment_as_in_kafkas_containers() {
    let loggers = Loggers::default();
    let problems = set_levels(&loggers, |name| match name {
        "KAFKA_LOG4J_ROOT_LOGLEVEL" => Some("WARN".into()),
        "KAFKA_LOG4J_LOGGERS" => Some("kafka.controller=TRACE, no.such=INFO,state.change.logger=LOUD".into()),
        _ => None,
    });
    let levels = loggers.levels();
    assert_eq!((levels[ROOT], levels["kafka.controller"]), (Level::Warn, Level::Trace));
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("no.such") && problems[1].contains("LOUD"));
}
