//! What lies in brokers' log directories, and moves between them (KIP-113). Each broker answers for itself.

use std::collections::BTreeMap;

use wire::alter_replica_log_dirs::{AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest};
use wire::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResult};
use wire::{ApiKey, ErrorCode};
use zk_paths::ids::{BrokerId, TopicPartition};

use super::{Admin, Answers};
use crate::error::{ClientError, Refusal};

/// One log directory of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDir {
    /// Where, as the broker says.
    pub path: String,
    /// What is wrong with it.
    pub error: Option<ErrorCode>,
    /// Size of its volume, if the broker tells (3.3 on).
    pub total_bytes: Option<i64>,
    /// Room left on it.
    pub usable_bytes: Option<i64>,
    /// The replicas in it.
    pub replicas: BTreeMap<TopicPartition, ReplicaInDir>,
}

/// A replica in a log directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaInDir {
    /// Bytes.
    pub size: i64,
    /// Records that it is behind, -1 unknown.
    pub offset_lag: i64,
    /// It is being moved there.
    pub is_future: bool,
}

impl Admin {
    /// The log directories of a broker with all replicas in them.
    pub async fn describe_log_dirs(&self, broker: BrokerId) -> Result<Vec<LogDir>, ClientError> {
        let request = DescribeLogDirsRequest { topics: None };
        self.cluster
            .retry("DescribeLogDirs", || async {
                let response = self.cluster.broker(broker).await?.call(&request).await?;
                Refusal::check(response.error_code, None)
                    .map_err(|refusal| ClientError::Refused { api: ApiKey::DescribeLogDirs, refusal })?;
                // Before version 3 there is no error for the whole: then an empty answer says that it is not allowed.
                if response.results.is_empty() {
                    let refusal = Refusal { code: ErrorCode::ClusterAuthorizationFailed, message: None };
                    return Err(ClientError::Refused { api: ApiKey::DescribeLogDirs, refusal });
                }
                Ok(response.results.iter().map(log_dir).collect())
            })
            .await
    }

    /// Asks a broker to move its replicas into log directories. Answers whether each move has begun.
    pub async fn alter_replica_log_dirs(
        &self,
        broker: BrokerId,
        targets: &BTreeMap<TopicPartition, String>,
    ) -> Result<Answers<()>, ClientError> {
        let mut dirs: BTreeMap<&str, BTreeMap<&str, Vec<i32>>> = BTreeMap::new();
        for (partition, path) in targets {
            dirs.entry(path).or_default().entry(&partition.topic).or_default().push(partition.partition);
        }
        let topic = |(name, partitions): (&str, Vec<i32>)| AlterReplicaLogDirTopic { name: name.into(), partitions };
        let dir = |(path, topics): (&str, BTreeMap<&str, Vec<i32>>)| AlterReplicaLogDir {
            path: path.into(),
            topics: topics.into_iter().map(topic).collect(),
        };
        let request = AlterReplicaLogDirsRequest { dirs: dirs.into_iter().map(dir).collect() };
        self.cluster
            .retry("AlterReplicaLogDirs", || async {
                let response = self.cluster.broker(broker).await?.call(&request).await?;
                let answers = response.results.iter().flat_map(|topic| {
                    topic.partitions.iter().map(|each| {
                        let partition = TopicPartition::new(topic.topic_name.as_str(), each.partition_index);
                        (partition, Refusal::check(each.error_code, None))
                    })
                });
                Ok(answers.collect())
            })
            .await
    }
}

fn log_dir(result: &DescribeLogDirsResult) -> LogDir {
    let replicas = result.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|each| {
            let partition = TopicPartition::new(topic.name.as_str(), each.partition_index);
            let (size, offset_lag, is_future) = (each.partition_size, each.offset_lag, each.is_future_key);
            (partition, ReplicaInDir { size, offset_lag, is_future })
        })
    });
    let told = |bytes: i64| (bytes >= 0).then_some(bytes);
    LogDir {
        path: result.log_dir.as_str().to_owned(),
        error: Some(ErrorCode::from(result.error_code)).filter(|error| *error != ErrorCode::None),
        total_bytes: told(result.total_bytes),
        usable_bytes: told(result.usable_bytes),
        replicas: replicas.collect(),
    }
}
