//! SaslHandshake (key 17).

use wire_derive::Message;

use crate::Str;

/// Asks for SaslHandshake.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 17, versions = "0-1", flexible = "none", response = SaslHandshakeResponse)]
pub struct SaslHandshakeRequest {
    /// The mechanism.
    #[field(versions = "0+")]
    pub mechanism: Str,
}

/// Answers [`SaslHandshakeRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 17, versions = "0-1", flexible = "none")]
pub struct SaslHandshakeResponse {
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The mechanisms.
    #[field(versions = "0+")]
    pub mechanisms: Vec<Str>,
}
