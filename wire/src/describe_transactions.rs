//! DescribeTransactions (key 65).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for DescribeTransactions.
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
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The transaction states.
    #[field(versions = "0+")]
    pub transaction_states: Vec<TransactionState>,
}

/// One of `transaction_states` of [`DescribeTransactionsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TransactionState {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The transactional id.
    #[field(versions = "0+")]
    pub transactional_id: Str,
    /// The transaction state.
    #[field(versions = "0+")]
    pub transaction_state: Str,
    /// The transaction timeout, in milliseconds.
    #[field(versions = "0+")]
    pub transaction_timeout_ms: i32,
    /// The transaction start time, in milliseconds.
    #[field(versions = "0+")]
    pub transaction_start_time_ms: i64,
    /// The producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// The producer epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
    /// The topics.
    #[field(versions = "0+")]
    pub topics: Vec<TopicData>,
}

/// One of `topics` of [`TransactionState`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TopicData {
    /// The topic.
    #[field(versions = "0+")]
    pub topic: Str,
    /// The partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<i32>,
}
