//! What an operator looks at: `/health` and `/metrics`, over HTTP, on a listener of its own (`ottla.admin.listener`). Reads only.
//!
//! | file | what |
//! |---|---|
//! | `coordinators` | the numbers of groups and transactions |
//! | `door` | the listener: a bound on connections |
//! | `metrics` | the broker in Prometheus' text format, under the names that the JMX exporter gives Kafka's |
//! | `health` | is it serving, and what is not as it should be |
//!
//! There is no authentication: it belongs on an address that only operators reach.

mod coordinators;
mod door;
mod health;
mod metrics;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header::CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::base::env::{Lane, Listener};
use crate::base::{BrokerId, Env};
use crate::cluster::Cluster;
use crate::config::unenforced::Unenforced;
use crate::controller::ControllerHandle;
use crate::group;
use crate::log::LogManager;
use crate::replica::Replicas;
use crate::txn;
use crate::zk::session::Zk;

/// What is shown.
pub struct Console {
    /// Clock, tasks, counters.
    pub env: Env,
    /// This broker.
    pub id: BrokerId,
    /// Its session.
    pub zk: Zk,
    /// The metadata image, the broker epoch.
    pub cluster: Arc<Cluster>,
    /// Hosted partitions.
    pub replicas: Arc<Replicas>,
    /// Log directories.
    pub logs: Arc<LogManager>,
    /// Consumer groups.
    pub groups: Arc<group::Coordinator>,
    /// Transactional ids.
    pub txns: Arc<txn::Coordinator>,
    /// The controller's numbers.
    pub controller: ControllerHandle,
    /// True once the broker has been asked to stop.
    pub stopping: tokio::sync::watch::Receiver<bool>,
    /// What ZooKeeper held at the start and is not enforced.
    pub unenforced: Unenforced,
}

/// Quantiles are those of the last one to two of these.
const WINDOW: Duration = Duration::from_secs(60);

/// The media type of OpenMetrics, which Prometheus' own format has become.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Console {
    /// Serves until the broker's runtimes end.
    pub async fn serve(self, listener: Listener) {
        let console = Arc::new(self);
        let turning = console.env.metrics.clone();
        console.env.tasks.spawn(Lane::Data, "metrics windows", async move {
            loop {
                tokio::time::sleep(WINDOW).await;
                turning.turn_windows();
            }
        });
        let router =
            Router::new().route("/health", get(health_page)).route("/metrics", get(metrics_page)).with_state(console);
        if let Err(error) = axum::serve(door::Door::new(listener), router).await {
            tracing::error!(%error, "the console has ended");
        }
    }
}

async fn health_page(State(console): State<Arc<Console>>) -> impl IntoResponse {
    let health = health::of(&console);
    let status = if health.is_serving { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CONTENT_TYPE, "application/json")], health.json())
}

async fn metrics_page(State(console): State<Arc<Console>>) -> impl IntoResponse {
    match metrics::text(&console) {
        Ok(text) => (StatusCode::OK, [(CONTENT_TYPE, OPEN_METRICS)], text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, [(CONTENT_TYPE, "text/plain")], error.to_string()),
    }
}
