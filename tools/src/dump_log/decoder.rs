//! Keys and values as text. Classes cannot be loaded here, so Kafka's own decoders are known by name and others refused.

use crate::error::ToolError;
use crate::terminal::Terminal;

/// How bytes become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoder {
    /// UTF-8; what is none is replaced.
    String,
    /// A big-endian 32-bit number.
    Integer,
    /// A big-endian 64-bit number.
    Long,
}

impl Decoder {
    /// Finds a decoder by its Java class; without one it is the string decoder. Old names are told on standard output,
    /// as Kafka does.
    pub fn of_class(class: Option<&str>, terminal: &mut Terminal) -> Result<Decoder, ToolError> {
        let Some(class) = class else { return Ok(Decoder::String) };
        let name = match class.strip_prefix("kafka.serializer.") {
            Some(name @ ("StringDecoder" | "LongDecoder" | "IntegerDecoder")) => {
                terminal
                    .line(&format!("{class} is deprecated. Please use org.apache.kafka.tools.api.{name} instead"))?;
                name
            }
            _ => class.strip_prefix("org.apache.kafka.tools.api.").unwrap_or_default(),
        };
        match name {
            "StringDecoder" => Ok(Decoder::String),
            "IntegerDecoder" => Ok(Decoder::Integer),
            "LongDecoder" => Ok(Decoder::Long),
            _ => Err(ToolError::not_built(&format!("the decoder class {class}"))),
        }
    }

    /// The text.
    pub fn text(self, bytes: &[u8]) -> Result<String, ToolError> {
        let short = |want: usize| {
            ToolError::Failed(format!("a key or value of {} bytes is no number of {want} bytes", bytes.len()))
        };
        match self {
            Decoder::String => Ok(String::from_utf8_lossy(bytes).into_owned()),
            Decoder::Integer => match bytes.first_chunk() {
                Some(number) => Ok(i32::from_be_bytes(*number).to_string()),
                None => Err(short(4)),
            },
            Decoder::Long => match bytes.first_chunk() {
                Some(number) => Ok(i64::from_be_bytes(*number).to_string()),
                None => Err(short(8)),
            },
        }
    }
}
