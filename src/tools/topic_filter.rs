//! Patterns of topic names, as `--topic` takes them: a regular expression for the whole name, or several with commas between.
//!
//! Used by topics and get-offsets. Java's and Rust's expressions agree on what topic patterns use; look-around and back references are
//! refused as invalid.

use regex_automata::nfa::thompson::pikevm::PikeVM;

use super::java::Exception;

/// A pattern (`TopicFilter.IncludeList`).
#[derive(Debug)]
pub struct TopicFilter(PikeVM);

impl TopicFilter {
    /// Reads a pattern. Quotes around it are taken off, blanks removed; a comma is an alternative.
    ///
    /// # Errors
    /// `x is an invalid regex.`
    pub fn new(raw: &str) -> Result<Self, Exception> {
        let text = raw.trim().replace(',', "|").replace(' ', "");
        let text = text.trim_start_matches(['"', '\'']).trim_end_matches(['"', '\'']);
        PikeVM::new(&format!("\\A(?:{text})\\z"))
            .map(Self)
            .map_err(|_| Exception::new("java.lang.RuntimeException", format!("{text} is an invalid regex.")))
    }

    /// Does the whole name match?
    pub fn allows(&self, topic: &str) -> bool {
        self.0.is_match(&mut self.0.create_cache(), topic)
    }
}
