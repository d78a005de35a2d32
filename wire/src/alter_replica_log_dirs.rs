//! AlterReplicaLogDirs (key 34).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for AlterReplicaLogDirs.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 34, versions = "0-2", flexible = "2+", response = AlterReplicaLogDirsResponse)]
pub struct AlterReplicaLogDirsRequest {
    /// The dirs.
    #[field(versions = "0+")]
    pub dirs: Vec<AlterReplicaLogDir>,
}

/// One of `dirs` of [`AlterReplicaLogDirsRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AlterReplicaLogDir {
    /// The path.
    #[field(versions = "0+")]
    pub path: Str,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<AlterReplicaLogDirTopic>,
}

/// One of `topics` of [`AlterReplicaLogDir`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AlterReplicaLogDirTopic {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<i32>,
}

/// Answers [`AlterReplicaLogDirsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 34, versions = "0-2", flexible = "2+")]
pub struct AlterReplicaLogDirsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The results.
    #[field(versions = "0+")]
    pub results: Vec<AlterReplicaLogDirTopicResult>,
}

/// One of `results` of [`AlterReplicaLogDirsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AlterReplicaLogDirTopicResult {
    /// The topic name.
    #[field(versions = "0+")]
    pub topic_name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<AlterReplicaLogDirPartitionResult>,
}

/// One of `partitions` of [`AlterReplicaLogDirTopicResult`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AlterReplicaLogDirPartitionResult {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
}
