//! The Java driver: one JVM per test process, in which Kafka's tools and our Java clients run (`tests/java/`).
//!
//! Commands and answers are JSON lines, matched by an id, so that any number of threads may use it at once. The driver's
//! classes are compiled into the cache, under a name made of their text.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::maven::{INSTALL_JAVA, junit};
use crate::process::{Output, run_to_end};
use crate::{KafkaVersion, cache, reaper, wait};

/// A handle on the JVM.
#[derive(Debug)]
pub struct Driver {
    commands: Mutex<ChildStdin>,
    waiting: Mutex<HashMap<u64, SyncSender<Output>>>,
    next_id: AtomicU64,
    /// Held so that the process is ours to wait for; it ends with its standard input.
    _child: Mutex<Child>,
}

/// How long one run may take, unless the caller says otherwise.
const RUN_LIMIT: Duration = Duration::from_secs(120);

/// How long a session may last.
const SESSION_LIMIT: Duration = Duration::from_secs(3600);
/// How long one command of a session may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(180);

/// A Java class that keeps its clients from command to command; it ends when this is dropped.
#[derive(Debug)]
pub struct Session {
    main: &'static str,
    stream: BufReader<TcpStream>,
}

impl Session {
    /// Has a command carried out; answers with the failure unless that was `ok`.
    pub fn ask(&mut self, command: &str) -> Result<(), String> {
        let sent = self.stream.get_mut().write_all(format!("{command}\n").as_bytes());
        let mut answer = String::new();
        let read = sent.and_then(|()| self.stream.read_line(&mut answer));
        read.unwrap_or_else(|e| panic!("{} does not answer to {command:?}: {e}", self.main));
        match answer.trim_end() {
            "ok" => Ok(()),
            failure => Err(failure.replace("\\n", "\n")),
        }
    }
}

#[derive(Serialize)]
struct RunCommand<'a> {
    id: u64,
    version: &'a str,
    main: &'a str,
    args: &'a [&'a str],
    stdin: &'a str,
    timeout_ms: u64,
}

#[derive(Deserialize)]
struct Answer {
    id: u64,
    status: i32,
    stdout: String,
    stderr: String,
}

impl Driver {
    /// The driver of this test process, started on first use.
    pub fn shared() -> &'static Driver {
        static SHARED: OnceLock<&'static Driver> = OnceLock::new();
        SHARED.get_or_init(Driver::start)
    }

    /// Runs a tool of a Kafka release, called by its script's name without `.sh` (`kafka-topics`), to its end.
    pub fn tool(&self, version: KafkaVersion, tool: &str, args: &[&str]) -> Output {
        self.tool_with_input(version, tool, args, "")
    }

    /// The same, with `stdin` as its standard input.
    pub fn tool_with_input(&self, version: KafkaVersion, tool: &str, args: &[&str], stdin: &str) -> Output {
        self.main(version, main_class(version, tool), args, stdin, RUN_LIMIT)
    }

    /// Runs the JUnit 5 classes of `tests/java/` called `classes` (without their package) against a broker; answers with
    /// their report, and panics with it if one fails.
    pub fn scenarios(&self, bootstrap_servers: &str, classes: &[&str]) -> Output {
        let named: Vec<String> = classes.iter().map(|class| format!("klamm.lab.{class}")).collect();
        let mut args = vec![bootstrap_servers];
        args.extend(named.iter().map(String::as_str));
        let limit = Duration::from_secs(300);
        self.main(KafkaVersion::V3_9, "klamm.lab.Scenarios", &args, "", limit).ok()
    }

    /// Runs any class's `main`, from a Kafka release's jars or from `tests/java/` (package `klamm.lab`; 3.9 only). A run
    /// that takes longer than `limit` ends with status 124.
    pub fn main(&self, version: KafkaVersion, main: &str, args: &[&str], stdin: &str, limit: Duration) -> Output {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let timeout_ms = limit.as_millis() as u64;
        let command = RunCommand { id, version: name(version), main, args, stdin, timeout_ms };
        let mut line = serde_json::to_string(&command).unwrap_or_else(|e| panic!("encode a command: {e}"));
        line.push('\n');
        let (sender, answer): (_, Receiver<Output>) = sync_channel(1);
        lock(&self.waiting).insert(id, sender);
        lock(&self.commands).write_all(line.as_bytes()).unwrap_or_else(|e| panic!("the Java driver is gone: {e}"));
        let patience = limit + Duration::from_secs(30);
        answer.recv_timeout(patience).unwrap_or_else(|e| panic!("the Java driver did not answer about {main}: {e}"))
    }

    /// Starts a class of `tests/java/` that is told what to do over a connection: its main gets a port of 127.0.0.1 to
    /// connect to before `args`.
    pub fn session(&'static self, main: &'static str, args: &[&str]) -> Session {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap_or_else(|e| panic!("listen for {main}: {e}"));
        let port = listener.local_addr().unwrap_or_else(|e| panic!("the port for {main}: {e}")).port().to_string();
        let args: Vec<String> = [port].into_iter().chain(args.iter().map(|arg| arg.to_string())).collect();
        let run = thread::spawn(move || {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            self.main(KafkaVersion::V3_9, main, &args, "", SESSION_LIMIT)
        });
        listener.set_nonblocking(true).unwrap_or_else(|e| panic!("listen for {main}: {e}"));
        let accepted = wait::until(RUN_LIMIT, || {
            assert!(!run.is_finished(), "{main} ended before it connected");
            listener.accept().ok()
        });
        let (stream, _) = accepted.unwrap_or_else(|| panic!("{main} did not connect"));
        let set = stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(COMMAND_LIMIT)));
        set.unwrap_or_else(|e| panic!("set up the connection of {main}: {e}"));
        Session { main, stream: BufReader::new(stream) }
    }

    fn start() -> &'static Driver {
        let mut java = Command::new("java");
        let classes = classes();
        let new = crate::kafka(KafkaVersion::V3_9);
        java.args(["-Xmx512M", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
            .args(["--add-opens", "java.base/java.lang=ALL-UNNAMED"])
            .arg(format!("-Dlog4j.configuration=file:{}", classes.join("log4j.properties").display()))
            .args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dfile.encoding=UTF-8", "-cp"])
            .arg(format!("{}:{}", classes.display(), jackson().join(":")))
            .arg("klamm.lab.Driver")
            .arg(&classes)
            .arg(format!("{}={}:{}", name(KafkaVersion::V3_9), new.display(), junit().display()))
            .arg(format!("{}={}", name(KafkaVersion::V2_4), crate::kafka(KafkaVersion::V2_4).display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut child = java.spawn().unwrap_or_else(|e| panic!("{INSTALL_JAVA}: {e}"));
        reaper::watch(child.id());
        let (Some(commands), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            panic!("the Java driver's pipes");
        };
        let driver: &'static Driver = Box::leak(Box::new(Driver {
            commands: Mutex::new(commands),
            waiting: Mutex::default(),
            next_id: AtomicU64::new(0),
            _child: Mutex::new(child),
        }));
        thread::spawn(move || driver.hand_out(answers));
        driver
    }

    /// Gives each answer to whoever waits for it. When the JVM is gone, forgets the waiters, whose wait thereby fails.
    fn hand_out(&self, answers: ChildStdout) {
        for line in BufReader::new(answers).lines().map_while(Result::ok) {
            match serde_json::from_str::<Answer>(&line) {
                Ok(Answer { id, status, stdout, stderr }) => {
                    if let Some(waiter) = lock(&self.waiting).remove(&id) {
                        // A waiter that gave up has dropped its end.
                        let _ = waiter.send(Output { status, stdout, stderr });
                    }
                }
                Err(e) => panic!("the Java driver said {line:?}: {e}"),
            }
        }
        lock(&self.waiting).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn name(version: KafkaVersion) -> &'static str {
    match version {
        KafkaVersion::V3_9 => "3.9",
        KafkaVersion::V2_4 => "2.4",
    }
}

/// The main class behind a tool's script.
fn main_class(version: KafkaVersion, tool: &str) -> &'static str {
    let (new, old) = match tool {
        "kafka-topics" => ("org.apache.kafka.tools.TopicCommand", "kafka.admin.TopicCommand"),
        "kafka-console-producer" => ("kafka.tools.ConsoleProducer", "kafka.tools.ConsoleProducer"),
        "kafka-console-consumer" => ("org.apache.kafka.tools.consumer.ConsoleConsumer", "kafka.tools.ConsoleConsumer"),
        "kafka-consumer-groups" => {
            ("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "kafka.admin.ConsumerGroupCommand")
        }
        "kafka-configs" => ("kafka.admin.ConfigCommand", "kafka.admin.ConfigCommand"),
        "kafka-delete-records" => ("org.apache.kafka.tools.DeleteRecordsCommand", "kafka.admin.DeleteRecordsCommand"),
        "kafka-log-dirs" => ("org.apache.kafka.tools.LogDirsCommand", "kafka.admin.LogDirsCommand"),
        "kafka-reassign-partitions" => {
            ("org.apache.kafka.tools.reassign.ReassignPartitionsCommand", "kafka.admin.ReassignPartitionsCommand")
        }
        "kafka-dump-log" => ("kafka.tools.DumpLogSegments", "kafka.tools.DumpLogSegments"),
        "kafka-get-offsets" => ("org.apache.kafka.tools.GetOffsetShell", "kafka.tools.GetOffsetShell"),
        "kafka-broker-api-versions" => ("kafka.admin.BrokerApiVersionsCommand", "kafka.admin.BrokerApiVersionsCommand"),
        "zookeeper-shell" if version == KafkaVersion::V3_9 => {
            ("org.apache.zookeeper.ZooKeeperMainWithTlsSupportForKafka", "")
        }
        _ => panic!("no class is known for {version:?}'s {tool}"),
    };
    match version {
        KafkaVersion::V3_9 => new,
        KafkaVersion::V2_4 => old,
    }
}

/// Our Java sources, by file name.
const SOURCES: &[(&str, &str)] = &[
    ("AckedProducer.java", include_str!("../../java/klamm/lab/AckedProducer.java")),
    ("AdminTest.java", include_str!("../../java/klamm/lab/AdminTest.java")),
    ("Cluster.java", include_str!("../../java/klamm/lab/Cluster.java")),
    ("CompactedLedger.java", include_str!("../../java/klamm/lab/CompactedLedger.java")),
    ("ConsumerTest.java", include_str!("../../java/klamm/lab/ConsumerTest.java")),
    ("Driver.java", include_str!("../../java/klamm/lab/Driver.java")),
    ("Gate.java", include_str!("../../java/klamm/lab/Gate.java")),
    ("Ledger.java", include_str!("../../java/klamm/lab/Ledger.java")),
    ("LogDirsTest.java", include_str!("../../java/klamm/lab/LogDirsTest.java")),
    ("ProducerTest.java", include_str!("../../java/klamm/lab/ProducerTest.java")),
    ("Run.java", include_str!("../../java/klamm/lab/Run.java")),
    ("Scenarios.java", include_str!("../../java/klamm/lab/Scenarios.java")),
    ("ZooKeeperCast.java", include_str!("../../java/klamm/lab/ZooKeeperCast.java")),
    ("ZooKeeperSasl.java", include_str!("../../java/klamm/lab/ZooKeeperSasl.java")),
    ("ZooKeeperScript.java", include_str!("../../java/klamm/lab/ZooKeeperScript.java")),
    ("ZooKeeperScriptNew.java", include_str!("../../java/klamm/lab/ZooKeeperScriptNew.java")),
    ("Sight.java", include_str!("../../java/klamm/lab/Sight.java")),
    ("Swap.java", include_str!("../../java/klamm/lab/Swap.java")),
    ("Writing.java", include_str!("../../java/klamm/lab/Writing.java")),
];

/// A JVM of its own for one of our classes (`klamm.lab.<main>`), with the jars of this directory: what the driver is not
/// for, as a client library of another release. `options` are the JVM's.
pub fn own_class(main: &str, jars: &Path, options: &[&str]) -> Command {
    let classes = classes();
    let mut java = Command::new("java");
    java.args(["-Xmx128M", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8"])
        .arg(format!("-Dlog4j.configuration=file:{}", classes.join("log4j.properties").display()))
        .arg(format!("-Dlogback.configurationFile={}", classes.join("logback.xml").display()))
        .arg("-Dstdout.encoding=UTF-8")
        .args(options)
        .arg("-cp")
        .arg(format!("{}:{}/*", classes.display(), jars.display()))
        .arg(format!("klamm.lab.{main}"));
    java
}

/// The directory of our compiled classes.
fn classes() -> PathBuf {
    let logging = [("log4j.properties", crate::zookeeper::LOG4J), ("logback.xml", crate::zookeeper::LOGBACK)];
    let files: Vec<&(&str, &str)> = SOURCES.iter().chain(&logging).collect();
    let texts: Vec<&str> = files.iter().map(|(_, text)| *text).collect();
    cache::entry(&format!("driver-{}", cache::fingerprint(&texts)), |dir| {
        for (file, text) in files {
            fs::write(dir.join(file), text).unwrap_or_else(|e| panic!("write {file} in {}: {e}", dir.display()));
        }
        let mut javac = Command::new("javac");
        let jars = format!("{}/*:{}/*", crate::kafka(KafkaVersion::V3_9).display(), junit().display());
        javac.current_dir(dir).args(["--release", "17", "-d", ".", "-cp", &jars]);
        run_to_end(javac.args(SOURCES.iter().map(|(file, _)| file)), INSTALL_JAVA);
    })
}

/// The jars that the driver itself needs: its JSON library.
fn jackson() -> Vec<String> {
    let dir = crate::kafka(KafkaVersion::V3_9);
    let jars = ["jackson-core-2.16.2.jar", "jackson-databind-2.16.2.jar", "jackson-annotations-2.16.2.jar"];
    jars.iter().map(|jar| dir.join(jar).display().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_run_has_status_and_outputs_of_its_own() {
        for version in [KafkaVersion::V3_9, KafkaVersion::V2_4] {
            let listed = Driver::shared().tool(version, "kafka-topics", &["--version"]);
            let expected = match version {
                KafkaVersion::V3_9 => (0, "3.9.2\n"),
                KafkaVersion::V2_4 => (0, "2.4.1 (Commit:c57222ae8cd7866b)\n"),
            };
            assert_eq!((listed.status, &*listed.stdout), expected, "{listed:?}");
            let refused = Driver::shared().tool(version, "kafka-topics", &["--list"]);
            assert_eq!((refused.status, &*refused.stdout), (1, ""), "{refused:?}");
            assert!(refused.stderr.contains("--bootstrap-server"), "{refused:?}");
        }
    }
}
