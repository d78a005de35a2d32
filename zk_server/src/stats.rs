//! What is counted for people and monitors: packets and latencies, of the server and of each connection. Times are in
//! milliseconds, from when the engine takes a request to when its answer may leave, the disk's sync included.

use std::time::Duration;

use crate::proto::op;

/// Least, greatest and sum of what was measured (`AvgMinMaxCounter`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    count: u64,
    total_ms: u64,
    min_ms: u64,
    max_ms: u64,
}

impl Latency {
    /// Adds one.
    pub fn add(&mut self, ms: u64) {
        self.min_ms = if self.count == 0 { ms } else { self.min_ms.min(ms) };
        self.max_ms = self.max_ms.max(ms);
        self.count += 1;
        self.total_ms += ms;
    }

    /// The least, 0 without any.
    pub fn min_ms(&self) -> u64 {
        self.min_ms
    }

    /// The greatest, 0 without any.
    pub fn max_ms(&self) -> u64 {
        self.max_ms
    }

    /// The mean in whole milliseconds, as a connection's line shows it.
    pub fn whole_avg_ms(&self) -> u64 {
        self.total_ms.checked_div(self.count).unwrap_or(0)
    }

    /// The mean to four places, as Java prints a double: at least one place.
    pub fn avg_text(&self) -> String {
        let mean = if self.count == 0 { 0.0 } else { self.total_ms as f64 / self.count as f64 };
        let text = format!("{mean:.4}");
        let short = text.trim_end_matches('0');
        if short.ends_with('.') { format!("{short}0") } else { short.into() }
    }
}

/// What the server counts, and what `conf` shows.
#[derive(Debug, Clone, Default)]
pub struct ServerStats {
    /// Frames and four-letter words received.
    pub received: u64,
    /// Answers and events sent.
    pub sent: u64,
    /// Of all requests.
    pub latency: Latency,
    /// When the server started, on the monotonic clock.
    pub started: Duration,
    /// The configuration in force, a line per key.
    pub conf: String,
}

/// What is known of one connection.
#[derive(Debug, Clone, Default)]
pub struct ConnectionStats {
    /// Frames received.
    pub received: u64,
    /// Wall-clock milliseconds of its start.
    pub established_ms: i64,
    /// The operation of the last request; the connect request has none.
    pub last_op: Option<i32>,
    /// The last xid that was the client's to choose, which those of pings are not.
    pub last_xid: Option<i32>,
    /// The newest transaction when it was answered.
    pub last_zxid: i64,
    /// When it was answered, on the monotonic clock.
    pub last_response: Duration,
    /// How long that took.
    pub last_latency_ms: u64,
    /// Of all its requests.
    pub latency: Latency,
}

impl ConnectionStats {
    /// A connection that has just asked for its session.
    pub fn new(established_ms: i64) -> ConnectionStats {
        ConnectionStats { received: 1, established_ms, ..ConnectionStats::default() }
    }

    /// Notes an answered request.
    pub fn answered(&mut self, op: i32, xid: i32, zxid: i64, taken: Duration, end: Duration) {
        self.last_op = Some(op);
        self.last_xid = Some(xid).filter(|xid| *xid >= 0).or(self.last_xid);
        self.last_zxid = zxid;
        self.last_response = end;
        self.last_latency_ms = end.saturating_sub(taken).as_millis() as u64;
        self.latency.add(self.last_latency_ms);
    }

    /// Starts to count anew (`crst`).
    pub fn reset(&mut self) {
        *self = ConnectionStats { established_ms: self.established_ms, ..ConnectionStats::default() };
    }

    /// The name of the last operation, as `FinalRequestProcessor` calls it.
    pub fn last_operation(&self) -> &'static str {
        self.last_op.map_or("SESS", operation_name)
    }
}

fn operation_name(operation: i32) -> &'static str {
    match operation {
        op::PING => "PING",
        op::MULTI => "MULT",
        op::MULTI_READ => "MLTR",
        op::CREATE | op::CREATE2 | op::CREATE_TTL | op::CREATE_CONTAINER => "CREA",
        op::DELETE => "DELE",
        op::SET_DATA => "SETD",
        op::RECONFIG => "RECO",
        op::SET_ACL => "SETA",
        op::CLOSE_SESSION => "CLOS",
        op::SYNC => "SYNC",
        op::CHECK => "CHEC",
        op::EXISTS => "EXIS",
        op::GET_DATA => "GETD",
        op::SET_WATCHES => "SETW",
        op::SET_WATCHES2 => "STW2",
        op::ADD_WATCH => "ADDW",
        op::GET_ACL => "GETA",
        op::GET_CHILDREN | op::GET_CHILDREN2 => "GETC",
        op::GET_ALL_CHILDREN_NUMBER => "GETACN",
        op::CHECK_WATCHES => "CHKW",
        op::REMOVE_WATCHES => "REMW",
        op::WHO_AM_I => "HOMI",
        op::GET_EPHEMERALS => "GETE",
        _ => "NA",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_read_as_java_prints_them() {
        let mut latency = Latency::default();
        assert_eq!((latency.min_ms(), latency.avg_text(), latency.max_ms()), (0, "0.0".into(), 0));
        [3, 1, 1].iter().for_each(|ms| latency.add(*ms));
        assert_eq!((latency.min_ms(), latency.avg_text(), latency.max_ms()), (1, "1.6667".into(), 3));
        assert_eq!(latency.whole_avg_ms(), 1);
        latency.add(3);
        assert_eq!(latency.avg_text(), "2.0");
    }
}
