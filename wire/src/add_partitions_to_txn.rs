//! AddPartitionsToTxn (key 24) adds partitions to transactions, or verifies that they are in.
//! One transaction from clients up to version 3, many from brokers from 4 on.

use wire_derive::{Message, Struct};

use crate::Str;

/// Adds partitions to transactions, or verifies that they are in.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 24, versions = "0-5", flexible = "3+", response = AddPartitionsToTxnResponse)]
pub struct AddPartitionsToTxnRequest {
    /// One entry per transaction.
    #[field(versions = "4+")]
    pub transactions: Vec<AddPartitionsToTxnTransaction>,
    /// The transactional id, in the versions of clients.
    #[field(versions = "0-3")]
    pub v3_and_below_transactional_id: Str,
    /// The producer id, in the versions of clients.
    #[field(versions = "0-3")]
    pub v3_and_below_producer_id: i64,
    /// The producer's epoch, in the versions of clients.
    #[field(versions = "0-3")]
    pub v3_and_below_producer_epoch: i16,
    /// One entry per topic, in the versions of clients.
    #[field(versions = "0-3")]
    pub v3_and_below_topics: Vec<AddPartitionsToTxnTopic>,
}

/// A transaction of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AddPartitionsToTxnTransaction {
    /// The transactional id.
    #[field(versions = "4+")]
    pub transactional_id: Str,
    /// The producer id.
    #[field(versions = "4+")]
    pub producer_id: i64,
    /// The producer's epoch.
    #[field(versions = "4+")]
    pub producer_epoch: i16,
    /// Whether only to check that the partitions belong to the transaction.
    #[field(versions = "4+", default = "false")]
    pub verify_only: bool,
    /// One entry per topic.
    #[field(versions = "4+")]
    pub topics: Vec<AddPartitionsToTxnTopic>,
}

/// A topic of the request.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AddPartitionsToTxnTopic {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<i32>,
}

/// Answers [`AddPartitionsToTxnRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 24, versions = "0-5", flexible = "3+")]
pub struct AddPartitionsToTxnResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "4+", ignorable)]
    pub error_code: i16,
    /// One entry per transaction.
    #[field(versions = "4+")]
    pub results_by_transaction: Vec<AddPartitionsToTxnResult>,
    /// One entry per topic, in the versions of clients.
    #[field(versions = "0-3")]
    pub results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult>,
}

/// How one transaction went.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AddPartitionsToTxnResult {
    /// The transactional id.
    #[field(versions = "4+")]
    pub transactional_id: Str,
    /// One entry per topic.
    #[field(versions = "4+")]
    pub topic_results: Vec<AddPartitionsToTxnTopicResult>,
}

/// A topic of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AddPartitionsToTxnTopicResult {
    /// The topic's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// One entry per partition.
    #[field(versions = "0+")]
    pub results_by_partition: Vec<AddPartitionsToTxnPartitionResult>,
}

/// A partition of the response.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AddPartitionsToTxnPartitionResult {
    /// The partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub partition_error_code: i16,
}
