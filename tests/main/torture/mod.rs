//! The parts of the torture harness that need no cluster: the form of its histories, and its judge on histories made by hand.

mod form;
#[path = "../../torture/history.rs"]
mod history;
