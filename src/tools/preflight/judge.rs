//! Facts to findings, each with a name and what to do. Pure.
//!
//! What would make a broker refuse its start, lose its place in the cluster, or serve other than the broker before it, stands in the
//! way; the rest is good to know.

use super::facts::{Answer, ClusterFacts, Dir, Facts, Peer, Settings};
use super::partitions;
use crate::config::{MetadataVersion, SecurityProtocol, unenforced};
use crate::log::names::{DirKind, parse_dir};
use crate::zk::znode::broker_ids::BrokerNode;
use crate::zk::znode::controller::ControllerNode;

/// How much a finding weighs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// Stands in the way.
    Stop,
    /// Good to know.
    Note,
}

/// One thing that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How much it weighs.
    pub weight: Weight,
    /// Where it was found: `config`, `log.dirs`, `zookeeper`, `brokers`, `topics`.
    pub about: &'static str,
    /// What it is, and what to do.
    pub text: String,
}

/// Findings on their way.
#[derive(Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn stop(&mut self, about: &'static str, text: impl Into<String>) {
        self.0.push(Finding { weight: Weight::Stop, about, text: text.into() });
    }

    pub(super) fn note(&mut self, about: &'static str, text: impl Into<String>) {
        self.0.push(Finding { weight: Weight::Note, about, text: text.into() });
    }
}

/// Judges everything.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found = Findings::default();
    settings(&mut found, &facts.settings);
    match &facts.zk {
        Err(why) => {
            found.stop("zookeeper", format!("can't be read at {}: {why}", facts.settings.connect));
            directories(&mut found, facts, None);
        }
        Ok(zk) => {
            directories(&mut found, facts, Some(zk));
            cluster(&mut found, &facts.settings, zk);
            registered(&mut found, &facts.settings, zk);
            partitions::judge(&mut found, &facts.settings, zk);
        }
    }
    for peer in &facts.peers {
        peer_of(&mut found, &facts.settings, peer);
    }
    found.0
}

fn settings(found: &mut Findings, settings: &Settings) {
    settings.errors.iter().for_each(|error| found.stop("config", error.clone()));
    settings.warnings.iter().for_each(|warning| found.note("config", warning.clone()));
    if settings.broker_id < 0 {
        found.note("config", "broker.id is not set: it comes from meta.properties, or is made anew");
    }
}

/// Names in a log directory that are another mode's, and why they stand in the way.
const FOREIGN: [(&str, &str); 3] = [
    (
        "__cluster_metadata-0",
        "the metadata log of KRaft: this directory was in a KRaft cluster, or in a migration to one",
    ),
    (
        "remote-log-index-cache",
        "tiered storage was in use: records that lie in remote storage alone would not be found",
    ),
    (
        "__remote_log_metadata-0",
        "tiered storage was in use: records that lie in remote storage alone would not be found",
    ),
];

fn directories(found: &mut Findings, facts: &Facts, zk: Option<&ClusterFacts>) {
    let runs = zk.is_some_and(|zk| zk.brokers.iter().any(|broker| broker.id == facts.settings.broker_id));
    for dir in &facts.dirs {
        directory(found, dir, &facts.settings, zk, runs);
    }
    let mut ids: Vec<i32> = facts.dirs.iter().filter_map(|dir| dir.meta.as_ref()?.as_ref().ok()?.broker_id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > 1 {
        found.stop("log.dirs", format!("the directories belong to several brokers: {ids:?} in their meta.properties"));
    }
}

fn directory(found: &mut Findings, dir: &Dir, settings: &Settings, zk: Option<&ClusterFacts>, runs: bool) {
    let path = dir.path.display();
    if let Some(problem) = &dir.problem {
        found.stop("log.dirs", format!("{path} can't be read: {problem}"));
        return;
    }
    let logs = dir.names.iter().filter(|name| matches!(parse_dir(name), Some((_, DirKind::Current)))).count();
    match &dir.meta {
        None if logs > 0 => {
            found.stop("log.dirs", format!("{path} holds {logs} logs and no meta.properties: whose are they?"));
        }
        None => found.note("log.dirs", format!("{path} is new: every replica will be copied from the others")),
        Some(Err(why)) => found.stop("log.dirs", format!("{path}/meta.properties: {why}")),
        Some(Ok(meta)) => {
            if meta.version != 0 {
                let version = meta.version;
                found.stop(
                    "log.dirs",
                    format!("{path}/meta.properties has version {version}, KRaft's; ZooKeeper mode has 0"),
                );
            }
            if let Some(stored) = meta.broker_id
                && settings.broker_id >= 0
                && stored != settings.broker_id
            {
                let text = format!("{path}/meta.properties has broker.id={stored}, the file {}", settings.broker_id);
                found.stop("log.dirs", text);
            }
            if let (Some(stored), Some(id)) = (&meta.cluster_id, zk.and_then(|zk| zk.cluster_id.as_ref()))
                && stored != id
            {
                let text =
                    format!("{path}/meta.properties has cluster.id={stored}, ZooKeeper {id}: another cluster's data");
                found.stop("log.dirs", text);
            }
            if !runs && !dir.is_clean && logs > 0 {
                let text = format!(
                    "{path} was not closed by a clean stop: its logs are recovered at the start, which takes time"
                );
                found.note("log.dirs", text);
            }
        }
    }
    for (name, why) in FOREIGN {
        if dir.names.iter().any(|found| found == name) {
            found.stop("log.dirs", format!("{path}/{name}: {why}"));
        }
    }
    let strange = |name: &&String| {
        parse_dir(name).is_none() && *name != "lost+found" && FOREIGN.iter().all(|(foreign, _)| foreign != name)
    };
    for name in dir.names.iter().filter(strange) {
        found.stop("log.dirs", format!("{path}/{name} is no partition's directory: move it elsewhere"));
    }
}

fn cluster(found: &mut Findings, settings: &Settings, zk: &ClusterFacts) {
    if zk.cluster_id.is_none() {
        let text = "/cluster/id is missing: no broker ever started at this zookeeper.connect; is its chroot right?";
        found.stop("zookeeper", text);
    }
    match &zk.migration {
        None => {}
        Some(Some(state)) if state.kraft_controller_id < 0 => {
            let text = "/migration is left over: a migration to KRaft was prepared and not begun. Set zookeeper.metadata.migration.enable=false \
                        on every broker, then delete the node (zookeeper-shell.sh: delete /migration)";
            found.stop("zookeeper", text);
        }
        Some(Some(state)) => {
            let id = state.kraft_controller_id;
            let text = format!(
                "/migration: KRaft controller {id} has taken this cluster over. Finish the migration, or go back to ZooKeeper mode first"
            );
            found.stop("zookeeper", text);
        }
        Some(None) => {
            found.stop("zookeeper", "/migration exists and can't be understood: is a migration to KRaft under way?")
        }
    }
    match &zk.controller {
        None => found.stop("zookeeper", "/controller is missing: no broker is the controller now; wait until one is"),
        Some(ControllerNode { kraft_epoch, broker, .. }) if *kraft_epoch >= 0 => {
            found.stop("zookeeper", format!("/controller is KRaft controller {broker}'s: a migration is under way"));
        }
        Some(_) => {}
    }
    if !zk.features.is_empty() {
        let names = zk.features.join(", ");
        found.stop("zookeeper", format!("/feature finalizes {names}, which Ottla does not support"));
    }
    for finding in unenforced::findings(&zk.unenforced) {
        match settings.accept_unenforced {
            true => found.note("zookeeper", finding),
            false => found.stop("zookeeper", format!("{finding}. {}", unenforced::ADVICE)),
        }
    }
    zk.unreadable.iter().for_each(|what| found.stop("zookeeper", what.clone()));
    match zk.dynamic.effective(&settings.statics) {
        Ok(effective) => {
            effective.warnings.iter().for_each(|text| found.note("zookeeper", format!("/config/brokers: {text}")));
        }
        // Told already, of the file.
        Err(_) if !settings.errors.is_empty() => {}
        Err(error) => found.stop("zookeeper", format!("/config/brokers: {error}")),
    }
}

fn registered(found: &mut Findings, settings: &Settings, zk: &ClusterFacts) {
    if let Some(own) = zk.brokers.iter().find(|broker| broker.id == settings.broker_id) {
        let text = format!("broker {} runs at {}: stop it before Ottla takes its place", own.id, addresses(own));
        found.note("brokers", text);
    }
    for other in zk.brokers.iter().filter(|broker| broker.id != settings.broker_id) {
        match other.endpoint(&settings.inter_broker_listener) {
            None => {
                let text = format!(
                    "broker {} has no listener {}, by which this one would reach it: only {}",
                    other.id,
                    settings.inter_broker_listener,
                    addresses(other)
                );
                found.stop("brokers", text);
            }
            Some(endpoint) if endpoint.protocol != SecurityProtocol::Plaintext.name() => {
                let text = format!(
                    "broker {} speaks {} on {}, the listener between brokers: Ottla has none yet",
                    other.id, endpoint.protocol, endpoint.listener
                );
                found.stop("brokers", text);
            }
            Some(_) => {}
        }
        for (host, port) in &settings.advertised {
            if other.endpoints.iter().any(|e| e.host == *host && e.port == i32::from(*port)) {
                found.stop("brokers", format!("{host}:{port} is advertised by broker {}, too", other.id));
            }
        }
    }
}

fn addresses(broker: &BrokerNode) -> String {
    let each = broker.endpoints.iter().map(|e| format!("{}://{}:{}", e.listener, e.host, e.port));
    each.collect::<Vec<_>>().join(", ")
}

const IBP: &str = "inter.broker.protocol.version";

/// The newest release that serves Fetch up to a version (KIP-516, 405, 858, 951, 853).
fn newest_release(fetch_version: i16) -> (u32, u32) {
    match fetch_version {
        ..=12 => (3, 0),
        13 => (3, 4),
        14 | 15 => (3, 6),
        16 => (3, 8),
        _ => (3, 9),
    }
}

fn peer_of(found: &mut Findings, settings: &Settings, peer: &Peer) {
    let id = peer.id;
    let answer = match &peer.answer {
        Ok(answer) => answer,
        Err(why) => {
            found.note("brokers", format!("broker {id} could not be asked: {why}"));
            return;
        }
    };
    let newest = newest_release(answer.fetch_version);
    if settings.ibp.release() > newest {
        let text = format!(
            "broker {id} is Apache Kafka {}.{} or older, and does not understand {IBP}={}: set it to what that broker has",
            newest.0, newest.1, settings.ibp
        );
        found.stop("brokers", text);
    } else if let Some(theirs) = answer.configs.get(IBP)
        && let Ok(version) = theirs.parse::<MetadataVersion>()
        && version != settings.ibp
    {
        let text =
            format!("broker {id} has {IBP}={theirs}, this file {}: both serve, as in a rolling upgrade", settings.ibp);
        found.note("config", text);
    } else if let Some(theirs) = answer.configs.get(IBP)
        && theirs.parse::<MetadataVersion>().is_err()
    {
        found.stop("brokers", format!("broker {id} has {IBP}={theirs}: Ottla speaks 2.8 to 3.9; raise it first"));
    }
    if id == settings.broker_id {
        other_values(found, settings, answer);
    }
}

/// Keys that change with every start of a broker and say nothing of it.
const NOT_COMPARED: [&str; 2] = ["node.id", "ottla.accept.unenforced"];

/// The running broker was started from another file than this one, where they differ.
fn other_values(found: &mut Findings, settings: &Settings, answer: &Answer) {
    let ours = settings.statics.values();
    let keys = answer.from_file.iter().filter(|key| !NOT_COMPARED.contains(&key.as_str()));
    for key in keys {
        let (Some(theirs), Some(row)) = (answer.configs.get(key), crate::config::table::get(key)) else { continue };
        let ours = ours.get(row).text().unwrap_or_default();
        if ours != *theirs {
            found.note("config", format!("the running broker has {key}={theirs}, this file {ours}"));
        }
    }
}
