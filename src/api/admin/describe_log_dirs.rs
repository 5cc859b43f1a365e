//! DescribeLogDirs (0-4): what lies in each directory of this broker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::{ErrorCode, TopicPartition};
use crate::replica::describe::{DirDescription, ReplicaDescription};
use crate::wire::{
    DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResponseDir, DescribeLogDirsResponsePartition,
    DescribeLogDirsResponseTopic,
};

/// Asks the directories.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: DescribeLogDirsRequest = request.decode()?;
    let wanted: Option<BTreeSet<TopicPartition>> = asked.topics.map(|topics| {
        let of = |topic: &str, partitions: &[i32]| {
            let topic: Arc<str> = topic.into();
            partitions.iter().map(move |p| TopicPartition::new(topic.clone(), *p)).collect::<Vec<_>>()
        };
        topics.iter().flat_map(|t| of(&t.topic, &t.partitions)).collect()
    });
    let dirs = api.replicas.describe_dirs().await;
    let results = dirs.into_iter().map(|dir| describe(dir, wanted.as_ref())).collect();
    Ok(request.replier().reply(&DescribeLogDirsResponse { results, ..Default::default() }))
}

fn describe(dir: DirDescription, wanted: Option<&BTreeSet<TopicPartition>>) -> DescribeLogDirsResponseDir {
    let mut topics: BTreeMap<Arc<str>, Vec<DescribeLogDirsResponsePartition>> = BTreeMap::new();
    for replica in dir.replicas.into_iter().filter(|r| wanted.is_none_or(|w| w.contains(&r.id))) {
        let ReplicaDescription { id, size_bytes, offset_lag, is_future } = replica;
        topics.entry(id.topic).or_default().push(DescribeLogDirsResponsePartition {
            partition_index: id.partition,
            partition_size: size_bytes,
            offset_lag,
            is_future_key: is_future,
        });
    }
    DescribeLogDirsResponseDir {
        error_code: if dir.is_online { ErrorCode::None } else { ErrorCode::KafkaStorageError }.code(),
        log_dir: dir.path.to_string_lossy().into_owned().into(),
        topics: topics
            .into_iter()
            .map(|(name, partitions)| DescribeLogDirsResponseTopic { name: name.into(), partitions })
            .collect(),
        total_bytes: dir.total_bytes,
        usable_bytes: dir.usable_bytes,
    }
}
