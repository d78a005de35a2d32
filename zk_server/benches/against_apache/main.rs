//! `zk_server` and Apache ZooKeeper 3.8.4 side by side: `cargo bench -p zk_server --bench against_apache [-- --quick]`.
//!
//! Each server in turn starts on an empty directory, takes the same load over loopback, is stopped and started again on
//! what it has then. Ours is this program's `serve`, a process of its own as `klamm zookeeper` is; Apache's runs with the
//! flags of Kafka's `zookeeper-server-start.sh`. CPU is the server's alone, user and system; the load's costs are not in
//! it. The column that counts is the ratio. The table this prints is kept in `docs/performance.md`.
//!
//! Options: `--quick` (a quarter of the requests, the same 200,000 znodes), `--only ours|apache`. Data lives in a
//! temporary directory, and what was started is stopped by its process id, however this ends (`test_lab`). It takes 1,000
//! connections at a time: `ulimit -n` must allow for them.
#![allow(clippy::disallowed_methods, reason = "a measurement looks at the machine: its clock, /proc, its files")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is the output, progress goes to stderr")]
#![allow(clippy::unwrap_used, reason = "a measurement that fails ends there, and says where")]

mod client;
mod contestant;
mod load;
mod report;

use std::process::ExitCode;

use contestant::Kind;
use load::Plan;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [command, properties] = &arguments[..]
        && command == contestant::SERVE
    {
        return contestant::serve(properties);
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    arguments.retain(|argument| argument != "--quick");
    let kinds = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => vec![Kind::Ours, Kind::Apache],
        ["--only", "ours"] => vec![Kind::Ours],
        ["--only", "apache"] => vec![Kind::Apache],
        _ => {
            eprintln!("known are --quick, --only ours|apache");
            return ExitCode::from(2);
        }
    };
    let plan = if quick { Plan::quick() } else { Plan::full() };
    let results: Vec<_> = kinds.iter().map(|kind| plan.measure(*kind)).collect();
    print!("{}", report::table(&kinds, &results, &plan));
    ExitCode::SUCCESS
}
