//! Topic config overrides (`/config/topics/<topic>`): raw text by key, resolved by whoever needs a typed config.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// The overrides of one topic: config key to value, as in the znode.
pub type Overrides = BTreeMap<String, String>;

/// The overrides of all topics that have any. One writer (the config watch and the control applier, both on control), any reader.
#[derive(Debug, Default)]
pub struct TopicOverrides(ArcSwap<BTreeMap<Arc<str>, Arc<Overrides>>>);

impl TopicOverrides {
    /// The overrides of a topic, empty when there are none.
    pub fn get(&self, topic: &str) -> Arc<Overrides> {
        self.0.load().get(topic).cloned().unwrap_or_default()
    }

    /// Replaces the overrides of a topic.
    pub fn set(&self, topic: &str, overrides: Overrides) {
        let overrides = Arc::new(overrides);
        self.0.rcu(|all| {
            let mut all = BTreeMap::clone(all);
            if overrides.is_empty() {
                all.remove(topic);
            } else {
                all.insert(topic.into(), overrides.clone());
            }
            all
        });
    }

    /// Replaces the overrides of many topics, in one step: a cluster has tens of thousands.
    pub fn set_many(&self, topics: impl IntoIterator<Item = (Arc<str>, Overrides)>) {
        let topics: Vec<_> = topics.into_iter().map(|(topic, overrides)| (topic, Arc::new(overrides))).collect();
        self.0.rcu(|all| {
            let mut all = BTreeMap::clone(all);
            for (topic, overrides) in &topics {
                if overrides.is_empty() {
                    all.remove(topic);
                } else {
                    all.insert(topic.clone(), overrides.clone());
                }
            }
            all
        });
    }

    /// Forgets a deleted topic.
    pub fn remove(&self, topic: &str) {
        self.set(topic, Overrides::new());
    }
}
