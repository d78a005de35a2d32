//! What a process has used, as Linux counts it.

use std::fs;
use std::time::Duration;

/// Ticks per second of the times in `/proc/<pid>/stat` (USER_HZ, 100 on every Linux that we know).
const TICKS_PER_SECOND: u64 = 100;

/// A snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// User and system time of all threads.
    pub cpu: Duration,
    /// Resident memory right now (VmRSS), mapped files included.
    pub resident_bytes: u64,
    /// The most that was ever resident (VmHWM).
    pub peak_bytes: u64,
}

/// Of the process `pid`, which must exist.
pub fn of(pid: u32) -> Usage {
    let read = |name: &str| {
        let path = format!("/proc/{pid}/{name}");
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("read {path}: {e}"))
    };
    let (stat, status) = (read("stat"), read("status"));
    Usage {
        cpu: cpu(&stat).unwrap_or_else(|| panic!("no times in {stat}")),
        resident_bytes: kibibytes(&status, "VmRSS:"),
        peak_bytes: kibibytes(&status, "VmHWM:"),
    }
}

/// The fields utime and stime, 14 and 15 of the line; the second field, a name in parentheses, may hold anything.
fn cpu(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = fields.next()?.ok()? + fields.next()?.ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

fn kibibytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok());
    number.unwrap_or_else(|| panic!("no {name} in {status}")) * 1024
}
