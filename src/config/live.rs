//! The configuration of the moment: what was set at start, under what ZooKeeper holds for this broker.
//!
//! One writer (the config watch in `broker/`), any reader, no lock.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::broker_config::BrokerConfig;
use super::dynamic::{DynamicConfig, Effective};
use super::load::StaticConfig;
use super::log_config::LogConfig;
use super::topic;
use super::value::ConfigError;
use super::values::ConfigMap;

/// Static and dynamic layers with what they come to.
#[derive(Debug)]
pub struct LiveConfig {
    statics: Arc<StaticConfig>,
    current: ArcSwap<Current>,
}

/// One consistent state of the configuration.
#[derive(Clone, Debug)]
pub struct Current {
    /// The dynamic layers, raw.
    pub dynamic: Arc<DynamicConfig>,
    /// All layers, typed.
    pub effective: Effective,
}

impl LiveConfig {
    /// The configuration under these dynamic layers.
    ///
    /// # Errors
    /// When `statics` alone doesn't do.
    pub fn new(statics: StaticConfig, dynamic: DynamicConfig) -> Result<Self, ConfigError> {
        let effective = dynamic.effective(&statics)?;
        let current = Current { dynamic: Arc::new(dynamic), effective };
        Ok(Self { statics: Arc::new(statics), current: ArcSwap::from_pointee(current) })
    }

    /// What was set at start.
    pub fn statics(&self) -> &Arc<StaticConfig> {
        &self.statics
    }

    /// The broker's configuration.
    pub fn load(&self) -> Arc<BrokerConfig> {
        self.current.load().effective.config.clone()
    }

    /// Layers and result together.
    pub fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    /// Puts new dynamic layers into effect; what is stored but can't be is left out with a warning.
    ///
    /// # Errors
    /// When `statics` alone doesn't do; nothing changes then.
    pub fn set_dynamic(&self, dynamic: DynamicConfig) -> Result<(), ConfigError> {
        let effective = dynamic.effective(&self.statics)?;
        for warning in &effective.warnings {
            tracing::warn!("{warning}");
        }
        self.current.store(Arc::new(Current { dynamic: Arc::new(dynamic), effective }));
        Ok(())
    }

    /// A topic's configuration under its overrides.
    pub fn topic(&self, overrides: &ConfigMap) -> Arc<LogConfig> {
        let current = self.current.load();
        let (config, warnings) = topic::log_config(&current.effective.values, overrides);
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        Arc::new(config)
    }
}
