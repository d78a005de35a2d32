//! DescribeUserScramCredentials (key 50).

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for DescribeUserScramCredentials.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 50, versions = "0", flexible = "0+", response = DescribeUserScramCredentialsResponse)]
pub struct DescribeUserScramCredentialsRequest {
    /// The users.
    #[field(versions = "0+", nullable = "0+")]
    pub users: Option<Vec<UserName>>,
}

/// One of `users` of [`DescribeUserScramCredentialsRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct UserName {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
}

/// Answers [`DescribeUserScramCredentialsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 50, versions = "0", flexible = "0+")]
pub struct DescribeUserScramCredentialsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// The results.
    #[field(versions = "0+")]
    pub results: Vec<DescribeUserScramCredentialsResult>,
}

/// One of `results` of [`DescribeUserScramCredentialsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeUserScramCredentialsResult {
    /// The user.
    #[field(versions = "0+")]
    pub user: Str,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// The credential infos.
    #[field(versions = "0+")]
    pub credential_infos: Vec<CredentialInfo>,
}

/// One of `credential_infos` of [`DescribeUserScramCredentialsResult`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CredentialInfo {
    /// The mechanism.
    #[field(versions = "0+")]
    pub mechanism: i8,
    /// The iterations.
    #[field(versions = "0+")]
    pub iterations: i32,
}
