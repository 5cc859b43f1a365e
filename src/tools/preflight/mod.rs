//! `ottla preflight`: may Ottla take the place of the broker that this `server.properties` belongs to? Reads, and changes nothing.
//!
//! | file | what |
//! |---|---|
//! | here | the command: its arguments, what it prints |
//! | [`facts`] | what is judged |
//! | [`read`] | gathers the facts: the file, the log directories, ZooKeeper, the running brokers |
//! | [`judge`] | facts to findings; pure |
//! | [`partitions`] | the same for what topics and partitions are like |
//!
//! A finding that stands in the way makes the exit code 1. The guide is `METAMORPHOSIS.md`.

pub mod facts;
pub mod judge;
pub mod partitions;
pub mod read;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::tools::admin_client::block_on;
use crate::tools::console::Console;

use judge::{Finding, Weight};

/// `ottla preflight FILE [--override k=v]...`
#[derive(Debug, clap::Args)]
pub struct PreflightArgs {
    /// The server.properties that the broker would be started with.
    pub file: PathBuf,
    /// Overrides a key of the file.
    #[arg(long = "override", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Quotas, ACLs, SCRAM users and tokens in ZooKeeper are told, and don't stand in the way.
    #[arg(long)]
    pub accept_unenforced: bool,
    /// Also takes keys from plain variables, KAFKA_LOG_DIRS for log.dirs, as the broker with this flag would.
    #[arg(long)]
    pub kafka_env: bool,
}

/// Looks at everything and says what stands in the way.
pub fn run(args: &PreflightArgs, console: &Console) -> ExitCode {
    let found = read::settings(args)
        .and_then(|settings| block_on(read::facts(settings, console)).map_err(|error| error.to_string()));
    let facts = match found {
        Ok(facts) => facts,
        Err(error) => {
            console.complain(format!("ottla preflight: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let findings = judge::judge(&facts);
    console.print(text(&facts.settings.title(), &findings));
    let stops = findings.iter().any(|finding| finding.weight == Weight::Stop);
    if stops { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The findings as they are printed: what stands in the way first.
pub fn text(title: &str, findings: &[Finding]) -> String {
    let mut out = format!("Preflight of {title}\n\n");
    let of = |weight| findings.iter().filter(move |finding| finding.weight == weight);
    for finding in of(Weight::Stop).chain(of(Weight::Note)) {
        let word = if finding.weight == Weight::Stop { "STOP" } else { "note" };
        out.push_str(&format!("{word}  {:<10} {}\n", finding.about, finding.text));
    }
    let (stops, notes) = (of(Weight::Stop).count(), of(Weight::Note).count());
    if !findings.is_empty() {
        out.push('\n');
    }
    out.push_str(&match stops {
        0 => format!("Nothing stands in the way; {notes} to know.\n"),
        1 => format!("1 stands in the way; {notes} to know.\n"),
        _ => format!("{stops} stand in the way; {notes} to know.\n"),
    });
    out
}
