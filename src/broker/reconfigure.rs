//! Puts a changed configuration of this broker into effect where it is not simply read anew (`DynamicBrokerConfig` in Kafka).
//!
//! Called by the config watch, one change after the other. Logs get theirs from the watch itself; what is here asks nobody's leave: it
//! was validated before it was written, and what could not be put into effect is told in the log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{register, sockets};
use crate::api::Api;
use crate::config::{BrokerConfig, Listener};
use crate::server::{Server, ServerOptions};
use crate::zk::session::Zk;
use crate::zk::store;

/// Pause before a registration is written again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Who hears of a change.
pub(super) struct Reconfigure {
    pub(super) api: Arc<Api>,
    pub(super) server: Arc<Server>,
    pub(super) options: ServerOptions,
    pub(super) zk: Zk,
    /// What this broker says of itself, in this session and the next.
    pub(super) node: Arc<Mutex<register::Node>>,
}

impl Reconfigure {
    /// Puts what differs into effect.
    pub(super) async fn apply(&self, old: &BrokerConfig, new: &BrokerConfig) {
        let logs = &self.api.replicas.logs;
        logs.shared().set_producer_expiration(new.producer_id_expiration_ms.into());
        logs.shared().set_verify_transactions(new.transaction_partition_verification_enable);
        logs.set_recovery_threads(usize::try_from(new.num_recovery_threads_per_data_dir).unwrap_or(1));
        logs.reconfigure_cleaner(super::start::cleaner_config(new));
        self.api
            .replicas
            .set_throttle_rates(new.leader_replication_throttled_rate, new.follower_replication_throttled_rate);
        self.api.replicas.set_move_rate(new.replica_alter_log_dirs_io_max_bytes_per_second);
        if let Some(fetchers) = self.api.replicas.fetchers() {
            fetchers.resize(u32::try_from(new.num_replica_fetchers).unwrap_or(1));
        }
        self.options.limits.set(sockets::bounds(&self.api.env, new).await);
        if old.listeners != new.listeners {
            self.change_listeners(new).await;
        }
        if old.advertised_listeners != new.advertised_listeners || old.listeners != new.listeners {
            self.register_again(new).await;
        }
        if old.log.unclean_leader_election_enable != new.log.unclean_leader_election_enable {
            self.api.controller.unclean_election_changed(new.log.unclean_leader_election_enable);
        }
        if old.log.min_insync_replicas != new.log.min_insync_replicas {
            self.api.controller.min_insync_replicas_changed(new.log.min_insync_replicas);
        }
    }

    /// By name, as Kafka has it: a listener that is there stays where it is bound.
    async fn change_listeners(&self, new: &BrokerConfig) {
        let serving = self.server.addresses();
        let wanted: BTreeSet<&str> = new.listeners.iter().map(|l| l.name.as_str()).collect();
        for name in serving.keys().filter(|name| !wanted.contains(&***name)) {
            tracing::info!(%name, "closing a listener");
            self.server.remove(name).await;
        }
        for listener in new.listeners.iter().filter(|l| !serving.contains_key(l.name.as_str())) {
            self.open(listener, new).await;
        }
    }

    async fn open(&self, listener: &Listener, config: &BrokerConfig) {
        match sockets::bind(&self.api.env, listener, config).await {
            Ok(bound) => {
                tracing::info!(address = %bound.address, "opening listener {}", listener.name);
                self.server.serve(bound, self.api.clone(), self.options.clone());
            }
            Err(error) => tracing::error!("could not listen on {error}: change or repeat the listener's address"),
        }
    }

    /// Tells the cluster other addresses; the controller hears of it by its watch. A session that is over is replaced by one that
    /// registers them anyway.
    async fn register_again(&self, config: &BrokerConfig) {
        let addresses = self.server.addresses();
        let node = match register::node(&self.api.env, self.api.cluster.broker_id, config, &addresses) {
            Ok(node) => node,
            Err(error) => return tracing::error!(%error, "the advertised listeners are left as they were"),
        };
        *self.node.lock() = node.clone();
        loop {
            let session = self.zk.session();
            match store::brokers::update(&session, &node).await {
                Ok(()) => {
                    return tracing::info!(endpoints = ?register::addresses(&node), "advertised listeners changed");
                }
                Err(_) if session.state().is_terminal() => return,
                Err(error) => {
                    tracing::warn!(%error, "could not register the changed listeners yet");
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }
}
