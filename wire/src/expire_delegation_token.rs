//! ExpireDelegationToken (key 40) lets a delegation token expire.

use bytes::Bytes;

use wire_derive::Message;

/// Sets when a delegation token expires.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 40, versions = "0-2", flexible = "2+", response = ExpireDelegationTokenResponse)]
pub struct ExpireDelegationTokenRequest {
    /// The token's HMAC, by which it is named.
    #[field(versions = "0+")]
    pub hmac: Bytes,
    /// When it expires from now, in milliseconds; negative for at once.
    #[field(versions = "0+")]
    pub expiry_time_period_ms: i64,
}

/// Answers [`ExpireDelegationTokenRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 40, versions = "0-2", flexible = "2+")]
pub struct ExpireDelegationTokenResponse {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// When the token expires, in milliseconds since 1970.
    #[field(versions = "0+")]
    pub expiry_timestamp_ms: i64,
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
}
