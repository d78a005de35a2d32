//! The one binary: picks the server, the quickstart or a tool, by subcommand or by the name of the link it was called by.

use std::process::ExitCode;

fn main() -> ExitCode {
    klamm::cli::run(std::env::args_os().collect())
}
