//! Tests of the folder of the same name in src.

mod dynamic;
mod entity;
mod golden;
mod load;
mod loggers;
mod ops;
mod properties;
mod table;
mod topic;
mod value;

use ottla::config::{ConfigMap, Properties, Sources};

/// A map of raw settings.
fn map(pairs: &[(&str, &str)]) -> ConfigMap {
    pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

/// A properties file alone, with the one setting that has no default.
fn file(pairs: &[(&str, &str)]) -> Sources {
    let mut file: Properties = [("zookeeper.connect", "localhost:2181")].into_iter().collect();
    pairs.iter().for_each(|(k, v)| file.insert(*k, *v));
    Sources { file, ..Sources::default() }
}
