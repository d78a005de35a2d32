//! InitProducerId (key 22) gives a producer its id and epoch.

use wire_derive::Message;

use crate::Str;

/// Asks for a producer id and epoch.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 22, versions = "0-5", flexible = "2+", response = InitProducerIdResponse)]
pub struct InitProducerIdRequest {
    /// The transactional id; null for a merely idempotent producer.
    #[field(versions = "0+", nullable = "0+")]
    pub transactional_id: Option<Str>,
    /// After how long without an end the transaction is aborted, in milliseconds.
    #[field(versions = "0+")]
    pub transaction_timeout_ms: i32,
    /// The producer id to bump the epoch of; -1 for a new one.
    #[field(versions = "3+", default = "-1")]
    pub producer_id: i64,
    /// That producer id's epoch; -1 for a new one.
    #[field(versions = "3+", default = "-1")]
    pub producer_epoch: i16,
}

/// Answers [`InitProducerIdRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 22, versions = "0-5", flexible = "2+")]
pub struct InitProducerIdResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+", ignorable)]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The producer id.
    #[field(versions = "0+", default = "-1")]
    pub producer_id: i64,
    /// The producer's epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
}
