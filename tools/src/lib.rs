//! Kafka's command-line tools, one file each: the options, the texts on standard output and the exit statuses of
//! Kafka 3.9, over Klamm's own clients.
//!
//! [`run`] finds a tool by its own name (`topics`) or its script's (`kafka-topics.sh`). What a tool needs of the machine
//! comes in a [`terminal::Terminal`], so that tests run whole tools against a scripted broker. Shared by all are [`options`]
//! (the option syntax) and [`error`] (how a tool ends). An option that is
//! not built yet is refused by name; none is read and ignored unless Kafka ignores it too.

mod broker_api_versions;
mod brokers;
mod console_consumer;
mod console_producer;
mod delete_records;
mod dump_log;
mod error;
mod get_offsets;
mod java_exception;
mod java_order;
mod lines;
mod log_dirs;
mod options;
mod progress;
mod server_stop;
mod terminal;
mod topic_filter;
mod topics;
mod zookeeper_shell;

use std::ffi::OsString;

use error::ToolError;
use terminal::Terminal;

/// Kafka's release whose behaviour these tools have; what `--version` prints, as scripts compare it.
pub const KAFKA_VERSION: &str = "3.9.2";

/// Runs the tool of this name, or of the script of this name, to its end. `None`: there is no such tool. Otherwise the
/// exit status.
pub fn run(name: &str, arguments: Vec<OsString>) -> Option<u8> {
    let mut terminal = Terminal::of_the_process();
    if name == "tools" {
        return Some(finish(list(&mut terminal), None, &mut terminal));
    }
    let tool = find(name)?;
    Terminal::show_warnings();
    // Java reads its arguments in the same lossy way.
    let arguments: Vec<String> =
        arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let outcome = (tool.run)(&arguments, &mut terminal);
    Some(finish(outcome, Some(tool), &mut terminal))
}

/// The names of all scripts that are links to tools, for `klamm links`.
pub fn scripts() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().map(|tool| tool.script)
}

/// One tool.
struct Tool {
    /// As in `klamm <name>`.
    name: &'static str,
    /// The script that Kafka starts it with.
    script: &'static str,
    /// What it is for, in one line.
    summary: &'static str,
    /// Its options, for the usage text.
    options: &'static [options::Spec],
    run: fn(&[String], &mut Terminal) -> Result<(), ToolError>,
}

/// Every tool, by name.
const TOOLS: &[Tool] = &[
    Tool {
        name: "broker-api-versions",
        script: "kafka-broker-api-versions.sh",
        summary: "Show which versions of which APIs each broker speaks",
        options: broker_api_versions::OPTIONS,
        run: broker_api_versions::run,
    },
    Tool {
        name: "console-consumer",
        script: "kafka-console-consumer.sh",
        summary: "Print records of topics",
        options: console_consumer::OPTIONS,
        run: console_consumer::run,
    },
    Tool {
        name: "console-producer",
        script: "kafka-console-producer.sh",
        summary: "Send the lines of standard input to a topic",
        options: console_producer::OPTIONS,
        run: console_producer::run,
    },
    Tool {
        name: "delete-records",
        script: "kafka-delete-records.sh",
        summary: "Delete the oldest records of partitions",
        options: delete_records::OPTIONS,
        run: delete_records::run,
    },
    Tool {
        name: "dump-log",
        script: "kafka-dump-log.sh",
        summary: "Print segments and indexes, and check indexes against their logs",
        options: dump_log::OPTIONS,
        run: dump_log::run,
    },
    Tool {
        name: "get-offsets",
        script: "kafka-get-offsets.sh",
        summary: "Show offsets of partitions by position or time",
        options: get_offsets::OPTIONS,
        run: get_offsets::run,
    },
    Tool {
        name: "log-dirs",
        script: "kafka-log-dirs.sh",
        summary: "Show what lies in the log directories of brokers",
        options: log_dirs::OPTIONS,
        run: log_dirs::run,
    },
    Tool {
        name: "server-stop",
        script: "kafka-server-stop.sh",
        summary: "Stop the brokers that run on this machine",
        options: server_stop::OPTIONS,
        run: server_stop::stop_brokers,
    },
    Tool {
        name: "topics",
        script: "kafka-topics.sh",
        summary: "Create, list, describe, grow and delete topics",
        options: topics::OPTIONS,
        run: topics::run,
    },
    Tool {
        name: "zookeeper-shell",
        script: "zookeeper-shell.sh",
        summary: "Look at znodes and change them",
        options: zookeeper_shell::OPTIONS,
        run: zookeeper_shell::run,
    },
    Tool {
        name: "zookeeper-stop",
        script: "zookeeper-server-stop.sh",
        summary: "Stop the embedded ZooKeeper servers that run on this machine",
        options: &[],
        run: server_stop::stop_zookeepers,
    },
];

fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name || tool.script == name || tool.script.strip_suffix(".sh") == Some(name))
}

fn list(terminal: &mut Terminal) -> Result<(), ToolError> {
    let width = TOOLS.iter().map(|tool| tool.name.len()).max().unwrap_or(0);
    for tool in TOOLS {
        terminal.line(&format!("{:width$}  {} ({})", tool.name, tool.summary, tool.script))?;
    }
    Ok(())
}

/// Tells the end of a tool and gives its exit status.
fn finish(outcome: Result<(), ToolError>, tool: Option<&Tool>, terminal: &mut Terminal) -> u8 {
    let status = match outcome {
        Ok(()) => 0,
        Err(error) => {
            let options = tool.map_or(&[][..], |tool| tool.options);
            error.tell(options, terminal)
        }
    };
    terminal.flush();
    status
}

#[cfg(test)]
mod runs;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_unique_and_found_with_their_scripts() {
        assert!(TOOLS.is_sorted_by(|one, next| one.name < next.name));
        for tool in TOOLS {
            for name in [tool.name, tool.script, tool.script.trim_end_matches(".sh")] {
                assert_eq!(find(name).map(|found| found.name), Some(tool.name), "{name}");
            }
        }
        assert_eq!(scripts().count(), TOOLS.len());
        assert!(find("kafka-frobnicate.sh").is_none());
        assert_eq!(run("kafka-frobnicate.sh", Vec::new()), None);
    }

    #[test]
    fn every_tool_is_listed() {
        let (mut terminal, out, _) = terminal::testing::terminal("");
        list(&mut terminal).unwrap();
        let text = out.take();
        assert_eq!(text.lines().count(), TOOLS.len());
        assert!(text.starts_with("broker-api-versions  Show which versions"), "{text}");
    }

    #[test]
    fn options_are_unique_and_described() {
        for tool in TOOLS {
            let mut names: Vec<&str> = tool.options.iter().map(|option| option.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), tool.options.len(), "{}", tool.name);
            assert!(tool.options.iter().all(|option| !option.help.is_empty()), "{}", tool.name);
        }
    }
}
