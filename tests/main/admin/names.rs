//! Names of topics, with the messages that Kafka's tools print.

use ottla::admin::{AdminError, names};
use ottla::base::topic_names;

fn refusal(topic: &str) -> String {
    names::check(topic).expect_err("refused").to_string()
}

#[test]
fn legal_names_are_accepted() {
    for topic in ["a", "with.dot_under", "A-Z09", "...", "__consumer_offsets", &"x".repeat(249)] {
        assert!(names::check(topic).is_ok(), "{topic}");
    }
}

#[test]
fn refusals_have_kafkas_words() {
    assert_eq!(
        refusal("a b"),
        "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    );
    assert_eq!(refusal(""), "Topic name is invalid: the empty string is not allowed");
    assert_eq!(refusal("."), "Topic name is invalid: '.' is not allowed");
    assert_eq!(refusal(".."), "Topic name is invalid: '..' is not allowed");
    let long = "x".repeat(250);
    assert_eq!(
        refusal(&long),
        format!("Topic name is invalid: the length of '{long}' is longer than the max allowed length 249")
    );
}

#[test]
fn names_with_slashes_never_reach_a_path() {
    for topic in ["a/b", "/", "../x", "a\0", "ü"] {
        assert!(matches!(names::check(topic), Err(AdminError::InvalidTopic(_))), "{topic}");
    }
}

#[test]
fn dots_and_underscores_collide() {
    assert!(names::collides("a.b_c", "a_b.c"));
    assert!(names::collides("a.b", "a.b"));
    assert!(!names::collides("a.b", "a-b"));
    assert!(!names::collides("a.b", "a.b."));
    assert!(names::has_collision_chars("a.b") && names::has_collision_chars("a_b"));
    assert!(!names::has_collision_chars("a-b"));
}

#[test]
fn internal_topics_are_known_by_name() {
    assert!(topic_names::is_internal("__consumer_offsets") && topic_names::is_internal("__transaction_state"));
    assert!(!topic_names::is_internal("__cluster_metadata") && !topic_names::is_internal("consumer_offsets"));
}
