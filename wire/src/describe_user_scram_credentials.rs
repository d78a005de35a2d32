//! DescribeUserScramCredentials (key 50) lists SCRAM credentials.

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks which SCRAM credentials users have.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 50, versions = "0", flexible = "0+", response = DescribeUserScramCredentialsResponse)]
pub struct DescribeUserScramCredentialsRequest {
    /// The users; null or empty for all.
    #[field(versions = "0+", nullable = "0+")]
    pub users: Option<Vec<UserName>>,
}

/// A user to describe.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct UserName {
    /// The user's name.
    #[field(versions = "0+")]
    pub name: Str,
}

/// Answers [`DescribeUserScramCredentialsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 50, versions = "0", flexible = "0+")]
pub struct DescribeUserScramCredentialsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// One entry per item of the request.
    #[field(versions = "0+")]
    pub results: Vec<DescribeUserScramCredentialsResult>,
}

/// A user and the credentials it has.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct DescribeUserScramCredentialsResult {
    /// The user's name.
    #[field(versions = "0+")]
    pub user: Str,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// One entry per mechanism.
    #[field(versions = "0+")]
    pub credential_infos: Vec<CredentialInfo>,
}

/// A credential, without its secrets.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct CredentialInfo {
    /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    #[field(versions = "0+")]
    pub mechanism: i8,
    /// How many times the password is hashed.
    #[field(versions = "0+")]
    pub iterations: i32,
}
