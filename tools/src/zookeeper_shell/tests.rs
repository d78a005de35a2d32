//! The shell against our own ZooKeeper server. What it prints was compared with Java's shell by hand.

use std::sync::Arc;
use std::sync::mpsc;

use super::*;
use crate::terminal::testing::terminal;
use client::transport::TcpNetwork;
use world::MemDisk;
use world::clock::ManualClock;
use zk_server::{Config, start};

/// A server on a thread of its own, for as long as this lives.
struct Server {
    address: String,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn start() -> Server {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let clock = Arc::new(ManualClock::new(1_795_277_410_000));
                let server = start(Config::new("/zookeeper"), Arc::new(MemDisk::new()), clock).await.unwrap();
                tell.send(server.local_addr().to_string()).unwrap();
                let _ = stopped.await;
                server.stop().await;
            });
        });
        Server { address: told.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    /// Standard output without the lines about the connection, standard error, and the status.
    fn shell(&self, command: &[&str], input: &str) -> (String, String, u8) {
        let (mut terminal, out, err) = terminal(input);
        terminal.network = Arc::new(TcpNetwork);
        let arguments: Vec<String> =
            [self.address.as_str()].iter().chain(command).map(|word| (*word).to_owned()).collect();
        let status = crate::finish(run(&arguments, &mut terminal), crate::find("zookeeper-shell"), &mut terminal);
        let connected = "\nWATCHER::\n\nWatchedEvent state:SyncConnected type:None path:null\n";
        let connecting = format!("Connecting to {}\n", self.address);
        (out.take().replace(&connecting, "").replace(connected, ""), err.take(), status)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn commands_do_what_they_say() {
    let server = Server::start();
    let check = |command: &[&str], out: &str, err: &str, status: u8| {
        let got = server.shell(command, "");
        assert_eq!(got, (out.to_owned(), err.to_owned(), status), "{command:?}");
    };
    check(&["create", "/a"], "", "Created /a\n", 0);
    check(&["get", "/a"], "null\n", "", 0);
    check(&["create", "/a"], "", "Node already exists: /a\n", 1);
    check(&["create", "/a/b", "two words"], "", "Created /a/b\n", 0);
    check(&["create", "-s", "/a/s-", ""], "", "Created /a/s-0000000001\n", 0);
    check(&["get", "/a/b"], "two words\n", "", 0);
    check(&["get", "/a/s-0000000001"], "\n", "", 0);
    check(&["ls", "/a"], "[b, s-0000000001]\n", "", 0);
    check(&["ls", "-R", "/a"], "/a\n/a/b\n/a/s-0000000001\n", "", 0);
    check(&["set", "-v", "7", "/a/b", "x"], "", "version No is not valid : /a/b\n", 1);
    check(&["set", "-v", "0", "/a/b", "x"], "", "", 0);
    check(&["getAcl", "/a"], "'world,'anyone\n: cdrwa\n", "", 0);
    check(&["delete", "/a"], "", "Node not empty: /a\n", 1);
    check(&["delete", "/a/b"], "", "", 0);
    check(&["deleteall", "/a"], "", "", 0);
    check(&["stat", "/a"], "", "Node does not exist: /a\n", 1);
    check(&["sync", "/"], "Sync is OK\n", "", 0);
}

#[test]
fn stats_are_printed_as_java_prints_them() {
    let server = Server::start();
    server.shell(&["create", "/a", "xyz"], "");
    let (out, err, status) = server.shell(&["stat", "/a"], "");
    let lines: Vec<&str> = out.lines().filter(|line| !line.contains("xid")).collect();
    let want = [
        "ctime = Sat Nov 21 16:10:10 UTC 2026",
        "mtime = Sat Nov 21 16:10:10 UTC 2026",
        "cversion = 0",
        "dataVersion = 0",
        "aclVersion = 0",
        "ephemeralOwner = 0x0",
        "dataLength = 3",
        "numChildren = 0",
    ];
    assert_eq!((lines, err.as_str(), status), (want.to_vec(), "", 0));
}

#[test]
fn many_commands_come_from_standard_input() {
    let server = Server::start();
    let input = "create /w a\n\nget -w /w\nset /w b\nget /nix\nprintwatches\nhistory\nquit\nls /never\n";
    let (out, err, status) = server.shell(&[], input);
    let watched = "\nWATCHER::\n\nWatchedEvent state:SyncConnected type:NodeDataChanged path:/w\n";
    let closed = "\nWATCHER::\n\nWatchedEvent state:Closed type:None path:null\n";
    let history = "0 - create /w a\n1 - get -w /w\n2 - set /w b\n3 - get /nix\n4 - printwatches\n5 - history\n";
    let want =
        format!("Welcome to ZooKeeper!\nJLine support is disabled\na\n{watched}printwatches is on\n{history}{closed}");
    assert_eq!(out, want);
    assert_eq!((err.as_str(), status), ("Created /w\nNode does not exist: /nix\n", 0));
}

#[test]
fn a_chroot_stands_in_front_of_every_path() {
    let mut server = Server::start();
    server.shell(&["create", "/kafka"], "");
    server.shell(&["create", "/kafka/brokers"], "");
    server.address.push_str("/kafka");
    assert_eq!(server.shell(&["ls", "/"], "").0, "[brokers]\n");
    assert_eq!(server.shell(&["create", "/brokers/ids"], "").1, "Created /brokers/ids\n");
    assert_eq!(server.shell(&["get", "/nix"], "").1, "Node does not exist: /nix\n");
}

#[test]
fn arguments_are_read_as_the_script_passes_them() {
    let parse = |line: &str| {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Arguments::of(&words).map_err(|error| error.to_string())
    };
    let arguments = parse("a:1/x -timeout 5000 ls -R /").unwrap();
    assert_eq!((arguments.server.as_str(), arguments.timeout), ("a:1/x", Duration::from_secs(5)));
    assert_eq!(arguments.command, ["ls", "-R", "/"]);
    assert_eq!(parse("-server a:1").unwrap().server, "a:1");
    assert_eq!(parse("").unwrap_err(), USAGE);
    assert_eq!(parse("a:1 -timeout").unwrap_err(), "Error: no argument found for option -timeout");
    let tls = parse("a:1 -zk-tls-config-file f ls /").unwrap_err();
    assert_eq!(tls, "-zk-tls-config-file is not built yet in Klamm");
}

#[test]
fn nobody_there_is_told() {
    let (mut terminal, out, err) = terminal("");
    let arguments = ["127.0.0.1:1".to_owned(), "ls".to_owned(), "/".to_owned()];
    let status = crate::finish(run(&arguments, &mut terminal), crate::find("zookeeper-shell"), &mut terminal);
    assert_eq!(out.take(), "Connecting to 127.0.0.1:1\n");
    assert_eq!((err.take().as_str(), status), ("KeeperErrorCode = ConnectionLoss for /\n", 1));
}
