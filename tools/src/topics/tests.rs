//! Whole runs are in `tests/`; here are the parts that need no broker.

use super::*;
use crate::terminal::testing::terminal;

/// The tool with these arguments: what it said and how it ended.
fn check(arguments: &str, want_out: &str, want_err: &str) {
    let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
    let (mut terminal, out, err) = terminal("");
    let status = crate::finish(run(&arguments, &mut terminal), crate::find("topics"), &mut terminal);
    let err = err.take();
    assert_eq!(out.take(), want_out, "{arguments:?}");
    assert_eq!(err.lines().next().unwrap_or_default(), want_err, "{arguments:?}");
    assert_eq!(status, u8::from(want_out != "3.9.2\n"), "{arguments:?}");
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    check("", "", "Create, delete, describe, or change a topic.");
    check("--version", "3.9.2\n", "");
    check("--list", "", "--bootstrap-server must be specified");
    check(
        "--bootstrap-server a:1 --list --create",
        "",
        "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
    );
    check("--bootstrap-server a:1 --create", "", "Missing required argument \"[topic]\"");
    check(
        "--bootstrap-server a:1 --list --partitions 2",
        "",
        "Option \"[partitions]\" can't be used with option \"[list]\"",
    );
    check(
        "--bootstrap-server a:1 --alter --topic a --config a=b",
        "",
        "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (the \
         kafka-configs CLI supports altering topic configs with a --bootstrap-server option)",
    );
    check(
        "--bootstrap-server a:1 --create --topic a --replica-assignment 1 --partitions 1",
        "",
        "Option \"[replica-assignment]\" can't be used with option \"[partitions]\"",
    );
    check("--bootstrap-server a:1 --frob", "", "frob is not a recognized option");
}

#[test]
fn settings_of_a_new_topic_are_checked() {
    let parse = |arguments: &str| {
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        new_topic(&Options::parse(OPTIONS, &arguments).unwrap()).map_err(|error| error.to_string())
    };
    for (arguments, want) in [
        ("--config nix=foo", "Unknown topic config name: nix"),
        ("--config retention.ms=foo", "Invalid value foo for configuration retention.ms: Not a number of type LONG"),
        (
            "--config retention.ms",
            "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".",
        ),
        ("--partitions x", "Cannot parse argument 'x' of option partitions"),
        ("--replica-assignment 1:2:1", "Partition replica lists may not contain duplicate entries: 1"),
        ("--replica-assignment 1:2,3", "Partition 1 has different replication factor: [3]"),
    ] {
        assert_eq!(parse(arguments).unwrap_err(), want, "{arguments}");
    }
    let topic = parse("--topic t --replica-assignment 1:2,2:3 --config retention.ms=1 --config segment.ms=2").unwrap();
    assert_eq!(topic.assignment, [[BrokerId(1), BrokerId(2)], [BrokerId(2), BrokerId(3)]]);
    assert_eq!(topic.configs.len(), 2);
}
