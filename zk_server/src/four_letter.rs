//! The four-letter words that people and monitors send instead of a session: ruok, stat, srvr and their kin. Only the
//! words of `4lw.commands.whitelist` are answered, `srvr` always, as in Apache's server.
//!
//! Absent: `dirs`, `gtmk`, `stmk` and `hash`, which show Apache's own insides; they are answered as if they were not on
//! the list.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::SocketAddr;

use crate::core::{ConnId, Core, Now};
use crate::stats::{ConnectionStats, ServerStats};

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
    Crst,
    Dump,
    Envi,
    Conf,
    Wchs,
    Wchc,
    Wchp,
    Isro,
    Srst,
    Dirs,
    Gtmk,
    Stmk,
    Hash,
}

const NAMES: [(Word, &str); 18] = [
    (Word::Ruok, "ruok"),
    (Word::Stat, "stat"),
    (Word::Srvr, "srvr"),
    (Word::Mntr, "mntr"),
    (Word::Cons, "cons"),
    (Word::Crst, "crst"),
    (Word::Dump, "dump"),
    (Word::Envi, "envi"),
    (Word::Conf, "conf"),
    (Word::Wchs, "wchs"),
    (Word::Wchc, "wchc"),
    (Word::Wchp, "wchp"),
    (Word::Isro, "isro"),
    (Word::Srst, "srst"),
    (Word::Dirs, "dirs"),
    (Word::Gtmk, "gtmk"),
    (Word::Stmk, "stmk"),
    (Word::Hash, "hash"),
];

impl Word {
    /// As it is sent.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(word, _)| *word == self).map_or("", |(_, name)| name)
    }

    /// The word behind the first four bytes of a connection.
    pub fn parse(bytes: [u8; 4]) -> Option<Word> {
        NAMES.iter().find(|(_, name)| name.as_bytes() == bytes).map(|(word, _)| *word)
    }

    /// All that can be answered.
    pub fn all() -> BTreeSet<Word> {
        let absent = [Word::Dirs, Word::Gtmk, Word::Stmk, Word::Hash];
        NAMES.iter().map(|(word, _)| *word).filter(|word| !absent.contains(word)).collect()
    }

    /// Those that a whitelist names, as `FourLetterCommands.isEnabled` reads it.
    pub fn whitelist(text: &str) -> BTreeSet<Word> {
        let wanted: Vec<&str> = text.split(',').map(str::trim).collect();
        let wants = |word: &Word| *word == Word::Srvr || wanted.iter().any(|name| *name == "*" || *name == word.name());
        Word::all().into_iter().filter(wants).collect()
    }
}

/// A connection as the engine knows it: what it counted, frames sent, requests not yet answered.
#[derive(Debug)]
pub struct Connection<'a> {
    /// Counted by the engine.
    pub stats: &'a mut ConnectionStats,
    /// Frames sent.
    pub sent: u64,
    /// Requests not yet answered.
    pub queued: usize,
}

/// What there is to tell.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The server's state.
    pub core: &'a Core,
    /// Its counts.
    pub stats: &'a mut ServerStats,
    /// The connections that asked for a session.
    pub connections: BTreeMap<ConnId, Connection<'a>>,
    /// Who sent the word: Apache's server counts it among the connections.
    pub asker: SocketAddr,
    /// The time.
    pub now: Now,
}

/// What a word that is not on the list is answered with.
pub fn refusal(word: Word) -> String {
    format!("{} is not executed because it is not in the whitelist.\n", word.name())
}

impl Scene<'_> {
    /// Answers a word.
    pub fn answer(&mut self, word: Word) -> String {
        match word {
            Word::Ruok => "imok".into(),
            Word::Isro => "rw".into(),
            Word::Conf => self.stats.conf.clone(),
            Word::Envi => environment(),
            Word::Srvr => format!("Zookeeper version: {VERSION}\n{}", self.summary()),
            Word::Stat => {
                format!("Zookeeper version: {VERSION}\nClients:\n{}\n{}", self.clients(false), self.summary())
            }
            Word::Cons => self.clients(true) + "\n",
            Word::Crst => {
                self.connections.values_mut().for_each(|connection| connection.stats.reset());
                "Connection stats reset.\n".into()
            }
            Word::Srst => {
                (self.stats.received, self.stats.sent, self.stats.latency) = (0, 0, Default::default());
                "Server stats reset.\n".into()
            }
            Word::Dump => self.dump(),
            Word::Wchs => {
                let (connections, paths, watches) = self.core.watches().summary();
                format!("{connections} connections watching {paths} paths\nTotal watches:{watches}\n")
            }
            Word::Wchc => self.watches_by_connection() + "\n",
            Word::Wchp => self.watches_by_path() + "\n",
            Word::Mntr => self.monitor(),
            Word::Dirs | Word::Gtmk | Word::Stmk | Word::Hash => refusal(word),
        }
    }

    /// Apache's server counts the root twice, under "" and "/".
    fn node_count(&self) -> usize {
        self.core.state().tree.node_count() + 1
    }

    fn outstanding(&self) -> usize {
        self.connections.values().map(|connection| connection.queued).sum()
    }

    fn summary(&self) -> String {
        let latency = &self.stats.latency;
        format!(
            "Latency min/avg/max: {}/{}/{}\nReceived: {}\nSent: {}\nConnections: {}\nOutstanding: {}\nZxid: {:#x}\n\
             Mode: standalone\nNode count: {}\n",
            latency.min_ms(),
            latency.avg_text(),
            latency.max_ms(),
            self.stats.received,
            self.stats.sent,
            self.connections.len() + 1,
            self.outstanding(),
            self.core.state().zxid,
            self.node_count(),
        )
    }

    /// One line per connection (`ServerCnxn.dumpConnectionInfo`).
    fn clients(&self, full: bool) -> String {
        let mut text = String::new();
        for (conn, Connection { stats, sent, queued }) in &self.connections {
            let Some(known) = self.core.conns().get(conn) else { continue };
            let _ = write!(text, " /{}[1](queued={queued},recved={},sent={sent}", known.peer, stats.received);
            if full {
                let timeout_ms =
                    self.core.state().sessions.get(known.session_id).map_or(0, |session| session.timeout_ms);
                let _ = write!(
                    text,
                    ",sid={:#x},lop={},est={},to={timeout_ms}",
                    known.session_id,
                    stats.last_operation(),
                    stats.established_ms
                );
                if let Some(xid) = stats.last_xid {
                    let _ = write!(text, ",lcxid={xid:#x}");
                }
                let _ = write!(
                    text,
                    ",lzxid={:#x},lresp={},llat={},minlat={},avglat={},maxlat={}",
                    stats.last_zxid,
                    stats.last_response.as_millis(),
                    stats.last_latency_ms,
                    stats.latency.min_ms(),
                    stats.latency.whole_avg_ms(),
                    stats.latency.max_ms(),
                );
            }
            text += ")\n";
        }
        let _ = writeln!(text, " /{}[0](queued=0,recved=1,sent=0)", self.asker);
        text
    }

    fn dump(&self) -> String {
        let state = self.core.state();
        let sessions: Vec<(u64, Vec<String>)> = state
            .sessions
            .buckets()
            .map(|(deadline_ms, ids)| (deadline_ms, ids.map(|id| format!("{id:#x}")).collect()))
            .collect();
        let mut text = format!("SessionTracker dump:\nSession {}", self.expiries(&sessions));
        let _ = writeln!(text, "ephemeral nodes dump:\nSessions with Ephemerals ({}):", state.tree.ephemerals().len());
        for (id, paths) in state.tree.ephemerals() {
            let _ = writeln!(text, "{id:#x}:");
            paths.iter().for_each(|path| text.push_str(&format!("\t{path}\n")));
        }
        let connected = |id: i64| {
            let conn = state.sessions.get(id)?.conn?;
            let peer = self.core.conns().get(&conn)?.peer;
            Some(format!("ip: /{peer} sessionId: {id:#x}"))
        };
        let connections: Vec<(u64, Vec<String>)> = state
            .sessions
            .buckets()
            .map(|(deadline_ms, ids)| (deadline_ms, ids.filter_map(connected).collect()))
            .collect();
        text + "Connections dump:\nConnections " + &self.expiries(&connections)
    }

    /// What expires when (`ExpiryQueue.dump`).
    fn expiries(&self, buckets: &[(u64, Vec<String>)]) -> String {
        let total: usize = buckets.iter().map(|(_, members)| members.len()).sum();
        let mut text = format!("Sets ({})/({total}):\n", buckets.len());
        for (deadline_ms, members) in buckets {
            let at_ms = self.now.wall_ms + *deadline_ms as i64 - self.now.monotonic.as_millis() as i64;
            let _ = writeln!(text, "{} expire at {}:", members.len(), date(at_ms));
            members.iter().for_each(|member| text.push_str(&format!("\t{member}\n")));
        }
        text
    }

    fn watches_by_connection(&self) -> String {
        let mut text = String::new();
        for (conn, paths) in self.core.watches().by_connection() {
            let Some(known) = self.core.conns().get(&conn) else { continue };
            let _ = writeln!(text, "{:#x}", known.session_id);
            paths.for_each(|path| text.push_str(&format!("\t{path}\n")));
        }
        text
    }

    fn watches_by_path(&self) -> String {
        let mut text = String::new();
        for (path, conns) in self.core.watches().by_path() {
            let _ = writeln!(text, "{path}");
            for known in conns.filter_map(|conn| self.core.conns().get(&conn)) {
                let _ = writeln!(text, "\t{:#x}", known.session_id);
            }
        }
        text
    }

    /// Of Apache's several hundred values those that its server registers as gauges and that mean something here.
    fn monitor(&self) -> String {
        let tree = &self.core.state().tree;
        let latency = &self.stats.latency;
        let uptime = self.now.monotonic.saturating_sub(self.stats.started);
        let numbers = [
            ("max_latency", latency.max_ms()),
            ("min_latency", latency.min_ms()),
            ("packets_received", self.stats.received),
            ("packets_sent", self.stats.sent),
            ("num_alive_connections", self.connections.len() as u64 + 1),
            ("outstanding_requests", self.outstanding() as u64),
            ("uptime", uptime.as_millis() as u64),
            ("znode_count", self.node_count() as u64),
            ("watch_count", self.core.watches().count() as u64),
            ("ephemerals_count", tree.ephemerals().values().map(|paths| paths.len() as u64).sum()),
            ("approximate_data_size", tree.data_bytes() as u64),
            ("global_sessions", self.core.state().sessions.len() as u64),
            ("local_sessions", 0),
        ];
        let mut text =
            format!("zk_version\t{VERSION}\nzk_server_state\tstandalone\nzk_avg_latency\t{}\n", latency.avg_text());
        numbers.iter().for_each(|(name, number)| text.push_str(&format!("zk_{name}\t{number}\n")));
        text
    }
}

fn environment() -> String {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("Environment:\nzookeeper.version={VERSION}\nos.name={os}\nos.arch={arch}\n")
}

/// A point in time as Java's `Date.toString` has it, in UTC: `Sat Nov 21 18:30:35 UTC 2026`.
fn date(ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, seconds) = (ms.div_euclid(86_400_000), ms.div_euclid(1000).rem_euclid(86_400));
    let weekday = DAYS.get(days.rem_euclid(7) as usize).copied().unwrap_or_default();
    // The civil calendar counted from 1 March of year 0, in eras of 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12;
    let year = era * 400 + year_of_era + i64::from(month < 2);
    let month = MONTHS.get(month as usize).copied().unwrap_or_default();
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_by_its_name() {
        for (word, name) in NAMES {
            assert_eq!(Word::parse(name.as_bytes().try_into().unwrap()), Some(word));
            assert_eq!(word.name(), name);
        }
        assert_eq!(Word::parse(*b"kill"), None);
        assert_eq!(Word::parse([0, 0, 0, 45]), None);
    }

    #[test]
    fn a_whitelist_names_words() {
        assert_eq!(Word::whitelist(""), [Word::Srvr].into());
        assert_eq!(Word::whitelist(" ruok ,wchs,x,hash"), [Word::Ruok, Word::Srvr, Word::Wchs].into());
        assert_eq!(Word::whitelist("ruok, *"), Word::all());
        assert_eq!(Word::all().len(), 14);
    }

    #[test]
    fn dates_read_as_javas() {
        for (ms, expected) in [
            (0, "Thu Jan 01 00:00:00 UTC 1970"),
            (951_782_399_999, "Mon Feb 28 23:59:59 UTC 2000"),
            (951_782_400_000, "Tue Feb 29 00:00:00 UTC 2000"),
            (1_795_285_835_000, "Sat Nov 21 18:30:35 UTC 2026"),
            (-1, "Wed Dec 31 23:59:59 UTC 1969"),
        ] {
            assert_eq!(date(ms), expected, "{ms}");
        }
    }
}
