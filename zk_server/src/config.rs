//! What can be set, read from a `zoo.cfg` or Kafka's `zookeeper.properties` and from system properties.
//!
//! As in Apache's server a key of the file that its parser does not know is the system property `zookeeper.<key>`, and
//! wins over one that was given. What means nothing here is collected and warned about once at start; what would mean
//! something that is not built is refused, above all an ensemble (`server.N=`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::auth::Auth;
use crate::core::Reaping;
use crate::four_letter::Word;
use crate::store::Purge;
use crate::system_properties::SystemProperties;

/// What all watches together may take by default: room for about 1.1 million with paths of 40 bytes.
const MAX_WATCH_BYTES: usize = 256 << 20;

/// What all connections together may hold by default.
const MAX_CONNECTION_BYTES: usize = 256 << 20;

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
    /// How long a connection may stay without asking for a session (`nio.sessionlessCnxnTimeout`).
    pub handshake_timeout: Duration,
    /// Connections from one address; 0 for no limit (`maxClientCnxns`).
    pub max_client_connections: usize,
    /// Connections in all; 0 for no limit (`maxCnxns`).
    pub max_connections: usize,
    /// The longest request in bytes (`jute.maxbuffer`).
    pub max_request_bytes: usize,
    /// How much all connections together may hold of requests and answers, in bytes; no key of `zoo.cfg`.
    pub max_connection_bytes: usize,
    /// How much memory all watches together may take, in bytes; no key of `zoo.cfg`.
    pub max_watch_bytes: usize,
    /// Whether nodes may have a time to live (`extendedTypesEnabled`).
    pub extended_types: bool,
    /// Whether a reconfiguration is answered as one that a standalone server cannot do, or as one that is forbidden
    /// (`reconfigEnabled`).
    pub reconfig_enabled: bool,
    /// When containers and nodes with a time to live go (`znode.container.*`).
    pub reaping: Reaping,
    /// Who is believed, and what that lets them do.
    pub auth: Auth,
    /// Where users of SASL stand.
    pub jaas: Jaas,
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

/// Where users of SASL stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jaas {
    /// The login configuration (`java.security.auth.login.config`); without one there is no SASL.
    pub file: Option<PathBuf>,
    /// The section of it (`zookeeper.sasl.serverconfig`).
    pub section: String,
    /// Whether that section was asked for by name: then it must be there.
    pub section_required: bool,
    /// The password of user `super`, if the section has one (`zookeeper.SASLAuthenticationProvider.superPassword`).
    pub super_password: Option<String>,
}

impl Default for Jaas {
    fn default() -> Jaas {
        Jaas { file: None, section: "Server".into(), section_required: false, super_password: None }
    }
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
    /// Something that Apache's server has and this one does not.
    #[error("{key}: {what} is not built")]
    Absent {
        /// Which key asks for it.
        key: String,
        /// What it is.
        what: &'static str,
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
            handshake_timeout: Duration::from_secs(10),
            max_client_connections: 60,
            max_connections: 0,
            max_request_bytes: 0xfffff,
            max_connection_bytes: MAX_CONNECTION_BYTES,
            max_watch_bytes: MAX_WATCH_BYTES,
            extended_types: false,
            reconfig_enabled: false,
            reaping: Reaping::default(),
            auth: Auth::default(),
            jaas: Jaas::default(),
            words: [Word::Srvr].into(),
            sync: true,
            snap_count: 100_000,
            retain: 3,
            purge: Purge::AfterSnapshot,
            ignored: Vec::new(),
        }
    }

    /// Reads the bytes of a properties file, which are Latin-1 with `\u` escapes as Java has it, together with system
    /// properties. Without `clientPortAddress` all addresses of both families are listened on.
    pub fn from_properties(bytes: &[u8], system: &SystemProperties) -> Result<Config, ConfigError> {
        let pairs = java_properties::read(bytes).map_err(|error| ConfigError::Syntax {
            line: error.line_number().unwrap_or(0),
            problem: error.to_string(),
        })?;
        let mut reader = Reader { config: Config::new(PathBuf::new()), ..Reader::default() };
        let mut system = system.clone();
        // Sorted, so that the same file always stumbles over the same key.
        for (key, value) in pairs.into_iter().collect::<BTreeMap<_, _>>() {
            let (key, value) = (key.trim(), value.trim());
            if !reader.file_key(&Field { key, value })? {
                system.insert(format!("zookeeper.{key}"), value.into());
                reader.from_file.insert(key.into());
            }
        }
        for (key, value) in &system {
            reader.system_property(&Field { key, value })?;
        }
        reader.finish()
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

impl Default for Config {
    fn default() -> Config {
        Config::new(PathBuf::new())
    }
}

/// Keys of an ensemble that one server reads past, and settings of this server that have only one value here.
const MEANINGLESS: [&str; 12] = [
    "initLimit",
    "syncLimit",
    "connectToLearnerMasterLimit",
    "electionAlg",
    "quorumListenOnAllIPs",
    "syncEnabled",
    "standaloneEnabled",
    "localSessionsEnabled",
    "localSessionsUpgradingEnabled",
    "sslQuorum",
    "portUnification",
    "multiAddress.enabled",
];

/// A configuration under way.
#[derive(Default)]
struct Reader {
    config: Config,
    data_dir: Option<PathBuf>,
    port: Option<u16>,
    host: Option<String>,
    least: Option<Duration>,
    greatest: Option<Duration>,
    enforce: bool,
    schemes: Vec<String>,
    /// Keys of the file that became system properties.
    from_file: BTreeSet<String>,
}

impl Reader {
    /// Takes what `QuorumPeerConfig.parseProperties` knows; `false` for other keys.
    fn file_key(&mut self, field: &Field<'_>) -> Result<bool, ConfigError> {
        let config = &mut self.config;
        match field.key {
            "dataDir" => self.data_dir = Some(PathBuf::from(field.value)),
            "clientPort" => self.port = Some(field.number(0, 65_535, "a port, 0 to 65535")? as u16),
            "clientPortAddress" => self.host = Some(field.value.into()),
            "tickTime" => config.tick_time = field.millis()?,
            "minSessionTimeout" => self.least = field.optional_millis()?,
            "maxSessionTimeout" => self.greatest = field.optional_millis()?,
            "maxClientCnxns" => config.max_client_connections = field.limit()?,
            "autopurge.snapRetainCount" => {
                config.retain = field.number(0, 1000, "a number of snapshots, 0 to 1000")?.max(3) as usize;
            }
            "autopurge.purgeInterval" => {
                config.purge = match field.number(0, 1_000_000, "hours, 0 to 1000000; 0 for never")? {
                    0 => Purge::Never,
                    hours => Purge::Every(Duration::from_secs(hours * 3600)),
                };
            }
            "reconfigEnabled" => config.reconfig_enabled = field.yes_or_no()?,
            "secureClientPort" | "secureClientPortAddress" => return Err(field.absent("TLS")),
            "dynamicConfigFile" => return Err(ConfigError::Ensemble(field.key.into())),
            key if ["server.", "group", "weight"].iter().any(|start| key.starts_with(start)) => {
                return Err(ConfigError::Ensemble(key.into()));
            }
            key if MEANINGLESS.contains(&key) => {}
            "dataLogDir" | "clientPortListenBacklog" | "peerType" | "observerMasterPort" => {
                config.ignored.push(field.key.into());
            }
            key if key.starts_with("metricsProvider.") => config.ignored.push(key.into()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes one of the system properties that Apache's server asks for.
    fn system_property(&mut self, field: &Field<'_>) -> Result<(), ConfigError> {
        let Some(name) = field.key.strip_prefix("zookeeper.") else { return self.bare_property(field) };
        let shown = if self.from_file.contains(name) { name } else { field.key };
        let field = &Field { key: shown, value: field.value };
        let config = &mut self.config;
        match name {
            "4lw.commands.whitelist" => config.words = Word::whitelist(field.value),
            "forceSync" => config.sync = field.value != "no",
            "snapCount" => config.snap_count = field.number(2, u64::MAX, "a number of changes, at least 2")?,
            "maxCnxns" => config.max_connections = field.limit()?,
            "nio.sessionlessCnxnTimeout" => config.handshake_timeout = field.millis()?,
            "jute.maxbuffer" => config.max_request_bytes = field.max_buffer()?,
            "extendedTypesEnabled" => config.extended_types = field.is_true(),
            "emulate353TTLNodes" if field.is_true() => return Err(field.absent("TTL nodes as of 3.5.3")),
            "enforceQuota" if field.is_true() => return Err(field.absent("enforcing quotas")),
            "admin.enableServer" if !field.is_true() => {}
            _ => return self.auth_property(name, field),
        }
        Ok(())
    }

    fn auth_property(&mut self, name: &str, field: &Field<'_>) -> Result<(), ConfigError> {
        let auth = &mut self.config.auth;
        match name {
            "skipACL" => auth.skip_acl = field.value == "yes",
            "DigestAuthenticationProvider.superDigest" => auth.super_digest = Some(field.value.into()),
            "DigestAuthenticationProvider.enabled" => auth.digest = field.is_true(),
            "DigestAuthenticationProvider.digestAlg" if field.value != "SHA1" => {
                return Err(field.absent("another algorithm than SHA1"));
            }
            "DigestAuthenticationProvider.digestAlg" => {}
            "SASLAuthenticationProvider.superPassword" => self.config.jaas.super_password = Some(field.value.into()),
            "letAnySaslUserDoX" => auth.any_sasl_user = Some(field.value.into()),
            "allowSaslFailedClients" => auth.allow_failed_sasl = field.is_true(),
            "sasl.serverconfig" => {
                (self.config.jaas.section, self.config.jaas.section_required) = (field.value.into(), true);
            }
            "sessionRequireClientSASLAuth" if field.is_true() => {
                self.enforce = true;
                self.schemes.push("sasl".into());
            }
            "enforce.auth.enabled" => self.enforce |= field.is_true(),
            "enforce.auth.schemes" => {
                self.schemes.extend(field.value.split(',').map(|scheme| scheme.trim().to_string()));
            }
            name if name == "superUser" || name.starts_with("superUser.") => {
                auth.sasl_super_users.insert(field.value.into());
            }
            name if name.starts_with("authProvider.") => self.auth_provider(field)?,
            _ => self.config.ignored.push(field.key.into()),
        }
        Ok(())
    }

    fn auth_provider(&mut self, field: &Field<'_>) -> Result<(), ConfigError> {
        match field.value.strip_prefix("org.apache.zookeeper.server.auth.") {
            Some("SASLAuthenticationProvider") => self.config.auth.sasl_acls = true,
            Some("DigestAuthenticationProvider") => self.config.auth.digest = true,
            Some("IPAuthenticationProvider") => {}
            Some("X509AuthenticationProvider") => return Err(field.absent("TLS")),
            _ => return Err(field.absent("loading Java classes")),
        }
        Ok(())
    }

    fn bare_property(&mut self, field: &Field<'_>) -> Result<(), ConfigError> {
        let config = &mut self.config;
        match field.key {
            "jute.maxbuffer" => config.max_request_bytes = field.max_buffer()?,
            "java.security.auth.login.config" => config.jaas.file = Some(PathBuf::from(field.value)),
            "znode.container.checkIntervalMs" => config.reaping.interval = field.millis()?,
            "znode.container.maxPerMinute" => {
                config.reaping.most = field.number(1, i32::MAX as u64, "a number of nodes, at least 1")? as usize;
            }
            "znode.container.maxNeverUsedIntervalMs" => {
                config.reaping.never_used = Some(field.number(0, i64::MAX as u64, "milliseconds, 0 for never")?)
                    .filter(|ms| *ms > 0)
                    .map(Duration::from_millis);
            }
            // What else a JVM may be told is no business of ours.
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Config, ConfigError> {
        let mut config = self.config;
        config.data_dir = self.data_dir.ok_or(ConfigError::Missing("dataDir"))?;
        let port = self.port.ok_or(ConfigError::Missing("clientPort"))?;
        config.address = match self.host {
            None => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
            Some(host) => resolve(&host, port)?,
        };
        config.min_session_timeout = self.least.unwrap_or(config.tick_time * 2);
        config.max_session_timeout = self.greatest.unwrap_or(config.tick_time * 20);
        if config.min_session_timeout > config.max_session_timeout {
            let value = config.min_session_timeout.as_millis().to_string();
            let allowed = "at most maxSessionTimeout";
            return Err(ConfigError::Value { key: "minSessionTimeout".into(), value, allowed });
        }
        if self.enforce {
            if self.schemes.is_empty() {
                return Err(ConfigError::Missing("enforce.auth.schemes"));
            }
            check_schemes(&self.schemes, &config.auth)?;
            config.auth.required_schemes = std::mem::take(&mut self.schemes);
        }
        Ok(config)
    }
}

/// A scheme that nobody can prove would lock everybody out.
fn check_schemes(schemes: &[String], auth: &Auth) -> Result<(), ConfigError> {
    let exists = |scheme: &&String| match scheme.as_str() {
        "ip" => true,
        "digest" => auth.digest,
        "sasl" => auth.sasl_acls,
        _ => false,
    };
    match schemes.iter().find(|scheme| !exists(scheme)) {
        None => Ok(()),
        Some(scheme) => Err(ConfigError::Value {
            key: "enforce.auth.schemes".into(),
            value: scheme.clone(),
            allowed: "ip, digest, or sasl with its authProvider",
        }),
    }
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, ConfigError> {
    let address: Option<IpAddr> = host.parse().ok();
    let named = || (host, port).to_socket_addrs().ok()?.next();
    address.map(|address| SocketAddr::new(address, port)).or_else(named).ok_or_else(|| ConfigError::Value {
        key: "clientPortAddress".into(),
        value: host.into(),
        allowed: "an IP address or a name that resolves to one",
    })
}

struct Field<'a> {
    key: &'a str,
    value: &'a str,
}

impl Field<'_> {
    fn bad(&self, allowed: &'static str) -> ConfigError {
        ConfigError::Value { key: self.key.into(), value: self.value.into(), allowed }
    }

    fn absent(&self, what: &'static str) -> ConfigError {
        ConfigError::Absent { key: self.key.into(), what }
    }

    fn number(&self, least: u64, greatest: u64, allowed: &'static str) -> Result<u64, ConfigError> {
        let number = self.value.parse().ok().filter(|number| (least..=greatest).contains(number));
        number.ok_or_else(|| self.bad(allowed))
    }

    fn limit(&self) -> Result<usize, ConfigError> {
        self.number(0, i32::MAX as u64, "a number, 0 for no limit").map(|number| number as usize)
    }

    fn max_buffer(&self) -> Result<usize, ConfigError> {
        self.number(1024, 128 << 20, "bytes, 1024 to 134217728").map(|bytes| bytes as usize)
    }

    /// As `Boolean.parseBoolean`: anything else is false.
    fn is_true(&self) -> bool {
        self.value.eq_ignore_ascii_case("true")
    }

    /// As `QuorumPeerConfig.parseBoolean`.
    fn yes_or_no(&self) -> Result<bool, ConfigError> {
        match self.value {
            value if value.eq_ignore_ascii_case("true") => Ok(true),
            value if value.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(self.bad("true or false")),
        }
    }

    fn millis(&self) -> Result<Duration, ConfigError> {
        self.number(1, i32::MAX as u64 / 20, "milliseconds, 1 to 107374182").map(Duration::from_millis)
    }

    /// -1 stands for the default.
    fn optional_millis(&self) -> Result<Option<Duration>, ConfigError> {
        if self.value == "-1" { Ok(None) } else { self.millis().map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, system: &[(&str, &str)]) -> Result<Config, String> {
        let system = system.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Config::from_properties(text.as_bytes(), &system).map_err(|error| error.to_string())
    }

    fn check(text: &str, expected: Result<&str, &str>) {
        let shown = read(text, &[]).map(|config| {
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
        assert_eq!(shown.as_deref().map_err(String::as_str), expected, "{text}");
    }

    const LEAST: &str = "dataDir=/d\nclientPort=1\n";

    #[test]
    fn properties_of_kafka_and_of_people() {
        // The settings of the zookeeper.properties that Kafka ships.
        check(
            "dataDir=/tmp/zookeeper\nclientPort=2181\nmaxClientCnxns=0\nadmin.enableServer=false\n",
            Ok(r#"/tmp/zookeeper [::]:2181 3s 6s..60s 0 ["srvr"] []"#),
        );
        check(
            "dataDir=/d\nclientPort=0\nclientPortAddress=127.0.0.1\ntickTime=500\nmaxSessionTimeout=-1\n4lw.commands.whitelist=ruok, wchs,x",
            Ok(r#"/d 127.0.0.1:0 500ms 1s..10s 60 ["ruok", "srvr", "wchs"] []"#),
        );
        check(
            &format!(
                "{LEAST}admin.enableServer=true\nmy.key=1\ndataLogDir=/x\ninitLimit=5\nmetricsProvider.httpPort=7000"
            ),
            Ok(
                r#"/d [::]:1 3s 6s..60s 60 ["srvr"] ["dataLogDir", "metricsProvider.httpPort", "admin.enableServer", "my.key"]"#,
            ),
        );
        check("clientPort=1", Err("dataDir is not set"));
        check("dataDir=/d", Err("clientPort is not set"));
    }

    #[test]
    fn what_is_refused() {
        let refused = |line: &str, error: &str| check(&format!("{LEAST}{line}"), Err(error));
        refused("clientPort=70000", "clientPort=70000: a port, 0 to 65535");
        refused("tickTime=x", "tickTime=x: milliseconds, 1 to 107374182");
        for key in ["server.1", "group.1", "weight.1", "dynamicConfigFile"] {
            refused(
                &format!("{key}=a:1:2"),
                &format!(
                    "{key}: this server is single-node by design; for an ensemble use Apache ZooKeeper (zookeeper.apache.org)"
                ),
            );
        }
        refused("minSessionTimeout=90000", "minSessionTimeout=90000: at most maxSessionTimeout");
        refused("secureClientPort=2182", "secureClientPort: TLS is not built");
        refused("enforceQuota=true", "enforceQuota: enforcing quotas is not built");
        refused("authProvider.1=com.example.Mine", "authProvider.1: loading Java classes is not built");
        refused(
            "authProvider.x509=org.apache.zookeeper.server.auth.X509AuthenticationProvider",
            "authProvider.x509: TLS is not built",
        );
        refused(
            "DigestAuthenticationProvider.digestAlg=SHA3-256",
            "DigestAuthenticationProvider.digestAlg: another algorithm than SHA1 is not built",
        );
        refused("enforce.auth.enabled=true", "enforce.auth.schemes is not set");
        refused(
            "sessionRequireClientSASLAuth=true",
            "enforce.auth.schemes=sasl: ip, digest, or sasl with its authProvider",
        );
        refused("reconfigEnabled=1", "reconfigEnabled=1: true or false");
        refused(
            "clientPortAddress=no such host",
            "clientPortAddress=no such host: an IP address or a name that resolves to one",
        );
    }

    #[test]
    fn letters_beyond_ascii_are_latin_1_or_escapes() {
        let config =
            Config::from_properties(b"dataDir=/d\xe4ta/\\u03b1\nclientPort=1", &SystemProperties::new()).unwrap();
        assert_eq!(config.data_dir, PathBuf::from("/däta/α"));
    }

    #[test]
    fn system_properties_and_keys_of_the_file_are_one() {
        let config = read(
            &format!("{LEAST}skipACL=yes\nauthProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider"),
            &[
                ("zookeeper.skipACL", "no"),
                ("zookeeper.superUser.2", "alice"),
                ("zookeeper.enforce.auth.enabled", "true"),
                ("zookeeper.enforce.auth.schemes", "sasl, ip"),
                ("zookeeper.DigestAuthenticationProvider.superDigest", "super:x"),
                ("zookeeper.sasl.serverconfig", "Mine"),
                ("java.security.auth.login.config", "/j"),
                ("jute.maxbuffer", "4096"),
                ("znode.container.checkIntervalMs", "5"),
                ("user.language", "en"),
                ("zookeeper.jaasLoginRenew", "3600000"),
            ],
        );
        let config = config.unwrap();
        let auth = Auth {
            sasl_acls: true,
            skip_acl: true,
            sasl_super_users: ["alice".into()].into(),
            super_digest: Some("super:x".into()),
            required_schemes: vec!["sasl".into(), "ip".into()],
            ..Auth::default()
        };
        assert_eq!(config.auth, auth);
        let jaas =
            Jaas { file: Some("/j".into()), section: "Mine".into(), section_required: true, super_password: None };
        assert_eq!(config.jaas, jaas);
        assert_eq!((config.max_request_bytes, config.reaping.interval), (4096, Duration::from_millis(5)));
        assert_eq!(config.ignored, ["zookeeper.jaasLoginRenew"]);
    }
}
