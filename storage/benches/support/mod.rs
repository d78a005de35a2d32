//! What the measurements share: time, memory and arguments. Each bench is a program of its own; not every one uses all.
#![allow(clippy::disallowed_methods, reason = "measurements read the machine's clock and files")]
#![allow(dead_code, reason = "each bench uses its part")]

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Runs something and says how long it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let answer = work();
    (answer, start.elapsed())
}

/// The shortest of `rounds` runs: whatever else the machine does only adds.
pub fn fastest(rounds: usize, mut work: impl FnMut()) -> Duration {
    (0..rounds).map(|_| timed(&mut work).1).min().unwrap_or_default()
}

/// User and system time of this process so far, in milliseconds.
pub fn cpu_ms() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    ticks.sum::<u64>() * 10
}

/// Resident memory of this process right now, in KiB.
pub fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The value behind `name` on the command line.
pub fn option<T: FromStr>(name: &str) -> Option<T> {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.next().and_then(|_| args.next()?.parse().ok())
}

/// Whether `name` is on the command line.
pub fn flag(name: &str) -> bool {
    std::env::args().any(|arg| arg == name)
}

/// Where the files go: `--dir`, or the temporary directory. Everything below it is removed at the end.
pub fn place() -> tempfile::TempDir {
    let parent: PathBuf = option("--dir").unwrap_or_else(std::env::temp_dir);
    tempfile::Builder::new()
        .prefix("klamm-bench-")
        .tempdir_in(parent)
        .unwrap_or_else(|e| panic!("make a directory: {e}"))
}
