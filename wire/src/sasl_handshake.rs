//! SaslHandshake (key 17) chooses the SASL mechanism.
//! After version 0 raw tokens follow, after version 1 SaslAuthenticate.

use wire_derive::Message;

use crate::Str;

/// Chooses the SASL mechanism.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 17, versions = "0-1", flexible = "none", response = SaslHandshakeResponse)]
pub struct SaslHandshakeRequest {
    /// The SASL mechanism the client wants.
    #[field(versions = "0+")]
    pub mechanism: Str,
}

/// Answers [`SaslHandshakeRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 17, versions = "0-1", flexible = "none")]
pub struct SaslHandshakeResponse {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// The SASL mechanisms of the listener.
    #[field(versions = "0+")]
    pub mechanisms: Vec<Str>,
}
