//! DescribeTransactions (key 65) describes transactions.

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for the state of transactions.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 65, versions = "0", flexible = "0+", response = DescribeTransactionsResponse)]
pub struct DescribeTransactionsRequest {
    /// The transactional ids.
    #[field(versions = "0+")]
    pub transactional_ids: Vec<Str>,
}

/// Answers [`DescribeTransactionsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 65, versions = "0", flexible = "0+")]
pub struct DescribeTransactionsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// One entry per transactional id.
    #[field(versions = "0+")]
    pub transaction_states: Vec<TransactionState>,
}

/// A transaction as the coordinator sees it.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TransactionState {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The transactional id.
    #[field(versions = "0+")]
    pub transactional_id: Str,
    /// The transaction's state, as Kafka spells it.
    #[field(versions = "0+")]
    pub transaction_state: Str,
    /// After how long without an end the transaction is aborted, in milliseconds.
    #[field(versions = "0+")]
    pub transaction_timeout_ms: i32,
    /// When the transaction began, in milliseconds since 1970.
    #[field(versions = "0+")]
    pub transaction_start_time_ms: i64,
    /// The producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// The producer's epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
    /// One entry per topic.
    #[field(versions = "0+")]
    pub topics: Vec<TopicData>,
}

/// Partitions of one topic.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TopicData {
    /// The topic's name.
    #[field(versions = "0+")]
    pub topic: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<i32>,
}
