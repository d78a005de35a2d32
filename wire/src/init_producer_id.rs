//! InitProducerId (key 22).

use wire_derive::Message;

use crate::Str;

/// Asks for InitProducerId.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 22, versions = "0-5", flexible = "2+", response = InitProducerIdResponse)]
pub struct InitProducerIdRequest {
    /// The transactional id.
    #[field(versions = "0+", nullable = "0+")]
    pub transactional_id: Option<Str>,
    /// The transaction timeout, in milliseconds.
    #[field(versions = "0+")]
    pub transaction_timeout_ms: i32,
    /// The producer id.
    #[field(versions = "3+", default = "-1")]
    pub producer_id: i64,
    /// The producer epoch.
    #[field(versions = "3+", default = "-1")]
    pub producer_epoch: i16,
}

/// Answers [`InitProducerIdRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 22, versions = "0-5", flexible = "2+")]
pub struct InitProducerIdResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+", ignorable)]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The producer id.
    #[field(versions = "0+", default = "-1")]
    pub producer_id: i64,
    /// The producer epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
}
