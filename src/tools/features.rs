//! `ottla features`, as `kafka-features.sh`: describes, upgrades, downgrades and disables feature flags.
//!
//! A cluster with ZooKeeper has no feature of its own, so `describe` prints nothing there and every change is refused by the broker.

use std::collections::BTreeMap;

use super::admin_client::cluster::FeatureUpdate;
use super::admin_client::{AdminClient, block_on};
use super::argparse::{Parsed, Parser, Spec, Takes};
use super::cluster::connect_config;
use super::console::Console;
use super::java::{Exception, Failure};
use super::options::Ended;

const MAIN_HELP: &str = "\
usage: kafka-features [-h] [--command-config COMMAND_CONFIG]
                      (--bootstrap-server BOOTSTRAP_SERVER |
                      --bootstrap-controller BOOTSTRAP_CONTROLLER)
                      {describe,upgrade,downgrade,disable} ...

This tool manages feature flags in Kafka.

positional arguments:
  {describe,upgrade,downgrade,disable}
    describe             Describes the current active feature flags.
    upgrade              Upgrade one or more feature flags.
    downgrade            Upgrade one or more feature flags.
    disable              Disable one or  more  feature  flags.  This is the
                         same as downgrading the version to zero.

optional arguments:
  -h, --help             show this help message and exit
  --bootstrap-server BOOTSTRAP_SERVER
                         A comma-separated list of  host:port  pairs to use
                         for  establishing  the  connection  to  the  Kafka
                         cluster.
  --bootstrap-controller BOOTSTRAP_CONTROLLER
                         A comma-separated list of  host:port  pairs to use
                         for  establishing  the  connection  to  the  KRaft
                         quorum.
  --command-config COMMAND_CONFIG
                         Property file containing configs  to  be passed to
                         Admin Client.
";
const DESCRIBE_HELP: &str = "\
usage: kafka-features (--bootstrap-server BOOTSTRAP_SERVER |
                      --bootstrap-controller BOOTSTRAP_CONTROLLER) describe
                      [-h]

optional arguments:
  -h, --help             show this help message and exit
";
const UPGRADE_HELP: &str = "\
usage: kafka-features (--bootstrap-server BOOTSTRAP_SERVER |
                      --bootstrap-controller BOOTSTRAP_CONTROLLER) upgrade
                      [-h] [--metadata METADATA] [--feature FEATURE]
                      [--dry-run]

optional arguments:
  -h, --help             show this help message and exit
  --metadata METADATA    The  level  to   which   we   should  upgrade  the
                         metadata. For example, 3.3-IV3.
  --feature FEATURE      A  feature   upgrade   we   should   perform,   in
                         feature=level  format.  For   example:  `metadata.
                         version=5`.
  --dry-run              Validate this upgrade, but do not perform it.
";
const DOWNGRADE_HELP: &str = "\
usage: kafka-features (--bootstrap-server BOOTSTRAP_SERVER |
                      --bootstrap-controller BOOTSTRAP_CONTROLLER)
                      downgrade [-h] [--metadata METADATA]
                      [--feature FEATURE] [--unsafe] [--dry-run]

optional arguments:
  -h, --help             show this help message and exit
  --metadata METADATA    The  level  to  which   we  should  downgrade  the
                         metadata. For example, 3.3-IV0.
  --feature FEATURE      A  feature  downgrade   we   should   perform,  in
                         feature=level  format.  For   example:  `metadata.
                         version=5`.
  --unsafe               Perform   this   downgrade   even    if   it   may
                         irreversibly destroy metadata.
  --dry-run              Validate this downgrade, but do not perform it.
";
const DISABLE_HELP: &str = "\
usage: kafka-features (--bootstrap-server BOOTSTRAP_SERVER |
                      --bootstrap-controller BOOTSTRAP_CONTROLLER) disable
                      [-h] [--feature FEATURE] [--unsafe] [--dry-run]

optional arguments:
  -h, --help             show this help message and exit
  --feature FEATURE      A feature flag to disable.
  --unsafe               Disable  this  feature   flag   even   if  it  may
                         irreversibly destroy metadata.
  --dry-run              Perform a dry-run of this disable operation.
";

const CONNECTION: &[Spec] = &[
    ("bootstrap-server", None, Takes::One),
    ("bootstrap-controller", None, Takes::One),
    ("command-config", None, Takes::One),
];
const METADATA: Spec = ("metadata", None, Takes::One);
const FEATURE: Spec = ("feature", None, Takes::One);
const UNSAFE: Spec = ("unsafe", None, Takes::Nothing);
const DRY_RUN: Spec = ("dry-run", None, Takes::Nothing);

const MAIN: Parser = Parser { program: "kafka-features", help: MAIN_HELP, specs: CONNECTION };
const COMMANDS: [(&str, Parser); 4] = [
    ("describe", Parser { program: "kafka-features", help: DESCRIBE_HELP, specs: &[] }),
    ("upgrade", Parser { program: "kafka-features", help: UPGRADE_HELP, specs: &[METADATA, FEATURE, DRY_RUN] }),
    (
        "downgrade",
        Parser { program: "kafka-features", help: DOWNGRADE_HELP, specs: &[METADATA, FEATURE, UNSAFE, DRY_RUN] },
    ),
    ("disable", Parser { program: "kafka-features", help: DISABLE_HELP, specs: &[FEATURE, UNSAFE, DRY_RUN] }),
];

/// The feature whose levels have names, and its levels' names: the release, the first and the last level of that release.
const METADATA_VERSION: &str = "metadata.version";
const METADATA_LEVELS: [(&str, i16, i16); 10] = [
    ("3.0", 1, 1),
    ("3.1", 2, 2),
    ("3.2", 3, 3),
    ("3.3", 4, 7),
    ("3.4", 8, 8),
    ("3.5", 9, 11),
    ("3.6", 12, 14),
    ("3.7", 15, 19),
    ("3.8", 20, 20),
    ("3.9", 21, 21),
];

/// Runs the command.
pub fn run(args: &[String], console: &Console) -> u8 {
    match try_run(args, console) {
        Ok(Ok(())) => 0,
        Ok(Err(Failure::Terse(message))) => {
            console.complain(message);
            1
        }
        Ok(Err(Failure::Error(error))) => {
            error.print(console);
            1
        }
        Err(ended) => ended.0,
    }
}

fn try_run(args: &[String], console: &Console) -> Result<Result<(), Failure>, Ended> {
    let main = MAIN.parse(args, console)?;
    let name = MAIN.sub_command(&main, &COMMANDS.map(|(name, _)| name), console)?;
    let parser = COMMANDS.iter().find(|(n, _)| *n == name).map_or(MAIN, |(_, parser)| *parser);
    let command = parser.parse(&main.rest[1..], console)?;
    // Options of the connection may also stand at the end.
    let tail = MAIN.parse(command.rest, console)?;
    if let Some(word) = tail.rest.first() {
        return Err(MAIN.error(console, &format!("unrecognized arguments: '{word}'")));
    }
    MAIN.one_of(&main, &["bootstrap-server", "bootstrap-controller"], console)?;
    Ok(act(name, &main, &command, console))
}

fn act(name: &str, main: &Parsed<'_>, command: &Parsed<'_>, console: &Console) -> Result<(), Failure> {
    let config = connect_config(main, "command-config", console)?;
    let updates = if name == "describe" { BTreeMap::new() } else { updates(name, command)? };
    block_on(async {
        let mut admin = AdminClient::new(config, console.clone());
        if name == "describe" {
            return describe(&mut admin, console).await.map_err(Failure::Error);
        }
        if updates.is_empty() {
            return Err(Failure::Terse(format!("You must specify at least one feature to {name}")));
        }
        let kind = match (name, command.value("unsafe")) {
            ("upgrade", _) => 1,
            (_, None) => 2,
            (_, Some(_)) => 3,
        };
        let dry_run = command.value("dry-run").is_some();
        let wanted: Vec<_> = updates
            .iter()
            .map(|(feature, level)| FeatureUpdate { feature: feature.clone(), level: *level, kind })
            .collect();
        let results = admin.update_features(&wanted, dry_run).await;
        let mut failed = 0;
        for (update, result) in wanted.iter().zip(results) {
            let (feature, level) = (&update.feature, update.level);
            match result {
                Ok(()) => {
                    let verb = if dry_run { "can be" } else { "was" };
                    let what = if name == "disable" { "disabled".to_owned() } else { format!("{name}d to {level}") };
                    console.say(format_args!("{feature} {verb} {what}."));
                }
                Err(error) => {
                    failed += 1;
                    let verb = if dry_run { "Can not" } else { "Could not" };
                    let what = if name == "disable" { String::new() } else { format!(" to {level}") };
                    console.say(format_args!("{verb} {name} {feature}{what}. {error}"));
                }
            }
        }
        match failed {
            0 => Ok(()),
            _ => Err(Failure::Terse(format!("{failed} out of {} operation(s) failed.", wanted.len()))),
        }
    })?
}

async fn describe(admin: &mut AdminClient, console: &Console) -> Result<(), Exception> {
    let answer = admin.describe_features().await?;
    let mut supported: Vec<_> = answer.supported_features.iter().collect();
    supported.sort_by(|a, b| a.name.cmp(&b.name));
    let epoch = answer.finalized_features_epoch;
    let epoch = if epoch < 0 { "-".to_owned() } else { epoch.to_string() };
    for feature in supported {
        let finalized =
            answer.finalized_features.iter().find(|f| f.name == feature.name).map_or(0, |f| f.max_version_level);
        console.say(format_args!(
            "Feature: {}\tSupportedMinVersion: {}\tSupportedMaxVersion: {}\tFinalizedVersionLevel: {}\tEpoch: {epoch}",
            feature.name,
            level_text(&feature.name, feature.min_version),
            level_text(&feature.name, feature.max_version),
            level_text(&feature.name, finalized),
        ));
    }
    Ok(())
}

/// A level as its feature calls it.
fn level_text(feature: &str, level: i16) -> String {
    if feature != METADATA_VERSION {
        return level.to_string();
    }
    match METADATA_LEVELS.iter().find(|(_, first, last)| (*first..=*last).contains(&level)) {
        // 3.0 starts with IV1: its IV0 is older than KRaft.
        Some((release, first, _)) => format!("{release}-IV{}", level - first + i16::from(*release == "3.0")),
        None => format!("UNKNOWN [{level}]"),
    }
}

/// Features and levels asked for.
fn updates(name: &str, command: &Parsed<'_>) -> Result<BTreeMap<String, i16>, Failure> {
    let runtime = |why: String| Failure::Error(Exception::new("java.lang.RuntimeException", why));
    let mut updates = BTreeMap::new();
    if let Some(version) = command.value("metadata") {
        let level = (1..=21).rev().find(|level| {
            let text = level_text(METADATA_VERSION, *level);
            text == version || text.split('-').next() == Some(version)
        });
        let level = level.ok_or_else(|| {
            let known: Vec<_> = (1..=21).map(|level| level_text(METADATA_VERSION, level)).collect();
            Failure::Terse(format!(
                "Unsupported metadata.version {version}. Supported metadata.version are {}",
                known.join(", ")
            ))
        })?;
        updates.insert(METADATA_VERSION.to_owned(), level);
    }
    for text in command.values("feature") {
        let (feature, level) = match (name, text.split_once('=')) {
            ("disable", _) => (text, "0"),
            (_, Some((feature, level))) => (feature.trim(), level.trim()),
            _ => return Err(runtime(format!("Can't parse feature=level string {text}: equals sign not found."))),
        };
        let number = level.parse().map_err(|_| {
            runtime(format!("Can't parse feature=level string {text}: unable to parse {level} as a short."))
        })?;
        if updates.insert(feature.to_owned(), number).is_some() {
            return Err(runtime(format!("Feature {feature} was specified more than once.")));
        }
    }
    Ok(updates)
}
