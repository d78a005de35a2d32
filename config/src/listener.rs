//! Listeners: `NAME://host:port`, and the security protocol that a name stands for (`SocketServerConfigs`,
//! `CoreUtils.listenerListToEndPoints`).

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::value::split_list;

/// An address to listen at or to advertise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// In upper case.
    pub name: String,
    /// What is spoken there.
    pub protocol: SecurityProtocol,
    /// Without brackets; `None` means all interfaces, or, advertised, the machine's own name.
    pub host: Option<String>,
    /// 0 takes a free port.
    pub port: u16,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or("");
        if host.contains(':') {
            write!(f, "{}://[{host}]:{}", self.name, self.port)
        } else {
            write!(f, "{}://{host}:{}", self.name, self.port)
        }
    }
}

/// How a listener is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated.
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL without encryption.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// Kafka's number (`SecurityProtocol.id`), as in UpdateMetadata.
    pub fn id(self) -> i16 {
        match self {
            SecurityProtocol::Plaintext => 0,
            SecurityProtocol::Ssl => 1,
            SecurityProtocol::SaslPlaintext => 2,
            SecurityProtocol::SaslSsl => 3,
        }
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        })
    }
}

impl FromStr for SecurityProtocol {
    type Err = String;

    fn from_str(text: &str) -> Result<SecurityProtocol, String> {
        match text.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Ok(SecurityProtocol::Plaintext),
            "SSL" => Ok(SecurityProtocol::Ssl),
            "SASL_PLAINTEXT" => Ok(SecurityProtocol::SaslPlaintext),
            "SASL_SSL" => Ok(SecurityProtocol::SaslSsl),
            _ => Err(format!("Invalid security protocol `{text}`")),
        }
    }
}

/// Security protocols by listener name, in upper case.
pub type ProtocolMap = BTreeMap<String, SecurityProtocol>;

/// Reads `listener.security.protocol.map`.
pub fn parse_protocol_map(text: &str) -> Result<ProtocolMap, String> {
    split_list(text)
        .iter()
        .map(|pair| {
            let (name, protocol) = pair.rsplit_once(':').ok_or_else(|| format!("'{pair}' is not NAME:PROTOCOL"))?;
            Ok((name.trim().to_ascii_uppercase(), protocol.trim().parse()?))
        })
        .collect()
}

/// Reads `listeners` or `advertised.listeners`. Names must differ; with `distinct_ports`, so must ports, except that one
/// IPv4 and one IPv6 address may share one (KAFKA-12908).
pub fn parse_listeners(text: &str, protocols: &ProtocolMap, distinct_ports: bool) -> Result<Vec<Listener>, String> {
    let listeners = split_list(text)
        .iter()
        .map(|entry| parse_listener(entry, protocols))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|reason| format!("Error creating broker listeners from '{text}': {reason}"))?;
    for (index, listener) in listeners.iter().enumerate() {
        for other in listeners.iter().take(index) {
            if listener.name == other.name {
                return Err(format!("Each listener must have a different name, listeners: {text}"));
            }
            if distinct_ports && listener.port != 0 && listener.port == other.port && !share_port(listener, other) {
                return Err(format!(
                    "Each listener must have a different port unless exactly one listener has an IPv4 address and the \
                     other IPv6 address, listeners: {text}, port: {}",
                    listener.port
                ));
            }
        }
    }
    Ok(listeners)
}

fn share_port(one: &Listener, other: &Listener) -> bool {
    let ip = |listener: &Listener| listener.host.as_deref().and_then(|host| host.parse::<IpAddr>().ok());
    matches!((ip(one), ip(other)), (Some(one), Some(other)) if one.is_ipv4() != other.is_ipv4())
}

fn parse_listener(entry: &str, protocols: &ProtocolMap) -> Result<Listener, String> {
    let unparsable = || format!("Unable to parse {entry} to a broker endpoint");
    let (name, address) = entry.rsplit_once("://").ok_or_else(unparsable)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(unparsable)?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    if !is_host(host) {
        return Err(unparsable());
    }
    let port = port.parse().map_err(|_| unparsable())?;
    let name = name.to_ascii_uppercase();
    let protocol = *protocols.get(&name).ok_or_else(|| format!("No security protocol defined for listener {name}"))?;
    let host = (!host.is_empty()).then(|| host.to_owned());
    Ok(Listener { name, protocol, host, port })
}

/// Whether a text has only characters that a host may have (`Utils.validHostPattern`).
pub fn is_host(text: &str) -> bool {
    text.chars().all(|each| each.is_ascii_alphanumeric() || "-%._:".contains(each))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &str) {
        let map = parse_protocol_map("PLAINTEXT:PLAINTEXT,internal:PLAINTEXT,EXT:SASL_SSL").unwrap();
        let got = match parse_listeners(text, &map, true) {
            Ok(listeners) => listeners.iter().map(Listener::to_string).collect::<Vec<_>>().join(" "),
            Err(error) => error,
        };
        assert_eq!(got, want, "{text}");
    }

    #[test]
    fn listeners_are_read_as_kafka_reads_them() {
        check("PLAINTEXT://:9092", "PLAINTEXT://:9092");
        check("plaintext://h:1, internal://[::1]:2", "PLAINTEXT://h:1 INTERNAL://[::1]:2");
        check("PLAINTEXT://1.2.3.4:9092,EXT://[::1]:9092", "PLAINTEXT://1.2.3.4:9092 EXT://[::1]:9092");
        check("PLAINTEXT://:0,EXT://:0", "PLAINTEXT://:0 EXT://:0");
        check("", "");
        check("h:9092", "Error creating broker listeners from 'h:9092': Unable to parse h:9092 to a broker endpoint");
        check(
            "NOPE://h:9092",
            "Error creating broker listeners from 'NOPE://h:9092': No security protocol defined for listener NOPE",
        );
        check(
            "PLAINTEXT://a:1,PLAINTEXT://a:2",
            "Each listener must have a different name, listeners: PLAINTEXT://a:1,PLAINTEXT://a:2",
        );
        check(
            "PLAINTEXT://a:1,EXT://a:1",
            "Each listener must have a different port unless exactly one listener has an IPv4 address and the other \
             IPv6 address, listeners: PLAINTEXT://a:1,EXT://a:1, port: 1",
        );
    }

    #[test]
    fn a_protocol_map_names_what_is_wrong() {
        assert_eq!(parse_protocol_map("A:TLS").unwrap_err(), "Invalid security protocol `TLS`");
        assert_eq!(parse_protocol_map("A").unwrap_err(), "'A' is not NAME:PROTOCOL");
    }
}
