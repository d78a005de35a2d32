//! The load: Kafka's own performance tools, each run in a JVM of its own, and what they print.

use std::process::Command;
use std::time::Duration;

use test_lab::{KafkaVersion, kafka, run};

const LIMIT: Duration = Duration::from_secs(600);

/// Records to produce.
#[derive(Clone, Debug)]
pub struct Produce {
    /// The topic; made by the first request for it.
    pub topic: &'static str,
    /// How many records.
    pub records: u64,
    /// Bytes of a record's value.
    pub record_bytes: u64,
    /// Records per second; `None` for as many as go.
    pub rate: Option<u64>,
    /// Settings of the producer beside `bootstrap.servers`; what is not set is Kafka's default.
    pub settings: &'static [&'static str],
}

/// What ProducerPerformance said.
#[derive(Clone, Copy, Debug)]
pub struct Produced {
    /// Records acknowledged per second.
    pub records_per_second: f64,
    /// Median of the times from send to acknowledgement, milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 were faster.
    pub p99_ms: f64,
    /// 999 of 1000 were faster.
    pub p999_ms: f64,
}

impl Produce {
    /// Bytes of all values.
    pub fn bytes(&self) -> u64 {
        self.records * self.record_bytes
    }

    /// Produces to the broker at `address`.
    pub fn run(&self, address: &str) -> Produced {
        let rate = self.rate.map_or("-1".to_owned(), |rate| rate.to_string());
        let mut tool = tool("org.apache.kafka.tools.ProducerPerformance");
        tool.args(["--topic", self.topic, "--num-records", &self.records.to_string()])
            .args(["--record-size", &self.record_bytes.to_string(), "--throughput", &rate, "--producer-props"])
            .arg(format!("bootstrap.servers={address}"))
            .args(self.settings);
        let output = run(&mut tool, LIMIT, "install a Java 17 JDK").ok().stdout;
        let total = output.lines().rfind(|line| line.contains("99.9th"));
        total.and_then(produced).unwrap_or_else(|| panic!("ProducerPerformance gave no total:\n{output}"))
    }
}

/// Reads the last line, e.g. `1000 records sent, 98.5 records/sec (0.09 MB/sec), 5.1 ms avg latency, 9.00 ms max latency,
/// 4 ms 50th, 7 ms 95th, 8 ms 99th, 9 ms 99.9th.`
fn produced(total: &str) -> Option<Produced> {
    let before = |what: &str| -> Option<f64> {
        let part = total.split(", ").find(|part| part.contains(what))?;
        part.split_whitespace().next()?.parse().ok()
    };
    Some(Produced {
        records_per_second: before("records/sec")?,
        p50_ms: before(" 50th")?,
        p99_ms: before(" 99th")?,
        p999_ms: before(" 99.9th")?,
    })
}

/// What ConsumerPerformance said.
#[derive(Clone, Copy, Debug)]
pub struct Consumed {
    /// Bytes of all keys and values.
    pub bytes: f64,
    /// The same per second, from the first assignment on.
    pub bytes_per_second: f64,
}

/// Consumes `records` of a topic from its beginning, in a new group.
pub fn consume(address: &str, topic: &str, records: u64) -> Consumed {
    let mut tool = tool("org.apache.kafka.tools.ConsumerPerformance");
    tool.args(["--bootstrap-server", address, "--topic", topic, "--messages", &records.to_string()]).args([
        "--timeout",
        "60000",
        "--hide-header",
    ]);
    let output = run(&mut tool, LIMIT, "install a Java 17 JDK").ok().stdout;
    output.lines().find_map(consumed).unwrap_or_else(|| panic!("ConsumerPerformance gave no figures:\n{output}"))
}

/// Reads `start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, MB/s of the fetch, records/s of the fetch`.
fn consumed(line: &str) -> Option<Consumed> {
    const MEBIBYTE: f64 = 1024.0 * 1024.0;
    let fields: Vec<&str> = line.split(", ").collect();
    let [_, _, mebibytes, _, _, _, _, _, per_second, _] = fields[..] else { return None };
    let number = |text: &str| text.parse::<f64>().ok().map(|mebibytes| mebibytes * MEBIBYTE);
    Some(Consumed { bytes: number(mebibytes)?, bytes_per_second: number(per_second)? })
}

fn tool(main_class: &str) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xmx512M", "-server", "-XX:+UseG1GC", "-cp"]).arg(kafka(KafkaVersion::V3_9).join("*"));
    command.arg(main_class);
    command
}
