//! How a record is printed (`DefaultMessageFormatter`).
//!
//! ```text
//! CreateTime:<ms> | Partition:<n> | Offset:<n> | headers or NO_HEADERS | key | value     joined by key.separator
//! ```
//!
//! A line whose value is not printed ends with the line separator too, in place of the separator behind its last column.

use std::io::Write;

use client::ConsumerRecord;
use storage::batch::TimestampType;

use super::settings::file_pairs;
use crate::error::ToolError;
use crate::options::{Options, key_values};
use crate::terminal::Terminal;

/// Classes that print nothing.
const NO_OP: &str = "org.apache.kafka.tools.consumer.NoOpMessageFormatter";
/// Classes that print records. The second one logs them too, at a level that the tools' logging leaves out.
const PRINTING: [&str; 2] = [
    "org.apache.kafka.tools.consumer.DefaultMessageFormatter",
    "org.apache.kafka.tools.consumer.LoggingMessageFormatter",
];

/// Prints records.
#[derive(Debug)]
pub struct Formatter {
    silent: bool,
    print_timestamp: bool,
    print_partition: bool,
    print_offset: bool,
    print_headers: bool,
    print_key: bool,
    print_value: bool,
    key_separator: String,
    line_separator: String,
    headers_separator: String,
    null_literal: String,
    key: Deserializer,
    value: Deserializer,
    headers: Deserializer,
}

/// How bytes become text: some of Java's deserializers, by class name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deserializer {
    /// As they are.
    Raw,
    String,
    Short,
    Integer,
    Long,
    Boolean,
}

impl Formatter {
    /// Takes `--formatter`, `--formatter-config` and `--property`.
    pub fn of(options: &Options, terminal: &mut Terminal) -> Result<Formatter, ToolError> {
        let class = options.value("formatter")?.unwrap_or(PRINTING[0]);
        let class = current_name(class, terminal);
        if class != NO_OP && !PRINTING.contains(&class.as_str()) {
            return Err(ToolError::not_built(&format!("the formatter class {class}")));
        }
        let mut properties = file_pairs(options, terminal, "formatter-config")?;
        for (option, property) in
            [("key-deserializer", "key.deserializer"), ("value-deserializer", "value.deserializer")]
        {
            if let Some(class) = options.value(option)?.filter(|class| !class.is_empty()) {
                properties.push((property.to_owned(), class.to_owned()));
            }
        }
        properties.extend(key_values(options.values("property")));
        Formatter::new(class == NO_OP, &properties)
    }

    fn new(silent: bool, properties: &[(String, String)]) -> Result<Formatter, ToolError> {
        let get = |key: &str| properties.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let yes = |key: &str, default| get(key).map_or(default, |value| value.trim().eq_ignore_ascii_case("true"));
        let text = |key: &str, default: &str| get(key).unwrap_or(default).to_owned();
        let deserializer = |key: &str| get(key).map_or(Ok(Deserializer::Raw), Deserializer::of_class);
        Ok(Formatter {
            silent,
            print_timestamp: yes("print.timestamp", false),
            print_partition: yes("print.partition", false),
            print_offset: yes("print.offset", false),
            print_headers: yes("print.headers", false),
            print_key: yes("print.key", false),
            print_value: yes("print.value", true),
            key_separator: text("key.separator", "\t"),
            line_separator: text("line.separator", "\n"),
            headers_separator: text("headers.separator", ","),
            null_literal: text("null.literal", "null"),
            key: deserializer("key.deserializer")?,
            value: deserializer("value.deserializer")?,
            headers: deserializer("headers.deserializer")?,
        })
    }

    /// Prints one record. `Failed`: its bytes are not what the deserializer reads.
    pub fn write(&self, record: &ConsumerRecord, out: &mut dyn Write) -> Result<(), ToolError> {
        if self.silent {
            return Ok(());
        }
        let mut columns: Vec<Vec<u8>> = Vec::new();
        if self.print_timestamp {
            let kind = match record.timestamp_type {
                TimestampType::CreateTime => "CreateTime",
                TimestampType::LogAppendTime => "LogAppendTime",
            };
            columns.push(format!("{kind}:{}", record.timestamp).into_bytes());
        }
        if self.print_partition {
            columns.push(format!("Partition:{}", record.partition.partition).into_bytes());
        }
        if self.print_offset {
            columns.push(format!("Offset:{}", record.offset).into_bytes());
        }
        if self.print_headers {
            columns.push(self.headers(record)?);
        }
        if self.print_key {
            columns.push(self.text(self.key, record.key.as_deref())?);
        }
        if self.print_value {
            columns.push(self.text(self.value, record.value.as_deref())?);
        }
        if columns.is_empty() {
            return Ok(());
        }
        let line = columns.join(self.key_separator.as_bytes());
        out.write_all(&line).and_then(|()| out.write_all(self.line_separator.as_bytes())).map_err(ToolError::Output)
    }

    fn headers(&self, record: &ConsumerRecord) -> Result<Vec<u8>, ToolError> {
        if record.headers.is_empty() {
            return Ok(b"NO_HEADERS".to_vec());
        }
        let mut pairs = Vec::new();
        for header in &record.headers {
            let key = String::from_utf8_lossy(&header.key);
            let value = self.text(self.headers, header.value.as_deref())?;
            pairs.push([key.as_bytes(), b":", value.as_slice()].concat());
        }
        Ok(pairs.join(self.headers_separator.as_bytes()))
    }

    /// Nothing is printed as the null literal, which goes through the deserializer as well, as in Kafka.
    fn text(&self, deserializer: Deserializer, bytes: Option<&[u8]>) -> Result<Vec<u8>, ToolError> {
        deserializer.text(bytes.unwrap_or(self.null_literal.as_bytes()))
    }
}

/// Old names are warned about.
fn current_name(class: &str, terminal: &mut Terminal) -> String {
    let Some(name) = class.strip_prefix("kafka.tools.") else { return class.to_owned() };
    let new = format!("org.apache.kafka.tools.consumer.{name}");
    if !matches!(name, "DefaultMessageFormatter" | "LoggingMessageFormatter" | "NoOpMessageFormatter") {
        return class.to_owned();
    }
    terminal.warn(&format!(
        "WARNING: {class} is deprecated and will be removed in the next major release. Please use {new} instead"
    ));
    new
}

impl Deserializer {
    fn of_class(class: &str) -> Result<Deserializer, ToolError> {
        match class.strip_prefix("org.apache.kafka.common.serialization.").unwrap_or_default() {
            "StringDeserializer" => Ok(Deserializer::String),
            "ShortDeserializer" => Ok(Deserializer::Short),
            "IntegerDeserializer" => Ok(Deserializer::Integer),
            "LongDeserializer" => Ok(Deserializer::Long),
            "BooleanDeserializer" => Ok(Deserializer::Boolean),
            _ => Err(ToolError::not_built(&format!("the deserializer class {class}"))),
        }
    }

    fn text(self, bytes: &[u8]) -> Result<Vec<u8>, ToolError> {
        let size = |class: &str, size: usize| {
            let text = format!("Size of data received by {class} is not {size}");
            ToolError::Failed(format!("org.apache.kafka.common.errors.SerializationException: {text}"))
        };
        let text = match self {
            Deserializer::Raw => return Ok(bytes.to_vec()),
            Deserializer::String => String::from_utf8_lossy(bytes).into_owned(),
            Deserializer::Short => {
                i16::from_be_bytes(bytes.try_into().map_err(|_| size("ShortDeserializer", 2))?).to_string()
            }
            Deserializer::Integer => {
                i32::from_be_bytes(bytes.try_into().map_err(|_| size("IntegerDeserializer", 4))?).to_string()
            }
            Deserializer::Long => {
                i64::from_be_bytes(bytes.try_into().map_err(|_| size("LongDeserializer", 8))?).to_string()
            }
            Deserializer::Boolean => match bytes {
                [0] => "false".to_owned(),
                [1] => "true".to_owned(),
                _ => return Err(size("BooleanDeserializer", 1)),
            },
        };
        Ok(text.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use storage::batch::Header;
    use zk_paths::ids::{LeaderEpoch, Offset, TopicPartition};

    /// The text of `record` with these properties.
    fn check(record: &ConsumerRecord, properties: &str, want: &str) {
        let mut out = Vec::new();
        let formatter = Formatter::new(false, &key_values(properties.split_whitespace()));
        let got = match formatter.and_then(|formatter| formatter.write(record, &mut out)) {
            Ok(()) => String::from_utf8(out).unwrap(),
            Err(error) => error.to_string(),
        };
        assert_eq!(got, want, "{properties}");
    }

    fn record(key: Option<&'static [u8]>, value: Option<&'static [u8]>) -> ConsumerRecord {
        ConsumerRecord {
            partition: TopicPartition::new("t", 3),
            offset: Offset(7),
            leader_epoch: LeaderEpoch(0),
            timestamp: 1_700_000_000_000,
            timestamp_type: TimestampType::CreateTime,
            key: key.map(Bytes::from_static),
            value: value.map(Bytes::from_static),
            headers: Vec::new(),
        }
    }

    #[test]
    fn columns_come_in_the_order_of_kafka() {
        let plain = record(Some(b"k"), Some(b"v"));
        check(&plain, "", "v\n");
        check(&plain, "print.key=true", "k\tv\n");
        check(&plain, "print.key=true print.value=false", "k\n");
        check(&plain, "print.value=false", "");
        check(&plain, "print.key=true key.separator=- line.separator=;", "k-v;");
        check(
            &plain,
            "print.timestamp=true print.partition=TRUE print.offset=true print.headers=true print.key=true",
            "CreateTime:1700000000000\tPartition:3\tOffset:7\tNO_HEADERS\tk\tv\n",
        );
    }

    #[test]
    fn what_is_not_there_is_the_null_literal() {
        check(&record(None, None), "print.key=true", "null\tnull\n");
        check(&record(None, None), "null.literal=-", "-\n");
        let mut headers = record(None, Some(b"v"));
        headers.headers = vec![
            Header { key: Bytes::from_static(b"h"), value: Some(Bytes::from_static(b"1")) },
            Header { key: Bytes::from_static(b"g"), value: None },
        ];
        check(&headers, "print.headers=true", "h:1,g:null\tv\n");
        check(&headers, "print.headers=true headers.separator=|", "h:1|g:null\tv\n");
    }

    #[test]
    fn deserializers_are_known_by_class() {
        let long = "value.deserializer=org.apache.kafka.common.serialization.LongDeserializer";
        check(&record(None, Some(&[0, 0, 0, 0, 0, 0, 1, 0])), long, "256\n");
        let short = "org.apache.kafka.common.errors.SerializationException: Size of data received by LongDeserializer is \
                     not 8";
        check(&record(None, Some(b"1")), long, short);
        check(
            &record(None, Some(b"1")),
            "value.deserializer=x.Y",
            "the deserializer class x.Y is not built yet in Klamm",
        );
    }
}
