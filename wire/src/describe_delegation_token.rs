//! DescribeDelegationToken (key 41) lists delegation tokens.

use bytes::Bytes;

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for delegation tokens.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 41, versions = "0-3", flexible = "2+", response = DescribeDelegationTokenResponse)]
pub struct DescribeDelegationTokenRequest {
    /// The owners whose tokens to describe; null for all.
    #[field(versions = "0+", nullable = "0+")]
    pub owners: Option<Vec<DescribeDelegationTokenOwner>>,
}

/// An owner whose tokens are wanted.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeDelegationTokenOwner {
    /// The kind of principal, `User`.
    #[field(versions = "0+")]
    pub principal_type: Str,
    /// The principal's name.
    #[field(versions = "0+")]
    pub principal_name: Str,
}

/// Answers [`DescribeDelegationTokenRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 41, versions = "0-3", flexible = "2+")]
pub struct DescribeDelegationTokenResponse {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// One entry per token.
    #[field(versions = "0+")]
    pub tokens: Vec<DescribedDelegationToken>,
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
}

/// A token.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribedDelegationToken {
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
    pub issue_timestamp: i64,
    /// When the token expires, in milliseconds since 1970.
    #[field(versions = "0+")]
    pub expiry_timestamp: i64,
    /// Until when the token can be renewed, in milliseconds since 1970.
    #[field(versions = "0+")]
    pub max_timestamp: i64,
    /// The token's id.
    #[field(versions = "0+")]
    pub token_id: Str,
    /// The token's HMAC, by which it is named.
    #[field(versions = "0+")]
    pub hmac: Bytes,
    /// The principals that may renew the token.
    #[field(versions = "0+")]
    pub renewers: Vec<DescribedDelegationTokenRenewer>,
}

/// A principal that may renew the token.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribedDelegationTokenRenewer {
    /// The kind of principal, `User`.
    #[field(versions = "0+")]
    pub principal_type: Str,
    /// The principal's name.
    #[field(versions = "0+")]
    pub principal_name: Str,
}
