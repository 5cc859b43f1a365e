//! The broker in Prometheus' text format.
//!
//! The names are those that the JMX exporter makes of Kafka's by its usual rules (lower case, `kafka_<group>_<type>_<name>`, a meter's
//! count as `_total`, a histogram's percentiles as `quantile`), so that dashboards made for Kafka show Ottla. A count grows from the
//! start of the process; quantiles are those of the last one to two minutes.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::{Console, coordinators};
use crate::base::metrics::{ApiMetrics, Metrics};
use crate::config::unenforced::Kind;
use crate::controller::ControllerStatus;
use crate::log::CleanerStatus;
use crate::replica::PartitionCounts;
use crate::{group, txn};

/// Everything, as of now.
pub(super) fn text(console: &Console) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    let snapshot = Snapshot {
        metrics: console.env.metrics.clone(),
        controller: console.controller.status(),
        partitions: console.replicas.counts(),
        offline_dirs: console.logs.offline().borrow().len(),
        cleaner: console.logs.cleaner_status(),
        groups: console.groups.numbers(),
        txns: console.txns.numbers(),
        broker_state: if *console.stopping.borrow() { SHUTTING_DOWN } else { RUNNING },
        unenforced: Kind::ALL.map(|kind| (kind, console.unenforced.get(&kind).map_or(0, Vec::len))),
    };
    registry.register_collector(Box::new(snapshot));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

/// `BrokerState` of a broker that serves.
const RUNNING: u8 = 3;
/// `BrokerState` of one that stops.
const SHUTTING_DOWN: u8 = 7;

#[derive(Debug)]
struct Snapshot {
    metrics: std::sync::Arc<Metrics>,
    controller: ControllerStatus,
    partitions: PartitionCounts,
    offline_dirs: usize,
    cleaner: CleanerStatus,
    groups: group::Numbers,
    txns: txn::Numbers,
    broker_state: u8,
    unenforced: [(Kind, usize); 4],
}

/// The shares of requests, and how Kafka's percentiles are labelled.
const QUANTILES: [(&str, f64); 5] = [("0.50", 0.5), ("0.75", 0.75), ("0.95", 0.95), ("0.99", 0.99), ("0.999", 0.999)];

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let out = &mut encoder;
        self.controller(out)?;
        self.replicas(out)?;
        self.cleaner(out)?;
        coordinators::groups(out, &self.groups)?;
        coordinators::transactions(out, &self.txns)?;
        self.topics(out)?;
        self.requests(out)?;
        self.unenforced(out)
    }
}

pub(super) fn gauge(out: &mut DescriptorEncoder, name: &str, help: &str, value: usize) -> fmt::Result {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    out.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
}

/// Gauges of one of Kafka's beans: name behind the prefix, help, value.
pub(super) fn gauges(out: &mut DescriptorEncoder, prefix: &str, rows: &[(&str, &str, usize)]) -> fmt::Result {
    rows.iter().try_for_each(|(name, help, value)| gauge(out, &format!("{prefix}_{name}"), help, *value))
}

pub(super) fn whole(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// The library adds `_total` to the name.
fn counter(out: &mut DescriptorEncoder, name: &str, help: &str, value: u64) -> fmt::Result {
    let none: Option<&prometheus_client::metrics::exemplar::Exemplar<[(String, String); 0], u64>> = None;
    out.encode_descriptor(name, help, None, MetricType::Counter)?.encode_counter(&value, none)
}

impl Snapshot {
    fn controller(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let c = &self.controller;
        let rows: [(&str, &str, usize); 12] = [
            ("activecontrollercount", "1 on the broker that is the controller", c.active.into()),
            ("offlinepartitionscount", "Partitions without a leader", c.offline_partitions),
            (
                "preferredreplicaimbalancecount",
                "Partitions led by another than the first replica",
                c.preferred_imbalance,
            ),
            ("controllerstate", "What the controller is doing", c.state.into()),
            ("globaltopiccount", "Topics of the cluster", c.topics),
            ("globalpartitioncount", "Partitions of the cluster", c.partitions),
            ("topicstodeletecount", "Topics that are to be deleted", c.topics_to_delete),
            ("replicastodeletecount", "Replicas that are to be deleted", c.replicas_to_delete),
            ("topicsineligibletodeletecount", "Topics whose deletion waits", c.topics_ineligible),
            ("replicasineligibletodeletecount", "Replicas whose deletion waits", c.replicas_ineligible),
            ("activebrokercount", "Registered brokers", c.active_brokers),
            ("fencedbrokercount", "Always 0 with ZooKeeper", 0),
        ];
        gauges(out, "kafka_controller_kafkacontroller", &rows)?;
        gauge(out, "kafka_controller_controllereventmanager_eventqueuesize", "Events that wait", c.event_queue)?;
        let help = "Elections of a leader that was not in sync";
        counter(out, "kafka_controller_controllerstats_uncleanleaderelections", help, c.unclean_elections)
    }

    fn replicas(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let p = &self.partitions;
        let rows: [(&str, &str, usize); 6] = [
            ("partitioncount", "Hosted partitions", p.hosted),
            ("leadercount", "Led partitions", p.led),
            ("offlinereplicacount", "Replicas in failed log directories", p.offline),
            ("underreplicatedpartitions", "Led partitions that lack an in-sync replica", p.under_replicated),
            ("underminisrpartitioncount", "Led partitions below min.insync.replicas", p.under_min_isr),
            ("atminisrpartitioncount", "Led partitions at min.insync.replicas", p.at_min_isr),
        ];
        gauges(out, "kafka_server_replicamanager", &rows)?;
        let m = &self.metrics;
        let rows = [
            ("isrshrinks", "In-sync replicas removed", &m.isr_shrinks),
            ("isrexpands", "In-sync replicas added", &m.isr_expands),
            ("failedisrupdates", "Changes of in-sync replicas that were refused", &m.failed_isr_updates),
        ];
        for (name, help, value) in rows {
            counter(out, &format!("kafka_server_replicamanager_{name}"), help, value.get())?;
        }
        gauge(out, "kafka_server_kafkaserver_brokerstate", "3 running, 7 shutting down", self.broker_state.into())?;
        gauge(out, "kafka_log_logmanager_offlinelogdirectorycount", "Failed log directories", self.offline_dirs)
    }

    /// The dashes of Kafka's names are underscores, as the exporter writes them.
    fn cleaner(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let c = &self.cleaner;
        let rows: [(&str, &str, usize); 7] = [
            (
                "logcleaner_max_buffer_utilization_percent",
                "Used part of the fullest map of keys, in the threads' last passes",
                whole(c.max_buffer_utilization_percent),
            ),
            (
                "logcleaner_cleaner_recopy_percent",
                "Bytes written of bytes read, in the threads' last passes",
                whole(c.recopy_percent),
            ),
            ("logcleaner_max_clean_time_secs", "The longest of the threads' last passes", whole(c.max_clean_time_secs)),
            (
                "logcleaner_max_compaction_delay_secs",
                "The longest that a record has waited beyond max.compaction.lag.ms",
                whole(c.max_compaction_delay_secs),
            ),
            ("logcleaner_deadthreadcount", "Cleaner threads that have died", c.dead_threads),
            ("logcleanermanager_max_dirty_percent", "Dirty part of the dirtiest log", whole(c.max_dirty_percent)),
            (
                "logcleanermanager_time_since_last_run_ms",
                "Milliseconds since a thread last looked for something to clean",
                whole(c.since_last_run_ms),
            ),
        ];
        gauges(out, "kafka_log", &rows)?;
        type OfDir = fn(&(std::path::PathBuf, usize, u64)) -> u64;
        let by_dir: [(&str, &str, OfDir); 2] = [
            ("partitions_count", "Logs that the cleaner leaves alone after an error", |dir| dir.1 as u64),
            ("bytes", "Their dirty bytes", |dir| dir.2),
        ];
        for (name, help, value) in by_dir {
            let name = format!("kafka_log_logcleanermanager_uncleanable_{name}");
            let mut metric = out.encode_descriptor(&name, help, None, MetricType::Gauge)?;
            for dir in &c.uncleanable {
                let value = i64::try_from(value(dir)).unwrap_or(i64::MAX);
                metric.encode_family(&[("logDirectory", dir.0.display().to_string())])?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    /// Broker-wide numbers first, without a label, then those of each topic.
    fn topics(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let m = &self.metrics;
        let topics = m.topics();
        let of_topics = |which: fn(&crate::base::metrics::TopicMetrics) -> u64| {
            topics.iter().map(|(name, topic)| (name.clone(), which(topic))).collect::<Vec<_>>()
        };
        let rows = [
            ("messagesin", "Records appended", &m.messages_in, of_topics(|t| t.messages_in.get())),
            ("bytesin", "Bytes of records appended", &m.bytes_in, of_topics(|t| t.bytes_in.get())),
            ("bytesout", "Bytes of records sent to consumers", &m.bytes_out, Vec::new()),
            ("replicationbytesin", "Bytes of records copied from leaders", &m.replication_bytes_in, Vec::new()),
            ("replicationbytesout", "Bytes of records sent to followers", &m.replication_bytes_out, Vec::new()),
            ("failedproducerequests", "Produces refused", &m.failed_produces, Vec::new()),
            ("failedfetchrequests", "Fetches refused", &m.failed_fetches, Vec::new()),
        ];
        let none: Option<&prometheus_client::metrics::exemplar::Exemplar<[(String, String); 0], u64>> = None;
        for (name, help, total, by_topic) in rows {
            let name = format!("kafka_server_brokertopicmetrics_{name}");
            let mut metric = out.encode_descriptor(&name, help, None, MetricType::Counter)?;
            let unlabelled: [(&str, &str); 0] = [];
            metric.encode_family(&unlabelled)?.encode_counter(&total.get(), none)?;
            for (topic, value) in by_topic {
                metric.encode_family(&[("topic", &*topic)])?.encode_counter(&value, none)?;
            }
        }
        Ok(())
    }

    fn requests(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let apis: Vec<&ApiMetrics> = self.metrics.apis().collect();
        let none: Option<&prometheus_client::metrics::exemplar::Exemplar<[(String, String); 0], u64>> = None;
        let name = "kafka_network_requestmetrics_requests";
        let mut metric = out.encode_descriptor(name, "Requests answered", None, MetricType::Counter)?;
        for api in &apis {
            for (version, count) in api.by_version.iter().enumerate().filter(|(_, count)| count.get() > 0) {
                let labels = [("request", api.name), ("version", &version.to_string())];
                metric.encode_family(&labels)?.encode_counter(&count.get(), none)?;
            }
        }
        let name = "kafka_network_requestmetrics_totaltimems";
        let help = "Milliseconds from a request read to its answer sent";
        let mut metric = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for api in &apis {
            let Some(times) = api.total_time.quantiles_ms(QUANTILES.map(|(_, share)| share)) else { continue };
            for ((label, _), ms) in QUANTILES.iter().zip(times) {
                metric.encode_family(&[("request", api.name), ("quantile", label)])?.encode_gauge(&ms)?;
            }
        }
        Ok(())
    }

    /// Ottla's own: an alert on it tells that a cluster runs less guarded than it was set up.
    fn unenforced(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let help = "Entities in ZooKeeper at the start of a kind that is not enforced";
        let mut metric = out.encode_descriptor("ottla_unenforced", help, None, MetricType::Gauge)?;
        for (kind, count) in self.unenforced.iter().filter(|(kind, _)| !kind.is_enforced()) {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            metric.encode_family(&[("kind", kind.name())])?.encode_gauge(&count)?;
        }
        Ok(())
    }
}
