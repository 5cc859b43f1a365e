//! The parts of the torture harness that need no cluster: the form of its histories, and its judge on histories made by hand. Each check
//! has one with just that anomaly, which it and nothing else finds, and a clean twin.

#[path = "../../torture/history.rs"]
mod history;
#[path = "../../torture/judge/mod.rs"]
mod judge;

mod cluster;
mod compacted;
mod form;
mod groups;
mod losses;
mod made;
mod polls;
mod txns;
mod writes;
