//! AddPartitionsToTxn (key 24).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for AddPartitionsToTxn.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 24, versions = "0-5", flexible = "3+", response = AddPartitionsToTxnResponse)]
pub struct AddPartitionsToTxnRequest {
    /// The transactions.
    #[field(versions = "4+")]
    pub transactions: Vec<AddPartitionsToTxnTransaction>,
    /// The v3 and below transactional id.
    #[field(versions = "0-3")]
    pub v3_and_below_transactional_id: Str,
    /// The v3 and below producer id.
    #[field(versions = "0-3")]
    pub v3_and_below_producer_id: i64,
    /// The v3 and below producer epoch.
    #[field(versions = "0-3")]
    pub v3_and_below_producer_epoch: i16,
    /// The v3 and below topics.
    #[field(versions = "0-3")]
    pub v3_and_below_topics: Vec<AddPartitionsToTxnTopic>,
}

/// One of `transactions` of [`AddPartitionsToTxnRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AddPartitionsToTxnTransaction {
    /// The transactional id.
    #[field(versions = "4+")]
    pub transactional_id: Str,
    /// The producer id.
    #[field(versions = "4+")]
    pub producer_id: i64,
    /// The producer epoch.
    #[field(versions = "4+")]
    pub producer_epoch: i16,
    /// The verify only.
    #[field(versions = "4+", default = "false")]
    pub verify_only: bool,
    /// The topics.
    #[field(versions = "4+")]
    pub topics: Vec<AddPartitionsToTxnTopic>,
}

/// One of `topics` of [`AddPartitionsToTxnTransaction`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AddPartitionsToTxnTopic {
    /// The name.
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
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "4+", ignorable)]
    pub error_code: i16,
    /// The results by transaction.
    #[field(versions = "4+")]
    pub results_by_transaction: Vec<AddPartitionsToTxnResult>,
    /// The results by topic v3 and below.
    #[field(versions = "0-3")]
    pub results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult>,
}

/// One of `results_by_transaction` of [`AddPartitionsToTxnResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AddPartitionsToTxnResult {
    /// The transactional id.
    #[field(versions = "4+")]
    pub transactional_id: Str,
    /// The topic results.
    #[field(versions = "4+")]
    pub topic_results: Vec<AddPartitionsToTxnTopicResult>,
}

/// One of `topic_results` of [`AddPartitionsToTxnResult`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AddPartitionsToTxnTopicResult {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The results by partition.
    #[field(versions = "0+")]
    pub results_by_partition: Vec<AddPartitionsToTxnPartitionResult>,
}

/// One of `results_by_partition` of [`AddPartitionsToTxnTopicResult`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AddPartitionsToTxnPartitionResult {
    /// The partition index.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// The partition error code.
    #[field(versions = "0+")]
    pub partition_error_code: i16,
}
