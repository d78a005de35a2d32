//! Whole frames: size, header, body.
//!
//! The size prefix is written here and never read here: framing belongs to whoever owns the socket.

use bytes::Bytes;

use crate::codec::{Budget, DecodeError, EncodeError, Encoded, Message, Reader, Request, Writer};
use crate::header::{RequestHeader, ResponseHeader};
use crate::{ApiKey, Str};

/// A request ready to be sent, size prefix included. `client_id` of `None` goes out as null.
pub fn encode_request<R: Request>(
    api_version: i16,
    correlation_id: i32,
    client_id: Option<&Str>,
    request: &R,
) -> Result<Encoded, EncodeError> {
    let mut writer = Writer::new_frame();
    let api_key = R::KEY.code();
    RequestHeader { api_key, api_version, correlation_id, client_id: client_id.cloned() }.encode(&mut writer)?;
    request.encode(&mut writer, api_version)?;
    writer.finish_frame()
}

/// A response ready to be sent, size prefix included.
pub fn encode_response<M: Message>(
    key: ApiKey,
    api_version: i16,
    correlation_id: i32,
    response: &M,
) -> Result<Encoded, EncodeError> {
    let mut writer = Writer::new_frame();
    ResponseHeader { correlation_id }.encode(&mut writer, key, api_version)?;
    response.encode(&mut writer, api_version)?;
    writer.finish_frame()
}

/// Reads a response frame (without its size prefix): the correlation id and the body.
pub fn decode_response<R: Request>(
    frame: &Bytes,
    api_version: i16,
    budget: Budget,
) -> Result<(i32, R::Response), DecodeError> {
    let mut reader = Reader::new(frame, budget);
    let header = ResponseHeader::decode(&mut reader, R::KEY, api_version)?;
    let response = R::Response::decode(&mut reader, api_version)?;
    Ok((header.correlation_id, response))
}

/// Reads a request frame (without its size prefix) whose API the caller knows already.
pub fn decode_request<R: Request>(frame: &Bytes, budget: Budget) -> Result<(RequestHeader, R), DecodeError> {
    let mut reader = Reader::new(frame, budget);
    let header = RequestHeader::decode(&mut reader)?;
    let request = R::decode(&mut reader, header.api_version)?;
    Ok((header, request))
}
