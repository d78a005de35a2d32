//! Where the ensemble is and how long to wait for it: what `zookeeper.*` in server.properties says.

use std::time::Duration;

use thiserror::Error;

/// Port of a server that is named without one.
const DEFAULT_PORT: u16 = 2181;

/// How to reach the ensemble. Made by [`ZkSettings::parse`]; the durations and limits may be changed afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZkSettings {
    /// Host and port of each server, in the order named.
    pub servers: Vec<(String, u16)>,
    /// Put in front of every path: empty, or `/a/b` without a slash at its end.
    pub chroot: String,
    /// `zookeeper.session.timeout.ms`: what we ask for; the servers may grant another.
    pub session_timeout: Duration,
    /// `zookeeper.connection.timeout.ms`: how long the first connection may take.
    pub connection_timeout: Duration,
    /// `zookeeper.max.in.flight.requests`: requests without answer at any time.
    pub max_in_flight: usize,
}

/// The value of `zookeeper.connect` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("zookeeper.connect={value}: {reason}; expected host:port[,host:port…][/chroot]")]
pub struct BadConnectString {
    value: String,
    reason: String,
}

impl ZkSettings {
    /// From the broker's configuration. ACLs and TLS towards ZooKeeper are refused where it is read.
    pub fn from_config(zookeeper: &config::broker::ZooKeeper) -> Result<ZkSettings, BadConnectString> {
        Ok(ZkSettings {
            session_timeout: zookeeper.session_timeout,
            connection_timeout: zookeeper.connection_timeout,
            max_in_flight: zookeeper.max_in_flight_requests,
            ..ZkSettings::parse(&zookeeper.connect)?
        })
    }

    /// Reads a `zookeeper.connect` value; the rest gets Kafka 3.9's defaults (18 s, 18 s, 10 requests).
    pub fn parse(connect: &str) -> Result<ZkSettings, BadConnectString> {
        let bad = |reason: String| BadConnectString { value: connect.into(), reason };
        let (servers, chroot) = match connect.find('/') {
            Some(slash) => connect.split_at(slash),
            None => (connect, ""),
        };
        let servers = servers.split(',').map(str::trim).filter(|server| !server.is_empty());
        let servers = servers.map(parse_server).collect::<Result<Vec<_>, _>>().map_err(bad)?;
        if servers.is_empty() {
            return Err(bad("no server is named".into()));
        }
        Ok(ZkSettings {
            servers,
            chroot: parse_chroot(chroot).map_err(bad)?,
            session_timeout: Duration::from_secs(18),
            connection_timeout: Duration::from_secs(18),
            max_in_flight: 10,
        })
    }

    /// The servers as an operator would type them.
    pub(super) fn server_names(&self) -> String {
        let names: Vec<String> = self.servers.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        names.join(",")
    }
}

/// `host`, `host:port` or `[v6 address]:port`.
fn parse_server(server: &str) -> Result<(String, u16), String> {
    let (host, port) = match server.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match server.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    if host.is_empty() {
        return Err(format!("'{server}' names no host"));
    }
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(format!("'{port}' is not a port"))?,
    };
    Ok((host.to_string(), port))
}

fn parse_chroot(chroot: &str) -> Result<String, String> {
    let chroot = chroot.trim_end_matches('/');
    let bad = |name: &str| name.is_empty() || name == "." || name == "..";
    if !chroot.is_empty() && chroot.split('/').skip(1).any(bad) {
        return Err(format!("'{chroot}' is not a path of znodes"));
    }
    Ok(chroot.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parsed<'a> = (&'a [(&'a str, u16)], &'a str);

    #[track_caller]
    fn check(connect: &str, expected: Result<Parsed<'_>, &str>) {
        match (ZkSettings::parse(connect), expected) {
            (Ok(settings), Ok((servers, chroot))) => {
                let got: Vec<(&str, u16)> = settings.servers.iter().map(|(host, port)| (&**host, *port)).collect();
                assert_eq!((got.as_slice(), &*settings.chroot), (servers, chroot), "{connect}");
            }
            (Err(error), Err(reason)) => assert!(error.to_string().contains(reason), "{error}"),
            (got, _) => panic!("{connect}: {got:?}"),
        }
    }

    #[test]
    fn connect_strings() {
        check("h1:2181,h2:2182", Ok((&[("h1", 2181), ("h2", 2182)], "")));
        check("h1, h2:7/kafka/main/", Ok((&[("h1", 2181), ("h2", 7)], "/kafka/main")));
        check("[::1]:2181/", Ok((&[("::1", 2181)], "")));
        check("", Err("no server"));
        check("/kafka", Err("no server"));
        check("h:99999", Err("'99999' is not a port"));
        check("h:0", Err("'0' is not a port"));
        check(":2181", Err("names no host"));
        check("h:1/a//b", Err("not a path"));
        check("h:1/a/../b", Err("not a path"));
    }
}
