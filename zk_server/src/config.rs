//! What can be set, read from a `zoo.cfg` or Kafka's `zookeeper.properties`. Keys that mean something to Apache's
//! server but nothing here are collected and warned about once at start; an ensemble (`server.N=`) is refused.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::core::Reaping;
use crate::four_letter::Word;
use crate::store::Purge;

/// What all watches together may take by default: room for about 1.3 million with paths of 40 bytes.
const MAX_WATCH_BYTES: usize = 256 << 20;

/// The configuration of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the data is (`dataDir`).
    pub data_dir: PathBuf,
    /// Where clients connect (`clientPortAddress`, `clientPort`); port 0 takes a free one.
    pub address: SocketAddr,
    /// The grain of session timeouts (`tickTime`).
    pub tick_time: Duration,
    /// Least session timeout (`minSessionTimeout`; 2 ticks).
    pub min_session_timeout: Duration,
    /// Greatest session timeout (`maxSessionTimeout`; 20 ticks).
    pub max_session_timeout: Duration,
    /// Connections from one address; 0 for no limit (`maxClientCnxns`).
    pub max_client_connections: usize,
    /// The longest request in bytes (`jute.maxbuffer`).
    pub max_request_bytes: usize,
    /// How much memory all watches together may take, in bytes; no key of `zoo.cfg`.
    pub max_watch_bytes: usize,
    /// Whether nodes may have a time to live (`extendedTypesEnabled`).
    pub extended_types: bool,
    /// When containers and nodes with a time to live go (`znode.container.*`).
    pub reaping: Reaping,
    /// The four-letter words that are answered (`4lw.commands.whitelist`).
    pub words: BTreeSet<Word>,
    /// Whether an answer waits for the disk (`forceSync`).
    pub sync: bool,
    /// A snapshot is written after this many changes (`snapCount`).
    pub snap_count: u64,
    /// How many snapshots are kept (`autopurge.snapRetainCount`).
    pub retain: usize,
    /// When the others go (`autopurge.purgeInterval`, in hours, 0 for never). Unlike ZooKeeper's, this server purges
    /// behind every snapshot when nothing is said.
    pub purge: Purge,
    /// Keys that were set but mean nothing here, warned about at start.
    pub ignored: Vec<String>,
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The text is no properties file.
    #[error("line {line}: {problem}")]
    Syntax {
        /// Counted from 1; 0 when it is not known.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A key that must be there is not.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// A value that the key does not take.
    #[error("{key}={value}: {allowed}")]
    Value {
        /// Which key.
        key: String,
        /// What stands there.
        value: String,
        /// What may stand there.
        allowed: &'static str,
    },
    /// More than one server.
    #[error("{0}: this server is single-node by design; for an ensemble use Apache ZooKeeper (zookeeper.apache.org)")]
    Ensemble(String),
}

impl Config {
    /// The defaults, on a free loopback port.
    pub fn new(data_dir: impl Into<PathBuf>) -> Config {
        let tick_time = Duration::from_millis(3000);
        Config {
            data_dir: data_dir.into(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tick_time,
            min_session_timeout: tick_time * 2,
            max_session_timeout: tick_time * 20,
            max_client_connections: 60,
            max_request_bytes: 0xfffff,
            max_watch_bytes: MAX_WATCH_BYTES,
            extended_types: false,
            reaping: Reaping::default(),
            words: [Word::Srvr].into(),
            sync: true,
            snap_count: 100_000,
            retain: 3,
            purge: Purge::AfterSnapshot,
            ignored: Vec::new(),
        }
    }

    /// Reads the text of a properties file. Without `clientPortAddress` all addresses are listened on.
    pub fn from_properties(text: &str) -> Result<Config, ConfigError> {
        let pairs = java_properties::read(text.as_bytes()).map_err(|error| ConfigError::Syntax {
            line: error.line_number().unwrap_or(0),
            problem: error.to_string(),
        })?;
        let mut config = Config::new(PathBuf::new());
        let (mut port, mut host, mut data_dir) = (None, IpAddr::V4(Ipv4Addr::UNSPECIFIED), None);
        let (mut least, mut greatest) = (None, None);
        let mut pairs: Vec<(String, String)> = pairs.into_iter().collect();
        pairs.sort();
        for (key, value) in pairs {
            let field = Field { key: &key, value: value.trim() };
            match key.as_str() {
                "dataDir" => data_dir = Some(PathBuf::from(field.value)),
                "clientPort" => port = Some(field.number(0, 65_535, "a port, 0 to 65535")? as u16),
                "clientPortAddress" => host = field.address()?,
                "tickTime" => config.tick_time = field.millis()?,
                "minSessionTimeout" => least = field.optional_millis()?,
                "maxSessionTimeout" => greatest = field.optional_millis()?,
                "maxClientCnxns" => {
                    config.max_client_connections =
                        field.number(0, i32::MAX as u64, "a number, 0 for no limit")? as usize;
                }
                "jute.maxbuffer" => {
                    config.max_request_bytes = field.number(1024, 128 << 20, "bytes, 1024 to 134217728")? as usize;
                }
                "4lw.commands.whitelist" => config.words = Word::whitelist(field.value),
                "forceSync" => config.sync = field.value != "no",
                "snapCount" => config.snap_count = field.number(2, u64::MAX, "a number of changes, at least 2")?,
                "autopurge.snapRetainCount" => {
                    config.retain = field.number(0, 1000, "a number of snapshots, 0 to 1000")?.max(3) as usize;
                }
                "autopurge.purgeInterval" => {
                    config.purge = match field.number(0, 1_000_000, "hours, 0 to 1000000; 0 for never")? {
                        0 => Purge::Never,
                        hours => Purge::Every(Duration::from_secs(hours * 3600)),
                    };
                }
                "secureClientPort" => return Err(field.bad("TLS is not built; leave it out")),
                _ if key.starts_with("server.") || key.starts_with("group.") => return Err(ConfigError::Ensemble(key)),
                _ => config.ignored.push(key),
            }
        }
        config.data_dir = data_dir.ok_or(ConfigError::Missing("dataDir"))?;
        config.address = SocketAddr::new(host, port.ok_or(ConfigError::Missing("clientPort"))?);
        config.min_session_timeout = least.unwrap_or(config.tick_time * 2);
        config.max_session_timeout = greatest.unwrap_or(config.tick_time * 20);
        if config.min_session_timeout > config.max_session_timeout {
            let value = config.min_session_timeout.as_millis().to_string();
            let allowed = "at most maxSessionTimeout";
            return Err(ConfigError::Value { key: "minSessionTimeout".into(), value, allowed });
        }
        Ok(config)
    }

    /// What `conf` answers.
    pub fn describe(&self, address: SocketAddr) -> String {
        format!(
            "clientPort={}\nsecureClientPort=-1\ndataDir={}\ndataLogDir={}\ntickTime={}\nmaxClientCnxns={}\n\
             minSessionTimeout={}\nmaxSessionTimeout={}\nclientPortListenBacklog=-1\nserverId=0\n",
            address.port(),
            self.data_dir.display(),
            self.data_dir.display(),
            self.tick_time.as_millis(),
            self.max_client_connections,
            self.min_session_timeout.as_millis(),
            self.max_session_timeout.as_millis(),
        )
    }
}

struct Field<'a> {
    key: &'a str,
    value: &'a str,
}

impl Field<'_> {
    fn bad(&self, allowed: &'static str) -> ConfigError {
        ConfigError::Value { key: self.key.into(), value: self.value.into(), allowed }
    }

    fn number(&self, least: u64, greatest: u64, allowed: &'static str) -> Result<u64, ConfigError> {
        let number = self.value.parse().ok().filter(|number| (least..=greatest).contains(number));
        number.ok_or_else(|| self.bad(allowed))
    }

    fn millis(&self) -> Result<Duration, ConfigError> {
        self.number(1, i32::MAX as u64 / 20, "milliseconds, 1 to 107374182").map(Duration::from_millis)
    }

    /// -1 stands for the default.
    fn optional_millis(&self) -> Result<Option<Duration>, ConfigError> {
        if self.value == "-1" { Ok(None) } else { self.millis().map(Some) }
    }

    fn address(&self) -> Result<IpAddr, ConfigError> {
        match self.value {
            "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            value => value.parse().map_err(|_| self.bad("an IP address or localhost")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let shown = Config::from_properties(text).map(|config| {
            let words: Vec<&str> = config.words.iter().map(|word| word.name()).collect();
            format!(
                "{} {} {:?} {:?}..{:?} {} {words:?} {:?}",
                config.data_dir.display(),
                config.address,
                config.tick_time,
                config.min_session_timeout,
                config.max_session_timeout,
                config.max_client_connections,
                config.ignored,
            )
        });
        assert_eq!(shown.as_deref().map_err(|error| error.to_string()), expected.map_err(str::to_string), "{text}");
    }

    #[test]
    fn properties_of_kafka_and_of_people() {
        // The settings of the zookeeper.properties that Kafka ships.
        check(
            "dataDir=/tmp/zookeeper\nclientPort=2181\nmaxClientCnxns=0\nadmin.enableServer=false\n",
            Ok(r#"/tmp/zookeeper 0.0.0.0:2181 3s 6s..60s 0 ["srvr"] ["admin.enableServer"]"#),
        );
        check(
            "dataDir=/d\nclientPort=0\nclientPortAddress=127.0.0.1\ntickTime=500\nmaxSessionTimeout=-1\n4lw.commands.whitelist=ruok, wchs,x",
            Ok(r#"/d 127.0.0.1:0 500ms 1s..10s 60 ["ruok", "srvr", "wchs"] []"#),
        );
        check("clientPort=1", Err("dataDir is not set"));
        check("dataDir=/d", Err("clientPort is not set"));
        check("dataDir=/d\nclientPort=70000", Err("clientPort=70000: a port, 0 to 65535"));
        check("dataDir=/d\nclientPort=1\ntickTime=x", Err("tickTime=x: milliseconds, 1 to 107374182"));
        check(
            "dataDir=/d\nclientPort=1\nserver.1=a:1:2",
            Err(
                "server.1: this server is single-node by design; for an ensemble use Apache ZooKeeper (zookeeper.apache.org)",
            ),
        );
        check(
            "dataDir=/d\nclientPort=1\nminSessionTimeout=90000",
            Err("minSessionTimeout=90000: at most maxSessionTimeout"),
        );
    }
}
