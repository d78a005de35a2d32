//! EndTxn (key 26).

use wire_derive::Message;

use crate::Str;

/// Asks for EndTxn.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 26, versions = "0-4", flexible = "3+", response = EndTxnResponse)]
pub struct EndTxnRequest {
    /// The transactional id.
    #[field(versions = "0+")]
    pub transactional_id: Str,
    /// The producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// The producer epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
    /// The committed.
    #[field(versions = "0+")]
    pub committed: bool,
}

/// Answers [`EndTxnRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 26, versions = "0-4", flexible = "3+")]
pub struct EndTxnResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
}
