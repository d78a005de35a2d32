//! The command line from outside: what is printed and how the process ends, for the program's own spelling and for the
//! links with the names of Kafka's scripts. Nothing here starts a server that would serve.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a black-box test")]

use std::path::Path;
use std::process::Command;

/// Runs `program` and answers its exit status, standard output and standard error.
fn run(program: &Path, arguments: &[&str]) -> (i32, String, String) {
    let ended = Command::new(program).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ended.status.code().unwrap(), text(ended.stdout), text(ended.stderr))
}

fn klamm(arguments: &[&str]) -> (i32, String, String) {
    run(Path::new(env!("CARGO_BIN_EXE_klamm")), arguments)
}

#[test]
fn commands_explain_themselves() {
    for (arguments, status, said) in [
        (&["--version"][..], 0, "klamm "),
        (&["help"], 0, "`klamm tools` lists them"),
        (&["help", "server"], 0, "--override <KEY=VALUE>"),
        (&["help", "topics"], 0, "--bootstrap-server"),
        (&["tools"], 0, "console-producer"),
        (&[], 1, "Usage:"),
        (&["no-such"], 1, "klamm has no command 'no-such'"),
        (&["help", "no-such"], 1, "no-such"),
        (&["server"], 1, "<PROPERTIES>"),
        (&["server", "--no-such"], 1, "--no-such"),
        (&["quickstart", "--port", "0"], 1, "0 is not in 1..=65535"),
        (&["links"], 1, "<DIR>"),
        (&["zookeeper", "/no/such.properties"], 1, "cannot read /no/such.properties"),
        (&["server", "/no/such.properties"], 1, "cannot read /no/such.properties"),
    ] {
        let (ended, output, errors) = klamm(arguments);
        assert_eq!(ended, status, "{arguments:?}: {output}{errors}");
        assert!(format!("{output}{errors}").contains(said), "{arguments:?}: {output}{errors}");
    }
}

#[test]
fn links_speak_as_the_scripts_do() {
    let dir = tempfile::tempdir().unwrap();
    let (status, output, errors) = klamm(&["links", dir.path().to_str().unwrap()]);
    assert_eq!(status, 0, "{output}{errors}");
    let server = "[-daemon] server.properties [--override property=value]*";
    for (name, arguments, status, said) in [
        ("kafka-server-start.sh", &[][..], 1, server),
        ("kafka-server-start.sh", &["--help"], 1, server),
        ("kafka-server-start.sh", &["--version"], 0, "3.9.2"),
        ("kafka-server-start.sh", &["/no/such.properties"], 1, "cannot read /no/such.properties"),
        ("zookeeper-server-start.sh", &[], 1, "[-daemon] zookeeper.properties"),
        ("kafka-topics.sh", &["--version"], 0, "3.9.2"),
        ("kafka-server-stop.sh", &["--version"], 0, "3.9.2"),
    ] {
        let (ended, output, errors) = run(&dir.path().join(name), arguments);
        assert_eq!(ended, status, "{name} {arguments:?}: {output}{errors}");
        assert!(format!("{output}{errors}").contains(said), "{name} {arguments:?}: {output}{errors}");
    }
}

#[test]
fn wrong_settings_stop_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("server.properties");
    // Nobody is asked at this ZooKeeper: each start ends before.
    let right = "zookeeper.connect=127.0.0.1:1\nlisteners=PLAINTEXT://127.0.0.1:0\n";
    for (line, said) in [
        ("num.io.threads=0", "Invalid value 0 for configuration num.io.threads: Value must be at least 1"),
        ("compression.type=foo", "String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"),
        ("listeners=SASL_SSL://127.0.0.1:0", "inter.broker.listener.name must be a listener name"),
        ("zookeeper.connect=localhost:99999", "'99999' is not a port"),
        ("broker.id=5000", "broker.id must be greater than or equal to -1"),
        ("metric.reporters=a.b.C", "Klamm cannot load Java classes"),
        ("process.roles=broker", "process.roles must not be set"),
    ] {
        std::fs::write(&file, format!("{right}{line}\n")).unwrap();
        let (status, output, errors) = klamm(&["server", file.to_str().unwrap()]);
        assert_eq!(status, 1, "{line}: {output}{errors}");
        assert!(errors.contains(said), "{line}: {output}{errors}");
    }
    std::fs::write(&file, right).unwrap();
    let (status, _, errors) = klamm(&["server", file.to_str().unwrap(), "--override", "num.io.threads"]);
    assert_eq!((status, errors.contains("Invalid override 'num.io.threads': expected key=value")), (1, true));
}
