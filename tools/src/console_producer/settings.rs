//! The producer's settings, from options, properties and files, with Kafka's order of precedence: an option that is
//! given, a property, the option's default (`CommandLineUtils.maybeMergeOptions`).

use std::collections::BTreeMap;
use std::time::Duration;

use client::{ClusterOptions, ProducerOptions};
use storage::compression::{Codec, Compression};

use crate::brokers::{Settings, boolean, invalid, milliseconds, number, read_properties};
use crate::error::ToolError;
use crate::options::{Options, key_values};
use crate::terminal::Terminal;

/// Options that stand for properties: the option, the property, the option's default.
const OPTIONS: [(&str, &str, &str); 8] = [
    ("timeout", "linger.ms", "1000"),
    ("request-required-acks", "acks", "-1"),
    ("request-timeout-ms", "request.timeout.ms", "1500"),
    ("message-send-max-retries", "retries", "3"),
    ("retry-backoff-ms", "retry.backoff.ms", "100"),
    ("max-memory-bytes", "buffer.memory", "33554432"),
    ("batch-size", "batch.size", "16384"),
    ("max-block-ms", "max.block.ms", "60000"),
];

/// What they amount to.
#[derive(Debug)]
pub struct ProducerSettings {
    pub cluster: ClusterOptions,
    pub producer: ProducerOptions,
}

impl ProducerSettings {
    /// Reads options and files; an error names what is wrong or not built.
    pub fn of(options: &Options, terminal: &Terminal) -> Result<ProducerSettings, ToolError> {
        let mut properties: BTreeMap<String, String> = match options.value("producer.config")? {
            Some(file) => read_properties(terminal, file)?.into_iter().collect(),
            None => BTreeMap::new(),
        };
        properties.extend(key_values(options.values("producer-property")));
        properties.insert("compression.type".to_owned(), codec(options)?.to_owned());
        for (option, property, default) in OPTIONS {
            check_number(options, option)?;
            match options.value(option)? {
                Some(value) => drop(properties.insert(property.to_owned(), value.to_owned())),
                None => drop(properties.entry(property.to_owned()).or_insert_with(|| default.to_owned())),
            }
        }
        if let Some(size) = options.number::<i32>("max-partition-memory-bytes")? {
            properties.insert("batch.size".to_owned(), size.to_string());
        }
        settings(&properties)
    }
}

/// Numbers are judged as options first, in jopt's words.
fn check_number(options: &Options, option: &'static str) -> Result<(), ToolError> {
    if option == "request-required-acks" {
        return Ok(());
    }
    options.number::<i64>(option).map(drop).map_err(|error| ToolError::Failed(error.to_string()))
}

/// Without the option none, without its value gzip. A property has no say.
fn codec(options: &Options) -> Result<&str, ToolError> {
    let named = options.value("compression-codec")?.filter(|name| !name.is_empty());
    Ok(named.unwrap_or(if options.has("compression-codec") { "gzip" } else { "none" }))
}

fn settings(properties: &BTreeMap<String, String>) -> Result<ProducerSettings, ToolError> {
    let mut settings = Settings::new("console-producer");
    let mut producer = ProducerOptions::default();
    let mut idempotent = None;
    let mut delivery_timeout = None;
    for (key, value) in properties {
        match key.as_str() {
            "acks" => producer.acks = acks(value)?,
            "enable.idempotence" => idempotent = Some(boolean(key, value)?),
            "linger.ms" => producer.linger = milliseconds(key, value)?,
            "batch.size" => producer.batch_bytes = number(key, value)?,
            "buffer.memory" => producer.buffer_bytes = number(key, value)?,
            "max.request.size" => producer.max_request_bytes = number(key, value)?,
            "compression.type" => producer.compression = compression(value)?,
            "max.block.ms" => producer.max_block = milliseconds(key, value)?,
            "request.timeout.ms" => {
                producer.request_timeout = milliseconds(key, value)?;
                settings.apply(key, value)?;
            }
            "delivery.timeout.ms" => delivery_timeout = Some(milliseconds(key, value)?),
            "retries" => producer.retries = number(key, value)?,
            "retry.backoff.ms" => {
                producer.retry_backoff = milliseconds(key, value)?;
                settings.apply(key, value)?;
            }
            "max.in.flight.requests.per.connection" => producer.max_in_flight = number(key, value)?,
            // Kafka's tool sets these itself.
            "key.serializer" | "value.serializer" => {}
            _ => settings.apply(key, value)?,
        }
    }
    producer.idempotent = idempotence(idempotent, &producer)?;
    producer.delivery_timeout = delivery(delivery_timeout, &producer)?;
    settings.options.connection.max_in_flight = producer.max_in_flight.max(1);
    settings.options.api_timeout = producer.max_block;
    Ok(ProducerSettings { cluster: settings.options, producer })
}

fn acks(text: &str) -> Result<i16, ToolError> {
    match text {
        "all" | "-1" => Ok(-1),
        "0" => Ok(0),
        "1" => Ok(1),
        _ => Err(invalid("acks", text, "String must be one of: all, -1, 0, 1")),
    }
}

fn compression(text: &str) -> Result<Compression, ToolError> {
    let codec = Codec::from_name(text);
    let codec = codec
        .ok_or_else(|| invalid("compression.type", text, "String must be one of: none, gzip, snappy, lz4, zstd"))?;
    Ok(codec.into())
}

/// On unless another setting speaks against it; then only an express wish is an error
/// (`ProducerConfig.postProcessAndValidateIdempotenceConfigs`).
fn idempotence(wanted: Option<bool>, producer: &ProducerOptions) -> Result<bool, ToolError> {
    let obstacle = if producer.retries == 0 {
        Some("Must set retries to non-zero when using the idempotent producer.")
    } else if producer.acks != -1 {
        Some("Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence.")
    } else if producer.max_in_flight > 5 {
        Some("Must set max.in.flight.requests.per.connection to at most 5 to use the idempotent producer.")
    } else {
        None
    };
    match (wanted, obstacle) {
        (Some(true), Some(obstacle)) => Err(ToolError::Failed(obstacle.to_owned())),
        (wanted, obstacle) => Ok(wanted.unwrap_or(true) && obstacle.is_none()),
    }
}

/// Long enough for a batch to wait and one request to be answered (`KafkaProducer.configureDeliveryTimeout`).
fn delivery(wanted: Option<Duration>, producer: &ProducerOptions) -> Result<Duration, ToolError> {
    let least = producer.linger + producer.request_timeout;
    match wanted {
        Some(timeout) if timeout < least => Err(ToolError::Failed(
            "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms".to_owned(),
        )),
        Some(timeout) => Ok(timeout),
        None => Ok(producer.delivery_timeout.max(least)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::testing::terminal;

    fn of(arguments: &str) -> Result<ProducerSettings, String> {
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        let options = Options::parse(super::super::OPTIONS, &arguments).unwrap();
        ProducerSettings::of(&options, &terminal("").0).map_err(|error| error.to_string())
    }

    #[test]
    fn options_win_over_properties_and_those_over_defaults() {
        let settings = of("").unwrap();
        assert_eq!((settings.producer.linger, settings.producer.retries), (Duration::from_secs(1), 3));
        assert!(settings.producer.idempotent);
        let settings = of("--timeout 5 --producer-property linger.ms=7 --producer-property retries=9").unwrap();
        assert_eq!((settings.producer.linger, settings.producer.retries), (Duration::from_millis(5), 9));
        let settings = of("--batch-size 1 --max-partition-memory-bytes 2").unwrap();
        assert_eq!(settings.producer.batch_bytes, 2);
        for (arguments, want) in [
            ("", Codec::None),
            ("--compression-codec", Codec::Gzip),
            ("--compression-codec zstd", Codec::Zstd),
            ("--producer-property compression.type=lz4", Codec::None),
        ] {
            assert_eq!(of(arguments).unwrap().producer.compression.codec, want, "{arguments}");
        }
        assert!(!of("--request-required-acks 1").unwrap().producer.idempotent);
        assert!(!of("--producer-property enable.idempotence=false").unwrap().producer.idempotent);
    }

    #[test]
    fn wrong_values_and_what_is_not_built_are_told() {
        for (arguments, want) in [
            ("--timeout x", "Cannot parse argument 'x' of option timeout"),
            (
                "--request-required-acks 7",
                "Invalid value 7 for configuration acks: String must be one of: all, -1, 0, 1",
            ),
            (
                "--compression-codec foo",
                "Invalid value foo for configuration compression.type: String must be one of: none, gzip, snappy, lz4, \
                 zstd",
            ),
            (
                "--producer-property acks=1 --producer-property enable.idempotence=true --request-required-acks 1",
                "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence.",
            ),
            (
                "--producer-property delivery.timeout.ms=10",
                "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms",
            ),
            (
                "--producer-property transactional.id=t",
                "the client property transactional.id is not built yet in Klamm",
            ),
            ("--producer-property security.protocol=SSL", "security.protocol=SSL is not built yet in Klamm"),
        ] {
            assert_eq!(of(arguments).unwrap_err(), want, "{arguments}");
        }
    }
}
