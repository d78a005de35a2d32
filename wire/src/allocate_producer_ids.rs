//! AllocateProducerIds (key 67) hands out blocks of producer ids.
//! Only from brokers.

use wire_derive::Message;

/// Asks the controller for a block of producer ids.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 67, versions = "0", flexible = "0+", response = AllocateProducerIdsResponse)]
pub struct AllocateProducerIdsRequest {
    /// The broker's id.
    #[field(versions = "0+")]
    pub broker_id: i32,
    /// The czxid of the broker's registration; -1 when unchecked.
    #[field(versions = "0+", default = "-1")]
    pub broker_epoch: i64,
}

/// Answers [`AllocateProducerIdsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 67, versions = "0", flexible = "0+")]
pub struct AllocateProducerIdsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The first id of the block.
    #[field(versions = "0+")]
    pub producer_id_start: i64,
    /// How many ids the block has.
    #[field(versions = "0+")]
    pub producer_id_len: i32,
}
