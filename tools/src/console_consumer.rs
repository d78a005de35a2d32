//! `kafka-console-consumer.sh`: prints records of topics to standard output.
//!
//! As in Kafka 3.9 the tool ends with status 0 when no record came in `--timeout-ms`, and also when reading failed; the
//! count of records on standard error is its last word. An interrupt leaves the group and commits what was printed.

mod formatter;
mod settings;

use std::collections::BTreeMap;
use std::time::Duration;

use client::consumer::{Start, Subscription};
use client::{ClientError, Cluster, Consumer, ConsumerRecord};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{self, Instant};
use zk_paths::ids::{Offset, TopicPartition};

use crate::brokers::{block_on, connect_within, said};
use crate::error::ToolError;
use crate::options::{HELP, Options, Spec, VERSION, flag, valued};
use crate::terminal::Terminal;
use crate::topic_filter::{is_internal, whole};
use formatter::Formatter;
use settings::ConsumerSettings;

/// Its options.
pub const OPTIONS: &[Spec] = &[
    valued("bootstrap-server", "String: host:port,...", "REQUIRED: brokers to find the cluster with."),
    valued("topic", "String: topic", "The topic to read."),
    valued("include", "String: regex", "Regular expression for the topics to read."),
    valued("whitelist", "String: regex", "DEPRECATED: use --include, which wins."),
    valued(
        "partition",
        "Integer: partition",
        "The only partition to read, from its end unless --offset says otherwise.",
    ),
    valued("offset", "String: offset", "Where to begin in the partition: a number, earliest or latest (default)."),
    flag("from-beginning", "Begin with the earliest record unless the group has committed an offset."),
    valued("group", "String: group id", "The consumer group. A new one when missing."),
    valued("max-messages", "Integer: count", "End after so many records."),
    valued("timeout-ms", "Long: ms", "End when no record comes for so long."),
    valued(
        "isolation-level",
        "String: level",
        "read_committed leaves out records of open and aborted transactions; read_uncommitted (default).",
    ),
    valued("consumer-property", "String: key=value", "A setting of the consumer. May be repeated."),
    valued(
        "consumer.config",
        "String: file",
        "Properties file with settings of the consumer; --consumer-property wins.",
    ),
    valued(
        "formatter",
        "String: class",
        "Class that prints records. Kafka's Default-, Logging- and NoOpMessageFormatter are built in.",
    ),
    valued(
        "property",
        "String: key=value",
        "How records are printed: print.timestamp, print.partition, print.offset, print.headers, print.key, \
         print.value, key.separator, line.separator, headers.separator, null.literal, key.deserializer, \
         value.deserializer, headers.deserializer. May be repeated.",
    ),
    valued("formatter-config", "String: file", "Properties file with the same; --property wins."),
    valued("key-deserializer", "String: class", "The same as --property key.deserializer."),
    valued("value-deserializer", "String: class", "The same as --property value.deserializer."),
    flag("skip-message-on-error", "Go on when a record cannot be printed."),
    flag("enable-systest-events", "Print shutdown_complete at the end."),
    HELP,
    VERSION,
];

/// A leave and a last commit may take this long (Java's default of `Consumer.close`).
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest single wait; the loop around it has no end of its own.
const LONG: Duration = Duration::from_secs(3600);

/// What was asked for.
#[derive(Debug)]
struct Wanted {
    topic: Option<String>,
    /// A partition by hand, and where it begins.
    partition: Option<(i32, Start)>,
    include: Option<String>,
    max_messages: Option<u64>,
    timeout: Option<Duration>,
    skip_on_error: bool,
}

/// The tool.
pub fn run(arguments: &[String], terminal: &mut Terminal) -> Result<(), ToolError> {
    let options = Options::parse(OPTIONS, arguments).map_err(|error| ToolError::Usage(error.to_string()))?;
    options.help_or_version("This tool helps to read data from Kafka topics and outputs it to standard output.")?;
    let wanted = Wanted::of(&options)?;
    let settings = ConsumerSettings::of(&options, terminal)?;
    let formatter = Formatter::of(&options, terminal)?;
    let servers = options.value("bootstrap-server")?.unwrap_or_default();
    let outcome = block_on(async {
        let mut ends = Ends::new()?;
        let mut printer = Printer { formatter, wanted, count: 0 };
        let consumed = printer.run(servers, settings, &mut ends, terminal).await;
        terminal.warn(&format!("Processed a total of {} messages", printer.count));
        consumed
    });
    if options.has("enable-systest-events") {
        terminal.line("shutdown_complete")?;
    }
    outcome
}

impl Wanted {
    fn of(options: &Options) -> Result<Wanted, ToolError> {
        let topic = options.value("topic")?.map(str::to_owned);
        let include = if options.has("include") { options.value("include")? } else { options.value("whitelist")? };
        let include = include.map(str::to_owned);
        if topic.is_some() == include.is_some() {
            let old = if options.has("whitelist") {
                "--whitelist is DEPRECATED use --include instead; ignored if --include specified."
            } else {
                ""
            };
            return Err(ToolError::Usage(format!("Exactly one of --include/--topic is required. {old}")));
        }
        let partition = options.number::<i32>("partition")?;
        if partition.is_none() && options.has("offset") {
            return Err(usage("The partition is required when offset is specified."));
        }
        if partition.is_some() && topic.is_none() {
            return Err(usage("The topic is required when partition is specified."));
        }
        if partition.is_some() && options.has("from-beginning") && options.has("offset") {
            return Err(usage("Options from-beginning and offset cannot be specified together."));
        }
        options.require("bootstrap-server")?;
        let start = start(options)?;
        let max_messages = options.number::<i64>("max-messages")?;
        let timeout = options.number::<i64>("timeout-ms")?.and_then(|ms| u64::try_from(ms).ok());
        Ok(Wanted {
            topic,
            partition: partition.map(|partition| (partition, start)),
            include,
            // Kafka compares with "not -1" and "less than"; any other negative number ends it at once.
            max_messages: max_messages.filter(|max| *max != -1).map(|max| u64::try_from(max).unwrap_or(0)),
            timeout: timeout.map(Duration::from_millis),
            skip_on_error: options.has("skip-message-on-error"),
        })
    }
}

fn usage(text: &str) -> ToolError {
    ToolError::Usage(text.to_owned())
}

fn start(options: &Options) -> Result<Start, ToolError> {
    let Some(text) = options.value("offset")? else {
        return Ok(if options.has("from-beginning") { Start::Earliest } else { Start::Latest });
    };
    match text.to_lowercase().as_str() {
        "earliest" => Ok(Start::Earliest),
        "latest" => Ok(Start::Latest),
        _ => match text.parse::<i64>() {
            Ok(offset) if offset >= 0 => Ok(Start::At(Offset(offset))),
            _ => Err(ToolError::Usage(format!(
                "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a \
                 non-negative long."
            ))),
        },
    }
}

/// The signals that end the tool in order.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
}

impl Ends {
    fn new() -> Result<Ends, ToolError> {
        let catch = |kind| signal(kind).map_err(|error| ToolError::Failed(format!("cannot catch a signal: {error}")));
        Ok(Ends { interrupt: catch(SignalKind::interrupt())?, terminate: catch(SignalKind::terminate())? })
    }

    /// Waits for one; the exit status that shells expect then.
    async fn wait(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}

/// Why reading ended.
enum End {
    /// All that was wanted, or nothing more in time, or an error that was told.
    Done,
    /// Nobody reads standard output.
    Unwritable,
    Signal(u8),
}

/// Prints and counts.
struct Printer {
    formatter: Formatter,
    wanted: Wanted,
    count: u64,
}

impl Printer {
    async fn run(
        &mut self,
        servers: &str,
        settings: ConsumerSettings,
        ends: &mut Ends,
        terminal: &mut Terminal,
    ) -> Result<(), ToolError> {
        let patience = self.wanted.timeout.unwrap_or(Duration::MAX);
        let connected = tokio::select! {
            cluster = connect_within(terminal, servers, settings.cluster.clone(), patience, "metadata") => cluster,
            status = ends.wait() => return Err(ToolError::Exit(status)),
        };
        let cluster = match connected {
            Ok(cluster) => cluster,
            Err(error @ ToolError::Failed(_)) => {
                terminal.warn(&terminated(&error.to_string()));
                return Ok(());
            }
            Err(other) => return Err(other),
        };
        let mut consumer = self.consumer(cluster, settings).await?;
        let end = self.read(&mut consumer, ends, terminal).await;
        let closed = time::timeout(CLOSE_TIMEOUT, consumer.close()).await;
        if let Ok(Err(error)) = closed {
            terminal.warn(&format!("WARN Closing the consumer: {}", said(&error)));
        }
        match end? {
            End::Done => Ok(()),
            End::Unwritable => {
                terminal.warn("Unable to write to standard out, closing consumer.");
                Ok(())
            }
            End::Signal(status) => Err(ToolError::Exit(status)),
        }
    }

    async fn consumer(&self, cluster: Cluster, mut settings: ConsumerSettings) -> Result<Consumer, ToolError> {
        if let Some(topic) = &self.wanted.topic {
            // Asking creates a missing topic where the cluster does that, as Java's consumer does.
            let metadata = cluster.metadata(Some(&[topic]), settings.create_topics).await?;
            if metadata.topics.iter().any(|topic| topic.error_code != 0) {
                settings.consumer.metadata_max_age = settings.consumer.metadata_max_age.min(Duration::from_secs(1));
            }
        }
        let exclude_internal = settings.exclude_internal;
        let mut consumer = Consumer::new(cluster, settings.consumer);
        match (&self.wanted.topic, self.wanted.partition, &self.wanted.include) {
            (Some(topic), Some((partition, start)), _) => {
                consumer.assign([(TopicPartition::new(topic.as_str(), partition), start)]);
            }
            (Some(topic), None, _) => consumer.subscribe(Subscription::Topics(vec![topic.clone()]))?,
            (None, _, include) => {
                let pattern = whole(include.as_deref().unwrap_or_default())?;
                let fits = move |topic: &str| pattern.is_match(topic) && !(exclude_internal && is_internal(topic));
                consumer.subscribe(Subscription::Matching(std::sync::Arc::new(fits)))?;
            }
        }
        Ok(consumer)
    }

    async fn read(
        &mut self,
        consumer: &mut Consumer,
        ends: &mut Ends,
        terminal: &mut Terminal,
    ) -> Result<End, ToolError> {
        while self.wanted.max_messages.is_none_or(|max| self.count < max) {
            let polled = tokio::select! {
                polled = self.poll(consumer) => polled,
                status = ends.wait() => return Ok(End::Signal(status)),
            };
            let records = match polled {
                Ok(records) => records,
                Err(text) => {
                    terminal.warn(&terminated(&text));
                    return Ok(End::Done);
                }
            };
            let mut rest = records.iter();
            let printed = self.print(&mut rest, terminal);
            // What was not printed is not to be committed.
            let mut unread: BTreeMap<&TopicPartition, Offset> = BTreeMap::new();
            for record in rest {
                unread.entry(&record.partition).or_insert(record.offset);
            }
            for (partition, offset) in unread {
                consumer.seek(partition, Start::At(offset));
            }
            match printed {
                Ok(()) => {}
                Err(ToolError::Output(_)) => return Ok(End::Unwritable),
                Err(error) => return Err(error),
            }
        }
        Ok(End::Done)
    }

    /// The next records; an error is why there will be none.
    async fn poll(&self, consumer: &mut Consumer) -> Result<Vec<ConsumerRecord>, String> {
        let give_up = self.wanted.timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let left = give_up.map_or(LONG, |give_up| give_up.saturating_duration_since(Instant::now()));
            let records = match time::timeout(left, consumer.poll(left)).await {
                Ok(Ok(records)) => records,
                // Java's consumer tries again for as long as it is polled.
                Ok(Err(ClientError::GaveUp { .. })) => Vec::new(),
                Ok(Err(error)) => return Err(said(&error)),
                Err(_) => Vec::new(),
            };
            if !records.is_empty() {
                return Ok(records);
            }
            if give_up.is_some_and(|give_up| Instant::now() >= give_up) {
                return Err("org.apache.kafka.common.errors.TimeoutException".to_owned());
            }
        }
    }

    /// Prints records until there are enough; takes out of `records` what was consumed.
    fn print<'a>(
        &mut self,
        records: &mut impl Iterator<Item = &'a ConsumerRecord>,
        terminal: &mut Terminal,
    ) -> Result<(), ToolError> {
        while self.wanted.max_messages.is_none_or(|max| self.count < max) {
            let Some(record) = records.next() else { break };
            self.count += 1;
            match self.formatter.write(record, &mut terminal.out) {
                Err(ToolError::Failed(text)) if self.wanted.skip_on_error => {
                    terminal.warn(&format!("ERROR Error processing message, skipping this message: {text}"));
                }
                Err(ToolError::Failed(text)) => {
                    return Err(ToolError::Failed(format!("ERROR Unknown error when running consumer: {text}")));
                }
                written => written?,
            }
        }
        terminal.out.flush().map_err(ToolError::Output)
    }
}

fn terminated(text: &str) -> String {
    format!("ERROR Error processing message, terminating consumer process: {text}")
}

#[cfg(test)]
mod tests;
