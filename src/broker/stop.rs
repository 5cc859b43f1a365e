//! The order of a stop (`KafkaServer.shutdown`). Each step is tried whatever became of the one before.

use std::time::Duration;

use super::Broker;
use crate::base::ErrorCode;
use crate::client::{BrokerClient, ClientOptions};
use crate::wire::ControlledShutdownRequest;

/// `ControlledShutdown` from IBP 2.4 on.
const VERSION: i16 = 3;

/// Stops a running broker: leaderships move away, accepted requests are answered, logs are closed, and only then do the nodes in
/// ZooKeeper vanish.
pub async fn stop(broker: &Broker) {
    tracing::info!("[KafkaServer id={}] shutting down", broker.id);
    if broker.config.load().controlled_shutdown_enable {
        controlled_shutdown(broker).await;
    }
    for task in std::mem::take(&mut *broker.background.lock()) {
        task.abort(); // each only reads and follows; nothing is left half done
    }
    broker.server.stop().await;
    if let Some(fetchers) = broker.replicas.fetchers() {
        fetchers.stop_all();
    }
    broker.logs.checkpoint_high_watermarks().await;
    broker.logs.shutdown().await;
    broker.controller.shutdown().await;
    // Else it could register again in a session of its own making, just after the last one was closed.
    let sequencer = broker.sequencer.lock().take();
    if let Some(sequencer) = sequencer {
        sequencer.abort();
        let _ = sequencer.await; // aborted, which is what was wanted
    }
    broker.zk.close().await;
    broker.session_file.remove();
    tracing::info!("[KafkaServer id={}] shut down completed", broker.id);
}

async fn controlled_shutdown(broker: &Broker) {
    let config = broker.config.load();
    let find = broker.controller_lookup();
    let mut options = ClientOptions::new(broker.id.to_string());
    options.connect_timeout = Duration::from_millis(u64::try_from(config.controller_socket_timeout_ms).unwrap_or(0));
    let attempts = config.controlled_shutdown_max_retries.max(0);
    for attempt in 0..attempts {
        if let Some(target) = find() {
            let mut client = BrokerClient::new(broker.env.clone(), target, options.clone());
            let request =
                ControlledShutdownRequest { broker_id: broker.id, broker_epoch: broker.cluster.epochs.broker() };
            match client.send(&request, VERSION).await {
                Ok(answer) if answer.error_code == ErrorCode::None.code() && answer.remaining_partitions.is_empty() => {
                    tracing::info!("controlled shutdown succeeded");
                    return;
                }
                Ok(answer) if answer.error_code == ErrorCode::None.code() => {
                    tracing::info!(partitions = answer.remaining_partitions.len(), "still leader of some partitions");
                }
                Ok(answer) => {
                    tracing::info!(code = %ErrorCode::from_code(answer.error_code), "controlled shutdown was refused");
                }
                Err(error) => tracing::info!(%error, "the controller could not be asked"),
            }
        }
        if attempt + 1 < attempts {
            let pause = u64::try_from(config.controlled_shutdown_retry_backoff_ms).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }
    tracing::warn!("proceeding with the stop although leaderships remain: the controller finds new leaders afterwards");
}
