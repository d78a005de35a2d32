//! Envelope (key 58).

use bytes::Bytes;

use wire_derive::Message;

/// Asks for Envelope.
#[derive(Message, Debug, Clone, PartialEq)]
#[message(request, key = 58, versions = "0", flexible = "0+", response = EnvelopeResponse)]
pub struct EnvelopeRequest {
    /// The request data.
    #[field(versions = "0+")]
    pub request_data: Bytes,
    /// The request principal.
    #[field(versions = "0+", nullable = "0+")]
    pub request_principal: Option<Bytes>,
    /// The client host address.
    #[field(versions = "0+")]
    pub client_host_address: Bytes,
}

/// Answers [`EnvelopeRequest`].
#[derive(Message, Debug, Clone, PartialEq)]
#[message(response, key = 58, versions = "0", flexible = "0+")]
pub struct EnvelopeResponse {
    /// The response data.
    #[field(versions = "0+", nullable = "0+", default = "null")]
    pub response_data: Option<Bytes>,
    /// The error code.
    #[field(versions = "0+")]
    pub error_code: i16,
}
