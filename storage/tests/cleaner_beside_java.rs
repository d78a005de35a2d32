//! The same compacted logs, cleaned by Kafka 3.9.2's own `Cleaner` and by ours, at the same times and up to the same
//! offsets: what survives must be the same. Where nothing is compressed, segments, indexes and transaction indexes must be
//! the same byte for byte; compressed batches must be equal once unpacked.
//!
//! The input has keys that come again, tombstones, headers, batches of idempotent producers, transactions that commit,
//! abort and overlap, log append times, every codec, and formats 0, 1 and 2. It is made from a seed.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test on real files")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use storage::batch::{Batch, BatchBuilder, Batches, ControlType, EndTransactionMarker, Header, ProducerFields, Record};
use storage::cleaner::{CleanerConfig, LogCleaner};
use storage::compression::{Codec, Lz4Checksum, compress};
use storage::{LogConfig, LogManager, LogManagerConfig};
use world::RealDisk;
use world::clock::ManualClock;
use zk_paths::ids::{LeaderEpoch, Offset, TopicPartition};

const NOW: i64 = 1_700_000_000_000;
const SEGMENT_BYTES: u64 = 20_000;
const DELETE_RETENTION_MS: i64 = 60_000;
const SETTINGS: &str = "cleanup.policy=compact,segment.bytes=20000,index.interval.bytes=500,delete.retention.ms=60000,\
                        min.cleanable.dirty.ratio=0.0,segment.index.bytes=10485760";

/// What a log is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Format 2, nothing compressed.
    Plain,
    /// Format 2, all codecs.
    Packed,
    /// Formats 0 and 1, then 2, nothing compressed.
    Old,
    /// The same, all codecs.
    OldPacked,
    /// Format 2, so little memory for the map that cleanings end in the middle of segments. Without transactions: Kafka
    /// goes on in the middle of a segment with aborted transactions of that segment which have ended before, takes the
    /// next ones of their producers for aborted, and so leaves their elders' records.
    FullMap,
}

impl Kind {
    fn dedupe_bytes(self) -> u64 {
        if self == Kind::FullMap { 24 * 400 } else { 24 * 10_000 }
    }

    fn is_packed(self) -> bool {
        matches!(self, Kind::Packed | Kind::OldPacked)
    }
}

/// Numbers that repeat.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn key(&mut self) -> Vec<u8> {
        // Some keys come all the time, some never again.
        let range = if self.chance(50) { 30 } else { 3000 };
        format!("key-{}", self.below(range)).into_bytes()
    }

    fn value(&mut self) -> Option<Vec<u8>> {
        let len = self.below(120) as usize;
        (!self.chance(15)).then(|| (0..len).map(|at| b'a' + (at % 23) as u8).collect())
    }
}

fn manager(dir: &Path, now_ms: i64) -> (Arc<LogManager>, Arc<ManualClock>) {
    let config = LogManagerConfig {
        log_dirs: vec![dir.to_owned()],
        recovery_threads_per_dir: 1,
        producer_id_expiration: Duration::from_secs(86_400),
        failed_dirs: Vec::new(),
        progress: Arc::default(),
        failure_listener: None,
    };
    let clock = Arc::new(ManualClock::new(now_ms));
    let manager = LogManager::load(config, Arc::new(RealDisk), clock.clone(), &|_| log_config()).unwrap();
    (Arc::new(manager), clock)
}

fn log_config() -> LogConfig {
    LogConfig {
        segment_bytes: SEGMENT_BYTES,
        index_interval_bytes: 500,
        compact: true,
        delete: false,
        min_cleanable_dirty_ratio: 0.0,
        delete_retention: Duration::from_millis(DELETE_RETENTION_MS as u64),
        file_delete_delay: Duration::ZERO,
        ..LogConfig::default()
    }
}

fn partition() -> TopicPartition {
    TopicPartition::new("cleaned", 0)
}

/// The batches of a log, in order, each at the offset that it is given.
struct Writer {
    dice: Dice,
    next_offset: i64,
    timestamp: i64,
    kind: Kind,
    /// Next sequence of each producer, and whether its transaction is open.
    producers: BTreeMap<i64, (i32, bool)>,
}

impl Writer {
    fn batch(&mut self, old: bool) -> Bytes {
        self.timestamp += self.dice.below(50) as i64;
        if old {
            return self.old_messages();
        }
        match self.dice.below(10) {
            0..=4 => self.data(None),
            5..=7 => {
                let first = if self.kind == Kind::FullMap { 2 } else { 0 };
                let id = first + self.dice.below(4 - first as u64) as i64;
                self.data(Some(id))
            }
            _ => self.end_transaction().unwrap_or_else(|| self.data(None)),
        }
    }

    fn codec(&mut self) -> Codec {
        if self.kind.is_packed() { Codec::from_id(self.dice.below(5) as u8).unwrap() } else { Codec::None }
    }

    fn data(&mut self, producer: Option<i64>) -> Bytes {
        let codec = self.codec();
        let mut builder = BatchBuilder::new().base_offset(self.next_offset).leader_epoch(5).compression(codec);
        if self.dice.chance(10) {
            builder = builder.log_append_time(self.timestamp);
        }
        let count = 1 + self.dice.below(12) as i32;
        if let Some(id) = producer {
            // Producers 0 and 1 are transactional.
            let (sequence, open) = self.producers.entry(id).or_default();
            builder = builder.producer(ProducerFields { id, epoch: 0, base_sequence: *sequence });
            *sequence += count;
            if id < 2 {
                *open = true;
                builder = builder.transactional();
            }
        }
        for _ in 0..count {
            let (key, value) = (self.dice.key(), self.dice.value());
            let header = Header { key: "trace".into(), value: Some("1".into()) };
            let headers = if self.dice.chance(20) { vec![header] } else { Vec::new() };
            let timestamp = self.timestamp + self.dice.below(20) as i64;
            builder.append(timestamp, Some(&key), value.as_deref(), &headers);
        }
        self.next_offset += i64::from(count);
        builder.build().unwrap()
    }

    fn end_transaction(&mut self) -> Option<Bytes> {
        let open: Vec<i64> = self.producers.iter().filter(|(_, (_, open))| *open).map(|(id, _)| *id).collect();
        let id = *open.get(self.dice.below(2) as usize)?;
        self.producers.get_mut(&id)?.1 = false;
        let control_type = if self.dice.chance(50) { ControlType::Abort } else { ControlType::Commit };
        let marker = EndTransactionMarker { control_type, coordinator_epoch: 0 };
        let mut bytes = marker.batch(id, 0, 5, self.timestamp).to_vec();
        bytes[..8].copy_from_slice(&self.next_offset.to_be_bytes());
        self.next_offset += 1;
        Some(bytes.into())
    }

    fn old_messages(&mut self) -> Bytes {
        let magic = u8::from(self.next_offset > 300);
        let codec = match self.codec() {
            Codec::Zstd => Codec::None,
            codec => codec,
        };
        let count = if codec == Codec::None { 1 } else { 1 + self.dice.below(8) as i64 };
        let first = self.next_offset;
        self.next_offset += count;
        let mut inner = Vec::new();
        for n in 0..count {
            let offset = if codec == Codec::None || magic == 0 { first + n } else { n };
            let (key, value) = (self.dice.key(), self.dice.value());
            put_message(&mut inner, magic, offset, self.timestamp + n, 0, Some(&key), value.as_deref());
        }
        if codec == Codec::None {
            return inner.into();
        }
        let lz4 = if magic == 0 { Lz4Checksum::Magic0 } else { Lz4Checksum::Standard };
        let packed = compress(codec.into(), &inner, lz4).unwrap();
        let mut wrapper = Vec::new();
        let (last, newest) = (first + count - 1, self.timestamp + count - 1);
        put_message(&mut wrapper, magic, last, newest, codec.id(), None, Some(&packed));
        wrapper.into()
    }
}

/// A message of format 0 or 1.
fn put_message(
    out: &mut Vec<u8>,
    magic: u8,
    offset: i64,
    timestamp: i64,
    attributes: u8,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) {
    let mut body = vec![magic, attributes];
    if magic == 1 {
        body.extend(timestamp.to_be_bytes());
    }
    for field in [key, value] {
        body.extend(field.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
        body.extend(field.unwrap_or_default());
    }
    out.extend(offset.to_be_bytes());
    out.extend((body.len() as i32 + 4).to_be_bytes());
    out.extend(crc32fast::hash(&body).to_be_bytes());
    out.extend(body);
}

/// Fills a log directory and stops cleanly. Answers the offsets up to which it is cleaned, one after the other.
fn fill(dir: &Path, kind: Kind, seed: u64) -> Vec<i64> {
    let (manager, _) = manager(dir, NOW);
    let log = manager.get_or_create(&partition(), true, None, log_config()).unwrap();
    let mut writer =
        Writer { dice: Dice(seed), next_offset: 0, timestamp: NOW - 1_000_000, kind, producers: BTreeMap::new() };
    let mut ends = Vec::new();
    for number in 0..700 {
        let old = matches!(kind, Kind::Old | Kind::OldPacked) && number < 250;
        log.append_as_follower(writer.batch(old), LeaderEpoch(5)).unwrap();
        if number % 140 == 139 {
            // No transaction is left open across a limit.
            while let Some(marker) = (0..20).find_map(|_| writer.end_transaction()) {
                log.append_as_follower(marker, LeaderEpoch(5)).unwrap();
            }
            log.set_high_watermark(log.log_end_offset());
            log.roll().unwrap();
            ends.push(log.log_end_offset().0);
        }
    }
    assert!(log.segment_count() > 8, "{kind:?}: {} segments", log.segment_count());
    manager.shutdown().unwrap();
    age(&dir.join(partition().to_string()));
    ends
}

/// Gives segments times of change, an older one an earlier: tombstones of formats 0 and 1 go by them.
fn age(dir: &Path) {
    for (number, (_, path)) in (0u64..).zip(files(dir, ".log")) {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(NOW as u64 - 500_000 + number * 20_000);
        File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    }
}

/// Files of a kind, by offset.
fn files(dir: &Path, suffix: &str) -> Vec<(i64, PathBuf)> {
    let found = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let named = found.filter_map(|path| {
        let offset = path.file_name()?.to_str()?.strip_suffix(suffix)?.parse().ok()?;
        Some((offset, path))
    });
    let mut files: Vec<_> = named.collect();
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    let (from, to) = (from.join(partition().to_string()), to.join(partition().to_string()));
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(&from).unwrap().map(Result::unwrap) {
        let copied = to.join(entry.file_name());
        fs::copy(entry.path(), &copied).unwrap();
        let modified = entry.metadata().unwrap().modified().unwrap();
        File::options().write(true).open(copied).unwrap().set_modified(modified).unwrap();
    }
}

/// When each cleaning happens: the third comes after the horizons of the first.
fn times(ends: &[i64]) -> Vec<(i64, i64)> {
    (0..).zip(ends).map(|(number, end)| (NOW + number * 40_000, *end)).collect()
}

/// Cleans with Java; answers where each cleaning ended.
fn java_cleans(dirs: &[(PathBuf, Kind, Vec<i64>)]) -> Vec<i64> {
    let jars = format!("{}/*", test_lab::kafka(test_lab::KafkaVersion::V3_9).display());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/java/CleanLog.java");
    let mut java = Command::new("java");
    java.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", &jars]).arg(source);
    java.arg(SETTINGS);
    for (dir, kind, ends) in dirs {
        let cleanings: Vec<String> = times(ends).iter().map(|(now, end)| format!("{now}:{end}")).collect();
        let dir = dir.join(partition().to_string());
        java.arg(format!("{}@{}@{}", dir.display(), kind.dedupe_bytes(), cleanings.join(",")));
    }
    let output = java.output().unwrap_or_else(|e| panic!("start java: {e}"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let ended = text.lines().filter_map(|line| line.strip_prefix("cleaned to ")?.split(':').next()?.parse().ok());
    ended.collect()
}

/// Cleans with Klamm; answers where each cleaning ended.
fn klamm_cleans(dir: &Path, kind: Kind, ends: &[i64]) -> Vec<i64> {
    let (manager, clock) = manager(dir, NOW);
    let log = manager.get(&partition()).unwrap();
    let config = CleanerConfig {
        threads: 1,
        dedupe_buffer_bytes: kind.dedupe_bytes(),
        dedupe_buffer_load_factor: 0.9,
        io_buffer_bytes: 4096,
        io_max_bytes_per_second: f64::MAX,
    };
    let cleaner = LogCleaner::new(config, manager.clone(), clock.clone());
    let mut ended = Vec::new();
    for (number, (_, end)) in times(ends).into_iter().enumerate() {
        if number > 0 {
            clock.advance(Duration::from_secs(40));
        }
        log.set_high_watermark(Offset(end));
        assert!(cleaner.clean_dirtiest(0));
        ended.push(log.cleaner_checkpoint().unwrap().0);
    }
    log.set_high_watermark(log.log_end_offset());
    manager.shutdown().unwrap();
    ended
}

fn batches_of(path: &Path) -> Vec<Batch> {
    let mut batches = Batches::new(fs::read(path).unwrap().into());
    let found: Vec<Batch> = batches.by_ref().map(|batch| batch.unwrap()).collect();
    assert!(batches.rest().is_empty(), "{}", path.display());
    found.iter().for_each(|batch| batch.check_crc().unwrap());
    found
}

/// All of a batch that does not depend on who compressed it.
fn unpacked(batch: &Batch) -> (String, Vec<Record>) {
    let mut header = batch.header;
    (header.size, header.crc) = (0, 0);
    (format!("{header:?}"), batch.records(1 << 20).unwrap())
}

fn compare(kind: Kind, java: &Path, klamm: &Path) {
    let (java, klamm) = (java.join(partition().to_string()), klamm.join(partition().to_string()));
    let suffixes = [".log", ".index", ".timeindex", ".txnindex"];
    for suffix in suffixes {
        let named = |dir: &Path| -> Vec<i64> {
            let kept = files(dir, suffix).into_iter().filter(|(_, path)| suffix != ".txnindex" || len(path) > 0);
            kept.map(|(offset, _)| offset).collect()
        };
        assert_eq!(named(&java), named(&klamm), "{kind:?} {suffix}");
    }
    let mut survivors = 0;
    for (offset, path) in files(&java, ".log") {
        let (theirs, ours) = (batches_of(&path), batches_of(&klamm.join(path.file_name().unwrap())));
        for (theirs, ours) in theirs.iter().zip(&ours) {
            assert_eq!(unpacked(theirs), unpacked(ours), "{kind:?}, segment {offset}");
        }
        assert_eq!(theirs.len(), ours.len(), "{kind:?}, segment {offset}");
        survivors += theirs.iter().map(|batch| batch.records(1 << 20).unwrap().len()).sum::<usize>();
        let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(modified(&path), modified(&klamm.join(path.file_name().unwrap())), "{kind:?}, segment {offset}");
    }
    assert!(survivors > 300, "{kind:?}: {survivors} survivors prove little");
    let same_bytes: &[&str] = if kind.is_packed() { &[".txnindex"] } else { &suffixes };
    for suffix in same_bytes {
        for (offset, path) in files(&java, suffix).into_iter().filter(|(_, path)| len(path) > 0) {
            let ours = fs::read(klamm.join(path.file_name().unwrap())).unwrap();
            assert!(fs::read(&path).unwrap() == ours, "{kind:?}: {offset}{suffix} differs");
        }
    }
}

fn len(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

#[test]
fn java_and_klamm_leave_the_same() {
    let places = tempfile::tempdir().unwrap();
    let kinds = [Kind::Plain, Kind::Packed, Kind::Old, Kind::OldPacked, Kind::FullMap];
    let mut all = Vec::new();
    for (kind, seed) in kinds.into_iter().zip([7, 77, 777, 7777, 77777]) {
        let place = |who: &str| places.path().join(format!("{who}-{kind:?}"));
        let ends = fill(&place("java"), kind, seed);
        copy(&place("java"), &place("klamm"));
        all.push((kind, place("java"), place("klamm"), ends));
    }
    let dirs: Vec<_> = all.iter().map(|(kind, java, _, ends)| (java.clone(), *kind, ends.clone())).collect();
    let theirs = java_cleans(&dirs);
    let ours: Vec<i64> = all.iter().flat_map(|(kind, _, klamm, ends)| klamm_cleans(klamm, *kind, ends)).collect();
    assert_eq!(theirs, ours, "where the cleanings ended");
    let full = ours.iter().zip(all.iter().flat_map(|(.., ends)| ends)).filter(|(ended, end)| ended < end);
    assert!(full.count() >= 3, "no map was full: {ours:?}");
    all.iter().for_each(|(kind, java, klamm, _)| compare(*kind, java, klamm));
}
