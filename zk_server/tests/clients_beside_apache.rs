//! Unmodified clients on Apache ZooKeeper 3.8.4 and on ours: the same scripts, some hundred operations each, made by hand
//! and by chance, leave the same text: results, errors, stats but for times and ids, and the order of watch events.
//!
//! Java's client of 3.5, 3.8 and 3.9 (`tests/java/klamm/lab/ZooKeeper*.java`; that of 3.4 does not run on a JDK of today,
//! ZOOKEEPER-3779), and kazoo (`tests/foreign/zookeeper_kazoo.py`), both also with SASL.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a black-box test; a failure is to show where")]

mod common;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use test_lab::{ZooKeeper, ZooKeeperVersion, own_class, python, run};
use world::{RealDisk, SystemClock};
use zk_server::{Config, Server};

const LIMIT: Duration = Duration::from_secs(120);

/// Both servers, empty, with the same settings.
struct Beside {
    apache: ZooKeeper,
    ours: Server,
}

impl Beside {
    /// `settings` are lines of configuration, `properties` system properties.
    async fn start(dir: &Path, settings: &str, properties: &[(&str, &str)]) -> Beside {
        let options: Vec<String> = properties.iter().map(|(key, value)| format!("-D{key}={value}")).collect();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let apache = ZooKeeper::start_with(ZooKeeperVersion::V3_8, settings, &options);
        let text = format!(
            "dataDir={}\nclientPort=0\nclientPortAddress=127.0.0.1\ntickTime=500\nmaxClientCnxns=0\n\
             minSessionTimeout=1000\nmaxSessionTimeout=60000\n4lw.commands.whitelist=*\n{settings}\n",
            dir.join("ours").display()
        );
        let system = zk_server::system_properties::parse(&options.join(" "));
        let config = Config::from_properties(text.as_bytes(), &system).unwrap();
        let ours = zk_server::start(config, Arc::new(RealDisk), Arc::new(SystemClock::new())).await.unwrap();
        Beside { apache, ours }
    }

    /// Runs a client on both, at the same time, and compares what it says.
    async fn same(&self, what: &str, client: impl Fn(&str) -> Command) -> String {
        let [theirs, ours] = [self.apache.address(), self.ours.local_addr().to_string()].map(|address| {
            let mut command = client(&address);
            tokio::task::spawn_blocking(move || run(&mut command, LIMIT, "install Java 17 and Python 3").ok().stdout)
        });
        let (theirs, ours) = (theirs.await.unwrap(), ours.await.unwrap());
        for (number, (their, our)) in theirs.lines().zip(ours.lines()).enumerate() {
            let before: Vec<&str> = ours.lines().take(number).skip(number.saturating_sub(8)).collect();
            assert_eq!(our, their, "{what}, line {}, behind\n{}", number + 1, before.join("\n"));
        }
        assert_eq!(ours.lines().count(), theirs.lines().count(), "{what}: one side says more");
        ours
    }
}

/// The releases run at the same time: what takes long is that clients wait a while before they connect again.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn javas_client_of_every_release_finds_no_difference() {
    let releases = [(ZooKeeperVersion::V3_5, "3.5"), (ZooKeeperVersion::V3_8, "3.8"), (ZooKeeperVersion::V3_9, "3.8")];
    let runs = releases.map(|(version, script)| tokio::spawn(javas_client_finds_no_difference(version, script)));
    for run in runs {
        run.await.unwrap();
    }
}

async fn javas_client_finds_no_difference(version: ZooKeeperVersion, script: &str) {
    let dir = tempfile::tempdir().unwrap();
    let beside = Beside::start(dir.path(), "", &[]).await;
    let jars = test_lab::zookeeper(version);
    let said = beside
        .same(&format!("{version:?}"), |address| {
            let mut java = own_class("ZooKeeperScript", &jars, &[]);
            java.args([address, script]);
            java
        })
        .await;
    assert!(said.lines().count() > 600, "{said}");
    beside.ours.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kazoo_finds_no_difference() {
    let dir = tempfile::tempdir().unwrap();
    let beside = Beside::start(dir.path(), "", &[]).await;
    let said = beside.same("kazoo", |address| kazoo(&[address])).await;
    assert!(said.lines().count() > 400, "{said}");
    beside.ours.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sasl_and_super_users_are_who_they_are_on_apache() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let module = "org.apache.zookeeper.server.auth.DigestLoginModule required";
    let server = write(
        "server.conf",
        format!("Server {{ {module} user_bob=\"bob's\" user_super=\"s\" user_jürgen=\"grün\"; }};"),
    );
    let settings = "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\nsuperUser=root\n\
                    DigestAuthenticationProvider.superDigest=super:D/InIHSb7yEEbrWz8b9l71RjZJU=";
    let beside = Beside::start(dir.path(), settings, &[("java.security.auth.login.config", &server)]).await;
    let jars = test_lab::zookeeper(ZooKeeperVersion::V3_8);
    for (number, (user, password, believed)) in [
        ("bob", "bob's", true),
        ("super", "s", true),
        ("jürgen", "grün", true),
        ("bob", "wrong", false),
        ("eve", "", false),
    ]
    .into_iter()
    .enumerate()
    {
        let section = format!("Client {{ {module} username=\"{user}\" password=\"{password}\"; }};");
        let login = write(&format!("client-{number}.conf"), section);
        let said = beside
            .same(&format!("{user} with {password}"), |address| {
                let option = format!("-Djava.security.auth.login.config={login}");
                let mut java = own_class("ZooKeeperSasl", &jars, &[&option]);
                java.args([address, &format!("/run-{number}")]);
                java
            })
            .await;
        assert_eq!(said.starts_with("user is believed"), believed, "{said}");
    }
    beside.same("kazoo with SASL", |address| kazoo(&[address, "bob", "bob's"])).await;
    beside.ours.stop().await;
}

fn kazoo(arguments: &[&str]) -> Command {
    let mut command = Command::new(python());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/foreign/zookeeper_kazoo.py")).args(arguments);
    command
}
