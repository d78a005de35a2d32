//! SaslAuthenticate (key 36) carries the tokens of a SASL exchange.

use bytes::Bytes;

use wire_derive::Message;

use crate::Str;

/// Carries a token of the client.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 36, versions = "0-2", flexible = "2+", response = SaslAuthenticateResponse)]
pub struct SaslAuthenticateRequest {
    /// What the SASL mechanism has to say.
    #[field(versions = "0+")]
    pub auth_bytes: Bytes,
}

/// Answers [`SaslAuthenticateRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 36, versions = "0-2", flexible = "2+")]
pub struct SaslAuthenticateResponse {
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
    /// What went wrong, for people; null when there is nothing to add.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<Str>,
    /// What the SASL mechanism has to say.
    #[field(versions = "0+")]
    pub auth_bytes: Bytes,
    /// After how long the client has to authenticate again, in milliseconds; 0 for never (KIP-368).
    #[field(versions = "1+", default = "0", ignorable)]
    pub session_lifetime_ms: i64,
}
