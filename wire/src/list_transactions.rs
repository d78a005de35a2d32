//! ListTransactions (key 66).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for ListTransactions.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 66, versions = "0-1", flexible = "0+", response = ListTransactionsResponse)]
pub struct ListTransactionsRequest {
    /// The state filters.
    #[field(versions = "0+")]
    pub state_filters: Vec<Str>,
    /// The producer id filters.
    #[field(versions = "0+")]
    pub producer_id_filters: Vec<i64>,
    /// The duration filter.
    #[field(versions = "1+", default = "-1")]
    pub duration_filter: i64,
}

/// Answers [`ListTransactionsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 66, versions = "0-1", flexible = "0+")]
pub struct ListTransactionsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The unknown state filters.
    #[field(versions = "0+")]
    pub unknown_state_filters: Vec<Str>,
    /// The transaction states.
    #[field(versions = "0+")]
    pub transaction_states: Vec<TransactionState>,
}

/// One of `transaction_states` of [`ListTransactionsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct TransactionState {
    /// The transactional id.
    #[field(versions = "0+")]
    pub transactional_id: Str,
    /// The producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// The transaction state.
    #[field(versions = "0+")]
    pub transaction_state: Str,
}
