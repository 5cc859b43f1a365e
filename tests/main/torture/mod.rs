//! The parts of the torture harness that need no cluster: the form of its histories, and its judge on histories made by hand. Each check
//! has one with just that anomaly, which it and nothing else finds, and a clean twin.

#[path = "../../torture/disk/mod.rs"]
mod disk;
#[path = "../../torture/plan.rs"]
#[allow(dead_code)] // what only the driver uses
mod fault_plan;
#[path = "../../torture/history.rs"]
mod history;
#[path = "../../torture/judge/mod.rs"]
mod judge;
#[path = "../../torture/net/mod.rs"]
#[allow(dead_code)] // what only the driver uses
mod net;
#[path = "../../torture/options.rs"]
#[allow(dead_code)] // the same
mod options;

mod cluster;
mod compacted;
mod form;
mod groups;
mod links;
mod losses;
mod made;
mod plan;
mod polls;
mod power;
mod txns;
mod writes;
