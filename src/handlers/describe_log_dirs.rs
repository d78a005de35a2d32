//! DescribeLogDirs, v0–4: what lies in this broker's log directories. The broker that is asked answers for itself.
//!
//! - No list of topics asks for everything; a list asks for its partitions only. Every directory is named either way.
//! - A directory that is offline has KAFKA_STORAGE_ERROR and nothing else.
//! - v3+ has an error for the whole answer (authorisation), v4+ the size of the volume and the room that is left.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tracing::error;
use wire::describe_log_dirs::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic};
use wire::{DescribeLogDirsRequest, DescribeLogDirsResponse, ErrorCode};
use zk_paths::ids::TopicPartition;

use super::Context;
use crate::broker::Broker;
use crate::replica::log_dirs::{DescribedDir, DescribedLog};

/// Answers a DescribeLogDirs request.
pub async fn handle(
    broker: &Arc<Broker>,
    context: &Context<'_>,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let wanted: Option<HashSet<TopicPartition>> = request.topics.map(|topics| {
        let named = topics.into_iter().flat_map(|topic| {
            topic.partitions.into_iter().map(move |partition| TopicPartition::new(&*topic.topic, partition))
        });
        named.collect()
    });
    context.origin.park();
    let replicas = broker.replicas.clone();
    match tokio::task::spawn_blocking(move || replicas.describe_log_dirs(wanted.as_ref())).await {
        Ok(dirs) => DescribeLogDirsResponse { results: dirs.into_iter().map(result).collect(), ..Default::default() },
        Err(panic) => {
            error!("log directories could not be described: {panic}");
            DescribeLogDirsResponse { error_code: ErrorCode::UnknownServerError.code(), ..Default::default() }
        }
    }
}

fn result(dir: DescribedDir) -> DescribeLogDirsResult {
    let log_dir = dir.path.to_string_lossy().as_ref().into();
    match dir.state {
        Err(error) => DescribeLogDirsResult { error_code: error.code(), log_dir, ..Default::default() },
        Ok(space) => DescribeLogDirsResult {
            error_code: ErrorCode::None.code(),
            log_dir,
            topics: by_topic(dir.logs),
            total_bytes: i64::try_from(space.total).unwrap_or(i64::MAX),
            usable_bytes: i64::try_from(space.usable).unwrap_or(i64::MAX),
        },
    }
}

fn by_topic(mut logs: Vec<DescribedLog>) -> Vec<DescribeLogDirsTopic> {
    logs.sort_by_key(|log| log.partition.partition);
    let mut topics: BTreeMap<_, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for log in logs {
        topics.entry(log.partition.topic).or_default().push(DescribeLogDirsPartition {
            partition_index: log.partition.partition,
            partition_size: i64::try_from(log.size).unwrap_or(i64::MAX),
            offset_lag: log.offset_lag,
            is_future_key: log.is_future,
        });
    }
    let topics = topics.into_iter();
    topics.map(|(name, partitions)| DescribeLogDirsTopic { name: (&name).into(), partitions }).collect()
}
