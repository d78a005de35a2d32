//! `kafka-server-stop.sh` and `zookeeper-server-stop.sh`: send SIGTERM to the Klamm brokers or embedded ZooKeepers that
//! run on this machine, with the scripts' messages and exit statuses.
//!
//! Kafka's scripts look for Java's class name in `ps`; ours look at the command lines in `/proc` for processes started as
//! `klamm server`, `klamm quickstart` or by the start scripts' links. They do not wait for the end, as the scripts do not.

use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use world::Disk;

use crate::error::ToolError;
use crate::options::{HELP, Options, Spec, VERSION, valued};
use crate::terminal::Terminal;

/// Options of `kafka-server-stop.sh` (KIP-979).
pub const OPTIONS: &[Spec] = &[
    valued(
        "process-role",
        "String: broker | controller",
        "Stop processes of this role only. KRaft clusters only: refused.",
    ),
    valued("node-id", "Integer: id", "Stop the node with this id only. Not built yet: refused."),
    HELP,
    VERSION,
];

/// How a kind of server is started.
struct Kind {
    /// Its link, as Kafka names the script.
    link: &'static str,
    /// First arguments of `klamm` that start it.
    commands: &'static [&'static str],
    /// What is said when there is none.
    none: &'static str,
}

const BROKER: Kind =
    Kind { link: "kafka-server-start.sh", commands: &["server", "quickstart"], none: "No kafka server to stop" };
const ZOOKEEPER: Kind =
    Kind { link: "zookeeper-server-start.sh", commands: &["zookeeper"], none: "No zookeeper server to stop" };

/// More of a command line is not looked at; the program and its first argument are at its start.
const COMMAND_LINE: usize = 8 * 1024;

/// Stops every broker.
pub fn stop_brokers(arguments: &[String], terminal: &mut Terminal) -> Result<(), ToolError> {
    let options = Options::parse(OPTIONS, arguments)?;
    if options.has(HELP.name) {
        return Err(ToolError::Usage("This tool stops the brokers that run on this machine.".to_owned()));
    }
    if options.has(VERSION.name) {
        return Err(ToolError::Version);
    }
    options.refuse(&["process-role", "node-id"])?;
    stop(&BROKER, terminal)
}

/// Stops every embedded ZooKeeper. The script reads no options.
pub fn stop_zookeepers(_arguments: &[String], terminal: &mut Terminal) -> Result<(), ToolError> {
    stop(&ZOOKEEPER, terminal)
}

fn stop(kind: &Kind, terminal: &mut Terminal) -> Result<(), ToolError> {
    let found = find(kind, &*terminal.disk)?;
    if found.is_empty() {
        terminal.line(kind.none)?;
        return Err(ToolError::Exit(1));
    }
    let mut failed = false;
    for id in found {
        let Some(pid) = Pid::from_raw(id) else { continue };
        if let Err(error) = kill_process(pid, Signal::TERM) {
            terminal.warn(&format!("cannot send SIGTERM to process {id}: {error}"));
            failed = true;
        }
    }
    if failed { Err(ToolError::Exit(1)) } else { Ok(()) }
}

/// Ids of the processes of this kind. A process that ends while we look is none.
fn find(kind: &Kind, disk: &dyn Disk) -> Result<Vec<i32>, ToolError> {
    let proc = Path::new("/proc");
    let entries =
        disk.read_dir(proc).map_err(|error| ToolError::Failed(format!("cannot list {}: {error}", proc.display())))?;
    let ids = entries.iter().filter_map(|entry| entry.name.parse::<i32>().ok());
    Ok(ids.filter(|id| command_line(disk, *id).is_some_and(|line| started_as(kind, &line))).collect())
}

fn command_line(disk: &dyn Disk, id: i32) -> Option<Vec<u8>> {
    let path: PathBuf = ["/proc", &id.to_string(), "cmdline"].iter().collect();
    let mut bytes = vec![0; COMMAND_LINE];
    let read = disk.open_read(&path).and_then(|file| file.read_at(&mut bytes, 0)).ok()?;
    bytes.truncate(read);
    Some(bytes)
}

/// Whether a command line (arguments, each ended by a zero byte) starts a server of this kind.
fn started_as(kind: &Kind, command_line: &[u8]) -> bool {
    let mut arguments = command_line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let program = arguments.next().unwrap_or_default();
    let command = arguments.next().unwrap_or_default();
    match program.rsplit('/').next() {
        Some("klamm") => kind.commands.contains(&&*command),
        name => name == Some(kind.link),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::IoSlice;
    use std::sync::Arc;

    use crate::terminal::testing::terminal;
    use world::MemDisk;

    fn processes(lines: &[(&str, &str)]) -> MemDisk {
        let disk = MemDisk::new();
        for (id, line) in lines {
            let dir = Path::new("/proc").join(id);
            disk.create_dir_all(&dir).unwrap();
            let bytes = line.replace(' ', "\0") + "\0";
            let file = disk.create_new(&dir.join("cmdline")).unwrap();
            file.write_at(&mut [IoSlice::new(bytes.as_bytes())], 0).unwrap();
        }
        disk
    }

    #[test]
    fn servers_are_found_by_how_they_were_started() {
        let disk = processes(&[
            ("1", "/sbin/init"),
            ("20", "/opt/klamm/klamm server server.properties"),
            ("21", "klamm zookeeper zookeeper.properties"),
            ("22", "/opt/bin/kafka-server-start.sh server.properties"),
            ("23", "klamm quickstart"),
            ("24", "/opt/bin/zookeeper-server-start.sh zookeeper.properties"),
            ("25", "klamm topics --list"),
            ("26", "vi server"),
            ("27", "java kafka.Kafka server.properties"),
            ("self", "klamm server x"),
        ]);
        assert_eq!(find(&BROKER, &disk).unwrap(), [20, 22, 23]);
        assert_eq!(find(&ZOOKEEPER, &disk).unwrap(), [21, 24]);
    }

    #[test]
    fn nothing_to_stop_is_a_failure() {
        for (run, want) in [
            (stop_brokers as fn(&[String], &mut Terminal) -> _, "No kafka server to stop\n"),
            (stop_zookeepers, "No zookeeper server to stop\n"),
        ] {
            let (mut terminal, out, _) = terminal("");
            terminal.disk = Arc::new(processes(&[("1", "/sbin/init")]));
            assert!(matches!(run(&[], &mut terminal), Err(ToolError::Exit(1))));
            assert_eq!(out.take(), want);
        }
    }

    #[test]
    fn options_that_are_not_built_are_refused() {
        let (mut terminal, _, _) = terminal("");
        let error = stop_brokers(&["--node-id=1".to_owned()], &mut terminal).unwrap_err();
        assert_eq!(error.to_string(), "--node-id is not built yet in Klamm");
    }
}
