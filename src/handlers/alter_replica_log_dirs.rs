//! AlterReplicaLogDirs, v0–2: moves replicas of this broker to other log directories (KIP-113). The answer says that a move
//! has begun; DescribeLogDirs shows how far it is. All versions mean the same.
//!
//! - The directory that a replica is in already: a move that is under way is given up.
//! - LOG_DIR_NOT_FOUND for a path that is not in `log.dirs`, KAFKA_STORAGE_ERROR for one that is offline.
//! - A replica that is not here yet: REPLICA_NOT_AVAILABLE, or UNKNOWN_TOPIC_OR_PARTITION when nobody has told of the
//!   partition, and it is made in the directory when it comes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use wire::alter_replica_log_dirs::{AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult};
use wire::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
use zk_paths::ids::TopicPartition;

use super::Context;
use crate::broker::Broker;

/// Answers an AlterReplicaLogDirs request.
pub async fn handle(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    request: AlterReplicaLogDirsRequest,
) -> AlterReplicaLogDirsResponse {
    context.origin.park();
    // The same partition twice counts once, the last time, as in Kafka.
    let mut wanted: BTreeMap<TopicPartition, PathBuf> = BTreeMap::new();
    for dir in request.dirs {
        for topic in dir.topics {
            let names = topic.partitions.iter().map(|index| TopicPartition::new(&*topic.name, *index));
            wanted.extend(names.map(|name| (name, PathBuf::from(&*dir.path))));
        }
    }
    let mut topics: BTreeMap<_, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
    for (name, error) in broker.replicas.alter_log_dirs(broker, wanted).await {
        let result =
            AlterReplicaLogDirPartitionResult { partition_index: name.partition, error_code: error.code() };
        topics.entry(name.topic).or_default().push(result);
    }
    let results = topics.into_iter().map(|(topic_name, partitions)| AlterReplicaLogDirTopicResult {
        topic_name: (&topic_name).into(),
        partitions,
    });
    AlterReplicaLogDirsResponse { throttle_time_ms: 0, results: results.collect() }
}
