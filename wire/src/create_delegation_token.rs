//! CreateDelegationToken (key 38).

use bytes::Bytes;

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for CreateDelegationToken.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 38, versions = "0-3", flexible = "2+", response = CreateDelegationTokenResponse)]
pub struct CreateDelegationTokenRequest {
    /// The owner principal type.
    #[field(versions = "3+", nullable = "3+")]
    pub owner_principal_type: Option<Str>,
    /// The owner principal name.
    #[field(versions = "3+", nullable = "3+")]
    pub owner_principal_name: Option<Str>,
    /// The renewers.
    #[field(versions = "0+")]
    pub renewers: Vec<CreatableRenewers>,
    /// The max lifetime, in milliseconds.
    #[field(versions = "0+")]
    pub max_lifetime_ms: i64,
}

/// One of `renewers` of [`CreateDelegationTokenRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatableRenewers {
    /// The principal type.
    #[field(versions = "0+")]
    pub principal_type: Str,
    /// The principal name.
    #[field(versions = "0+")]
    pub principal_name: Str,
}

/// Answers [`CreateDelegationTokenRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 38, versions = "0-3", flexible = "2+")]
pub struct CreateDelegationTokenResponse {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The principal type.
    #[field(versions = "0+")]
    pub principal_type: Str,
    /// The principal name.
    #[field(versions = "0+")]
    pub principal_name: Str,
    /// The token requester principal type.
    #[field(versions = "3+")]
    pub token_requester_principal_type: Str,
    /// The token requester principal name.
    #[field(versions = "3+")]
    pub token_requester_principal_name: Str,
    /// The issue timestamp, in milliseconds.
    #[field(versions = "0+")]
    pub issue_timestamp_ms: i64,
    /// The expiry timestamp, in milliseconds.
    #[field(versions = "0+")]
    pub expiry_timestamp_ms: i64,
    /// The max timestamp, in milliseconds.
    #[field(versions = "0+")]
    pub max_timestamp_ms: i64,
    /// The token id.
    #[field(versions = "0+")]
    pub token_id: Str,
    /// The hmac.
    #[field(versions = "0+")]
    pub hmac: Bytes,
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
}
