//! How a client finds its way: versions, brokers, leaders.

pub mod api_versions;
pub mod describe_cluster;
#[allow(clippy::module_inception)] // the API's own name
pub mod metadata;
