//! Klamm and a Java broker side by side: `cargo bench -p benches --bench against_java [-- --quick]`.
//!
//! It builds klamm as it ships (`cargo build --release`) and then, in one run, on one Apache ZooKeeper, each broker in turn starts on an empty directory, sits idle, and takes the same
//! load from Kafka's own ProducerPerformance and ConsumerPerformance. Clients and broker share the machine's cores, so a
//! figure means little by itself; the column that counts is the ratio. The table this prints is kept in
//! `docs/performance.md`.
//!
//! Options: `--quick` (a fifth of the load, one round, under three minutes), `--only klamm|java`, `--klamm FILE`
//! (another build of ours). Load is bounded, data lives in a temporary directory, and what was started is stopped by its
//! process id, however this ends (`test_lab`).
#![allow(clippy::disallowed_methods, reason = "a measurement looks at the machine: its clock, /proc, its files")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is the output, progress goes to stderr")]

mod contestant;
mod load;
mod plan;
mod report;
mod usage;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use contestant::Kind;
use plan::Plan;
use test_lab::{ZooKeeper, ZooKeeperVersion};

/// What was asked for on the command line.
struct Options {
    quick: bool,
    only: Option<String>,
    klamm: Option<PathBuf>,
}

fn main() -> ExitCode {
    let prepared = parse(std::env::args().skip(1)).and_then(|options| Ok((kinds(&options)?, options)));
    let (kinds, options) = match prepared {
        Ok(prepared) => prepared,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    let plan = if options.quick { Plan::quick() } else { Plan::full() };
    let zookeeper = ZooKeeper::start(ZooKeeperVersion::V3_8);
    let mut results: Vec<Vec<report::Figure>> = kinds.iter().map(|_| Vec::new()).collect();
    for round in 1..=plan.rounds {
        for (kind, figures) in kinds.iter().zip(&mut results) {
            eprintln!("round {round} of {}: {kind}", plan.rounds);
            let chroot = format!("{}/{}-{round}", zookeeper.address(), kind.name());
            report::merge(figures, plan.measure(kind, &chroot));
        }
    }
    print!("{}", report::table(&kinds, &results, &plan));
    ExitCode::SUCCESS
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { quick: false, only: None, klamm: None };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            // cargo says so to every bench.
            "--bench" => {}
            "--quick" => options.quick = true,
            "--only" => options.only = Some(value()?),
            "--klamm" => options.klamm = Some(PathBuf::from(value()?)),
            _ => return Err(format!("{argument}: known are --quick, --only klamm|java, --klamm FILE")),
        }
    }
    Ok(options)
}

fn kinds(options: &Options) -> Result<Vec<Kind>, String> {
    let klamm = || options.klamm.clone().map_or_else(build, Ok).map(Kind::Klamm);
    match options.only.as_deref() {
        None => Ok(vec![klamm()?, Kind::Java]),
        Some("klamm") => Ok(vec![klamm()?]),
        Some("java") => Ok(vec![Kind::Java]),
        Some(other) => Err(format!("--only {other}: known are klamm and java")),
    }
}

/// Builds the binary that is measured, and says where it is. Within a workspace's test or bench run it would be another
/// one: features that only tests want (tokio's `test-util`) would be in it.
fn build() -> Result<PathBuf, String> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(&workspace).args(["build", "--release", "-p", "klamm", "--bin", "klamm"]);
    match cargo.status() {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(format!("{cargo:?} ended with {status}")),
        Err(error) => return Err(format!("{cargo:?} did not start: {error}")),
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(workspace.join(target).join("release/klamm"))
}
