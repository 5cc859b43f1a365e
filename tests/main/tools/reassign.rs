//! Moves of partitions: what a file asks for, what it costs, how far it is.

use std::collections::BTreeMap;

use ottla::tools::admin_client::reassignments::{Partition, Reassignment, ReplicaDirs};
use ottla::tools::reassign_partitions::log_dirs::State;
use ottla::tools::reassign_partitions::plan::{Assignment, Plan, Replica, parse_topics, to_json};
use ottla::tools::reassign_partitions::throttle::{moves, throttled_replicas};
use ottla::tools::reassign_partitions::told;

fn partition(topic: &str, index: i32) -> Partition {
    (topic.to_owned(), index)
}

#[test]
fn file_is_read_and_written_as_kafkas() {
    let text = r#"{"version":1,"partitions":[{"topic":"b","partition":1,"replicas":[1,2],"log_dirs":["any","/d"]},{"topic":"a","partition":0,"replicas":[3]}]}"#;
    let plan = Plan::parse(text).unwrap();
    let replica = Replica { broker: 2, partition: partition("b", 1) };
    assert_eq!(plan.dirs, BTreeMap::from([(replica.clone(), "/d".to_owned())]));
    assert_eq!(replica.to_string(), "b-1-2");
    assert_eq!(
        to_json(&plan.check().unwrap()),
        r#"{"version":1,"partitions":[{"topic":"a","partition":0,"replicas":[3],"log_dirs":["any"]},{"topic":"b","partition":1,"replicas":[1,2],"log_dirs":["any","any"]}]}"#
    );
    assert_eq!(to_json(&Assignment::new()), r#"{"version":1,"partitions":[]}"#);
    assert_eq!(parse_topics(r#"{"topics":[{"topic":"b"},{"topic":"a"}]}"#).unwrap(), ["b", "a"]);
}

#[test]
fn file_that_cant_be_meant_is_refused_in_kafkas_words() {
    let one = |fields: &str| format!(r#"{{"partitions":[{{"topic":"t","partition":0,{fields}}}]}}"#);
    for (text, error) in [
        ("".to_owned(), "com.fasterxml.jackson.core.JsonParseException: The input string shouldn't be empty"),
        ("[]".to_owned(), "Expected JSON object, received []"),
        (r#"{"version":"1"}"#.to_owned(), "Expected `Integer` value, received \"1\""),
        (r#"{"version":2}"#.to_owned(), "Not supported version field value 2"),
        ("{}".to_owned(), "Partition reassignment list cannot be empty"),
        (one(r#""x":0"#), "No such field exists: `replicas`"),
        (one(r#""replicas":0"#), "Expected `JSON array` value, received 0"),
        (one(r#""replicas":[]"#), "Partition replica list cannot be empty"),
        (
            one(r#""replicas":[1,2],"log_dirs":["a"]"#),
            "Size of replicas list [1, 2] is different from size of log dirs list [a] for partition t-0",
        ),
        (
            one(r#""replicas":[1,2,1]"#),
            "Partition replica lists may not contain duplicate entries: t-0 contains multiple entries for 1",
        ),
        (
            r#"{"partitions":[{"topic":"t","partition":0,"replicas":[1]},{"topic":"t","partition":0,"replicas":[2]}]}"#
                .to_owned(),
            "Partition reassignment contains duplicate topic partitions: t-0",
        ),
    ] {
        let refused = Plan::parse(&text).and_then(|plan| plan.check()).unwrap_err();
        assert_eq!(refused.to_string(), error, "{text}");
    }
    for (text, error) in [
        ("x", "The input string is not a valid JSON"),
        (r#"{"topics":[{"topic":"a"},{"topic":"a"}]}"#, "List of topics to reassign contains duplicate entries: [a]"),
    ] {
        assert_eq!(parse_topics(text).unwrap_err().to_string(), error);
    }
}

#[test]
fn throttled_are_the_sources_for_leaders_and_the_new_ones_for_followers() {
    let running = BTreeMap::from([
        (partition("t", 2), Reassignment { replicas: vec![5, 6, 7], adding: vec![7], removing: vec![5] }),
        (partition("u", 0), Reassignment { replicas: vec![1, 2], adding: vec![], removing: vec![2] }),
    ]);
    let proposed = Assignment::from([
        (partition("t", 0), vec![2, 1]),
        (partition("t", 10), vec![1, 3]),
        // Under way, and now to another place: what was there before is the source still.
        (partition("t", 2), vec![8, 6]),
    ]);
    let current = Assignment::from([
        (partition("t", 0), vec![0, 1]),
        (partition("t", 10), vec![1]),
        (partition("t", 2), vec![5, 6, 7]),
    ]);
    let throttled = throttled_replicas(&moves(&running, &proposed, &current));
    assert_eq!(throttled["t"], ["0:0,0:1,10:1,2:5,2:6", "0:2,10:3,2:8"]);
    assert_eq!(throttled["u"], ["0:1,0:2", ""]);
}

#[test]
fn moves_are_told_as_kafka_tells_them() {
    let moving = Reassignment { replicas: vec![2, 1, 0], adding: vec![2], removing: vec![0] };
    let growing = Reassignment { replicas: vec![0, 1], adding: vec![1], removing: vec![] };
    let running = BTreeMap::from([(partition("b", 1), moving), (partition("a", 10), growing)]);
    assert_eq!(
        told(&running),
        "Current partition reassignments:\na-10: replicas: 0,1. adding: 1.\nb-1: replicas: 2,1,0. adding: 2. removing: 0."
    );
    assert_eq!(told(&BTreeMap::new()), "No partition reassignments found.");

    let replica = Replica { broker: 3, partition: partition("t", 1) };
    let told = |current: Option<&str>, future: Option<&str>| {
        let dirs = ReplicaDirs { current: current.map(String::from), future: future.map(String::from) };
        let state = State::of(dirs, "/b");
        (state.told(&replica, "/b"), state.is_done())
    };
    let said = |text: &str, done: bool| (text.to_owned(), done);
    assert_eq!(told(Some("/b"), None), said("Reassignment of replica t-1-3 completed successfully.", true));
    assert_eq!(told(Some("/a"), Some("/b")), said("Reassignment of replica t-1-3 is still in progress.", false));
    assert_eq!(
        told(Some("/a"), Some("/c")),
        said("Partition t-1 on broker 3 is being moved to log dir /c instead of /b.", false)
    );
    assert_eq!(
        told(Some("/a"), None),
        said("Partition t-1 on broker 3 is not being moved from log dir /a to /b.", true)
    );
    assert_eq!(
        told(None, None),
        said(
            "Partition t-1 is not found in any live log dir on broker 3. There is likely an offline log directory on the broker.",
            false
        )
    );
}
