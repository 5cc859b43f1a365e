//! The ZooKeeper layer: codecs against samples and recordings, both arms of the session under one contract, the store on the simulated arm.

mod codec;
#[path = "../../common/zk_contract.rs"]
mod contract;
mod live;
mod recoding;
mod session;
mod store;
