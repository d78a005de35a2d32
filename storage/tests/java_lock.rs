//! Two brokers never share a log directory, whichever of them is Java's: both take the same POSIX lock on `.lock`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test with a real directory and a Java process")]

use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use test_lab::KafkaVersion;
use world::{Disk, RealDisk};

/// Java asks for the lock; answers what it said, and the process that has it as long as its input is open.
fn java(path: &Path) -> (String, Child) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/HoldLock.java");
    let jars = format!("{}/*", test_lab::kafka(KafkaVersion::V3_9).display());
    let mut command = Command::new("java");
    command.args(["-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", &jars]).arg(source).arg(path);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    (said.trim().to_owned(), child)
}

fn let_go(mut child: Child) {
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn java_and_klamm_exclude_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join(".lock");
    let ours = RealDisk.lock(&path).unwrap();
    let (said, child) = java(&path);
    let_go(child);
    assert_eq!(said, "refused");
    drop(ours);
    let (said, child) = java(&path);
    assert_eq!(said, "taken");
    assert_eq!(RealDisk.lock(&path).unwrap_err().kind(), ErrorKind::WouldBlock);
    let_go(child);
    RealDisk.lock(&path).unwrap();
}
