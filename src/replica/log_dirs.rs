//! The log directories as administrators see them: what lies in them, and which replica shall move into which.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use storage::StorageError;
use storage::file_name::future_dir_name;
use storage::log_manager::LogDirContents;
use tracing::{error, info, warn};
use wire::ErrorCode;
use world::Space;
use zk_paths::ids::TopicPartition;

use super::manager::ReplicaManager;
use super::partition::Partition;
use crate::broker::Broker;
use crate::topic_settings::TopicSettings;

/// Longest name that a directory may have.
const MAX_NAME: usize = 255;
/// Lag of a replica that nobody told this broker to host, or whose directory failed.
const UNKNOWN_LAG: i64 = -1;

/// One log directory.
#[derive(Debug)]
pub struct DescribedDir {
    /// Where, as an absolute path.
    pub path: PathBuf,
    /// Its room, or what is wrong with it.
    pub state: Result<Space, ErrorCode>,
    /// What lies in it.
    pub logs: Vec<DescribedLog>,
}

/// One log in a directory.
#[derive(Debug)]
pub struct DescribedLog {
    /// Whose.
    pub partition: TopicPartition,
    /// Bytes of its segments.
    pub size: u64,
    /// Records that it is behind: its high watermark, or the current log when it is a future one; -1 unknown.
    pub offset_lag: i64,
    /// A move is building it.
    pub is_future: bool,
}

impl ReplicaManager {
    /// Describes all directories, with all logs or only those of some partitions. Reads the disk.
    pub fn describe_log_dirs(&self, wanted: Option<&HashSet<TopicPartition>>) -> Vec<DescribedDir> {
        self.logs().contents().into_iter().map(|dir| self.describe_log_dir(dir, wanted)).collect()
    }

    fn describe_log_dir(&self, dir: LogDirContents, wanted: Option<&HashSet<TopicPartition>>) -> DescribedDir {
        let path = absolute(&dir.path);
        let state = dir.space.map_err(|fault| {
            warn!("unable to describe log directory {}: {fault}", path.display());
            ErrorCode::KafkaStorageError
        });
        let is_wanted = |name: &TopicPartition| wanted.is_none_or(|wanted| wanted.contains(name));
        let logs = dir.logs.into_iter().filter(|(log, _)| is_wanted(log.partition()));
        let logs = logs.map(|(log, is_future)| DescribedLog {
            partition: log.partition().clone(),
            size: log.size(),
            offset_lag: self.offset_lag(log.partition(), log.log_end_offset().0, is_future),
            is_future,
        });
        DescribedDir { path, state, logs: logs.collect() }
    }

    /// `ReplicaManager.getLogEndOffsetLag`.
    fn offset_lag(&self, name: &TopicPartition, log_end_offset: i64, is_future: bool) -> i64 {
        match self.partition(&name.topic, name.partition) {
            Some(Ok(hosted)) if is_future => hosted.log().log_end_offset().0 - log_end_offset,
            Some(Ok(hosted)) => (hosted.log().high_watermark().0 - log_end_offset).max(0),
            Some(Err(_)) | None => UNKNOWN_LAG,
        }
    }

    /// Begins or gives up moves (`ReplicaManager.alterReplicaLogDirs`). Answers for each partition.
    pub async fn alter_log_dirs(
        &self,
        broker: &Arc<Broker>,
        wanted: BTreeMap<TopicPartition, PathBuf>,
    ) -> Vec<(TopicPartition, ErrorCode)> {
        let _one_at_a_time = self.changing().await;
        let names: Vec<TopicPartition> = wanted.keys().cloned().collect();
        let broker = broker.clone();
        let work = tokio::task::spawn_blocking(move || {
            let answer = |(name, path): (TopicPartition, PathBuf)| {
                let altered = broker.replicas.alter_log_dir(&broker, &name, &path);
                (name, altered.err().unwrap_or(ErrorCode::None))
            };
            wanted.into_iter().map(answer).collect()
        });
        work.await.unwrap_or_else(|panic| {
            error!("moves between log directories could not be begun: {panic}");
            names.into_iter().map(|name| (name, ErrorCode::UnknownServerError)).collect()
        })
    }

    fn alter_log_dir(&self, broker: &Broker, name: &TopicPartition, target: &Path) -> Result<(), ErrorCode> {
        let refused = |error: ErrorCode, why: String| {
            warn!(partition = %name, "unable to move it to {}: {why}", target.display());
            error
        };
        if future_dir_name(name, 0).chars().count() > MAX_NAME {
            return Err(refused(ErrorCode::InvalidTopicException, "the topic's name is too long".into()));
        }
        let dir = self
            .find_dir(target)
            .ok_or_else(|| refused(ErrorCode::LogDirNotFound, "it is none of the log directories (log.dirs)".into()))?;
        let storage_error = |fault: StorageError| refused(ErrorCode::KafkaStorageError, fault.to_string());
        self.logs().find_dir(&dir).unwrap_or(Ok(())).map_err(storage_error)?;
        let hosted = match self.partition(&name.topic, name.partition) {
            Some(hosted) => {
                Some(hosted.map_err(|error| refused(error, "the replica's own directory is offline".into()))?)
            }
            None => None,
        };
        if let Some(hosted) = &hosted {
            self.give_up_move_elsewhere(hosted, &dir).map_err(storage_error)?;
        }
        self.logs().prefer_dir(name, &dir);
        let hosted = hosted.ok_or_else(|| {
            let is_known = broker.metadata.partition(&name.topic, name.partition).is_some();
            let error = if is_known { ErrorCode::ReplicaNotAvailable } else { ErrorCode::UnknownTopicOrPartition };
            refused(error, "it is not here; if it comes, it will be made there".into())
        })?;
        if hosted.log().parent_dir() == dir {
            return Ok(());
        }
        let settings = TopicSettings::resolve(self.defaults(), &name.topic, &broker.topic_configs.of(&name.topic));
        let topic_id = hosted.log().topic_id();
        let future = self.logs().get_or_create_future(name, &dir, topic_id, settings.log).map_err(storage_error)?;
        info!(partition = %name, "moving from {} to {}", hosted.log().parent_dir().display(), dir.display());
        self.begin_move(&hosted, future);
        Ok(())
    }

    /// One of the log directories by the path that DescribeLogDirs told.
    fn find_dir(&self, path: &Path) -> Option<PathBuf> {
        let dirs = self.logs().dirs();
        dirs.into_iter().find(|dir| absolute(dir) == path)
    }

    fn give_up_move_elsewhere(&self, partition: &Partition, dir: &Path) -> Result<(), StorageError> {
        match partition.future() {
            Some(future) if future.parent_dir() != dir => {
                info!(partition = %partition.name(), "the move to {} is given up", future.parent_dir().display());
                self.give_up_move(partition)
            }
            _ => Ok(()),
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
