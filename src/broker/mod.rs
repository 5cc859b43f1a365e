//! Wiring: what starts when, what stops when, and the tasks that belong to no layer.
//!
//! | file | what |
//! |---|---|
//! | [`run`] | the process: signals, exit code |
//! | [`logging`] | log lines in Kafka's form |
//! | [`start`] | the order of a start, step by step; what each failure tells the operator |
//! | [`stop`] | the order of a stop |
//! | [`session`] | the sequencer: ZooKeeper session lost, opened anew, registered again |
//! | [`register`] | what this broker says of itself in ZooKeeper |
//! | [`config_watch`], [`reconfigure`] | topic and broker configs, live |
//! | [`sockets`] | listeners and their bounds, by the configuration |
//! | [`feature_watch`] | the version of `/feature` |
//! | [`producer_ids`] | refills the stock of producer ids from the controller |
//! | [`controller_watch`] | deposes a controller whose process has died |
//! | [`dir_notice`] | tells the controller of a failed log directory |
//!
//! With the feature `sim` a whole broker runs inside a test: `Broker::start_sim`.

mod config_watch;
mod controller_watch;
mod dir_notice;
mod feature_watch;
mod identity;
pub mod logging;
mod producer_ids;
mod reconfigure;
mod register;

pub mod run;
mod session;
mod sockets;
pub mod start;
mod stop;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::admin::Admin;
use crate::api::Api;
use crate::base::{BrokerId, Env};
use crate::client::Target;
use crate::cluster::Cluster;
use crate::config::live::LiveConfig;
use crate::controller::ControllerHandle;
use crate::log::LogManager;
use crate::replica::Replicas;
use crate::server::Server;
use crate::zk::session::Zk;

/// A running broker: what a stop needs.
pub struct Broker {
    env: Env,
    id: BrokerId,
    config: Arc<LiveConfig>,
    zk: Zk,
    cluster: Arc<Cluster>,
    logs: Arc<LogManager>,
    replicas: Arc<Replicas>,
    controller: ControllerHandle,
    server: Arc<Server>,
    /// Where this broker reaches itself.
    own_address: Target,
    /// Follows ZooKeeper's sessions; ended before the last one is closed, so that none is opened after it.
    sequencer: Mutex<Option<JoinHandle<()>>>,
    /// Tasks that serve while the broker serves.
    background: Mutex<Vec<JoinHandle<()>>>,
    session_file: session::SessionFile,
    _api: Arc<Api>,
    _admin: Arc<Admin>,
}

#[cfg(feature = "sim")]
impl Broker {
    /// What its handlers see.
    pub fn api(&self) -> &Arc<Api> {
        &self._api
    }

    /// Its ZooKeeper sessions.
    pub fn zk(&self) -> &Zk {
        &self.zk
    }

    /// Where it reaches itself.
    pub fn address(&self) -> &Target {
        &self.own_address
    }

    /// A clean stop.
    pub async fn stop(&self) {
        stop::stop(self).await;
    }
}
