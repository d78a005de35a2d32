//! Options; whole runs are in `crate::runs`.

use super::*;
use crate::terminal::testing::terminal;

#[test]
fn wrong_options_are_told_with_the_usage() {
    for (arguments, want) in [
        ("--bootstrap-server a:1", "Missing required argument \"[topic]\""),
        ("--topic t", "Missing required option(s) [bootstrap-server]"),
        ("--bootstrap-server a:1 --topic t --frob", "frob is not a recognized option"),
        ("--bootstrap-server foo --topic t", "Please provide valid host:port like host1:9091,host2:9092"),
        ("--broker-list a:1 --topic t --line-reader x.Y", "the line reader class x.Y is not built yet in Klamm"),
        ("--broker-list a:1 --topic t --socket-buffer-size 1", "--socket-buffer-size is not built yet in Klamm"),
        (
            "--broker-list a:1 --topic t --property null.marker=,",
            "org.apache.kafka.common.KafkaException: null.marker and headers.separator may not be equal",
        ),
    ] {
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        let (mut terminal, _, err) = terminal("");
        let status = crate::finish(run(&arguments, &mut terminal), crate::find("console-producer"), &mut terminal);
        assert_eq!((err.take().lines().next().unwrap_or_default(), status), (want, 1), "{arguments:?}");
    }
}
