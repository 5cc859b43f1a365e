//! AlterReplicaLogDirs (0-2): moves replicas between the log directories of this broker (KIP-113).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::env::Lane;
use crate::base::{ErrorCode, TopicPartition};
use crate::replica::Replicas;
use crate::wire::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, AlterReplicaLogDirsResponsePartition,
    AlterReplicaLogDirsResponseTopic,
};

/// Answers when the moves have begun; DescribeLogDirs shows how far they are.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: AlterReplicaLogDirsRequest = request.decode()?;
    let (replier, replicas) = (request.replier(), api.replicas.clone());
    // A move that has half begun would be nobody's: also when the connection goes away meanwhile.
    let task = api.env.tasks.spawn(Lane::Data, "moves to other directories", begin(replicas, targets(asked)));
    Ok(Outcome::later(async move {
        match task.await {
            Ok(results) => replier.reply(&AlterReplicaLogDirsResponse { results, ..Default::default() }),
            Err(_) => Outcome::Close, // the runtime is going, or it panicked: what has begun is not known
        }
    }))
}

async fn begin(
    replicas: Arc<Replicas>,
    targets: BTreeMap<TopicPartition, PathBuf>,
) -> Vec<AlterReplicaLogDirsResponseTopic> {
    let mut topics: BTreeMap<Arc<str>, Vec<AlterReplicaLogDirsResponsePartition>> = BTreeMap::new();
    for (id, dir) in targets {
        let error = replicas.alter_dir(&id, &dir).await.err().unwrap_or(ErrorCode::None);
        if error != ErrorCode::None {
            tracing::warn!(partition = %id, dir = %dir.display(), code = %error, "unable to alter a log directory");
        }
        let partition =
            AlterReplicaLogDirsResponsePartition { partition_index: id.partition, error_code: error.code() };
        topics.entry(id.topic).or_default().push(partition);
    }
    let topic =
        |(name, partitions): (Arc<str>, _)| AlterReplicaLogDirsResponseTopic { topic_name: name.into(), partitions };
    topics.into_iter().map(topic).collect()
}

/// Where to with each partition. Of one that is named twice the last word counts, as in Kafka.
fn targets(asked: AlterReplicaLogDirsRequest) -> BTreeMap<TopicPartition, PathBuf> {
    let mut targets = BTreeMap::new();
    for dir in asked.dirs {
        let path = PathBuf::from(String::from(&dir.path));
        for topic in dir.topics {
            let name: Arc<str> = (&topic.name).into();
            for partition in topic.partitions {
                targets.insert(TopicPartition::new(name.clone(), partition), path.clone());
            }
        }
    }
    targets
}
