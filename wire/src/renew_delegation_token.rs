//! RenewDelegationToken (key 39) prolongs a delegation token.

use bytes::Bytes;

use wire_derive::Message;

/// Prolongs a delegation token.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 39, versions = "0-2", flexible = "2+", response = RenewDelegationTokenResponse)]
pub struct RenewDelegationTokenRequest {
    /// The token's HMAC, by which it is named.
    #[field(versions = "0+")]
    pub hmac: Bytes,
    /// How long to prolong it, in milliseconds.
    #[field(versions = "0+")]
    pub renew_period_ms: i64,
}

/// Answers [`RenewDelegationTokenRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 39, versions = "0-2", flexible = "2+")]
pub struct RenewDelegationTokenResponse {
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
