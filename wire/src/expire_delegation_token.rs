//! ExpireDelegationToken (key 40).

use bytes::Bytes;

use wire_derive::Message;

/// Asks for ExpireDelegationToken.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 40, versions = "0-2", flexible = "2+", response = ExpireDelegationTokenResponse)]
pub struct ExpireDelegationTokenRequest {
    /// The hmac.
    #[field(versions = "0+")]
    pub hmac: Bytes,
    /// The expiry time period, in milliseconds.
    #[field(versions = "0+")]
    pub expiry_time_period_ms: i64,
}

/// Answers [`ExpireDelegationTokenRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 40, versions = "0-2", flexible = "2+")]
pub struct ExpireDelegationTokenResponse {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The expiry timestamp, in milliseconds.
    #[field(versions = "0+")]
    pub expiry_timestamp_ms: i64,
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
}
