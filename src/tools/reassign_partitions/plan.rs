//! The JSON files: which partitions shall have which replicas in which directories, and which topics a plan is wanted for.
//!
//! `{"version":1,"partitions":[{"topic":"foo","partition":0,"replicas":[1,2],"log_dirs":["any","/data"]}]}` and
//! `{"version":1,"topics":[{"topic":"foo"}]}`. What is read here is only well-formed; [`Plan::check`] says whether it can be executed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use serde_json::{Value, json};

use super::{command_failed, listed};
use crate::base::BrokerId;
use crate::tools::admin_client::reassignments::Partition;
use crate::tools::java::{DEFAULT_CAPACITY, Exception, hash_order_by, partition_hash};
use crate::tools::json;

/// Brokers of partitions.
pub type Assignment = BTreeMap<Partition, Vec<BrokerId>>;

/// "Wherever the broker likes", among log directories.
const ANY_LOG_DIR: &str = "any";

/// The one version of these files.
const VERSION: i32 = 1;

/// A replica. Ordered by broker first, as Kafka's tool lists them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Replica {
    /// Whose.
    pub broker: BrokerId,
    /// Of which partition.
    pub partition: Partition,
}

/// `topic-partition-broker`.
impl Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", name(&self.partition), self.broker)
    }
}

/// What a file asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// In the file's order, a partition as often as it is there.
    pub partitions: Vec<(Partition, Vec<BrokerId>)>,
    /// Directories, where one is named.
    pub dirs: BTreeMap<Replica, String>,
}

/// `topic-partition`.
pub fn name((topic, index): &Partition) -> String {
    format!("{topic}-{index}")
}

impl Plan {
    /// Reads a file of reassignments.
    ///
    /// # Errors
    /// Kafka's, for what is no such file.
    pub fn parse(text: &str) -> Result<Self, Exception> {
        let json: Value = match text {
            "" => Err(no_json("The input string shouldn't be empty".to_owned())),
            text => serde_json::from_str(text).map_err(|error| no_json(error.to_string())),
        }?;
        let mut plan = Self { partitions: Vec::new(), dirs: BTreeMap::new() };
        let object = json::object(&json)?;
        check_version(object.get("version"))?;
        let items = object.get("partitions").map(json::array).transpose()?;
        for item in items.into_iter().flatten() {
            let (topic, index) = json::partition(item)?;
            let partition = (topic.to_owned(), index);
            let fields = json::object(item)?;
            let replicas = json::list(json::field(fields, "replicas")?, json::integer)?;
            let dirs = match fields.get("log_dirs") {
                Some(dirs) => json::list(dirs, json::text)?,
                None => vec![ANY_LOG_DIR; replicas.len()],
            };
            if replicas.len() != dirs.len() {
                return Err(command_failed(format!(
                    "Size of replicas list [{}] is different from size of log dirs list [{}] for partition {}",
                    listed(&replicas, ", "),
                    dirs.join(", "),
                    name(&partition)
                )));
            }
            for (broker, dir) in replicas.iter().zip(dirs).filter(|(_, dir)| *dir != ANY_LOG_DIR) {
                plan.dirs.insert(Replica { broker: *broker, partition: partition.clone() }, dir.to_owned());
            }
            plan.partitions.push((partition, replicas));
        }
        Ok(plan)
    }

    /// The assignment, if it can be executed.
    ///
    /// # Errors
    /// Kafka's: nothing in it, no replicas, or something twice.
    pub fn check(&self) -> Result<Assignment, Exception> {
        if self.partitions.is_empty() {
            return Err(command_failed("Partition reassignment list cannot be empty"));
        }
        if self.partitions.iter().any(|(_, replicas)| replicas.is_empty()) {
            return Err(command_failed("Partition replica list cannot be empty"));
        }
        let twice = duplicates(self.partitions.iter().map(|(partition, _)| partition));
        if !twice.is_empty() {
            let twice = hash_order_by(twice, DEFAULT_CAPACITY, |(topic, index)| partition_hash(topic, *index));
            let names: Vec<String> = twice.into_iter().map(name).collect();
            return Err(command_failed(format!(
                "Partition reassignment contains duplicate topic partitions: {}",
                names.join(",")
            )));
        }
        let twice = |(partition, replicas): &(Partition, Vec<BrokerId>)| match duplicates(replicas).as_slice() {
            [] => None,
            twice => Some(format!("{} contains multiple entries for {}", name(partition), listed(twice, ","))),
        };
        let twice: Vec<String> = self.partitions.iter().filter_map(twice).collect();
        if !twice.is_empty() {
            let why = twice.join(". ");
            return Err(command_failed(format!("Partition replica lists may not contain duplicate entries: {why}")));
        }
        Ok(self.partitions.iter().cloned().collect())
    }

    /// The assignment as it stands in the file, without a look at it.
    pub fn targets(&self) -> Assignment {
        self.partitions.iter().cloned().collect()
    }
}

/// The topics of a file, in its order.
///
/// # Errors
/// Kafka's, for what is no such file or names a topic twice.
pub fn parse_topics(text: &str) -> Result<Vec<String>, Exception> {
    let json: Value =
        serde_json::from_str(text).map_err(|_| operation("The input string is not a valid JSON".to_owned()))?;
    let object = json::object(&json)?;
    check_version(object.get("version"))?;
    let items = object.get("topics").map(json::array).transpose()?;
    let mut topics = Vec::new();
    for item in items.into_iter().flatten() {
        topics.push(json::text(json::field(json::object(item)?, "topic")?)?.to_owned());
    }
    match duplicates(&topics).as_slice() {
        [] => Ok(topics),
        twice => Err(command_failed(format!(
            "List of topics to reassign contains duplicate entries: [{}]",
            listed(twice, ", ")
        ))),
    }
}

/// The file that would make this assignment, in any directories.
pub fn to_json(assignment: &Assignment) -> String {
    let partition = |((topic, index), replicas): (&Partition, &Vec<BrokerId>)| {
        let dirs = vec![ANY_LOG_DIR; replicas.len()];
        json!({"topic": topic, "partition": index, "replicas": replicas, "log_dirs": dirs})
    };
    let partitions: Vec<Value> = assignment.iter().map(partition).collect();
    json!({"version": VERSION, "partitions": partitions}).to_string()
}

/// What is there more than once, each once.
pub fn duplicates<'a, T: Ord>(items: impl IntoIterator<Item = &'a T>) -> Vec<&'a T> {
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    twice.extend(items.into_iter().filter(|item| !seen.insert(*item)));
    twice.into_iter().collect()
}

fn check_version(version: Option<&Value>) -> Result<(), Exception> {
    match version.map(json::integer).transpose()? {
        None | Some(VERSION) => Ok(()),
        Some(other) => Err(operation(format!("Not supported version field value {other}"))),
    }
}

fn operation(why: String) -> Exception {
    Exception::new("org.apache.kafka.server.common.AdminOperationException", why)
}

fn no_json(why: String) -> Exception {
    let parse = Exception::new("com.fasterxml.jackson.core.JsonParseException", why);
    operation(parse.line()).because(parse)
}
