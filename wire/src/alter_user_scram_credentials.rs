//! AlterUserScramCredentials (key 51) changes SCRAM credentials.

use bytes::Bytes;

use wire_derive::{Message, Struct};

use crate::Str;

/// Sets and removes SCRAM credentials; for the controller.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 51, versions = "0", flexible = "0+", response = AlterUserScramCredentialsResponse)]
pub struct AlterUserScramCredentialsRequest {
    /// The credentials to remove.
    #[field(versions = "0+")]
    pub deletions: Vec<ScramCredentialDeletion>,
    /// The credentials to set.
    #[field(versions = "0+")]
    pub upsertions: Vec<ScramCredentialUpsertion>,
}

/// A credential to remove.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ScramCredentialDeletion {
    /// The user's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    #[field(versions = "0+")]
    pub mechanism: i8,
}

/// A credential to set.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct ScramCredentialUpsertion {
    /// The user's name.
    #[field(versions = "0+")]
    pub name: Str,
    /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    #[field(versions = "0+")]
    pub mechanism: i8,
    /// How many times the password is hashed.
    #[field(versions = "0+")]
    pub iterations: i32,
    /// The salt, made by the client.
    #[field(versions = "0+")]
    pub salt: Bytes,
    /// The salted password, computed by the client.
    #[field(versions = "0+")]
    pub salted_password: Bytes,
}

/// Answers [`AlterUserScramCredentialsRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 51, versions = "0", flexible = "0+")]
pub struct AlterUserScramCredentialsResponse {
    /// How long a quota makes the client wait, in milliseconds.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// One entry per item of the request.
    #[field(versions = "0+")]
    pub results: Vec<AlterUserScramCredentialsResult>,
}

/// A user and how the change went.
#[derive(Struct, Debug, Clone, PartialEq)]
pub struct AlterUserScramCredentialsResult {
    /// The user's name.
    #[field(versions = "0+")]
    pub user: Str,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
}
