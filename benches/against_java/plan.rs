//! What is measured, how much of it, and in which order.

use std::thread;
use std::time::Duration;

use crate::contestant::{Contestant, Kind};
use crate::load::{Produce, consume};
use crate::report::{Figure, Goal};

const GIGABYTE: f64 = 1e9;
const KIBIBYTE: u64 = 1024;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Client defaults but for what names the case.
const ACKS_1: &[&str] = &["acks=1"];
const ACKS_ALL: &[&str] = &["acks=all"];
const ACKS_ALL_LZ4: &[&str] = &["acks=all", "compression.type=lz4"];

/// The extent of a run.
pub struct Plan {
    /// How often everything is done, the brokers taking turns. A figure is the median of its rounds.
    pub rounds: usize,
    /// Starts on an empty directory per round.
    starts: usize,
    /// Time without any client before the idle memory is read.
    idle: Duration,
    /// Bytes of values in each case.
    pub case_bytes: u64,
    /// Seconds at a fixed rate.
    latency_seconds: u64,
}

impl Plan {
    /// For the table in `docs/performance.md`: 3.6 GB produced and 1 GB fetched per round and broker.
    pub fn full() -> Plan {
        Plan { rounds: 3, starts: 5, idle: Duration::from_secs(10), case_bytes: 1_000_000_000, latency_seconds: 60 }
    }

    /// For a look while working on the code.
    pub fn quick() -> Plan {
        Plan { rounds: 1, starts: 2, idle: Duration::from_secs(3), case_bytes: 200_000_000, latency_seconds: 10 }
    }

    /// Measures one broker. Each start has a ZooKeeper path of its own below `chroot`.
    pub fn measure(&self, kind: &Kind, chroot: &str) -> Vec<Figure> {
        let mut figures = vec![self.start_time(kind, chroot)];
        let broker = Contestant::start(kind, &format!("{chroot}/load"));
        thread::sleep(self.idle);
        let idle = broker.usage().resident_bytes as f64 / MEBIBYTE;
        figures.push(Figure::new("resident memory, idle", "MiB", idle, Goal::AtMost(32.0)));

        // The first load finds a cold JIT, an empty page cache and an empty producer pool; it does not count.
        self.case("warm-up", KIBIBYTE, ACKS_1).run(&broker.address());
        self.produce(&broker, &self.case("kib", KIBIBYTE, ACKS_1), "1 KiB, acks=1", &mut figures);
        self.produce(&broker, &self.case("small", 100, ACKS_1), "100 B, acks=1", &mut figures);
        self.produce(&broker, &self.case("lz4", KIBIBYTE, ACKS_ALL_LZ4), "1 KiB lz4, acks=all", &mut figures);
        self.fetch(&broker, &mut figures);
        self.latency(&broker, &mut figures);

        let after = broker.usage();
        let (now, peak) = (after.resident_bytes as f64 / MEBIBYTE, after.peak_bytes as f64 / MEBIBYTE);
        figures.push(Figure::new("resident memory, after the load", "MiB", now, Goal::AtMost(64.0)));
        figures.push(Figure::new("resident memory, peak", "MiB", peak, Goal::None));
        broker.stop();
        figures
    }

    fn start_time(&self, kind: &Kind, chroot: &str) -> Figure {
        let mut times: Vec<f64> = Vec::new();
        for number in 0..self.starts {
            let broker = Contestant::start(kind, &format!("{chroot}/start-{number}"));
            times.push(broker.start_time().as_secs_f64() * 1000.0);
            broker.stop();
        }
        Figure { samples: times, ..Figure::new("start on an empty directory", "ms", 0.0, Goal::Ratio(0.05)) }
    }

    fn case(&self, topic: &'static str, record_bytes: u64, settings: &'static [&'static str]) -> Produce {
        // Small records are expensive for the client: a fifth of the bytes makes twice the records.
        let bytes = if record_bytes < KIBIBYTE { self.case_bytes / 5 } else { self.case_bytes };
        Produce { topic, records: bytes / record_bytes, record_bytes, rate: None, settings }
    }

    fn produce(&self, broker: &Contestant, case: &Produce, name: &str, figures: &mut Vec<Figure>) {
        eprintln!("  produce {name}");
        let before = broker.usage().cpu;
        let produced = case.run(&broker.address());
        let cpu = (broker.usage().cpu - before).as_secs_f64() / (case.bytes() as f64 / GIGABYTE);
        let rate = produced.records_per_second / 1000.0;
        figures.push(Figure::new(&format!("produce {name}: broker CPU"), "s/GB", cpu, Goal::Ratio(0.5)));
        figures.push(Figure::new(&format!("produce {name}: throughput"), "k rec/s", rate, Goal::None));
    }

    /// Twice: the first pass warms the code, the second counts. Both read what has just been written, from the page cache.
    fn fetch(&self, broker: &Contestant, figures: &mut Vec<Figure>) {
        eprintln!("  fetch");
        let records = self.case_bytes / KIBIBYTE;
        consume(&broker.address(), "warm-up", records);
        let before = broker.usage().cpu;
        let consumed = consume(&broker.address(), "kib", records);
        let cpu = (broker.usage().cpu - before).as_secs_f64() / (consumed.bytes / GIGABYTE);
        figures.push(Figure::new("fetch 1 KiB, hot cache: broker CPU", "s/GB", cpu, Goal::Ratio(0.5)));
        let rate = consumed.bytes_per_second / 1e6;
        figures.push(Figure::new("fetch 1 KiB, hot cache: throughput", "MB/s", rate, Goal::None));
    }

    fn latency(&self, broker: &Contestant, figures: &mut Vec<Figure>) {
        eprintln!("  latency");
        const RATE: u64 = 20_000;
        let records = RATE * self.latency_seconds;
        let case = Produce { topic: "latency", records, record_bytes: KIBIBYTE, rate: Some(RATE), settings: ACKS_ALL };
        let before = broker.usage().cpu;
        let produced = case.run(&broker.address());
        let cpu = (broker.usage().cpu - before).as_secs_f64() / (case.bytes() as f64 / GIGABYTE);
        let name = "20 k rec/s of 1 KiB, acks=all";
        figures.push(Figure::new(&format!("{name}: p50"), "ms", produced.p50_ms, Goal::None));
        figures.push(Figure::new(&format!("{name}: p99"), "ms", produced.p99_ms, Goal::None));
        figures.push(Figure::new(&format!("{name}: p99.9"), "ms", produced.p999_ms, Goal::None));
        figures.push(Figure::new(&format!("{name}: broker CPU"), "s/GB", cpu, Goal::Ratio(0.5)));
    }
}
