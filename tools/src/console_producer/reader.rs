//! From a line to a record: headers, key and value, as Kafka's `LineMessageReader` cuts them.
//!
//! ```text
//! [headers headers.delimiter] [key key.separator] value
//! headers   key headers.key.separator value, joined by headers.separator
//! ```

use bytes::Bytes;
use regex::Regex;
use storage::batch::Header;

use crate::brokers::read_properties;
use crate::error::ToolError;
use crate::options::{Options, key_values};
use crate::terminal::Terminal;

/// How lines are cut.
#[derive(Debug)]
pub struct RecordReader {
    parse_key: bool,
    key_separator: String,
    parse_headers: bool,
    headers_delimiter: String,
    /// A regular expression, as Kafka compiles it.
    headers_separator: Regex,
    headers_key_separator: String,
    ignore_error: bool,
    null_marker: Option<String>,
    line_number: u64,
}

/// The parts of a line.
#[derive(Debug, PartialEq, Eq)]
pub struct Parts {
    /// `None` without one and for the null marker.
    pub key: Option<Bytes>,
    /// `None` for the null marker.
    pub value: Option<Bytes>,
    /// In their order.
    pub headers: Vec<Header>,
}

impl RecordReader {
    /// Takes `--reader-config` and, over it, `--property`. Unknown properties are for readers of other classes and have
    /// no effect, as in Kafka.
    pub fn of(options: &Options, terminal: &Terminal) -> Result<RecordReader, ToolError> {
        let mut properties = match options.value("reader-config")? {
            Some(file) => read_properties(terminal, file)?,
            None => Vec::new(),
        };
        properties.extend(key_values(options.values("property")));
        RecordReader::new(&properties)
    }

    fn new(properties: &[(String, String)]) -> Result<RecordReader, ToolError> {
        let get = |key: &str| properties.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let yes = |key: &str| get(key).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        let text = |key: &str, default: &str| get(key).unwrap_or(default).to_owned();
        let headers_separator = text("headers.separator", ",");
        let reader = RecordReader {
            parse_key: yes("parse.key"),
            key_separator: text("key.separator", "\t"),
            parse_headers: yes("parse.headers"),
            headers_delimiter: text("headers.delimiter", "\t"),
            headers_separator: Regex::new(&headers_separator).map_err(|error| failed(error.to_string()))?,
            headers_key_separator: text("headers.key.separator", ":"),
            ignore_error: yes("ignore.error"),
            null_marker: get("null.marker").map(str::to_owned),
            line_number: 0,
        };
        reader.check(&headers_separator)?;
        Ok(reader)
    }

    /// Marks that could not be told apart.
    fn check(&self, headers_separator: &str) -> Result<(), ToolError> {
        let delimiter = ("headers.delimiter", Some(self.headers_delimiter.as_str()));
        let separator = ("headers.separator", Some(headers_separator));
        let key_value = ("headers.key.separator", Some(self.headers_key_separator.as_str()));
        let key = ("key.separator", Some(self.key_separator.as_str()));
        let null = ("null.marker", self.null_marker.as_deref());
        for (one, other) in [
            (delimiter, separator),
            (delimiter, key_value),
            (separator, key_value),
            (null, key),
            (null, separator),
            (null, delimiter),
            (null, key_value),
        ] {
            if one.1 == other.1 {
                return Err(failed(format!("{} and {} may not be equal", one.0, other.0)));
            }
        }
        Ok(())
    }

    /// Cuts the next line. Bytes that are not UTF-8 are replaced, as Java does.
    pub fn read(&mut self, line: &Bytes) -> Result<Parts, ToolError> {
        self.line_number += 1;
        let repaired;
        let (line, bytes) = match std::str::from_utf8(line) {
            Ok(text) => (text, line),
            Err(_) => {
                repaired = Bytes::from(String::from_utf8_lossy(line).into_owned());
                (std::str::from_utf8(&repaired).unwrap_or_default(), &repaired)
            }
        };
        let headers = self.part(self.parse_headers, line, line, &self.headers_delimiter, "headers delimiter")?;
        let rest = headers.map_or(line, |headers| behind(line, headers, &self.headers_delimiter));
        let key = self.part(self.parse_key, line, rest, &self.key_separator, "key separator")?;
        let value = key.map_or(rest, |key| behind(rest, key, &self.key_separator));
        let headers = match headers {
            Some(headers) if !self.is_null(headers) => self.headers(headers, bytes)?,
            _ => Vec::new(),
        };
        let shared = |part: &str| (!self.is_null(part)).then(|| bytes.slice_ref(part.as_bytes()));
        Ok(Parts { key: key.and_then(shared), value: shared(value), headers })
    }

    fn is_null(&self, text: &str) -> bool {
        self.null_marker.as_deref() == Some(text)
    }

    /// What stands in front of a mark, if such parts are wanted.
    fn part<'a>(
        &self,
        wanted: bool,
        line: &str,
        rest: &'a str,
        mark: &str,
        name: &str,
    ) -> Result<Option<&'a str>, ToolError> {
        match rest.find(mark) {
            _ if !wanted => Ok(None),
            Some(end) => Ok(rest.get(..end)),
            None if self.ignore_error => Ok(None),
            None => Err(failed(format!("No {name} found on line number {}: '{line}'", self.line_number))),
        }
    }

    fn headers(&self, text: &str, bytes: &Bytes) -> Result<Vec<Header>, ToolError> {
        let mut pairs: Vec<&str> = self.headers_separator.split(text).collect();
        // Java's split drops empty strings behind the last separator; without a separator the text stays as it is.
        while pairs.len() > 1 && pairs.last().is_some_and(|pair| pair.is_empty()) {
            pairs.pop();
        }
        if pairs == [""] && !text.is_empty() {
            pairs.clear();
        }
        pairs.into_iter().map(|pair| self.header(pair, bytes)).collect()
    }

    fn header(&self, pair: &str, bytes: &Bytes) -> Result<Header, ToolError> {
        let share = |text: &str| bytes.slice_ref(text.as_bytes());
        match pair.split_once(&self.headers_key_separator) {
            Some((key, _)) if self.is_null(key) => {
                Err(failed(format!("Header keys should not be equal to the null marker '{key}' as they can't be null")))
            }
            Some((key, value)) => Ok(Header { key: share(key), value: (!self.is_null(value)).then(|| share(value)) }),
            None if self.ignore_error => Ok(Header { key: share(pair), value: None }),
            None => Err(failed(format!(
                "No header key separator found in pair '{pair}' on line number {}",
                self.line_number
            ))),
        }
    }
}

fn behind<'a>(text: &'a str, part: &str, mark: &str) -> &'a str {
    text.get(part.len() + mark.len()..).unwrap_or_default()
}

/// In the words of the exception that Kafka's tool dies of.
fn failed(text: String) -> ToolError {
    ToolError::Failed(format!("org.apache.kafka.common.KafkaException: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(properties: &str) -> Result<RecordReader, ToolError> {
        RecordReader::new(&key_values(properties.split_whitespace()))
    }

    /// A line with these properties: `headers|key|value`, or the error without its class.
    fn check(properties: &str, line: &str, want: &str) {
        let show = |bytes: &Option<Bytes>| match bytes {
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            None => "-".to_owned(),
        };
        let got = match reader(properties).and_then(|mut reader| reader.read(&Bytes::copy_from_slice(line.as_bytes())))
        {
            Ok(parts) => {
                let headers: Vec<String> = parts
                    .headers
                    .iter()
                    .map(|header| format!("{}={}", String::from_utf8_lossy(&header.key), show(&header.value)))
                    .collect();
                format!("{}|{}|{}", headers.join(","), show(&parts.key), show(&parts.value))
            }
            Err(error) => error.to_string().replace("org.apache.kafka.common.KafkaException: ", ""),
        };
        assert_eq!(got, want, "{properties} {line:?}");
    }

    #[test]
    fn lines_are_cut_as_kafka_cuts_them() {
        check("", "a\tb", "|-|a\tb");
        check("parse.key=true", "k\tv\tw", "|k|v\tw");
        check("parse.key=true", "\tv", "||v");
        check("parse.key=true key.separator=::", "k::v", "|k|v");
        check("parse.key=true", "v", "No key separator found on line number 1: 'v'");
        check("parse.key=true ignore.error=true", "v", "|-|v");
        check("parse.headers=true", "h:1,g:2\tv", "h=1,g=2|-|v");
        check("parse.headers=true parse.key=true", "h:1\tk\tv", "h=1|k|v");
        check("parse.headers=true", "v", "No headers delimiter found on line number 1: 'v'");
        check("parse.headers=true", "a,b:c\tx", "No header key separator found in pair 'a' on line number 1");
        check("parse.headers=true ignore.error=true", "a,b:c\tx", "a=-,b=c|-|x");
        check("parse.headers=true", "h:1,,\tx", "h=1|-|x");
        check("parse.headers=true", "\tx", "No header key separator found in pair '' on line number 1");
        check("parse.headers=true headers.separator=[;,]", "a:1;b:2,c:3\tx", "a=1,b=2,c=3|-|x");
    }

    #[test]
    fn the_null_marker_stands_for_nothing() {
        check("null.marker=NULL parse.key=true", "NULL\tv", "|-|v");
        check("null.marker=NULL parse.key=true", "k\tNULL", "|k|-");
        check("null.marker=NULL parse.headers=true", "NULL\tv", "|-|v");
        check("null.marker=NULL parse.headers=true", "h:NULL\tv", "h=-|-|v");
        check(
            "null.marker=NULL parse.headers=true",
            "NULL:1\tv",
            "Header keys should not be equal to the null marker 'NULL' as they can't be null",
        );
    }

    #[test]
    fn marks_must_differ() {
        for (properties, want) in [
            ("headers.delimiter=,", "headers.delimiter and headers.separator may not be equal"),
            ("headers.delimiter=:", "headers.delimiter and headers.key.separator may not be equal"),
            ("headers.separator=:", "headers.separator and headers.key.separator may not be equal"),
            ("null.marker=,", "null.marker and headers.separator may not be equal"),
            ("null.marker=x key.separator=x", "null.marker and key.separator may not be equal"),
        ] {
            check(properties, "", want);
        }
    }

    #[test]
    fn what_is_not_utf8_is_replaced() {
        let parts = reader("").unwrap().read(&Bytes::from_static(b"a\xffb")).unwrap();
        assert_eq!(parts.value.as_deref(), Some("a\u{fffd}b".as_bytes()));
    }
}
