//! `kafka-console-producer.sh`: every line of standard input becomes a record.
//!
//! Lines are read on a thread of their own, so that records go out while a person thinks. Errors of single records are
//! told on standard error and do not change the exit status, unless `--sync` waits for each record, as in Kafka.

mod reader;
mod settings;

use std::collections::VecDeque;
use std::sync::Arc;

use client::producer::{Delivered, Delivery};
use client::{ClientError, Producer, ProducerRecord};
use zk_paths::ids::TopicName;

use crate::brokers::{block_on, check_bootstrap, connect, said};
use crate::error::ToolError;
use crate::lines::{self, LineReceiver};
use crate::options::{HELP, Options, Spec, VERSION, flag, maybe_valued, valued};
use crate::terminal::Terminal;
use reader::RecordReader;
use settings::ProducerSettings;

/// Its options.
pub const OPTIONS: &[Spec] = &[
    valued("topic", "String: topic", "REQUIRED: where the records go."),
    valued("bootstrap-server", "String: host:port,...", "REQUIRED: brokers to find the cluster with."),
    valued("broker-list", "String: host:port,...", "DEPRECATED: use --bootstrap-server, which wins."),
    flag("sync", "Wait for every record before the next is sent."),
    maybe_valued("compression-codec", "String: codec", "none (default), gzip (without a value), snappy, lz4 or zstd."),
    valued("batch-size", "Integer: size", "Bytes of a batch (default 16384)."),
    valued("max-partition-memory-bytes", "Integer: size", "The same; wins over --batch-size."),
    valued("message-send-max-retries", "Integer: count", "How often a batch is tried again (default 3)."),
    valued("retry-backoff-ms", "Long: ms", "Pause before that (default 100)."),
    valued("timeout", "Long: ms", "How long a batch waits for more records (default 1000)."),
    valued("request-required-acks", "String: acks", "0, 1, or -1 for all replicas in sync (default)."),
    valued("request-timeout-ms", "Integer: ms", "How long a broker may take to answer (default 1500)."),
    valued("metadata-expiry-ms", "Long: ms", "Age at which metadata is asked again. Not built yet: refused."),
    valued("max-block-ms", "Long: ms", "How long sending may wait for metadata and memory (default 60000)."),
    valued("max-memory-bytes", "Long: bytes", "Memory for records on their way (default 33554432)."),
    valued("socket-buffer-size", "Integer: bytes", "Buffer of the socket. Not built yet: refused."),
    valued("line-reader", "String: class", "Class that reads lines. Only Kafka's own is built in."),
    valued(
        "property",
        "String: key=value",
        "How lines are read: parse.key, key.separator, parse.headers, headers.delimiter, headers.separator, \
         headers.key.separator, null.marker, ignore.error. May be repeated.",
    ),
    valued("reader-config", "String: file", "Properties file with the same; --property wins."),
    valued("producer-property", "String: key=value", "A setting of the producer. May be repeated."),
    valued(
        "producer.config",
        "String: file",
        "Properties file with settings of the producer; --producer-property wins.",
    ),
    HELP,
    VERSION,
];

/// Names of Kafka's own reader.
const READERS: [&str; 2] =
    ["kafka.tools.ConsoleProducer$LineMessageReader", "org.apache.kafka.tools.LineMessageReader"];

/// The tool.
pub fn run(arguments: &[String], terminal: &mut Terminal) -> Result<(), ToolError> {
    let options = parse(arguments).map_err(|error| match error {
        ToolError::Option(error) => ToolError::Usage(error.to_string()),
        other => other,
    })?;
    let settings = ProducerSettings::of(&options, terminal)?;
    let reader = RecordReader::of(&options, terminal)?;
    let topic: TopicName = options.value("topic")?.unwrap_or_default().into();
    let (servers, sync) = (servers(&options)?.to_owned(), options.has("sync"));
    block_on(async {
        let cluster = connect(terminal, &servers, settings.cluster, "metadata").await?;
        let producer = Producer::new(cluster, settings.producer, terminal.clock.clone())?;
        let lines = lines::read_on_a_thread(terminal)?;
        let mut loops = Loop { producer: &producer, topic, reader, sync, waiting: VecDeque::new() };
        let outcome = loops.run(lines, terminal).await;
        producer.flush().await;
        loops.tell_rest(terminal).await;
        producer.close().await;
        outcome
    })
}

fn parse(arguments: &[String]) -> Result<Options, ToolError> {
    let options = Options::parse(OPTIONS, arguments)?;
    options.require_unless("bootstrap-server", "broker-list")?;
    options.help_or_version("This tool helps to read data from standard input and publish it to Kafka.")?;
    options.require("topic")?;
    check_bootstrap(servers(&options)?)?;
    options.refuse(&["metadata-expiry-ms", "socket-buffer-size"])?;
    match options.value("line-reader")? {
        Some(class) if !READERS.contains(&class) => {
            Err(ToolError::not_built(&format!("the line reader class {class}")))
        }
        _ => Ok(options),
    }
}

fn servers(options: &Options) -> Result<&str, ToolError> {
    let name = if options.has("bootstrap-server") { "bootstrap-server" } else { "broker-list" };
    Ok(options.value(name)?.unwrap_or_default())
}

/// From lines to deliveries.
struct Loop<'a> {
    producer: &'a Producer,
    topic: TopicName,
    reader: RecordReader,
    sync: bool,
    /// On their way, oldest first; the producer's memory bounds them.
    waiting: VecDeque<Sent>,
}

/// A record on its way, with what is said of it when it is lost.
struct Sent {
    key: Option<usize>,
    value: Option<usize>,
    delivery: Delivery,
    /// Once it is known.
    outcome: Option<Result<Delivered, Arc<ClientError>>>,
}

/// Waits until the fate of the oldest record is known; for ever when there is none.
async fn oldest(waiting: &mut VecDeque<Sent>) {
    match waiting.front_mut() {
        Some(Sent { outcome: Some(_), .. }) => {}
        Some(sent) => sent.outcome = Some((&mut sent.delivery).await),
        None => std::future::pending().await,
    }
}

impl Loop<'_> {
    async fn run(&mut self, mut lines: LineReceiver, terminal: &mut Terminal) -> Result<(), ToolError> {
        loop {
            if terminal.interactive {
                terminal.text(">")?;
                terminal.flush();
            }
            let line = loop {
                tokio::select! {
                    line = lines.next() => break line,
                    () = oldest(&mut self.waiting) => self.tell_settled(terminal),
                }
            };
            let Some(line) = line else { return Ok(()) };
            let read = self.reader.read(&line.map_err(ToolError::Failed)?)?;
            let record = ProducerRecord {
                topic: self.topic.clone(),
                partition: None,
                key: read.key,
                value: read.value,
                headers: read.headers,
                timestamp: None,
            };
            self.send(record, terminal).await?;
        }
    }

    async fn send(&mut self, record: ProducerRecord, terminal: &mut Terminal) -> Result<(), ToolError> {
        let size = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map(bytes::Bytes::len);
        let (key, value) = (size(&record.key), size(&record.value));
        match self.producer.send(record).await {
            Ok(delivery) if self.sync => match delivery.await {
                Ok(_) => Ok(()),
                Err(error) => Err(ToolError::Failed(said(&error))),
            },
            Ok(delivery) => {
                self.waiting.push_back(Sent { key, value, delivery, outcome: None });
                Ok(())
            }
            Err(error) if self.sync => Err(ToolError::Failed(said(&error))),
            Err(error) => {
                self.lost(key, value, &error, terminal);
                Ok(())
            }
        }
    }

    /// Tells of the oldest records whose fate is known.
    fn tell_settled(&mut self, terminal: &mut Terminal) {
        while let Some(first) = self.waiting.front_mut() {
            let Some(outcome) = first.outcome.take() else { return };
            let (key, value) = (first.key, first.value);
            self.waiting.pop_front();
            if let Err(error) = outcome {
                self.lost(key, value, &error, terminal);
            }
        }
    }

    async fn tell_rest(&mut self, terminal: &mut Terminal) {
        while !self.waiting.is_empty() {
            oldest(&mut self.waiting).await;
            self.tell_settled(terminal);
        }
    }

    /// As Kafka's `ErrorLoggingCallback` logs it.
    fn lost(&self, key: Option<usize>, value: Option<usize>, error: &ClientError, terminal: &mut Terminal) {
        let size = |bytes: Option<usize>| bytes.map_or("null".to_owned(), |bytes| format!("{bytes} bytes"));
        terminal.warn(&format!(
            "ERROR Error when sending message to topic {} with key: {}, value: {} with error: {}",
            self.topic,
            size(key),
            size(value),
            said(error)
        ));
    }
}

#[cfg(test)]
mod tests;
