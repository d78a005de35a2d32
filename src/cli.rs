//! The command line: `klamm server`, `klamm quickstart`, `klamm zookeeper`, `klamm links`, and every tool as a subcommand.
//! Called by a link such as `kafka-topics.sh` the same code runs with Kafka's own spelling of options.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{background, links, logging, quickstart, server};

/// Stands below the list of commands: tools are commands too.
const TOOLS_HINT: &str = "Kafka's tools are commands too, such as `klamm topics`: `klamm tools` lists them.";

/// The broker for Kafka clusters that live on ZooKeeper.
#[derive(Debug, Parser)]
#[command(name = "klamm", version, arg_required_else_help = true, subcommand_required = true, after_help = TOOLS_HINT)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts a broker with Kafka's server.properties
    Server(ServerArguments),
    /// Starts an embedded ZooKeeper and a broker, for trying things out
    Quickstart(QuickstartArguments),
    /// Starts the embedded single-node ZooKeeper with Kafka's zookeeper.properties
    Zookeeper(ZooKeeperArguments),
    /// Writes links with the names of Kafka's scripts (kafka-topics.sh, …) into a directory
    Links {
        /// Where the links go; made when missing
        dir: PathBuf,
    },
    /// A tool: topics, console-producer, …; `klamm tools` lists them
    #[command(external_subcommand)]
    Tool(Vec<OsString>),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ServerArguments {
    /// The broker's settings, as Kafka's server.properties
    pub properties: PathBuf,
    /// key=value, wins over the file; may be repeated
    #[arg(long = "override", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct QuickstartArguments {
    /// Where the data is kept; a directory of an earlier quickstart goes on where that one stopped
    #[arg(long, default_value = "klamm-data")]
    pub dir: PathBuf,
    /// Port of the broker; the embedded ZooKeeper takes 2181 or, when that is taken, any free one
    #[arg(long, default_value_t = 9092, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// key=value, one of the broker's settings; may be repeated
    #[arg(long = "override", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ZooKeeperArguments {
    /// The settings, as Kafka's zookeeper.properties
    pub properties: PathBuf,
}

/// Runs the process. The first argument is the name it was called by.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let called = arguments.first().map(Path::new).and_then(Path::file_name).and_then(|name| name.to_str());
    let called = called.unwrap_or_default().to_owned();
    match called.as_str() {
        "kafka-server-start.sh" => script(&KAFKA_SERVER, arguments),
        "zookeeper-server-start.sh" => script(&ZOOKEEPER_SERVER, arguments),
        name if name.ends_with(".sh") => tool(name, arguments.into_iter().skip(1).collect()),
        _ => own(arguments),
    }
}

/// One of Kafka's scripts that start a server.
struct StartScript {
    /// The `klamm` command that it runs.
    command: &'static str,
    /// Whose output goes to `<log>.out` with `-daemon`.
    log: &'static str,
    /// Its arguments, as the script explains them.
    usage: &'static str,
}

const KAFKA_SERVER: StartScript = StartScript {
    command: "server",
    log: "kafkaServer",
    usage: "[-daemon] server.properties [--override property=value]*",
};
const ZOOKEEPER_SERVER: StartScript =
    StartScript { command: "zookeeper", log: "zookeeper", usage: "[-daemon] zookeeper.properties" };

/// Without arguments, or asked for help, Kafka's scripts print one line and end with 1.
fn script(script: &StartScript, arguments: Vec<OsString>) -> ExitCode {
    let mut arguments = arguments.into_iter();
    let called = arguments.next().unwrap_or_default();
    let mut rest: Vec<OsString> = arguments.collect();
    if rest.is_empty() || rest.iter().any(|argument| argument == "--help") {
        println_line(&format!("USAGE: {} {}", called.to_string_lossy(), script.usage));
        return ExitCode::FAILURE;
    }
    if rest.iter().any(|argument| argument == "--version") {
        println_line(tools::KAFKA_VERSION);
        return ExitCode::SUCCESS;
    }
    if rest.first().is_some_and(|first| first == "-daemon") {
        rest.remove(0);
        return finish(background::start(script.command, script.log, &rest));
    }
    own(["klamm".into(), script.command.into()].into_iter().chain(rest).collect())
}

fn own(arguments: Vec<OsString>) -> ExitCode {
    if let [_, help, name] = arguments.as_slice()
        && help == "help"
        && tools::run(&name.to_string_lossy(), vec!["--help".into()]).is_some()
    {
        return ExitCode::SUCCESS;
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match cli.command {
        Command::Tool(mut arguments) => {
            let name = arguments.remove(0).to_string_lossy().into_owned();
            tool(&name, arguments)
        }
        Command::Links { dir } => finish(links::write(&dir).map(drop)),
        Command::Server(arguments) => daemon(|| server::run(arguments)),
        Command::Quickstart(arguments) => daemon(|| quickstart::run(arguments)),
        Command::Zookeeper(arguments) => daemon(|| quickstart::run_zookeeper(arguments)),
    }
}

/// Prints help, the version or what is wrong with the command line. Kafka's scripts end with 1 then, clap would with 2.
fn usage(error: &clap::Error) -> ExitCode {
    // When not even this can be printed there is nobody to tell.
    let _ = error.print();
    if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn daemon(run: impl FnOnce() -> Result<(), String>) -> ExitCode {
    finish(logging::start().and_then(|()| run()))
}

fn finish(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln_error(&text);
            ExitCode::FAILURE
        }
    }
}

/// Runs a tool by its own name (`topics`) or its script's (`kafka-topics.sh`).
fn tool(name: &str, arguments: Vec<OsString>) -> ExitCode {
    match tools::run(name, arguments) {
        Some(status) => ExitCode::from(status),
        None => {
            eprintln_error(&format!(
                "klamm has no command '{name}'; `klamm help` lists the commands, `klamm tools` the tools"
            ));
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stdout, reason = "what a script says of itself belongs on standard output")]
fn println_line(text: &str) {
    println!("{text}");
}

#[allow(clippy::print_stderr, reason = "errors of the command line belong on standard error")]
fn eprintln_error(text: &str) {
    eprintln!("{text}");
}
