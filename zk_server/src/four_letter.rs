//! The four-letter words that people and monitors send instead of a session: ruok, stat, srvr and their kin. Only the
//! words of `4lw.commands.whitelist` are answered, `srvr` alone by default as in Apache's server.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::core::{ConnId, Core};

/// The version that we say we are: clients and tools look at the number in front.
pub const VERSION: &str = concat!("3.8.4-klamm-", env!("CARGO_PKG_VERSION"));

/// A word that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the words")]
pub enum Word {
    Ruok,
    Stat,
    Srvr,
    Mntr,
    Cons,
    Dump,
    Envi,
    Conf,
    Wchs,
    Isro,
}

impl Word {
    /// All of them.
    pub const ALL: [Word; 10] = [
        Word::Ruok,
        Word::Stat,
        Word::Srvr,
        Word::Mntr,
        Word::Cons,
        Word::Dump,
        Word::Envi,
        Word::Conf,
        Word::Wchs,
        Word::Isro,
    ];

    /// As it is sent.
    pub fn name(self) -> &'static str {
        match self {
            Word::Ruok => "ruok",
            Word::Stat => "stat",
            Word::Srvr => "srvr",
            Word::Mntr => "mntr",
            Word::Cons => "cons",
            Word::Dump => "dump",
            Word::Envi => "envi",
            Word::Conf => "conf",
            Word::Wchs => "wchs",
            Word::Isro => "isro",
        }
    }

    /// The word behind the first four bytes of a connection.
    pub fn parse(bytes: [u8; 4]) -> Option<Word> {
        Word::ALL.into_iter().find(|word| word.name().as_bytes() == bytes)
    }
}

/// What is counted, and what `conf` shows.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    /// Requests received.
    pub received: u64,
    /// Answers and events sent.
    pub sent: u64,
    /// The configuration in force, a line per key.
    pub conf: String,
}

/// Frames sent and requests not yet answered, by connection.
pub type ConnectionCounts = BTreeMap<ConnId, (u64, usize)>;

/// Answers a word.
pub fn answer(word: Word, core: &Core, counters: &Counters, connections: &ConnectionCounts) -> String {
    match word {
        Word::Ruok => "imok".into(),
        Word::Isro => "rw".into(),
        Word::Conf => counters.conf.clone(),
        Word::Envi => format!(
            "Environment:\nzookeeper.version={VERSION}\nos.name={}\nos.arch={}\n",
            std::env::consts::OS,
            std::env::consts::ARCH
        ),
        Word::Srvr => format!("Zookeeper version: {VERSION}\n{}", summary(core, counters, connections)),
        Word::Stat => format!(
            "Zookeeper version: {VERSION}\nClients:\n{}\n{}",
            clients(core, connections),
            summary(core, counters, connections)
        ),
        Word::Cons => clients(core, connections) + "\n",
        Word::Dump => dump(core),
        Word::Wchs => {
            let (connections, paths, watches) = core.watches().summary();
            format!("{connections} connections watching {paths} paths\nTotal watches:{watches}\n")
        }
        Word::Mntr => monitor(core, counters, connections),
    }
}

/// What a word that is not on the list is answered with.
pub fn refusal(word: Word) -> String {
    format!("{} is not executed because it is not in the whitelist.\n", word.name())
}

/// Apache's server counts the root twice, under "" and "/".
fn node_count(core: &Core) -> usize {
    core.state().tree.node_count() + 1
}

fn outstanding(connections: &ConnectionCounts) -> usize {
    connections.values().map(|(_, outstanding)| outstanding).sum()
}

fn summary(core: &Core, counters: &Counters, connections: &ConnectionCounts) -> String {
    format!(
        "Received: {}\nSent: {}\nConnections: {}\nOutstanding: {}\nZxid: {:#x}\nMode: standalone\nNode count: {}\n",
        counters.received,
        counters.sent,
        connections.len(),
        outstanding(connections),
        core.state().zxid,
        node_count(core),
    )
}

fn clients(core: &Core, connections: &ConnectionCounts) -> String {
    let mut text = String::new();
    for (conn, (sent, queued)) in connections {
        let Some(known) = core.conns().get(conn) else { continue };
        let timeout_ms = core.state().sessions.get(known.session_id).map_or(0, |session| session.timeout_ms);
        let _ = writeln!(
            text,
            " /{}[1](queued={queued},sent={sent},sid={:#x},to={timeout_ms})",
            known.peer, known.session_id
        );
    }
    text
}

fn dump(core: &Core) -> String {
    let state = core.state();
    let mut sessions: Vec<i64> = state.sessions.iter().map(|(id, _)| id).collect();
    sessions.sort_unstable();
    let mut text = format!("SessionTracker dump:\nSession Sets ({}):\n", sessions.len());
    for id in sessions {
        let _ = writeln!(text, "\t{id:#x}");
    }
    let _ = writeln!(text, "ephemeral nodes dump:\nSessions with Ephemerals ({}):", state.tree.ephemerals().len());
    for (id, paths) in state.tree.ephemerals() {
        let _ = writeln!(text, "{id:#x}:");
        for path in paths {
            let _ = writeln!(text, "\t{path}");
        }
    }
    text
}

fn monitor(core: &Core, counters: &Counters, connections: &ConnectionCounts) -> String {
    let tree = &core.state().tree;
    let numbers = [
        ("zk_packets_received", counters.received as usize),
        ("zk_packets_sent", counters.sent as usize),
        ("zk_num_alive_connections", connections.len()),
        ("zk_outstanding_requests", outstanding(connections)),
        ("zk_znode_count", node_count(core)),
        ("zk_watch_count", core.watches().summary().2),
        ("zk_ephemerals_count", tree.ephemerals().values().map(|paths| paths.len()).sum()),
        ("zk_approximate_data_size", tree.data_bytes()),
        ("zk_global_sessions", core.state().sessions.len()),
    ];
    let mut text = format!("zk_version\t{VERSION}\nzk_server_state\tstandalone\n");
    for (name, number) in numbers {
        let _ = writeln!(text, "{name}\t{number}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_by_its_name() {
        for word in Word::ALL {
            assert_eq!(Word::parse(word.name().as_bytes().try_into().unwrap()), Some(word));
        }
        assert_eq!(Word::parse(*b"kill"), None);
        assert_eq!(Word::parse([0, 0, 0, 45]), None);
    }
}
