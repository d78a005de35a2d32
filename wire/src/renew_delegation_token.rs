//! RenewDelegationToken (key 39).

use bytes::Bytes;

use wire_derive::Message;

/// Asks for RenewDelegationToken.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 39, versions = "0-2", flexible = "2+", response = RenewDelegationTokenResponse)]
pub struct RenewDelegationTokenRequest {
    /// The hmac.
    #[field(versions = "0+")]
    pub hmac: Bytes,
    /// The renew period, in milliseconds.
    #[field(versions = "0+")]
    pub renew_period_ms: i64,
}

/// Answers [`RenewDelegationTokenRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 39, versions = "0-2", flexible = "2+")]
pub struct RenewDelegationTokenResponse {
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
