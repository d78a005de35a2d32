//! EndTxn (key 26) commits or aborts a transaction.

use wire_derive::Message;

use crate::Str;

/// Commits or aborts a transaction.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 26, versions = "0-4", flexible = "3+", response = EndTxnResponse)]
pub struct EndTxnRequest {
    /// The transactional id.
    #[field(versions = "0+")]
    pub transactional_id: Str,
    /// The producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// The producer's epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
    /// Whether to commit; else to abort.
    #[field(versions = "0+")]
    pub committed: bool,
}

/// Answers [`EndTxnRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 26, versions = "0-4", flexible = "3+")]
pub struct EndTxnResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
}
