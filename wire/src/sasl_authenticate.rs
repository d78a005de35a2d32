//! SaslAuthenticate (key 36).

use bytes::Bytes;

use wire_derive::Message;

use crate::Str;

/// Asks for SaslAuthenticate.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 36, versions = "0-2", flexible = "2+", response = SaslAuthenticateResponse)]
pub struct SaslAuthenticateRequest {
    /// The auth bytes.
    #[field(versions = "0+")]
    pub auth_bytes: Bytes,
}

/// Answers [`SaslAuthenticateRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 36, versions = "0-2", flexible = "2+")]
pub struct SaslAuthenticateResponse {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The error message.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// The auth bytes.
    #[field(versions = "0+")]
    pub auth_bytes: Bytes,
    /// The session lifetime, in milliseconds.
    #[field(versions = "1+", default = "0", ignorable)]
    pub session_lifetime_ms: i64,
}
