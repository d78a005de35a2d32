//! AddOffsetsToTxn (key 25) adds a group's offsets to a transaction.

use wire_derive::Message;

use crate::Str;

/// Adds a group's offsets to a transaction.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 25, versions = "0-4", flexible = "3+", response = AddOffsetsToTxnResponse)]
pub struct AddOffsetsToTxnRequest {
    /// The transactional id.
    #[field(versions = "0+")]
    pub transactional_id: Str,
    /// The producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// The producer's epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
    /// The group.
    #[field(versions = "0+")]
    pub group_id: Str,
}

/// Answers [`AddOffsetsToTxnRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 25, versions = "0-4", flexible = "3+")]
pub struct AddOffsetsToTxnResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
}
