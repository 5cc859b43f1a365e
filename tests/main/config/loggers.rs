//! Kafka's loggers: the table against the source, levels by inheritance, alterations in Kafka's words.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use ottla::base::ErrorCode;
use ottla::config::loggers::{LOGGERS, Level, LogFile, Loggers, ROOT, Rule, of_target};
use ottla::config::ops::{AlterOp, Op};

fn set(key: &str, level: &str) -> AlterOp {
    AlterOp { key: key.into(), op: Op::Set, value: Some(level.into()) }
}

fn delete(key: &str) -> AlterOp {
    AlterOp { key: key.into(), op: Op::Delete, value: None }
}

#[test]
fn names_and_targets_are_there_once_and_parents_first() {
    let names: Vec<&str> = LOGGERS.iter().map(|logger| logger.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    let targets: Vec<&&str> = LOGGERS.iter().flat_map(|logger| logger.targets).collect();
    assert_eq!(targets.iter().collect::<BTreeSet<_>>().len(), targets.len());
    assert_eq!(names[0], ROOT);
}

fn sources(dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(dir).expect("the source").flatten() {
        if entry.path().is_dir() {
            sources(&entry.path(), found);
        } else {
            let text = std::fs::read_to_string(entry.path()).expect("text");
            found.push((entry.path().display().to_string(), text));
        }
    }
}

#[test]
fn every_folder_that_logs_has_a_logger_and_every_named_target_is_in_the_table() {
    let mut found = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    sources(&root, &mut found);
    // What tools say goes to their terminal.
    let quiet = ["base", "tools", "disk", "record", "wire", "cluster", "main.rs", "lib.rs"];
    for (path, text) in &found {
        let folder = path[root.as_os_str().len() + 1..].split('/').next().expect("a folder");
        if text.contains("tracing::") && !quiet.contains(&folder) {
            let logger = of_target(&format!("ottla::{folder}"));
            assert!(!["kafka", ROOT].contains(&logger.name), "{path} logs under {}", logger.name);
        }
        for (at, _) in text.match_indices("target: \"") {
            let target = text[at + 9..].split('"').next().expect("a target");
            assert!(LOGGERS.iter().any(|logger| logger.targets.contains(&target)), "{path}: {target}");
        }
    }
}

#[test]
fn the_longest_target_names_the_logger() {
    assert_eq!(of_target("ottla::replica::fetcher::task").name, "kafka.server.ReplicaFetcherThread");
    assert_eq!(of_target("ottla::replica::table").name, "kafka.server.ReplicaManager");
    assert_eq!(of_target("ottla::base::env::tasks").name, "kafka");
    assert_eq!(of_target("ottlark").name, ROOT);
    assert_eq!(of_target("tokio::runtime").name, ROOT);
    assert_eq!(of_target("ottla::controller::run").file, LogFile::Controller);
}

#[test]
fn a_level_counts_for_all_below_that_have_none() {
    let loggers = Loggers::default();
    assert_eq!(loggers.levels()["kafka.controller.ControllerChannelManager"], Level::Info);
    assert_eq!(loggers.levels()["kafka.request.logger"], Level::Warn);
    loggers.alter(&[set("kafka", "DEBUG")], false).expect("set");
    let levels = loggers.levels();
    assert_eq!(levels["kafka.controller.ControllerChannelManager"], Level::Debug);
    assert_eq!((levels["kafka.request.logger"], levels["state.change.logger"]), (Level::Warn, Level::Info));
    loggers.alter(&[set("kafka.controller", "ERROR"), delete("kafka")], false).expect("set");
    let levels = loggers.levels();
    assert_eq!(levels["kafka.controller.ControllerChannelManager"], Level::Error);
    assert_eq!(levels["kafka.server.KafkaApis"], Level::Info, "root's");
    loggers.alter(&[set(ROOT, "FATAL")], false).expect("set");
    assert_eq!(loggers.levels()["kafka.server.KafkaApis"], Level::Fatal);
}

#[test]
fn changes_are_put_into_effect_for_targets() {
    let heard: Arc<Mutex<Vec<Vec<Rule>>>> = Arc::default();
    let listener = heard.clone();
    let loggers = Loggers::new(move |_, rules| listener.lock().unwrap().push(rules.to_vec()));
    loggers.alter(&[set("kafka.log", "TRACE")], true).expect("valid");
    loggers.alter(&[set("kafka.log", "TRACE")], false).expect("set");
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 2, "at the start, and not for a validation");
    assert!(heard[0].contains(&("ottla::log", Level::Info)));
    assert!(heard[1].contains(&("ottla::log", Level::Trace)) && heard[1].contains(&("ottla::api", Level::Info)));
}

#[test]
fn refusals_have_kafkas_codes_and_words_and_change_nothing() {
    let append = AlterOp { key: ROOT.into(), op: Op::Append, value: Some("INFO".into()) };
    for (bad, code, words) in [
        (set("no.such", "INFO"), ErrorCode::InvalidConfig, "Logger no.such does not exist!"),
        (
            set("kafka", "LOUD"),
            ErrorCode::InvalidConfig,
            "Cannot set the log level of kafka to LOUD as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, \
             TRACE, WARN",
        ),
        (delete("no.such"), ErrorCode::InvalidConfig, "Logger no.such does not exist!"),
        (delete(ROOT), ErrorCode::InvalidRequest, "Removing the log level of the root logger is not allowed"),
        (append, ErrorCode::InvalidRequest, "APPEND operation is not allowed for the BROKER_LOGGER resource"),
    ] {
        let loggers = Loggers::default();
        let before = loggers.levels();
        let error = loggers.alter(&[set("kafka", "TRACE"), bad], false).expect_err("refused");
        assert_eq!((error.code, error.message.as_str()), (code, words));
        assert_eq!(loggers.levels(), before, "all or none");
    }
}
