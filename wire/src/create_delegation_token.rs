//! CreateDelegationToken (key 38) makes a delegation token.

use bytes::Bytes;

use wire_derive::{Message, Struct};

use crate::Str;

/// Makes a delegation token.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 38, versions = "0-3", flexible = "2+", response = CreateDelegationTokenResponse)]
pub struct CreateDelegationTokenRequest {
    /// The kind of the token's owner; null for the one who asks.
    #[field(versions = "3+", nullable = "3+")]
    pub owner_principal_type: Option<Str>,
    /// The name of the token's owner; null for the one who asks.
    #[field(versions = "3+", nullable = "3+")]
    pub owner_principal_name: Option<Str>,
    /// The principals that may renew the token.
    #[field(versions = "0+")]
    pub renewers: Vec<CreatableRenewers>,
    /// How long the token may live, in milliseconds; -1 for the broker's maximum.
    #[field(versions = "0+")]
    pub max_lifetime_ms: i64,
}

/// A principal that may renew the token.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CreatableRenewers {
    /// The kind of principal, `User`.
    #[field(versions = "0+")]
    pub principal_type: Str,
    /// The principal's name.
    #[field(versions = "0+")]
    pub principal_name: Str,
}

/// Answers [`CreateDelegationTokenRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 38, versions = "0-3", flexible = "2+")]
pub struct CreateDelegationTokenResponse {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The kind of principal, `User`.
    #[field(versions = "0+")]
    pub principal_type: Str,
    /// The principal's name.
    #[field(versions = "0+")]
    pub principal_name: Str,
    /// The kind of principal that asked for the token.
    #[field(versions = "3+")]
    pub token_requester_principal_type: Str,
    /// The name of the principal that asked for the token.
    #[field(versions = "3+")]
    pub token_requester_principal_name: Str,
    /// When the token was made, in milliseconds since 1970.
    #[field(versions = "0+")]
    pub issue_timestamp_ms: i64,
    /// When the token expires, in milliseconds since 1970.
    #[field(versions = "0+")]
    pub expiry_timestamp_ms: i64,
    /// Until when the token can be renewed, in milliseconds since 1970.
    #[field(versions = "0+")]
    pub max_timestamp_ms: i64,
    /// The token's id.
    #[field(versions = "0+")]
    pub token_id: Str,
    /// The token's HMAC, by which it is named.
    #[field(versions = "0+")]
    pub hmac: Bytes,
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
}
