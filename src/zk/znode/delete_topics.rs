//! `/admin/delete_topics/<topic>`: the topic is to be deleted; no data. The controller takes the mark away at the end.

/// The parent.
pub const PATH: &str = "/admin/delete_topics";

/// The mark of a topic.
pub fn path(topic: &str) -> String {
    format!("{PATH}/{topic}")
}
