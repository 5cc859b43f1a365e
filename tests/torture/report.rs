//! What a run says: progress, its verdict, pages of the history, its row in RELIABILITY.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::harness::repository;
use crate::options::{Network, Options, Target, name};
use crate::plan::Kind;
use crate::recorder::{Counts, Recorder};
use crate::torment::{Done, Log};

/// Where recorded runs have their rows, at its end.
const TABLE: &str = "RELIABILITY.md";
/// Between two lines of progress.
const EVERY: Duration = Duration::from_secs(5);

/// Says how it goes, as long as it lives.
pub struct Progress {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Starts to speak.
    pub fn start(recorder: &Arc<Recorder>, log: &Arc<Log>) -> Self {
        let over = Arc::<AtomicBool>::default();
        let (recorder, log, stop) = (recorder.clone(), log.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            let start = Instant::now();
            let mut next = EVERY;
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(100));
                if start.elapsed() >= next {
                    next += EVERY;
                    println!("{:>5} s  {}", start.elapsed().as_secs(), line(recorder.counts(), log.times()));
                }
            }
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn line(counts: Counts, faults: u32) -> String {
    let Counts { operations, acked, read } = counts;
    format!("{operations} operations, {faults} faults, {acked} acknowledged, {read} read")
}

/// A run that is over.
pub struct Run<'a> {
    /// Its settings.
    pub options: &'a Options,
    /// What its links were.
    pub network: Network,
    /// Its seed.
    pub seed: u64,
    /// How long the faults lasted.
    pub time: Duration,
    /// What was counted.
    pub counts: Counts,
    /// What was done.
    pub faults: BTreeMap<Kind, Done>,
    /// How many things were found.
    pub anomalies: u64,
}

impl Run<'_> {
    /// The command that does it again.
    pub fn command(&self) -> String {
        let Options { target, faults, workload, sabotage, .. } = self.options;
        let time = match self.options.each_once {
            true => "--each-once".into(),
            false => format!("--seconds {}", self.time.as_secs()),
        };
        let mut text = format!(
            "scripts/torture.sh --target {} {time} --seed {} --faults {faults} --workload {}",
            name(target),
            self.seed,
            name(workload)
        );
        if self.options.flush {
            text.push_str(" --flush");
        }
        if self.options.balance {
            text.push_str(" --balance");
        }
        if self.network == Network::Proxies {
            let _ = write!(text, " --network {}", name(&self.network));
        }
        if let Some(what) = sabotage {
            let _ = write!(text, " --sabotage {what}");
        }
        text
    }

    /// The last line.
    pub fn verdict(&self) -> String {
        let faults = self.faults.values().map(|done| done.times).sum();
        let how = match (self.anomalies, &self.options.sabotage) {
            (0, None) => "OK".into(),
            (1, None) => "1 anomaly".into(),
            (many, None) => format!("{many} anomalies"),
            (0, Some(what)) => format!("MISSED {what}"),
            (many, Some(what)) => format!("caught {what} with {many} anomalies"),
        };
        format!("verdict: {how}, {}", line(self.counts, faults))
    }

    /// How often each fault was done; with a number behind a slash where some of them did not show.
    pub fn fault_list(&self) -> String {
        let one = |(kind, done): (&Kind, &Done)| match done {
            Done { times, showed } if times == showed => format!("{} {times}", kind.name()),
            Done { times, showed } => format!("{} {showed}/{times}", kind.name()),
        };
        self.faults.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// Adds the run to the table at the end of RELIABILITY.md.
    pub fn record(&self) {
        let Options { target, faults, workload, flush, .. } = self.options;
        let flush = if *flush { ", flush" } else { "" };
        let links = if self.network == Network::Proxies { ", proxies" } else { "" };
        let Counts { operations, acked, read } = self.counts;
        let minutes = self.time.as_secs_f64() / 60.0;
        let row = format!(
            "| {} | {} x {faults}{flush}{links} | {minutes:.1} | {operations} | {acked} | {read} | {} | {} | {} | {} |\n",
            name(target),
            name(workload),
            self.fault_list(),
            self.anomalies,
            self.seed,
            versions(*target)
        );
        // At once at the end: runs beside each other each add theirs.
        let file = repository().join(TABLE);
        let written = OpenOptions::new().append(true).open(&file).and_then(|mut file| file.write_all(row.as_bytes()));
        written.unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    }
}

/// What ran: Kafka's version, the commit of this repository, or both.
fn versions(target: Target) -> String {
    const APACHE: &str = "Apache Kafka 3.9.2";
    if target == Target::Apache {
        return APACHE.into();
    }
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(repository()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "-".into());
    // The rows of other runs are no change of what ran.
    let table = format!(":!{TABLE}");
    let is_changed =
        git(&["status", "--porcelain", "--untracked-files=no", "--", ".", &table]).is_some_and(|it| !it.is_empty());
    let ours = format!("{} {commit}{}", env!("CARGO_PKG_VERSION"), if is_changed { "-dirty" } else { "" });
    if target == Target::Mixed { format!("{ours}, {APACHE}") } else { ours }
}

/// Says where everything is that a finding can be looked up in.
pub fn keep(dir: &Path) {
    println!("history and logs are in {}", dir.display());
}
