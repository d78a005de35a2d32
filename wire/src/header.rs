//! What stands before every request and response.
//!
//! Request header v0 has no client id (ControlledShutdown v0 only), v1 has one, v2 adds tagged fields; the client id
//! stays a plain, 16-bit-length string in all of them (`RequestHeader.json`: flexibleVersions "none" on the field), so
//! that even a header of an unknown version can be read. Response header v1 adds tagged fields.

use crate::codec::{DecodeError, EncodeError, Nullable, Reader, Value, Version, Writer};
use crate::{ApiKey, Str};

const PLAIN: Version = Version { number: 0, flexible: false };

/// Who asks what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API's number, which may be unknown: see [`RequestHeader::key`].
    pub api_key: i16,
    /// The version of request and response, which may be unsupported.
    pub api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// The client's `client.id`; null when it has none.
    pub client_id: Option<Str>,
}

impl RequestHeader {
    /// Reads a header and leaves the reader at the body. An unknown API has no header rules: only the first three
    /// fields are read, enough to report it (Kafka closes the connection). An unknown version has those of the highest.
    pub fn decode(reader: &mut Reader<'_>) -> Result<RequestHeader, DecodeError> {
        Self::read(reader).map_err(|error| error.inside("RequestHeader", 0))
    }

    fn read(reader: &mut Reader<'_>) -> Result<RequestHeader, DecodeError> {
        let mut header = RequestHeader {
            api_key: i16::read(reader, PLAIN)?,
            api_version: i16::read(reader, PLAIN)?,
            correlation_id: i32::read(reader, PLAIN)?,
            client_id: None,
        };
        if let Some(key) = header.key() {
            let header_version = key.request_header_version(header.api_version);
            if header_version >= 1 {
                header.client_id = Str::read_nullable(reader, PLAIN)?;
            }
            if header_version >= 2 {
                reader.skip_tagged_fields()?;
            }
        }
        Ok(header)
    }

    /// Appends the header in the version its API asks for.
    pub fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        self.api_key.write(writer, PLAIN)?;
        self.api_version.write(writer, PLAIN)?;
        self.correlation_id.write(writer, PLAIN)?;
        let header_version = self.key().map_or(1, |key| key.request_header_version(self.api_version));
        if header_version >= 1 {
            Str::write_nullable(self.client_id.as_ref(), writer, PLAIN)?;
        }
        if header_version >= 2 {
            writer.no_tagged_fields();
        }
        Ok(())
    }

    /// The API, if it is one of ours.
    pub fn key(&self) -> Option<ApiKey> {
        ApiKey::try_from(self.api_key).ok()
    }
}

/// Which request is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResponseHeader {
    /// That of the request.
    pub correlation_id: i32,
}

impl ResponseHeader {
    /// Reads the header of a response to a request of this API and version.
    pub fn decode(reader: &mut Reader<'_>, key: ApiKey, api_version: i16) -> Result<ResponseHeader, DecodeError> {
        let header_version = key.response_header_version(api_version);
        Self::read(reader, header_version).map_err(|error| error.inside("ResponseHeader", header_version))
    }

    fn read(reader: &mut Reader<'_>, header_version: i16) -> Result<ResponseHeader, DecodeError> {
        let correlation_id = i32::read(reader, PLAIN)?;
        if header_version >= 1 {
            reader.skip_tagged_fields()?;
        }
        Ok(ResponseHeader { correlation_id })
    }

    /// Appends the header of a response of this API and version.
    pub fn encode(&self, writer: &mut Writer, key: ApiKey, api_version: i16) -> Result<(), EncodeError> {
        self.correlation_id.write(writer, PLAIN)?;
        if key.response_header_version(api_version) >= 1 {
            writer.no_tagged_fields();
        }
        Ok(())
    }
}
