//! Several log directories, as Java's administrators and the machine see them: replicas move between directories while they
//! are written, records are deleted, and a directory that fails or fills up goes offline alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a black-box test runs on the machine")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use client::admin::{ConfigChange, ConfigResource, LogDir};
use client::transport::TcpNetwork;
use client::{Admin, Cluster, ClusterOptions, Producer, ProducerOptions};
use support::Ensemble;
use support::clients::{LIMIT, await_leaders, connect, create, producer, record, runtime, values, values_from};
use test_lab::KafkaVersion::{V2_4, V3_9};
use test_lab::{Broker, Driver, Klamm, KlammOptions, until};
use world::SystemClock;
use zk_paths::ids::{BrokerId, Offset, TopicPartition};

const KLAMM: &str = env!("CARGO_BIN_EXE_klamm");

/// A broker with two log directories, which live as long as the answer.
fn two_dirs(ensemble: &Ensemble, more: &[(&str, &str)]) -> (tempfile::TempDir, Broker) {
    let dirs = tempfile::tempdir().unwrap();
    let log_dirs = format!("{},{}", dirs.path().join("one").display(), dirs.path().join("two").display());
    let broker = Broker::start(KLAMM, &ensemble.address(), &[&[("log.dirs", log_dirs.as_str())], more].concat());
    (dirs, broker)
}

#[test]
fn javas_admin_moves_replicas_and_deletes_records() {
    let ensemble = Ensemble::ours();
    let (_dirs, broker) = two_dirs(&ensemble, &[("log.segment.bytes", "1048576")]);
    let report = Driver::shared().scenarios(&broker.address(), &["LogDirsTest"]);
    println!("{}", report.stdout);
}

#[test]
fn javas_tools_show_log_dirs_and_delete_records() {
    let ensemble = Ensemble::ours();
    let (dirs, broker) = two_dirs(&ensemble, &[]);
    let address = broker.address();
    let with = |args: &[&'static str]| -> Vec<String> {
        ["--bootstrap-server", &address].iter().chain(args).map(|arg| (*arg).to_owned()).collect()
    };
    let run = |version, tool: &str, args: &[&'static str]| {
        let args = with(args);
        Driver::shared().tool(version, tool, &args.iter().map(String::as_str).collect::<Vec<_>>()).ok()
    };
    run(V3_9, "kafka-topics", &["--create", "--topic", "t", "--partitions", "2"]);
    let lines: String = (0..100).map(|number| format!("line {number}\n")).collect();
    let producer = with(&["--topic", "t"]);
    let producer: Vec<&str> = producer.iter().map(String::as_str).collect();
    Driver::shared().tool_with_input(V3_9, "kafka-console-producer", &producer, &lines).ok();

    let file = dirs.path().join("offsets.json");
    fs::write(&file, r#"{"partitions":[{"topic":"t","partition":0,"offset":-1},{"topic":"t","partition":1,"offset":-1}],"version":1}"#)
        .unwrap();
    for version in [V2_4, V3_9] {
        let described = run(version, "kafka-log-dirs", &["--describe", "--topic-list", "t"]).stdout;
        for word in ["\"partition\":\"t-0\"", "\"partition\":\"t-1\"", "\"isFuture\":false", "\"offsetLag\":0"] {
            assert!(described.contains(word), "{version:?} {word}: {described}");
        }
        for dir in ["one", "two"] {
            assert!(described.contains(&format!("\"logDir\":\"{}\"", dirs.path().join(dir).display())), "{described}");
        }
        let args = ["--bootstrap-server", &address, "--offset-json-file", file.to_str().unwrap()];
        let deleted = Driver::shared().tool(version, "kafka-delete-records", &args).ok().stdout;
        let low_watermarks: i64 =
            deleted.lines().filter_map(|line| line.split_once("low_watermark: ")?.1.trim().parse::<i64>().ok()).sum();
        assert_eq!(low_watermarks, 100, "{version:?}: {deleted}");
    }
    let earliest = run(V3_9, "kafka-get-offsets", &["--topic", "t", "--time", "earliest"]).stdout;
    let latest = run(V3_9, "kafka-get-offsets", &["--topic", "t", "--time", "latest"]).stdout;
    assert_eq!(earliest, latest);
}

/// A binary that runs klamm with files of at most `blocks` times 512 bytes, or of any size for 0.
fn limited(script: &Path, blocks: u32) {
    let limit = if blocks == 0 { "unlimited".to_owned() } else { blocks.to_string() };
    fs::write(script, format!("#!/bin/sh\nulimit -S -f {limit}\nexec {KLAMM} \"$@\"\n")).unwrap();
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Produces one record after the other until one is refused for good. Answers those that were acknowledged.
async fn fill(cluster: &Cluster, partition: i32) -> Vec<String> {
    let options = ProducerOptions { delivery_timeout: Duration::from_secs(2), ..ProducerOptions::default() };
    let options = ProducerOptions { request_timeout: Duration::from_secs(1), ..options };
    let producer = Producer::new(cluster.clone(), options, Arc::new(SystemClock::new())).unwrap();
    let mut acknowledged = Vec::new();
    loop {
        let value = format!("{:06} {}", acknowledged.len(), "x".repeat(20_000));
        match producer.send(record("t", partition, &value)).await.unwrap().await {
            Ok(delivered) => assert_eq!(delivered.offset.0, acknowledged.len() as i64),
            Err(_) => return acknowledged,
        }
        acknowledged.push(value);
    }
}

/// The disk takes the first part of a batch and then no more, as a full one does.
#[test]
fn a_directory_that_is_full_goes_offline_alone_and_loses_nothing() {
    let ensemble = Ensemble::ours();
    let dirs = tempfile::tempdir().unwrap();
    let [one, two, script] = ["one", "two", "klamm"].map(|name| dirs.path().join(name));
    limited(&script, 1024);
    let mut klamm = Klamm::start(&KlammOptions {
        binary: script.to_str().unwrap(),
        zookeeper: &ensemble.address(),
        properties: &[("log.dirs", &format!("{},{}", one.display(), two.display()))],
    });
    let runtime = runtime();
    let full = runtime.block_on(async {
        let cluster = connect(&klamm.address()).await;
        create(&cluster, "t", 2, &[]).await;
        i32::from(!one.join("t-0").is_dir())
    });
    let file = one.join(format!("t-{full}/00000000000000000000.log"));
    let acknowledged = runtime.block_on(async { fill(&connect(&klamm.address()).await, full).await });
    assert!((20..30).contains(&acknowledged.len()), "{}", acknowledged.len());
    assert_eq!(fs::metadata(&file).unwrap().len(), 1024 * 512, "a part of a batch is in the file");

    let output = fs::read_to_string(klamm.output_file()).unwrap();
    let told =
        format!("log directory {} goes offline: could not append to {}: at position", one.display(), file.display());
    let told: Vec<_> = output.lines().filter(|line| line.contains(&told)).collect();
    assert!(told.len() == 1 && told[0].ends_with("File too large (os error 27)"), "{output}");
    await_leaders(&runtime, &klamm.address(), &[full != 0, full != 1]);
    runtime.block_on(async {
        let cluster = connect(&klamm.address()).await;
        producer(&cluster).send(record("t", 1 - full, "served")).await.unwrap().await.unwrap();
        assert_eq!(values(&cluster, "t", 1 - full, 1).await, ["served"]);
    });

    assert!(klamm.stop().unwrap().success());
    limited(&script, 0);
    klamm.restart();
    await_leaders(&runtime, &klamm.address(), &[true, true]);
    runtime.block_on(async {
        let cluster = connect(&klamm.address()).await;
        assert_eq!(values(&cluster, "t", full, acknowledged.len()).await, acknowledged);
        let next = producer(&cluster).send(record("t", full, "next")).await.unwrap().await.unwrap();
        assert_eq!(next.offset.0, acknowledged.len() as i64, "nothing of the broken batch is left");
    });
}

#[test]
fn directories_that_do_not_work_at_the_start_are_named_and_the_rest_serves() {
    let ensemble = Ensemble::ours();
    let dirs = tempfile::tempdir().unwrap();
    let [good, nonsense, file] = ["good", "nonsense", "file"].map(|name| dirs.path().join(name));
    fs::create_dir(&nonsense).unwrap();
    fs::write(nonsense.join("meta.properties"), "version=seven\n").unwrap();
    fs::write(&file, "no directory").unwrap();
    let log_dirs = format!("{},{},{}", file.display(), nonsense.display(), good.display());
    let mut klamm = Klamm::start(&KlammOptions {
        binary: KLAMM,
        zookeeper: &ensemble.address(),
        properties: &[("log.dirs", &log_dirs)],
    });
    let args = ["--bootstrap-server", &klamm.address(), "--describe"];
    let described = Driver::shared().tool(V3_9, "kafka-log-dirs", &args).ok().stdout;
    assert_eq!(described.matches("org.apache.kafka.common.errors.KafkaStorageException").count(), 2, "{described}");
    let output = fs::read_to_string(klamm.output_file()).unwrap();
    let damaged = format!("{}/meta.properties is damaged: version 'seven' is neither 0 nor 1", nonsense.display());
    for (dir, reason) in [(&file, "Not a directory (os error 20)"), (&nonsense, damaged.as_str())] {
        let start = format!("log directory {} goes offline: ", dir.display());
        assert!(
            output.lines().any(|line| line.contains(&start) && line.ends_with(reason)),
            "{start} {reason}: {output}"
        );
    }
    runtime().block_on(async {
        let cluster = connect(&klamm.address()).await;
        create(&cluster, "t", 3, &[]).await;
        producer(&cluster).send(record("t", 2, "served")).await.unwrap().await.unwrap();
    });

    // The last one takes the broker with it.
    fs::rename(&good, dirs.path().join("away")).unwrap();
    let status = until(LIMIT, || klamm.process().unwrap().ended()).unwrap();
    let output = fs::read_to_string(klamm.output_file()).unwrap();
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(output.ends_with("all log directories are offline\n"), "{output}");
}

/// Where partition 0 of the topic "t" lies, and where it moves to with so many records still to copy.
#[derive(Debug, PartialEq)]
struct Place {
    dir: String,
    moving_to: Option<(String, i64)>,
}

async fn place(cluster: &Cluster) -> Place {
    let name = TopicPartition::new("t", 0);
    let dirs = Admin::new(cluster.clone()).describe_log_dirs(BrokerId(1)).await.unwrap();
    let here = |is_future: bool| {
        dirs.iter().find(|dir| dir.replicas.get(&name).is_some_and(|replica| replica.is_future == is_future))
    };
    let future = |dir: &LogDir| (dir.path.clone(), dir.replicas[&name].offset_lag);
    Place { dir: here(false).unwrap().path.clone(), moving_to: here(true).map(future) }
}

async fn move_to(cluster: &Cluster, dir: &Path) {
    let targets = BTreeMap::from([(TopicPartition::new("t", 0), dir.display().to_string())]);
    let answers = Admin::new(cluster.clone()).alter_replica_log_dirs(BrokerId(1), &targets).await.unwrap();
    assert!(answers.values().all(Result::is_ok), "{answers:?}");
}

/// A move at a rate that leaves time to look at it: it goes on after a kill, is given up, begun again, and let go.
#[test]
fn a_throttled_move_survives_a_kill_and_can_be_given_up() {
    const RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
    let ensemble = Ensemble::ours();
    let settings = [
        ("zookeeper.session.timeout.ms", "3000"),
        ("log.initial.task.delay.ms", "50"),
        ("log.flush.start.offset.checkpoint.interval.ms", "50"),
    ];
    let (dirs, mut broker) = two_dirs(&ensemble, &settings);
    let address = broker.address();
    let runtime = runtime();
    let configure = |change: ConfigChange| {
        runtime.block_on(async {
            let admin = Admin::new(connect(&address).await);
            let changes = BTreeMap::from([(RATE.to_owned(), change)]);
            admin.incremental_alter_configs(&ConfigResource::Broker(BrokerId(1)), &changes, false).await.unwrap();
        });
    };
    configure(ConfigChange::Set("300000".into()));
    let described = ["--bootstrap-server", &address, "--describe", "--entity-type", "brokers", "--entity-name", "1"];
    let described = Driver::shared().tool(V3_9, "kafka-configs", &described).ok().stdout;
    assert!(described.contains(&format!("{RATE}=300000")), "{described}");

    let sent: Vec<String> = (0..100).map(|number| format!("{number:03} {}", "x".repeat(40_000))).collect();
    let from = runtime.block_on(async {
        let cluster = connect(&address).await;
        create(&cluster, "t", 1, &[("segment.bytes", "1000000")]).await;
        let producer = producer(&cluster);
        for value in &sent {
            producer.send(record("t", 0, value)).await.unwrap().await.unwrap();
        }
        place(&cluster).await.dir
    });
    let to =
        ["one", "two"].map(|name| dirs.path().join(name)).into_iter().find(|dir| *dir != Path::new(&from)).unwrap();
    let is_moving = |place: &Place| {
        let lag = place.moving_to.as_ref().filter(|(dir, _)| Path::new(dir) == to).map(|(_, lag)| *lag);
        place.dir == from && lag.is_some_and(|lag| lag > 0 && lag < 100)
    };
    let look = || runtime.block_on(async { place(&connect(&address).await).await });
    runtime.block_on(async { move_to(&connect(&address).await, &to).await });
    until(LIMIT, || is_moving(&look()).then_some(())).unwrap();
    // The copy goes along, or the answer would be that the time is over.
    let before = BTreeMap::from([(TopicPartition::new("t", 0), Offset(1))]);
    let deleted = runtime.block_on(async {
        let options = ClusterOptions { api_timeout: LIMIT, ..ClusterOptions::default() };
        let cluster = Cluster::connect(Arc::new(TcpNetwork), &address, options).await.unwrap();
        Admin::new(cluster).delete_records(&before, LIMIT).await.unwrap()
    });
    assert_eq!(deleted.into_values().next(), Some(Ok(Offset(1))));
    assert!(is_moving(&look()), "{:?}", look());
    let starts = Path::new(&from).join("log-start-offset-checkpoint");
    until(LIMIT, || fs::read_to_string(&starts).unwrap_or_default().contains("t 0 1").then_some(())).unwrap();
    broker.kill();
    broker.restart();
    await_leaders(&runtime, &address, &[true]);
    assert!(is_moving(&look()), "{:?}", look());

    runtime.block_on(async { move_to(&connect(&address).await, Path::new(&from)).await });
    assert_eq!(look(), Place { dir: from.clone(), moving_to: None });
    runtime.block_on(async { move_to(&connect(&address).await, &to).await });
    configure(ConfigChange::Delete);
    until(LIMIT, || (look() == Place { dir: to.display().to_string(), moving_to: None }).then_some(())).unwrap();
    runtime.block_on(async {
        assert_eq!(values_from(&connect(&address).await, "t", 0, 1, sent.len() - 1).await, sent[1..]);
    });
}
