//! Log directories that are not what they should be: another cluster's, another broker's, a KRaft broker's, with a folder that
//! is no partition, in use, or impossible to write. The start ends with one line that names the path and says what to do, or
//! goes on with the directories that are left, as Kafka's would.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a black-box test damages directories")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::Ensemble;
use test_lab::{Home, Klamm, Process, until};

const BINARY: &str = env!("CARGO_BIN_EXE_klamm");
const LIMIT: Duration = Duration::from_secs(60);

/// What a start comes to. `LOGS` in a line stands for the log directory.
enum Outcome {
    /// It ends with status 1, and this is its last line.
    Ends(&'static str),
    /// It serves, and this line is among what it says; an empty one is not asked for.
    Serves(&'static str),
}
use Outcome::{Ends, Serves};

/// What is done to the log directory of a broker that was stopped.
type Harm = fn(&Path);

const CASES: [(&str, Harm, Outcome); 7] = [
    (
        "another cluster's",
        |logs| {
            fs::write(logs.join("meta.properties"), "version=0\nbroker.id=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\n")
                .unwrap()
        },
        Ends("LOGS/meta.properties: cluster.id is AAAAAAAAAAAAAAAAAAAAAA, but the cluster at zookeeper.connect is"),
    ),
    (
        "another broker's",
        |logs| fs::write(logs.join("meta.properties"), "version=0\nbroker.id=7\n").unwrap(),
        Ends(
            "LOGS/meta.properties: broker.id is 7, but 1 is configured: if the data was moved, configure the broker.id it \
             belongs to; for a new broker, start with empty log directories",
        ),
    ),
    (
        "a KRaft broker's",
        |logs| {
            fs::write(logs.join("meta.properties"), "version=1\nnode.id=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\n")
                .unwrap()
        },
        Ends("LOGS/meta.properties: version 1 belongs to KRaft, and Klamm serves ZooKeeper mode only"),
    ),
    (
        "with a folder that is no partition",
        |logs| fs::create_dir(logs.join("lost+found")).unwrap(),
        Ends("LOGS/lost+found is not the directory of a partition; nothing else may be in a log directory"),
    ),
    ("with a file that is nobody's", |logs| fs::write(logs.join("notes.txt"), "mine").unwrap(), Serves("")),
    (
        "with a folder for a lock",
        |logs| {
            let _ = fs::remove_file(logs.join(".lock"));
            fs::create_dir(logs.join(".lock")).unwrap();
        },
        Ends("none of the log directories can be used, the first because: could not lock LOGS"),
    ),
    ("without its identity", |logs| fs::remove_file(logs.join("meta.properties")).unwrap(), Serves("")),
];

#[test]
fn a_directory_that_is_not_ours_stops_the_start_with_one_line() {
    let ensemble = Ensemble::ours();
    for (what, harm, outcome) in CASES {
        let home = Home::new(&ensemble.address(), &[]);
        let mut klamm = Klamm::open(BINARY, home);
        klamm.stop();
        let home = klamm.into_home();
        harm(&home.log_dir());
        check(what, &home, &outcome);
    }
}

#[test]
fn a_directory_in_use_stops_the_second_start() {
    let ensemble = Ensemble::ours();
    let klamm = Klamm::open(BINARY, Home::new(&ensemble.address(), &[]));
    let elsewhere = Ensemble::ours();
    let other = Home::new(&elsewhere.address(), &[("log.dirs", klamm.log_dir().to_str().unwrap())]);
    let mut second = start(&other);
    let status = until(LIMIT, || second.ended()).unwrap();
    assert_eq!(status.code(), Some(1), "{}", second.output());
    let lock = klamm.log_dir().display().to_string();
    assert!(last_line(&second).contains(&lock), "{}", second.output());
}

/// Nobody can make a directory in `/proc`, not even root.
#[test]
fn a_directory_that_cannot_be_written_is_left_out() {
    let ensemble = Ensemble::ours();
    let home = Home::new(&ensemble.address(), &[]);
    let dirs = format!("{},/proc/klamm", home.log_dir().display());
    let text = fs::read_to_string(home.properties_file()).unwrap();
    fs::write(home.properties_file(), format!("{text}log.dirs={dirs}\n")).unwrap();
    check(
        "with one that cannot be made",
        &home,
        &Serves("log directory /proc/klamm goes offline: could not create /proc/klamm: No such file or directory"),
    );

    let ensemble = Ensemble::ours();
    let nowhere = Home::new(&ensemble.address(), &[("log.dirs", "/proc/klamm")]);
    check(
        "none that can be made",
        &nowhere,
        &Ends("none of the log directories can be used, the first because: could not create /proc/klamm"),
    );
}

fn check(what: &str, home: &Home, outcome: &Outcome) {
    let mut process = start(home);
    let accepts = || std::net::TcpStream::connect(home.address()).is_ok();
    let ended = process.ready_or_ended(LIMIT, |process| accepts() && process.output().contains(" serves"));
    let logs = home.log_dir().display().to_string();
    match outcome {
        Ends(line) => {
            assert_eq!(ended.and_then(|status| status.code()), Some(1), "{what}: {}", process.output());
            let line = line.replace("LOGS", &logs);
            assert!(last_line(&process).contains(&line), "{what}: {}", process.output());
        }
        Serves(line) => {
            assert_eq!(ended, None, "{what}: {}", process.output());
            assert!(process.output().contains(line), "{what}: {}", process.output());
            process.terminate(LIMIT);
        }
    }
}

fn start(home: &Home) -> Process {
    let mut command = Command::new(BINARY);
    Process::start(
        "klamm server",
        command.arg("server").arg(home.properties_file()),
        &home.output_file(),
        "build klamm",
    )
}

fn last_line(process: &Process) -> String {
    process.output().lines().last().unwrap_or_default().to_owned()
}
