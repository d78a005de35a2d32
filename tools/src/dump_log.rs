//! `kafka-dump-log.sh`: prints segments, indexes and snapshots of producers, and checks indexes against their logs.
//!
//! Files are read in bounded pieces through [`world::Disk`]; nothing is changed or created (Java's tool creates a missing
//! index file). The decoders for Kafka's own topics are not built yet, and those for KRaft never will be.

mod decoder;
mod index;
mod log;
mod small;

use std::path::{Path, PathBuf};

use crate::error::ToolError;
use crate::options::{HELP, Options, Spec, VERSION, flag, maybe_valued, valued};
use crate::terminal::Terminal;
use decoder::Decoder;

/// Its options.
pub const OPTIONS: &[Spec] = &[
    valued("files", "String: file1,file2,...", "REQUIRED: segments, indexes and snapshots to print."),
    flag("print-data-log", "Print keys and values of records too."),
    flag("deep-iteration", "Print every record, not only batches. Implied by --print-data-log."),
    flag("skip-record-metadata", "Print only keys and values of records."),
    flag("verify-index-only", "Check indexes against their logs without printing them."),
    flag("index-sanity-check", "Only do the check of an index that a broker does at its start."),
    valued("max-message-size", "Integer: bytes", "Largest batch that an index may point to (default 5242880)."),
    valued("max-bytes", "Integer: bytes", "Stop after so many bytes of a segment (default 2147483647)."),
    maybe_valued(
        "value-decoder-class",
        "String: class",
        "Print values as String, Integer or Long (Kafka's decoder classes).",
    ),
    maybe_valued(
        "key-decoder-class",
        "String: class",
        "Print keys as String, Integer or Long (Kafka's decoder classes).",
    ),
    flag("offsets-decoder", "Read records as those of __consumer_offsets. Not built yet: refused."),
    flag("transaction-log-decoder", "Read records as those of __transaction_state. Not built yet: refused."),
    flag("cluster-metadata-decoder", "Read records as KRaft metadata: refused."),
    flag("remote-log-metadata-decoder", "Read records as remote log metadata. Not built yet: refused."),
    HELP,
    VERSION,
];

/// What is wanted of every file.
#[derive(Debug)]
struct Wanted {
    deep: bool,
    contents: bool,
    metadata: bool,
    verify_only: bool,
    sanity_only: bool,
    max_message_size: usize,
    max_bytes: u64,
    keys: Decoder,
    values: Decoder,
}

/// What was found wrong, told behind all files.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

#[derive(Debug)]
struct Finding {
    kind: Kind,
    file: PathBuf,
    /// In the order in which Kafka tells them.
    pairs: Vec<(i64, i64)>,
}

/// The kinds, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Index offset, last offset of the batch that it points to.
    IndexMismatch,
    /// Index timestamp, largest timestamp of the batch.
    TimestampMismatch,
    /// Index timestamp, the one before it.
    TimestampOrder,
    /// Index offset, last offset of the batch that was found instead (-1 none).
    OffsetNotFound,
    /// Offset, the one that follows it.
    NonConsecutive,
}

/// The tool.
pub fn run(arguments: &[String], terminal: &mut Terminal) -> Result<(), ToolError> {
    let options = Options::parse(OPTIONS, arguments)?;
    options.help_or_version(
        "This tool helps to parse a log file and dump its contents to the console, useful for debugging a seemingly \
         corrupt log segment.",
    )?;
    options.require("files")?;
    options.refuse(&[
        "offsets-decoder",
        "transaction-log-decoder",
        "cluster-metadata-decoder",
        "remote-log-metadata-decoder",
    ])?;
    let wanted = wanted(&options, terminal)?;
    let mut findings = Findings::default();
    for file in options.value("files")?.unwrap_or_default().split(',') {
        dump(Path::new(file), &wanted, &mut findings, terminal)?;
    }
    findings.tell(terminal);
    Ok(())
}

fn wanted(options: &Options, terminal: &mut Terminal) -> Result<Wanted, ToolError> {
    let decoders = ["value-decoder-class", "key-decoder-class"];
    let contents = options.has("print-data-log") || decoders.iter().any(|name| options.has(name));
    let values = Decoder::of_class(options.value("value-decoder-class")?, terminal)?;
    let keys = Decoder::of_class(options.value("key-decoder-class")?, terminal)?;
    let max_bytes: i32 = options.number("max-bytes")?.unwrap_or(i32::MAX);
    let max_message_size: i32 = options.number("max-message-size")?.unwrap_or(5 * 1024 * 1024);
    let negative = |what: &str| ToolError::Failed(format!("--{what} must not be negative"));
    Ok(Wanted {
        deep: contents || options.has("deep-iteration"),
        contents,
        metadata: !options.has("skip-record-metadata"),
        verify_only: options.has("verify-index-only"),
        sanity_only: options.has("index-sanity-check"),
        max_message_size: usize::try_from(max_message_size).map_err(|_| negative("max-message-size"))?,
        max_bytes: u64::try_from(max_bytes).map_err(|_| negative("max-bytes"))?,
        keys,
        values,
    })
}

fn dump(file: &Path, wanted: &Wanted, findings: &mut Findings, terminal: &mut Terminal) -> Result<(), ToolError> {
    terminal.line(&format!("Dumping {}", file.display()))?;
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("log") => log::dump(file, wanted, findings, terminal),
        Some("index") => index::dump_offsets(file, wanted, findings, terminal),
        Some("timeindex") => index::dump_times(file, wanted, findings, terminal),
        Some("snapshot") => small::dump_producers(file, terminal),
        Some("txnindex") => small::dump_transactions(file, terminal),
        Some("checkpoint") => Err(ToolError::Failed(format!(
            "{} is a snapshot of KRaft metadata; Klamm serves ZooKeeper mode only",
            file.display()
        ))),
        _ => {
            terminal.warn(&format!("Ignoring unknown file {}", file.display()));
            Ok(())
        }
    }
}

/// The offset in front of the first dot of a file's name.
fn base_offset(file: &Path) -> Result<i64, ToolError> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let digits = name.split('.').next().unwrap_or_default();
    digits.parse().map_err(|_| ToolError::Failed(format!("For input string: \"{digits}\"")))
}

/// Another file of the same segment.
fn sibling(file: &Path, extension: &str) -> PathBuf {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    file.with_file_name(format!("{}.{extension}", name.split('.').next().unwrap_or_default()))
}

/// A file that cannot be read.
fn unreadable(file: &Path) -> impl Fn(std::io::Error) -> ToolError {
    move |error| ToolError::Failed(format!("cannot read {}: {error}", file.display()))
}

impl Findings {
    fn add(&mut self, kind: Kind, file: &Path, pair: (i64, i64)) {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        // Kafka's lists of these two kinds grow at the front.
        let newest_first = matches!(kind, Kind::IndexMismatch | Kind::NonConsecutive);
        match self.0.iter_mut().find(|finding| finding.kind == kind && finding.file == file) {
            Some(finding) if newest_first => finding.pairs.insert(0, pair),
            Some(finding) => finding.pairs.push(pair),
            None => self.0.push(Finding { kind, file, pairs: vec![pair] }),
        }
    }

    fn tell(mut self, terminal: &mut Terminal) {
        self.0.sort_by_key(|finding| finding.kind);
        for finding in &self.0 {
            let file = finding.file.display();
            terminal.warn(&match finding.kind {
                Kind::IndexMismatch => format!("Mismatches in :{file}"),
                Kind::TimestampMismatch => format!("Found timestamp mismatch in :{file}"),
                Kind::TimestampOrder => format!("Found out of order timestamp in :{file}"),
                Kind::OffsetNotFound => "The following indexed offsets are not found in the log.".to_owned(),
                Kind::NonConsecutive => format!("Non-consecutive offsets in {file}"),
            });
            for (one, other) in &finding.pairs {
                terminal.warn(&match finding.kind {
                    Kind::IndexMismatch => format!("  Index offset: {one}, log offset: {other}"),
                    Kind::TimestampMismatch => format!("  Index timestamp: {one}, log timestamp: {other}"),
                    Kind::TimestampOrder => format!("  Index timestamp: {one}, Previously indexed timestamp: {other}"),
                    Kind::OffsetNotFound => format!("Indexed offset: {one}, found log offset: {other}"),
                    Kind::NonConsecutive => format!("  {one} is followed by {other}"),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
