//! What can go wrong between us and a broker: with which broker, in which call.

use std::io;
use std::time::Duration;

use thiserror::Error;
use wire::{ApiKey, DecodeError, EncodeError, ErrorCode};

/// A failed call.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No stream to the broker.
    #[error("cannot connect to {broker}: {source}")]
    Connect {
        /// `host:port`
        broker: String,
        /// Why.
        source: io::Error,
    },
    /// None of the bootstrap addresses answered.
    #[error("no broker could be reached: {0}")]
    NoBroker(String),
    /// The stream ended or broke before the response came. Whether the request had an effect is unknown.
    #[error("connection to {broker} lost during {api}: {reason}")]
    Lost {
        /// `host:port`
        broker: String,
        /// The call.
        api: ApiKey,
        /// Why.
        reason: String,
    },
    /// No response in time. Whether the request had an effect is unknown; the connection is closed.
    #[error("{broker} did not answer {api} within {} ms", timeout.as_millis())]
    Timeout {
        /// `host:port`
        broker: String,
        /// The call.
        api: ApiKey,
        /// How long we waited.
        timeout: Duration,
    },
    /// The broker knows no version of the API that we want to use.
    #[error("{broker} supports no usable version of {api}")]
    Unsupported {
        /// `host:port`
        broker: String,
        /// The call.
        api: ApiKey,
    },
    /// The request cannot be written in the version that broker and client have in common.
    #[error("cannot send {api} to {broker}: {source}")]
    Encode {
        /// `host:port`
        broker: String,
        /// The call.
        api: ApiKey,
        /// Why.
        source: EncodeError,
    },
    /// The response cannot be read.
    #[error("{broker} answered {api} with bytes that are no response to it: {source}")]
    Decode {
        /// `host:port`
        broker: String,
        /// The call.
        api: ApiKey,
        /// Why.
        source: DecodeError,
    },
    /// The broker refused.
    #[error("{api}: {refusal}")]
    Refused {
        /// The call.
        api: ApiKey,
        /// Its answer.
        refusal: Refusal,
    },
    /// Not given up by the broker but by us: the whole operation took too long.
    #[error("{what} was not done within {} ms: {last}", timeout.as_millis())]
    GaveUp {
        /// The operation.
        what: String,
        /// How long we tried.
        timeout: Duration,
        /// What the last attempt met.
        last: String,
    },
    /// Something that Klamm's clients cannot do.
    #[error("{0}")]
    NotBuilt(String),
    /// An option or argument that makes no sense.
    #[error("{0}")]
    Invalid(String),
}

impl ClientError {
    /// Whether the same operation, tried again, perhaps with another broker, may succeed.
    pub fn is_retriable(&self) -> bool {
        match self {
            ClientError::Connect { .. } | ClientError::Lost { .. } | ClientError::Timeout { .. } => true,
            ClientError::Refused { refusal, .. } => refusal.code.is_retriable(),
            ClientError::NoBroker(_)
            | ClientError::Unsupported { .. }
            | ClientError::Encode { .. }
            | ClientError::Decode { .. }
            | ClientError::GaveUp { .. }
            | ClientError::NotBuilt(_)
            | ClientError::Invalid(_) => false,
        }
    }

    /// The error code, when a broker gave one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Refused { refusal, .. } => Some(refusal.code),
            _ => None,
        }
    }
}

/// An error code with the message that came with it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", self.text())]
pub struct Refusal {
    /// Never `None`.
    pub code: ErrorCode,
    /// The broker's own words, if it had any.
    pub message: Option<String>,
}

impl Refusal {
    /// `Ok` for code 0.
    pub fn check(code: i16, message: Option<&str>) -> Result<(), Refusal> {
        match ErrorCode::from(code) {
            ErrorCode::None => Ok(()),
            code => Err(Refusal { code, message: message.filter(|text| !text.is_empty()).map(str::to_owned) }),
        }
    }

    fn text(&self) -> String {
        match &self.message {
            Some(message) => message.clone(),
            None => format!("{} ({})", self.code.meaning(), self.code.name()),
        }
    }
}
