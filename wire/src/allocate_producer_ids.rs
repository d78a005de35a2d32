//! AllocateProducerIds (key 67).

use wire_derive::Message;

/// Asks for AllocateProducerIds.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 67, versions = "0", flexible = "0+", response = AllocateProducerIdsResponse)]
pub struct AllocateProducerIdsRequest {
    /// The broker id.
    #[field(versions = "0+")]
    pub broker_id: i32,
    /// The broker epoch.
    #[field(versions = "0+", default = "-1")]
    pub broker_epoch: i64,
}

/// Answers [`AllocateProducerIdsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 67, versions = "0", flexible = "0+")]
pub struct AllocateProducerIdsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The producer id start.
    #[field(versions = "0+")]
    pub producer_id_start: i64,
    /// The producer id len.
    #[field(versions = "0+")]
    pub producer_id_len: i32,
}
