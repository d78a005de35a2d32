//! Options; whole runs are in `crate::runs`.

use super::*;
use crate::terminal::testing::terminal;

#[test]
fn wrong_options_are_told_with_the_usage() {
    for (arguments, want) in [
        ("--bootstrap-server a:1", "Exactly one of --include/--topic is required. "),
        ("--bootstrap-server a:1 --topic t --include x", "Exactly one of --include/--topic is required. "),
        ("--topic t", "Missing required argument \"[bootstrap-server]\""),
        ("--bootstrap-server a:1 --topic t --offset 3", "The partition is required when offset is specified."),
        (
            "--bootstrap-server a:1 --topic t --partition 0 --offset -3",
            "The provided offset value '-3' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long.",
        ),
        (
            "--bootstrap-server a:1 --topic t --partition 0 --offset 3 --from-beginning",
            "Options from-beginning and offset cannot be specified together.",
        ),
        ("--bootstrap-server a:1 --topic t --frob", "frob is not a recognized option"),
        ("--bootstrap-server a:1 --topic t --max-messages x", "Cannot parse argument 'x' of option max-messages"),
        (
            "--bootstrap-server a:1 --topic t --formatter kafka.coordinator.group.GroupMetadataManager$OffsetsMessageFormatter",
            "the formatter class kafka.coordinator.group.GroupMetadataManager$OffsetsMessageFormatter is not built yet in \
             Klamm",
        ),
    ] {
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        let (mut terminal, _, err) = terminal("");
        let status = crate::finish(run(&arguments, &mut terminal), crate::find("console-consumer"), &mut terminal);
        assert_eq!((err.take().lines().next().unwrap_or_default(), status), (want, 1), "{arguments:?}");
    }
}
