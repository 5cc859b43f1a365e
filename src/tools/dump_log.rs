//! `ottla dump-log`: prints what log segments, indexes and producer snapshots hold, as `kafka-dump-log.sh` does.
//!
//! Flags and output are Kafka's (`DumpLogSegments`). Works on files of a stopped or a running broker and changes nothing. Mismatches
//! between files go to standard error after everything else, with exit code 0; a file that cannot be read ends the command with 1,
//! where Java prints an exception. The parts: `segment` (.log), `index` (.index, .timeindex), `state` (.snapshot, .txnindex),
//! `decoder`, `groups` and `fields` (keys and values), `flags`.

mod decoder;
mod flags;
pub(in crate::tools) mod groups;
mod index;
mod segment;
mod state;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

pub use decoder::Decoder;
pub use flags::{DumpLogArgs, SPECS};

use super::console::Console;
use super::options::{Ended, Options};
use crate::record::RecordError;

/// Why the command ends with 1.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// A file cannot be read, or output not written.
    #[error("{path}: {error}")]
    Io {
        /// The file, or `standard output`.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// The bytes at a position of a segment are no batch, or no records.
    #[error("{path}, position {position}: {error}")]
    Record {
        /// The segment.
        path: String,
        /// Where the batch begins.
        position: u64,
        /// What is wrong with it.
        error: RecordError,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

impl DumpError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> DumpError + '_ {
        move |error| DumpError::Io { path: path.display().to_string(), error }
    }

    fn output(error: io::Error) -> DumpError {
        DumpError::Io { path: "standard output".into(), error }
    }
}

/// What was found wrong, to be said at the end.
#[derive(Debug, Default)]
struct Findings {
    index: Vec<(String, Vec<(i64, i64)>)>,
    time_mismatch: Vec<(String, Vec<(i64, i64)>)>,
    time_disorder: Vec<(String, Vec<(i64, i64)>)>,
    time_missing: Vec<(String, Vec<(i64, i64)>)>,
    gaps: Vec<(String, Vec<(i64, i64)>)>,
}

/// Adds `pair` to the list of `file`.
fn note(list: &mut Vec<(String, Vec<(i64, i64)>)>, file: &Path, pair: (i64, i64)) {
    let file = absolute(file);
    match list.iter_mut().find(|(name, _)| *name == file) {
        Some((_, pairs)) => pairs.push(pair),
        None => list.push((file, vec![pair])),
    }
}

fn absolute(file: &Path) -> String {
    std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf()).display().to_string()
}

impl Findings {
    fn print(&self, err: &mut dyn Write) -> io::Result<()> {
        // Kafka prepends to these two lists and appends to the other three.
        for (file, pairs) in &self.index {
            writeln!(err, "Mismatches in :{file}")?;
            for (index, log) in pairs.iter().rev() {
                writeln!(err, "  Index offset: {index}, log offset: {log}")?;
            }
        }
        for (file, pairs) in &self.time_mismatch {
            writeln!(err, "Found timestamp mismatch in :{file}")?;
            for (index, log) in pairs {
                writeln!(err, "  Index timestamp: {index}, log timestamp: {log}")?;
            }
        }
        for (file, pairs) in &self.time_disorder {
            writeln!(err, "Found out of order timestamp in :{file}")?;
            for (index, before) in pairs {
                writeln!(err, "  Index timestamp: {index}, Previously indexed timestamp: {before}")?;
            }
        }
        for (_, pairs) in &self.time_missing {
            writeln!(err, "The following indexed offsets are not found in the log.")?;
            for (index, log) in pairs {
                writeln!(err, "Indexed offset: {index}, found log offset: {log}")?;
            }
        }
        for (file, pairs) in &self.gaps {
            writeln!(err, "Non-consecutive offsets in {file}")?;
            for (first, second) in pairs.iter().rev() {
                writeln!(err, "  {first} is followed by {second}")?;
            }
        }
        Ok(())
    }
}

const USAGE: &str = "This tool helps to parse a log file and dump its contents to the console, useful for debugging a seemingly corrupt \
                     log segment.";

/// Runs the command; the exit code is 0 unless a file could not be read.
pub fn run(args: &[String], console: &Console) -> u8 {
    let args = Options::parse(SPECS, args).and_then(|options| {
        let shown = options.help_or_version(console, USAGE).and_then(|()| options.require(console, &["files"]));
        shown.map_or_else(|ended| Ok(Err(ended)), |()| DumpLogArgs::from_options(&options).map(Ok))
    });
    match args {
        Ok(Ok(args)) => print(&args, console),
        Ok(Err(Ended(code))) => code,
        Err(error) => {
            // As the Java machine tells of an exception that nobody caught.
            console.complain(format_args!("Exception in thread \"main\" {}", error.stack()));
            1
        }
    }
}

fn print(args: &DumpLogArgs, console: &Console) -> u8 {
    let (mut out, mut err) = (BufWriter::new(console.out()), console.err());
    match args.dump(&mut out, &mut err).and_then(|()| out.flush().map_err(DumpError::output)) {
        Ok(()) => 0,
        // The reader of a pipe has gone away: nobody is left to tell.
        Err(DumpError::Io { error, .. }) if error.kind() == io::ErrorKind::BrokenPipe => 1,
        Err(error) => {
            let _ = out.flush();
            let _ = writeln!(err, "{error}");
            1
        }
    }
}

impl DumpLogArgs {
    /// Dumps every file to `out`, mismatches to `err`. Ends at the first file that cannot be read.
    pub fn dump(&self, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), DumpError> {
        let decoder = Decoder::of(self, out)?;
        let mut findings = Findings::default();
        for file in &self.files {
            let file = PathBuf::from(file);
            writeln!(out, "Dumping {}", file.display()).map_err(DumpError::output)?;
            match suffix(&file)? {
                ".log" => segment::dump(self, &file, decoder, out, &mut findings)?,
                ".index" => index::dump_offsets(self, &file, out, &mut findings)?,
                ".timeindex" => index::dump_times(self, &file, out, &mut findings)?,
                ".snapshot" => state::dump_snapshot(&file, out, err)?,
                ".txnindex" => state::dump_txn_index(&file, out)?,
                _ => writeln!(err, "Ignoring unknown file {}", file.display()).map_err(DumpError::output)?,
            }
        }
        findings.print(err).map_err(DumpError::output)
    }

    fn prints_data(&self) -> bool {
        self.print_data_log
            || self.offsets_decoder
            || self.transaction_log_decoder
            || self.key_decoder_class.is_some()
            || self.value_decoder_class.is_some()
    }

    fn is_deep(&self) -> bool {
        self.deep_iteration || self.prints_data()
    }
}

/// The file's name; `dump` has made sure that there is one.
fn name(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn suffix(file: &Path) -> Result<&str, DumpError> {
    let name = name(file);
    name.rfind('.')
        .map(|dot| &name[dot..])
        .ok_or_else(|| DumpError::Other(format!("no suffix in file name \"{name}\"")))
}

/// The number in front of the first dot.
fn base_offset(file: &Path) -> Result<i64, DumpError> {
    let number = name(file).split('.').next().unwrap_or_default();
    number.parse().map_err(|_| DumpError::Other(format!("For input string: \"{number}\"")))
}

/// The file of the same segment with another suffix.
fn sibling(file: &Path, suffix: &str) -> PathBuf {
    let number = name(file).split('.').next().unwrap_or_default();
    file.with_file_name(format!("{number}{suffix}"))
}
