//! One value: parsed from its text, checked against its row, and printed as Kafka prints it (`ConfigDef.parseType`,
//! `ConfigDef.convertToString`).

use std::fmt;
use std::str::FromStr;

use crate::definition::{Key, Kind, Valid};
use crate::error::ConfigError;
use crate::metadata_version::MetadataVersion;

/// A parsed value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A string or the name of a class.
    Text(String),
    /// An int or a short.
    Int(i32),
    /// A long.
    Long(i64),
    /// A double.
    Double(f64),
    /// A list, possibly empty.
    List(Vec<String>),
    /// Never printed.
    Password(Secret),
}

impl Value {
    /// Reads and checks a value. Errors name the key, the value and what is allowed.
    pub fn parse(key: &Key, text: &str) -> Result<Value, ConfigError> {
        let value = read(key.kind, text).map_err(|reason| invalid(key, text.to_owned(), reason))?;
        check(key, &value).map_err(|reason| invalid(key, offending(key, &value), reason))?;
        Ok(value)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(value) => value.fmt(f),
            Value::Text(value) => f.write_str(value),
            Value::Int(value) => value.fmt(f),
            Value::Long(value) => value.fmt(f),
            Value::Double(value) => f.write_str(&java_double(*value)),
            Value::List(values) => f.write_str(&values.join(",")),
            Value::Password(_) => f.write_str("[hidden]"),
        }
    }
}

/// A text that does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Splits at commas, dropping blanks around them. The empty text is the empty list; an empty element stays one, as in
/// Kafka.
pub fn split_list(text: &str) -> Vec<String> {
    match text.trim() {
        "" => Vec::new(),
        text => text.split(',').map(|part| part.trim().to_owned()).collect(),
    }
}

/// What of a value an error shows: of a list the first element that is not allowed (`ValidList`), or all of it when the
/// elements are judged together, as Java prints lists.
fn offending(key: &Key, value: &Value) -> String {
    match (value, key.valid) {
        (Value::List(elements), Valid::OneOf(names)) => {
            let refused = elements.iter().find(|element| !names.contains(&element.as_str()));
            refused.cloned().unwrap_or_default()
        }
        (Value::List(elements), _) => format!("[{}]", elements.join(", ")),
        _ => value.to_string(),
    }
}

fn invalid(key: &Key, value: String, reason: String) -> ConfigError {
    let value = if key.kind == Kind::Password { "[hidden]".to_owned() } else { value };
    ConfigError::Value { key: key.name.to_owned(), value, reason }
}

fn read(kind: Kind, text: &str) -> Result<Value, String> {
    let trimmed = text.trim();
    match kind {
        Kind::Bool if trimmed.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
        Kind::Bool if trimmed.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
        Kind::Bool => Err("Expected value to be either true or false".to_owned()),
        Kind::Text | Kind::Class => Ok(Value::Text(trimmed.to_owned())),
        Kind::Short => number::<i16>(kind, trimmed).map(|value| Value::Int(value.into())),
        Kind::Int => number(kind, trimmed).map(Value::Int),
        Kind::Long => number(kind, trimmed).map(Value::Long),
        Kind::Double => double(trimmed).map(Value::Double).ok_or_else(|| not_a_number(kind)),
        Kind::List => Ok(Value::List(split_list(trimmed))),
        Kind::Password => Ok(Value::Password(Secret(trimmed.to_owned()))),
    }
}

fn number<T: FromStr>(kind: Kind, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| not_a_number(kind))
}

fn not_a_number(kind: Kind) -> String {
    format!("Not a number of type {kind}")
}

/// Java takes `NaN`, `Infinity` and a trailing `d` or `f`, and none of the other words that Rust knows.
fn double(text: &str) -> Option<f64> {
    match text.trim_start_matches(['+', '-']) {
        "NaN" | "Infinity" => text.parse().ok(),
        word if word.starts_with(|first: char| first.is_ascii_digit() || first == '.') => {
            text.trim_end_matches(['d', 'D', 'f', 'F']).parse().ok()
        }
        _ => None,
    }
}

/// `Double.toString`: always a fraction, and an exponent below 10^-3 and from 10^7 on.
fn java_double(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else if size != 0.0 && !(1e-3..1e7).contains(&size) {
        let text = format!("{value:E}");
        match text.split_once('E') {
            Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
            _ => text,
        }
    } else {
        format!("{value:?}")
    }
}

fn check(key: &Key, value: &Value) -> Result<(), String> {
    match key.valid {
        Valid::Any => Ok(()),
        Valid::AtLeast(min) => in_range(value, min as f64, None),
        Valid::Between(min, max) => in_range(value, min as f64, Some(max as f64)),
        Valid::Share(max) => in_range(value, 0.0, Some(max)),
        Valid::MinusOneOrAtLeast(min) => minus_one_or(value, min as f64, None),
        Valid::MinusOneOrBetween(min, max) => minus_one_or(value, min as f64, Some(max as f64)),
        Valid::OneOf(names) => one_of(value, names),
        Valid::OneOfAnyCase(names) => one_of_any_case(value, names),
        Valid::NonEmpty if value.to_string().is_empty() => Err("String must be non-empty".to_owned()),
        Valid::NonEmpty => Ok(()),
        Valid::Version => value.to_string().parse::<MetadataVersion>().map(|_| ()).map_err(|error| error.to_string()),
        Valid::ThrottledReplicas => throttled_replicas(key, value),
    }
}

fn as_number(value: &Value) -> f64 {
    match value {
        Value::Int(value) => f64::from(*value),
        Value::Long(value) => *value as f64,
        Value::Double(value) => *value,
        _ => f64::NAN,
    }
}

fn in_range(value: &Value, min: f64, max: Option<f64>) -> Result<(), String> {
    let number = as_number(value);
    match max {
        _ if number < min => Err(format!("Value must be at least {min}")),
        Some(max) if number > max => Err(format!("Value must be no more than {max}")),
        _ => Ok(()),
    }
}

fn minus_one_or(value: &Value, min: f64, max: Option<f64>) -> Result<(), String> {
    if as_number(value) == -1.0 || in_range(value, min, max).is_ok() {
        return Ok(());
    }
    Err(match max {
        Some(max) => format!("Value must be between {min} and {max} or equal to -1"),
        None => format!("Value must be at least {min} or equal to -1"),
    })
}

fn one_of(value: &Value, names: &[&str]) -> Result<(), String> {
    let allowed = |text: &String| names.contains(&text.as_str());
    let fine = match value {
        Value::List(texts) => texts.iter().all(allowed),
        value => allowed(&value.to_string()),
    };
    if fine { Ok(()) } else { Err(format!("String must be one of: {}", names.join(", "))) }
}

fn one_of_any_case(value: &Value, names: &[&str]) -> Result<(), String> {
    if names.iter().any(|name| name.eq_ignore_ascii_case(&value.to_string())) {
        return Ok(());
    }
    Err(format!("String must be one of (case insensitive): {}", names.join(", ")))
}

/// `ThrottledReplicaListValidator`: empty elements are fine there.
fn throttled_replicas(key: &Key, value: &Value) -> Result<(), String> {
    let Value::List(elements) = value else { return Ok(()) };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let pair = |text: &String| {
        text.is_empty() || text.split_once(':').is_some_and(|(partition, broker)| digits(partition) && digits(broker))
    };
    if elements.concat() == "*" || elements.iter().all(pair) {
        return Ok(());
    }
    Err(format!(
        "{} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],...",
        key.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{broker_keys, topic_keys};

    fn key(name: &str) -> &'static Key {
        broker_keys::find(name).or_else(|| topic_keys::find(name).map(|row| &row.key)).unwrap()
    }

    fn parsed(name: &str, text: &str) -> String {
        match Value::parse(key(name), text) {
            Ok(value) => value.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn values_are_read_and_refused_as_kafka_does() {
        for (name, text, want) in [
            ("num.io.threads", " 12 ", "12"),
            ("num.io.threads", "foo", "Invalid value foo for configuration num.io.threads: Not a number of type INT"),
            ("num.io.threads", "0", "Invalid value 0 for configuration num.io.threads: Value must be at least 1"),
            (
                "num.io.threads",
                "2147483648",
                "Invalid value 2147483648 for configuration num.io.threads: Not a number of type INT",
            ),
            (
                "offsets.topic.replication.factor",
                "40000",
                "Invalid value 40000 for configuration offsets.topic.replication.factor: Not a number of type SHORT",
            ),
            ("auto.create.topics.enable", "TRUE", "true"),
            (
                "auto.create.topics.enable",
                "yes",
                "Invalid value yes for configuration auto.create.topics.enable: Expected value to be either true or false",
            ),
            (
                "compression.type",
                "lzma",
                "Invalid value lzma for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
            ),
            ("compression.gzip.level", "-1", "-1"),
            (
                "compression.gzip.level",
                "0",
                "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
            ),
            ("cleanup.policy", "compact , delete", "compact,delete"),
            (
                "cleanup.policy",
                "compact,shred",
                "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete",
            ),
            (
                "min.cleanable.dirty.ratio",
                "1.5",
                "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
            ),
            ("min.cleanable.dirty.ratio", "1", "1.0"),
            ("min.cleanable.dirty.ratio", "0.00025", "2.5E-4"),
            (
                "min.cleanable.dirty.ratio",
                "infinity",
                "Invalid value infinity for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE",
            ),
            ("log.cleaner.io.max.bytes.per.second", "12345678", "1.2345678E7"),
            ("log.cleaner.io.max.bytes.per.second", "10000000", "1.0E7"),
            ("leader.replication.throttled.replicas", "0:1,12:3", "0:1,12:3"),
            ("leader.replication.throttled.replicas", "*", "*"),
            (
                "leader.replication.throttled.replicas",
                "0-1",
                "Invalid value [0-1] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
            ),
            ("inter.broker.protocol.version", "2.4.1", "2.4.1"),
            (
                "inter.broker.protocol.version",
                "9.9",
                "Invalid value 9.9 for configuration inter.broker.protocol.version: Version 9.9 is not a valid version",
            ),
            ("ssl.key.password", "hunter2", "[hidden]"),
        ] {
            assert_eq!(parsed(name, text), want);
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let value = Value::parse(key("ssl.key.password"), "hunter2").unwrap();
        assert!(!format!("{value:?} {value}").contains("hunter2"));
        let Value::Password(secret) = value else { panic!("not a password") };
        assert_eq!(secret.reveal(), "hunter2");
    }
}
