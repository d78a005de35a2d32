//! ListTransactions (key 66) lists the transactions a broker coordinates.

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks which transactions a broker coordinates.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 66, versions = "0-1", flexible = "0+", response = ListTransactionsResponse)]
pub struct ListTransactionsRequest {
    /// The states to list; empty for all.
    #[field(versions = "0+")]
    pub state_filters: Vec<Str>,
    /// The producer ids to list; empty for all.
    #[field(versions = "0+")]
    pub producer_id_filters: Vec<i64>,
    /// Lists only transactions open for longer, in milliseconds; -1 for all.
    #[field(versions = "1+", default = "-1")]
    pub duration_filter: i64,
}

/// Answers [`ListTransactionsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 66, versions = "0-1", flexible = "0+")]
pub struct ListTransactionsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// States of the request that do not exist.
    #[field(versions = "0+")]
    pub unknown_state_filters: Vec<Str>,
    /// One entry per transactional id.
    #[field(versions = "0+")]
    pub transaction_states: Vec<TransactionState>,
}

/// A transaction as the coordinator sees it.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TransactionState {
    /// The transactional id.
    #[field(versions = "0+")]
    pub transactional_id: Str,
    /// The producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// The transaction's state, as Kafka spells it.
    #[field(versions = "0+")]
    pub transaction_state: Str,
}
