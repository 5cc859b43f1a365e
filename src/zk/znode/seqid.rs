//! `/brokers/seqid`: no data; each write raises its data version, which makes broker ids (`broker.id.generation.enable`).

/// The node.
pub const PATH: &str = "/brokers/seqid";
