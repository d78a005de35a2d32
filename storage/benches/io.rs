//! What a log costs beside the plain file operations that it cannot do without: appends as share of plain writes of the
//! same bytes, sequential reads as share of plain reads and of sendfile.
//!
//! ```sh
//! cargo bench -p storage --bench io [-- --quick] [-- --dir /data]
//! ```
//!
//! All in one process and on one thread, in turns, the fastest of several rounds. Files stay in the page cache.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a program that measures the machine and tells")]

mod support;

use std::fs::File;
use std::io::IoSlice;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use storage::batch::BatchBuilder;
use storage::health::DirHealth;
use storage::memory::ConversionMemory;
use storage::{AppendOrigin, FetchSlice, LoadHints, Log, LogConfig, LogContext};
use support::{flag, place, timed};
use world::clock::SystemClock;
use world::{Disk, RealDisk};
use zk_paths::ids::{LeaderEpoch, Offset, TopicPartition};

const ROUNDS: usize = 7;
/// Bytes asked for by one read, `max.partition.fetch.bytes`.
const FETCH_BYTES: usize = 1 << 20;

fn main() {
    let total: u64 = if flag("--quick") { 64 << 20 } else { 512 << 20 };
    println!("| {:<44} | {:>10} | {:>10} | {:>7} | {:>6} |", "measured, MB/s", "Klamm", "plain", "share", "goal");
    println!("|---|---:|---:|---:|---:|");
    for (record, batch) in [(1024, 16 << 10), (1024, 1 << 20), (100, 16 << 10), (100, 1 << 20)] {
        appends(record, batch, total);
    }
    for batch in [16 << 10, 1 << 20] {
        reads(batch, total);
    }
}

fn row(what: &str, bytes: u64, ours: Duration, plain: Duration, goal: &str) {
    let speed = |took: Duration| bytes as f64 / took.as_secs_f64() / 1e6;
    let share = speed(ours) / speed(plain);
    println!("| {what:<44} | {:>10.0} | {:>10.0} | {share:>7.3} | {goal:>6} |", speed(ours), speed(plain));
}

fn named(bytes: usize) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
}

/// A batch of about `size` bytes made of records of `record` bytes.
fn batch(record: usize, size: usize) -> Bytes {
    let mut builder = BatchBuilder::new();
    let value: Vec<u8> = (0..record).map(|at| (at * 7 % 251) as u8).collect();
    for number in 0..(size / (record + 8)).max(1) {
        builder.append(1_700_000_000_000 + number as i64, None, Some(&value), &[]);
    }
    builder.build().unwrap_or_else(|e| panic!("build a batch: {e}"))
}

fn open(dir: &Path) -> Log {
    std::fs::create_dir_all(dir).unwrap_or_else(|e| panic!("make {}: {e}", dir.display()));
    let context = LogContext {
        disk: Arc::new(RealDisk),
        clock: Arc::new(SystemClock::new()),
        health: Arc::new(DirHealth::new(dir.to_owned(), None)),
        producer_id_expiration: Duration::from_secs(86_400),
        memory: ConversionMemory::default(),
    };
    let config = LogConfig { max_message_bytes: 2 << 20, ..LogConfig::default() };
    let log = Log::open(dir, TopicPartition::new("t", 0), config, LoadHints::default(), context);
    log.unwrap_or_else(|e| panic!("open {}: {e}", dir.display()))
}

fn fill(log: &Log, batch: &Bytes, count: u64) {
    for _ in 0..count {
        let appended = log.append_as_leader(batch.clone(), LeaderEpoch(0), AppendOrigin::Client);
        appended.unwrap_or_else(|e| panic!("append: {e}"));
    }
}

fn appends(record: usize, size: usize, total: u64) {
    let batch = batch(record, size);
    let count = total / batch.len() as u64;
    let (mut ours, mut plain) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let dir = place();
        let log = open(&dir.path().join("t-0"));
        ours = ours.min(timed(|| fill(&log, &batch, count)).1);
        drop(log);
        let path = dir.path().join("plain");
        let file = RealDisk.create_new(&path).unwrap_or_else(|e| panic!("make {}: {e}", path.display()));
        let write = || {
            for number in 0..count {
                let position = number * batch.len() as u64;
                file.write_at(&mut [IoSlice::new(&batch)], position).unwrap_or_else(|e| panic!("write: {e}"));
            }
        };
        plain = plain.min(timed(write).1);
    }
    let what = format!("append {record} B records, {} batches", named(size));
    row(&what, count * batch.len() as u64, ours, plain, "≥ 0.8");
}

fn reads(size: usize, total: u64) {
    let dir = place();
    let path = dir.path().join("t-0");
    let log = open(&path);
    let batch = batch(1024, size);
    let count = total / batch.len() as u64;
    fill(&log, &batch, count);
    let bytes = count * batch.len() as u64;
    let plain = RealDisk.open_read(&path.join("00000000000000000000.log")).unwrap_or_else(|e| panic!("open: {e}"));
    let mut buffer = vec![0; 2 * FETCH_BYTES];
    let mut read_plainly = || {
        let mut position = 0;
        while position < bytes {
            position += plain.read_at(&mut buffer, position).unwrap_or_else(|e| panic!("read: {e}")) as u64;
        }
    };
    let mut ours_buffer = vec![0; 2 * FETCH_BYTES];
    let mut read_ours = || {
        each_slice(&log, &batch, |slice| {
            let target = ours_buffer.get_mut(..slice.len).unwrap_or_else(|| panic!("{} bytes", slice.len));
            slice.file.read_at(target, slice.position).unwrap_or_else(|e| panic!("read: {e}"));
        });
    };
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        ours = ours.min(timed(&mut read_ours).1);
        theirs = theirs.min(timed(&mut read_plainly).1);
    }
    row(&format!("read {} batches, pread", named(size)), bytes, ours, theirs, "≥ 0.9");
    let socket = drain();
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let read_ours =
            || each_slice(&log, &batch, |slice| send(&socket, &*slice.file, slice.position, slice.len as u64));
        ours = ours.min(timed(read_ours).1);
        let read_plainly = || {
            let mut position = 0;
            while position < bytes {
                let len = (bytes - position).min(FETCH_BYTES as u64);
                send(&socket, &*plain, position, len);
                position += len;
            }
        };
        theirs = theirs.min(timed(read_plainly).1);
    }
    row(&format!("read {} batches, sendfile", named(size)), bytes, ours, theirs, "≥ 0.9");
}

/// Reads the log from its start to its end as a consumer does, at most [`FETCH_BYTES`] at once, whole batches.
fn each_slice(log: &Log, batch: &Bytes, mut visit: impl FnMut(&FetchSlice)) {
    let end = log.log_end_offset();
    let header = storage::batch::Batch::parse(batch).unwrap_or_else(|e| panic!("parse: {e}")).header;
    let records = i64::from(header.last_offset_delta) + 1;
    let mut next = Offset::ZERO;
    while next < end {
        let fetched = log.read(next, FETCH_BYTES, end, true).unwrap_or_else(|e| panic!("read: {e}"));
        let Some(mut slice) = fetched.slice else { panic!("nothing at {next}") };
        // Consumers throw an unfinished batch away and ask for it again.
        slice.len -= slice.len % batch.len();
        visit(&slice);
        next = Offset(next.0 + records * (slice.len / batch.len()) as i64);
    }
}

/// A socket whose other end throws everything away.
fn drain() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("listen: {e}"));
    let address = listener.local_addr().unwrap_or_else(|e| panic!("address: {e}"));
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap_or_else(|e| panic!("accept: {e}"));
        let mut null = File::create("/dev/null").unwrap_or_else(|e| panic!("/dev/null: {e}"));
        let _ = std::io::copy(&mut stream, &mut null);
    });
    TcpStream::connect(address).unwrap_or_else(|e| panic!("connect: {e}"))
}

fn send(socket: &TcpStream, file: &dyn world::DiskFile, mut position: u64, len: u64) {
    let end = position + len;
    let Some(fd) = file.fd() else { panic!("not a real file") };
    while position < end {
        let left = (end - position) as usize;
        let sent = rustix::fs::sendfile(socket, fd, Some(&mut position), left);
        assert!(sent.is_ok_and(|sent| sent > 0), "sendfile: {sent:?}");
    }
}
