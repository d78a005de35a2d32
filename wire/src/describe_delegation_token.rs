//! DescribeDelegationToken (key 41).

use bytes::Bytes;

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for DescribeDelegationToken.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 41, versions = "0-3", flexible = "2+", response = DescribeDelegationTokenResponse)]
pub struct DescribeDelegationTokenRequest {
    /// The owners.
    #[field(versions = "0+", nullable = "0+")]
    pub owners: Option<Vec<DescribeDelegationTokenOwner>>,
}

/// One of `owners` of [`DescribeDelegationTokenRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeDelegationTokenOwner {
    /// The principal type.
    #[field(versions = "0+")]
    pub principal_type: Str,
    /// The principal name.
    #[field(versions = "0+")]
    pub principal_name: Str,
}

/// Answers [`DescribeDelegationTokenRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 41, versions = "0-3", flexible = "2+")]
pub struct DescribeDelegationTokenResponse {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The tokens.
    #[field(versions = "0+")]
    pub tokens: Vec<DescribedDelegationToken>,
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
}

/// One of `tokens` of [`DescribeDelegationTokenResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribedDelegationToken {
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
    /// The issue timestamp.
    #[field(versions = "0+")]
    pub issue_timestamp: i64,
    /// The expiry timestamp.
    #[field(versions = "0+")]
    pub expiry_timestamp: i64,
    /// The max timestamp.
    #[field(versions = "0+")]
    pub max_timestamp: i64,
    /// The token id.
    #[field(versions = "0+")]
    pub token_id: Str,
    /// The hmac.
    #[field(versions = "0+")]
    pub hmac: Bytes,
    /// The renewers.
    #[field(versions = "0+")]
    pub renewers: Vec<DescribedDelegationTokenRenewer>,
}

/// One of `renewers` of [`DescribedDelegationToken`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribedDelegationTokenRenewer {
    /// The principal type.
    #[field(versions = "0+")]
    pub principal_type: Str,
    /// The principal name.
    #[field(versions = "0+")]
    pub principal_name: Str,
}
