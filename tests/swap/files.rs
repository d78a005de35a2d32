//! What is in the log directory when nobody runs on it: identities and epochs that no change of the broker may change, and
//! what Kafka's dump-log thinks of every file. And what brokers said while they ran.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use test_lab::KafkaVersion::{self, V2_4, V3_9};
use test_lab::{Driver, Home, OldKafka};

use crate::requests::partitions_of_epochs;
use crate::{End, Release};

/// The files as they were after the last turn.
pub struct Files {
    release: Release,
    /// Identities: `meta.properties`, and `partition.metadata` of each partition.
    identities: BTreeMap<PathBuf, Vec<String>>,
    /// The lines of `leader-epoch-checkpoint`: epochs and where they start.
    epochs: BTreeMap<PathBuf, Vec<String>>,
}

impl Files {
    pub fn new(release: Release) -> Files {
        Files { release, identities: BTreeMap::new(), epochs: BTreeMap::new() }
    }

    /// Identities are what they were, and leader epochs have only been added.
    pub fn compare(&mut self, log_dir: &Path, turn: &str) {
        let partitions = partitions(log_dir);
        let mut identities = BTreeMap::new();
        for file in
            [log_dir.join("meta.properties")].into_iter().chain(partitions.iter().map(|p| p.join("partition.metadata")))
        {
            if let Ok(text) = fs::read_to_string(&file) {
                let mut lines: Vec<String> =
                    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
                lines.sort();
                identities.insert(file, lines);
            }
        }
        let with_ids = match self.release {
            Release::Current(V3_9) => partitions.len()..=partitions.len(),
            // 2.8 gives topics ids, but does not write every one down.
            Release::Old(OldKafka::V2_8) => 0..=partitions.len(),
            _ => 0..=0,
        };
        assert!(with_ids.contains(&(identities.len() - 1)), "{turn}: {identities:?}");
        for (file, lines) in &identities {
            let before = self.identities.get(file).unwrap_or(lines);
            // Old releases store no cluster id, newer ones add it.
            let may_grow = matches!(self.release, Release::Old(OldKafka::V0_10 | OldKafka::V1_1));
            let kept = lines == before || may_grow && before.iter().all(|line| lines.contains(line));
            assert!(kept, "{turn}: {} was {before:?} and is {lines:?}", file.display());
        }
        self.identities = identities;

        for partition in partitions_of_epochs().filter(|_| self.release.knows_transactions()) {
            let file = log_dir.join(format!("{partition}/leader-epoch-checkpoint"));
            let lines: Vec<String> = fs::read_to_string(&file).unwrap().lines().skip(2).map(str::to_owned).collect();
            let before = self.epochs.insert(file.clone(), lines.clone()).unwrap_or_default();
            assert_eq!(lines.get(..before.len()), Some(&before[..]), "{turn}: {}", file.display());
            assert_eq!(lines.len(), before.len() + 1, "{turn}: {}: {lines:?}", file.display());
        }
    }

    /// What the release's own tool, or that of one near to it, thinks of the files.
    /// What was written to while the broker was killed is for the next one to mend.
    pub fn dump(&self, log_dir: &Path, end: End, turn: &str) {
        let version = match self.release {
            Release::Current(version) => version,
            // The index entries of older ones name first offsets, which these tools call mismatches.
            Release::Old(OldKafka::V0_10 | OldKafka::V1_1) => return,
            Release::Old(OldKafka::V2_8) => V2_4,
        };
        let known = ["log", "index", "timeindex", "txnindex", "snapshot"];
        let whole = partitions(log_dir).into_iter().filter(|path| end == End::Stop || name(path) != "crossing-0");
        let files = whole.flat_map(|dir| fs::read_dir(dir).unwrap());
        let mut files: Vec<_> = files
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| known.contains(&extension.to_str().unwrap())))
            // Whoever is killed while it deletes a segment leaves indexes without a log; they go at the next start.
            .filter(|path| path.with_extension("log").exists() || path.extension().is_some_and(|e| e == "snapshot"))
            .map(|path| path.to_str().unwrap().to_owned())
            .collect();
        files.sort();
        assert!(files.len() > 50, "{} files are too few to show anything", files.len());
        let arguments = ["--deep-iteration", "--files", &files.join(",")];
        let output = Driver::shared().tool(version, "kafka-dump-log", &arguments).ok();
        for (at, line) in output.stdout.lines().chain(output.stderr.lines()).enumerate() {
            if is_complaint(version, line) {
                let around: Vec<_> = output.stdout.lines().skip(at.saturating_sub(20)).take(25).collect();
                panic!("{turn}: {line}\nin\n{}\n{}", around.join("\n"), output.stderr);
            }
        }
    }
}

/// Whether a line of dump-log says that something is wrong. Compaction leaves gaps in the offsets; an index entry of an old
/// format, or of Java's cleaner, stands for several batches, the first of which is what the tool compares it with, or for a
/// batch that was left without records (timestamp -1). The time indexes of 2.x hold offsets of records inside of batches,
/// which no tool of Kafka's looks up.
fn is_complaint(version: KafkaVersion, line: &str) -> bool {
    let tolerated: &[&str] = match line {
        _ if line.starts_with("Non-consecutive offsets") => &["/compacted", "/__"],
        _ if line.ends_with("are not found in the log.") && version == V2_4 => &[""],
        _ if line.starts_with("Found timestamp mismatch") => &["/compacted", "/__"],
        _ if line.starts_with("  Index timestamp: ") => &["log timestamp: -1"],
        _ if line.starts_with("Mismatches in :") => &["/format-", "/compacted", "/__"],
        _ => &[],
    };
    COMPLAINTS.iter().any(|complaint| line.contains(complaint)) && !tolerated.iter().any(|sign| line.contains(sign))
}

/// What the tool says when something is wrong.
const COMPLAINTS: [&str; 8] = [
    "isvalid: false",
    "invalid bytes",
    "ismatch",
    "Non-consecutive",
    "Found timestamp mismatch",
    "Index timestamp",
    "not found in the log",
    "Exception",
];

/// No broker may find anything wrong with what the one before it left, nor recover what was stopped cleanly.
pub fn check_output(home: &Home, start: u64, before: Option<End>, turn: &str) {
    let output = fs::read(home.output_file()).unwrap();
    let output = String::from_utf8_lossy(&output[start as usize..]).into_owned();
    let mut signs = vec!["ERROR", "orrupt"];
    if before == Some(End::Stop) {
        signs.extend(["Recovering unflushed segment", "ebuilding ind", "since no clean shutdown file was found"]);
    }
    let lines: Vec<_> = output.lines().collect();
    // What `requests.rs` asks for is refused; and the controller of 0.10 begins before its broker is registered.
    let harmless =
        ["Error processing append operation on partition sequences-0", "OfflinePartition to OnlinePartition failed"];
    let is_one_of = |line: &str, list: &[&str]| list.iter().any(|each| line.contains(each));
    let is_sign = |line: &&str| is_one_of(line, &signs) && !is_one_of(line, &harmless);
    if let Some(at) = lines.iter().position(is_sign) {
        panic!("{turn}:\n{}", lines[at..].iter().take(60).copied().collect::<Vec<_>>().join("\n"));
    }
}

/// The directories of partitions that are not being deleted.
fn partitions(log_dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(log_dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir() && !name(path).ends_with("-delete")).collect()
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}
