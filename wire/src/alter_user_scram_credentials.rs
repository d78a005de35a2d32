//! AlterUserScramCredentials (key 51).

use bytes::Bytes;

use wire_derive::{Message, Struct};

use crate::Str;

/// Asks for AlterUserScramCredentials.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 51, versions = "0", flexible = "0+", response = AlterUserScramCredentialsResponse)]
pub struct AlterUserScramCredentialsRequest {
    /// The deletions.
    #[field(versions = "0+")]
    pub deletions: Vec<ScramCredentialDeletion>,
    /// The upsertions.
    #[field(versions = "0+")]
    pub upsertions: Vec<ScramCredentialUpsertion>,
}

/// One of `deletions` of [`AlterUserScramCredentialsRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ScramCredentialDeletion {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The mechanism.
    #[field(versions = "0+")]
    pub mechanism: i8,
}

/// One of `upsertions` of [`AlterUserScramCredentialsRequest`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ScramCredentialUpsertion {
    /// The name.
    #[field(versions = "0+")]
    pub name: Str,
    /// The mechanism.
    #[field(versions = "0+")]
    pub mechanism: i8,
    /// The iterations.
    #[field(versions = "0+")]
    pub iterations: i32,
    /// The salt.
    #[field(versions = "0+")]
    pub salt: Bytes,
    /// The salted password.
    #[field(versions = "0+")]
    pub salted_password: Bytes,
}

/// Answers [`AlterUserScramCredentialsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 51, versions = "0", flexible = "0+")]
pub struct AlterUserScramCredentialsResponse {
    /// The throttle time, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// The results.
    #[field(versions = "0+")]
    pub results: Vec<AlterUserScramCredentialsResult>,
}

/// One of `results` of [`AlterUserScramCredentialsResponse`].
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AlterUserScramCredentialsResult {
    /// The user.
    #[field(versions = "0+")]
    pub user: Str,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
}
