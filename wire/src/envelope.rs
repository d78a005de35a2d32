//! Envelope (key 58) carries a forwarded request.
//! Unused in ZooKeeper mode outside of a migration.

use bytes::Bytes;

use wire_derive::Message;

/// Carries a request forwarded for a client.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 58, versions = "0", flexible = "0+", response = EnvelopeResponse)]
pub struct EnvelopeRequest {
    /// The forwarded request with its header.
    #[field(versions = "0+")]
    pub request_data: Bytes,
    /// The principal that sent it; null when there is none.
    #[field(versions = "0+", nullable = "0+")]
    pub request_principal: Option<Bytes>,
    /// The address it came from.
    #[field(versions = "0+")]
    pub client_host_address: Bytes,
}

/// Answers [`EnvelopeRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 58, versions = "0", flexible = "0+")]
pub struct EnvelopeResponse {
    /// The response with its header; null on failure.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub response_data: Option<Bytes>,
    /// What went wrong, as [`ErrorCode`](crate::ErrorCode); 0 for success.
    #[field(versions = "0+")]
    pub error_code: i16,
}
