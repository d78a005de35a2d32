//! What an unkind machine and a careless operator do to the broker: kill -9 in the middle of a produce run, a log directory
//! that goes away and comes back, SIGTERM before the start is complete, settings that cannot be. In each case: nothing
//! acknowledged is lost, and what the operator reads is one clear line.
#![allow(clippy::unwrap_used, reason = "a black-box test")]
#![allow(clippy::disallowed_methods, reason = "directories are moved away under the broker")]

mod support;

use std::fs;
use std::process::Command;
use std::time::Duration;

use client::Cluster;
use client::producer::Delivered;
use support::clients::{LIMIT, await_leaders, connect, create, producer, record, runtime, values};
use test_lab::{Klamm, KlammOptions, Process, ZooKeeper, ZooKeeperVersion, free_port, until};

const BINARY: &str = env!("CARGO_BIN_EXE_klamm");
/// Records of the run that is killed, over all partitions.
const RECORDS: usize = 6000;
const PARTITIONS: i32 = 3;

/// Segments are small, so that rolls happen; the producer is idempotent and goes on after each kill with what it had in
/// flight. The broker must come back although its earlier registration is still alive.
#[test]
fn after_kill_9_every_acknowledged_record_is_there_once_and_in_order() {
    let zookeeper = ZooKeeper::start(ZooKeeperVersion::V3_8);
    let mut klamm = Klamm::start(&KlammOptions {
        binary: BINARY,
        zookeeper: &zookeeper.address(),
        properties: &[("zookeeper.session.timeout.ms", "4000")],
    });
    let runtime = runtime();
    let cluster = runtime.block_on(connect(&klamm.address()));
    runtime.block_on(create(&cluster, "crash", PARTITIONS, &[("segment.bytes", "65536")]));
    let producing = runtime.spawn(produce_slowly(cluster.clone()));
    for _ in 0..2 {
        let before = log_bytes(&klamm);
        until(LIMIT, || (log_bytes(&klamm) > before + 100_000).then_some(())).unwrap();
        klamm.kill();
        klamm.restart();
    }
    let delivered = runtime.block_on(producing).unwrap();
    assert_eq!(delivered.len(), RECORDS);
    assert!(fs::read_to_string(klamm.output_file()).unwrap().contains("for that session to end"));
    for partition in 0..PARTITIONS {
        let sent: Vec<_> = delivered.iter().filter(|(_, at)| at.partition.partition == partition).collect();
        let found = runtime.block_on(values(&cluster, "crash", partition, sent.len()));
        assert_eq!(found.len(), sent.len(), "once");
        for (value, at) in sent {
            assert_eq!(&found[at.offset.0 as usize], value, "where it was acknowledged");
        }
        assert!(found.is_sorted(), "in the order in which they were sent");
    }
}

/// Size of all segments of partition 0.
fn log_bytes(klamm: &Klamm) -> u64 {
    let Ok(files) = fs::read_dir(klamm.log_dir().join("crash-0")) else { return 0 };
    let files = files.flatten().filter(|file| file.path().extension().is_some_and(|extension| extension == "log"));
    files.flat_map(|file| file.metadata()).map(|metadata| metadata.len()).sum()
}

async fn produce_slowly(cluster: Cluster) -> Vec<(String, Delivered)> {
    let producer = producer(&cluster);
    let mut waiting = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    for number in 0..RECORDS {
        if number % 20 == 0 {
            pace.tick().await;
        }
        let value = format!("{number:06} {}", "x".repeat(200));
        let delivery = producer.send(record("crash", number as i32 % PARTITIONS, &value)).await.unwrap();
        waiting.push((value, delivery));
    }
    let mut delivered = Vec::new();
    for (value, delivery) in waiting {
        delivered.push((value, delivery.await.unwrap()));
    }
    delivered
}

/// Seen: a partition whose directory was missing at a start was made anew, empty, in another directory; and a broker whose
/// directory failed while it ran stayed the leader in everybody's metadata.
#[test]
fn a_log_directory_that_goes_away_takes_its_partitions_with_it_and_brings_them_back() {
    let zookeeper = ZooKeeper::start(ZooKeeperVersion::V3_8);
    let dirs = tempfile::tempdir().unwrap();
    let [one, two, away] = ["one", "two", "away"].map(|name| dirs.path().join(name));
    let log_dirs = format!("{},{}", one.display(), two.display());
    let mut klamm = Klamm::start(&KlammOptions {
        binary: BINARY,
        zookeeper: &zookeeper.address(),
        properties: &[
            ("log.dirs", &log_dirs),
            ("replica.high.watermark.checkpoint.interval.ms", "200"),
            ("num.partitions", "2"),
        ],
    });
    let runtime = runtime();
    runtime.block_on(async {
        let cluster = connect(&klamm.address()).await;
        create(&cluster, "t", 2, &[]).await;
        for partition in 0..2 {
            producer(&cluster).send(record("t", partition, "kept")).await.unwrap().await.unwrap();
        }
    });
    let lost = if one.join("t-0").is_dir() { 0 } else { 1 };
    assert!(one.join(format!("t-{lost}")).is_dir() && two.join(format!("t-{}", 1 - lost)).is_dir());

    fs::rename(&one, &away).unwrap();
    let without = [lost != 0, lost != 1];
    await_leaders(&runtime, &klamm.address(), &without);
    let output = fs::read_to_string(klamm.output_file()).unwrap();
    let told = output.lines().filter(|line| line.contains(&format!("{} goes offline: could not", one.display())));
    assert_eq!(told.count(), 1, "{output}");

    fs::write(&one, "not a directory").unwrap();
    assert!(klamm.stop().unwrap().success());
    klamm.restart();
    await_leaders(&runtime, &klamm.address(), &without);
    assert!(!two.join(format!("t-{lost}")).exists(), "no empty log in place of the lost one");

    fs::remove_file(&one).unwrap();
    fs::rename(&away, &one).unwrap();
    klamm.restart();
    await_leaders(&runtime, &klamm.address(), &[true, true]);
    runtime.block_on(async {
        let cluster = connect(&klamm.address()).await;
        for partition in 0..2 {
            assert_eq!(values(&cluster, "t", partition, 1).await, ["kept"]);
        }
    });
}

fn server(dir: &tempfile::TempDir, overrides: &[&str]) -> Process {
    let properties = dir.path().join("server.properties");
    let log_dirs = dir.path().join("logs");
    let port = free_port();
    let text = format!(
        "broker.id=1\nlisteners=PLAINTEXT://127.0.0.1:0\nzookeeper.connect=127.0.0.1:{port}\n\
         zookeeper.connection.timeout.ms=60000\nlog.dirs={}\n",
        log_dirs.display()
    );
    fs::write(&properties, text).unwrap();
    let mut command = Command::new(BINARY);
    command.arg("server").arg(&properties);
    for setting in overrides {
        command.args(["--override", setting]);
    }
    Process::start("klamm server", &mut command, &dir.path().join("output"), "build klamm")
}

/// Seen: before the start was complete SIGTERM killed the process on the spot.
#[test]
fn sigterm_while_starting_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = server(&dir, &[]);
    process
        .ready_within(LIMIT, || fs::read_to_string(dir.path().join("output")).unwrap().contains("Connection refused"));
    let status = process.terminate(LIMIT);
    assert_eq!(status.code(), Some(1), "{}", process.output());
    assert!(process.output().ends_with("asked to stop before the start was complete\n"), "{}", process.output());
}

/// Each is told in one line that names the key or the file, with exit status 1.
#[test]
fn settings_that_cannot_be_stop_the_start_with_one_line() {
    let cases: [(&[&str], &str); 8] = [
        (
            &["num.partitions=many"],
            "Invalid value many for configuration num.partitions: Not a number of type INT (--override)",
        ),
        (&["process.roles=broker"], "process.roles must not be set: Klamm serves ZooKeeper mode only"),
        (&["zookeeper.connect="], "Missing required configuration `zookeeper.connect` which has no default value."),
        (
            &["listeners=PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0"],
            "listeners=SSL://127.0.0.1:0 is not supported: SSL listeners are not built yet",
        ),
        (
            &["authorizer.class.name=kafka.security.authorizer.AclAuthorizer"],
            "authorizer.class.name=kafka.security.authorizer.AclAuthorizer is not supported: authorizers are not built yet",
        ),
        (
            &["zookeeper.connect=localhost:port"],
            "zookeeper.connect=localhost:port: 'port' is not a port; expected host:port[,host:port…][/chroot]",
        ),
        (
            &["zookeeper.connect=127.0.0.1:1", "zookeeper.connection.timeout.ms=100"],
            "no ZooKeeper server of 127.0.0.1:1 gave a session within 100 ms (zookeeper.connection.timeout.ms); last \
             problem: 127.0.0.1:1: Connection refused (os error 111)",
        ),
        (&["nonsense"], "Invalid override 'nonsense': expected key=value"),
    ];
    for (overrides, wanted) in cases {
        let dir = tempfile::tempdir().unwrap();
        let mut process = server(&dir, overrides);
        let status = until(LIMIT, || process.ended()).unwrap();
        let output = process.output();
        let lines: Vec<_> =
            output.lines().filter(|line| !line.contains(" WARN ") && !line.contains(" INFO ")).collect();
        assert_eq!((lines, status.code()), (vec![wanted], Some(1)));
    }
}
