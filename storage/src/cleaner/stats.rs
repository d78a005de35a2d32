//! What one cleaning read, wrote and took: for the log line and the metrics.

use std::fmt;
use std::time::Duration;

/// Numbers of one cleaning.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CleanerStats {
    /// Bytes read to fill the map.
    pub map_bytes_read: u64,
    /// Records read to fill the map.
    pub map_messages_read: u64,
    /// Bytes read to be cleaned.
    pub bytes_read: u64,
    /// Records read to be cleaned.
    pub messages_read: u64,
    /// Bytes that stayed.
    pub bytes_written: u64,
    /// Records that stayed.
    pub messages_written: u64,
    /// Records without key.
    pub invalid_messages_read: u64,
    /// How full the map was: 0 to 1.
    pub buffer_utilization: f64,
    /// Until the map was filled.
    pub elapsed_index: Duration,
    /// In all.
    pub elapsed: Duration,
}

/// The rest of Kafka's log line about a cleaning.
impl fmt::Display for CleanerStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mb = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
        let secs = |time: Duration| time.as_secs_f64();
        let share = |part: f64, whole: f64| if whole > 0.0 { 100.0 * part / whole } else { 0.0 };
        let rate = |bytes: u64, time: f64| if time > 0.0 { mb(bytes) / time } else { 0.0 };
        let (all, index) = (secs(self.elapsed), secs(self.elapsed_index));
        let clean = all - index;
        writeln!(
            f,
            "\t{:.1} MB of log processed in {all:.1} seconds ({:.1} MB/sec).",
            mb(self.bytes_read),
            rate(self.bytes_read, all)
        )?;
        writeln!(
            f,
            "\tIndexed {:.1} MB in {index:.1} seconds ({:.1} Mb/sec, {:.1}% of total time)",
            mb(self.map_bytes_read),
            rate(self.map_bytes_read, index),
            share(index, all)
        )?;
        writeln!(f, "\tBuffer utilization: {:.1}%", 100.0 * self.buffer_utilization)?;
        writeln!(
            f,
            "\tCleaned {:.1} MB in {clean:.1} seconds ({:.1} Mb/sec, {:.1}% of total time)",
            mb(self.bytes_read),
            rate(self.bytes_read, clean),
            share(clean, all)
        )?;
        writeln!(f, "\tStart size: {:.1} MB ({} messages)", mb(self.bytes_read), self.messages_read)?;
        writeln!(f, "\tEnd size: {:.1} MB ({} messages)", mb(self.bytes_written), self.messages_written)?;
        write!(
            f,
            "\t{:.1}% size reduction ({:.1}% fewer messages)",
            100.0 - share(self.bytes_written as f64, self.bytes_read as f64),
            100.0 - share(self.messages_written as f64, self.messages_read as f64)
        )
    }
}
