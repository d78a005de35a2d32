//! `/brokers/ids/<id>`: what a live broker tells the others about itself. Ephemeral; its czxid is the broker epoch.
//!
//! | version | adds | written with IBP |
//! |---|---|---|
//! | 1 | host, port, jmx_port, timestamp | |
//! | 2 | endpoints | below 0.10.0-IV1 |
//! | 3 | rack | |
//! | 4 | listener_security_protocol_map | 0.10.0-IV1 and later, all of 2.4 |
//! | 5 | features | 2.7-IV0 and later |
//!
//! All are read, 4 and 5 are written. `host` and `port` repeat the first PLAINTEXT endpoint for clients of the 0.8
//! days; without one they are `null` and -1.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::json;

use crate::ids::BrokerId;
use crate::{MalformedZnode, broker_ids, json};

/// The node of one broker.
pub fn path(id: BrokerId) -> String {
    format!("{}/{id}", broker_ids::PATH)
}

/// How a listener is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// All of them.
    pub const ALL: [SecurityProtocol; 4] = [Self::Plaintext, Self::Ssl, Self::SaslPlaintext, Self::SaslSsl];

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    /// The number used in UpdateMetadata requests.
    pub fn id(self) -> i16 {
        match self {
            Self::Plaintext => 0,
            Self::Ssl => 1,
            Self::SaslPlaintext => 2,
            Self::SaslSsl => 3,
        }
    }

    /// By Kafka's name, in any case.
    pub fn from_name(name: &str) -> Option<SecurityProtocol> {
        Self::ALL.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }
}

/// One advertised listener.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The listener's name, upper case.
    pub listener_name: String,
    /// How it is secured.
    pub security_protocol: SecurityProtocol,
    /// Host name or address, IPv6 without brackets.
    pub host: String,
    /// Port.
    pub port: i32,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "{}://[{}]:{}", self.listener_name, self.host, self.port)
        } else {
            write!(f, "{}://{}:{}", self.listener_name, self.host, self.port)
        }
    }
}

/// A range of versions of one feature that a broker supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
pub struct FeatureRange {
    /// Lowest version.
    pub min_version: i16,
    /// Highest version.
    pub max_version: i16,
}

/// Which encoding to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationFormat {
    /// Up to IBP 2.6: without features.
    V4,
    /// From IBP 2.7-IV0 on.
    V5,
}

/// A broker's registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerRegistration {
    /// Advertised listeners, in configuration order.
    pub endpoints: Vec<Endpoint>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Supported features, by name.
    pub features: BTreeMap<String, FeatureRange>,
    /// JMX remote port, or -1.
    pub jmx_port: i32,
    /// When it registered, in milliseconds since 1970.
    pub timestamp_ms: i64,
}

impl BrokerRegistration {
    /// The document.
    pub fn encode(&self, format: RegistrationFormat) -> Vec<u8> {
        let plaintext = self.endpoints.iter().find(|e| e.security_protocol == SecurityProtocol::Plaintext);
        let protocols: BTreeMap<_, _> =
            self.endpoints.iter().map(|e| (e.listener_name.as_str(), e.security_protocol.name())).collect();
        let mut document = json!({
            "version": match format { RegistrationFormat::V4 => 4, RegistrationFormat::V5 => 5 },
            "host": plaintext.map(|endpoint| &endpoint.host),
            "port": plaintext.map_or(-1, |endpoint| endpoint.port),
            "jmx_port": self.jmx_port,
            "timestamp": self.timestamp_ms.to_string(),
            "endpoints": self.endpoints.iter().map(Endpoint::to_string).collect::<Vec<_>>(),
            "listener_security_protocol_map": protocols,
        });
        if let Some(fields) = document.as_object_mut() {
            if let Some(rack) = &self.rack {
                fields.insert("rack".into(), rack.as_str().into());
            }
            if format == RegistrationFormat::V5 {
                fields.insert("features".into(), json!(self.features));
            }
        }
        json::to_bytes(&document)
    }

    /// Reads any version.
    pub fn decode(id: BrokerId, bytes: &[u8]) -> Result<BrokerRegistration, MalformedZnode> {
        let path = path(id);
        let document: Document = json::parse(&path, bytes)?;
        let endpoints = document.endpoints().map_err(|problem| MalformedZnode::new(path, problem))?;
        Ok(BrokerRegistration {
            endpoints,
            rack: document.rack,
            features: document.features.unwrap_or_default(),
            jmx_port: document.jmx_port,
            timestamp_ms: document.timestamp,
        })
    }

    /// The endpoint of a listener.
    pub fn endpoint(&self, listener_name: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.listener_name == listener_name)
    }
}

#[derive(Deserialize)]
struct Document {
    version: i32,
    host: Option<String>,
    port: Option<i32>,
    jmx_port: i32,
    #[serde(default, deserialize_with = "json::number_or_text")]
    timestamp: i64,
    endpoints: Option<Vec<String>>,
    rack: Option<String>,
    listener_security_protocol_map: Option<BTreeMap<String, String>>,
    features: Option<BTreeMap<String, FeatureRange>>,
}

impl Document {
    fn endpoints(&self) -> Result<Vec<Endpoint>, String> {
        match (self.version, &self.host, self.port, &self.endpoints) {
            (..=0, ..) => Err(format!("version {} is not supported", self.version)),
            (1, Some(host), Some(port), _) => Ok(vec![Endpoint {
                listener_name: SecurityProtocol::Plaintext.name().into(),
                security_protocol: SecurityProtocol::Plaintext,
                host: host.clone(),
                port,
            }]),
            (1, ..) => Err("host or port is missing".into()),
            (_, _, _, Some(endpoints)) => endpoints.iter().map(|text| self.endpoint(text)).collect(),
            (_, _, _, None) => Err("endpoints are missing".into()),
        }
    }

    /// One entry of `endpoints`; before version 4 a listener is called as its protocol.
    fn endpoint(&self, text: &str) -> Result<Endpoint, String> {
        let (listener_name, host, port) = split_endpoint(text).ok_or(format!("'{text}' is not an endpoint"))?;
        let protocol_name = match &self.listener_security_protocol_map {
            None => Some(&listener_name),
            Some(map) => map.iter().find(|(name, _)| name.eq_ignore_ascii_case(&listener_name)).map(|(_, p)| p),
        };
        let security_protocol = protocol_name
            .and_then(|name| SecurityProtocol::from_name(name))
            .ok_or(format!("no security protocol is known for listener {listener_name}"))?;
        Ok(Endpoint { security_protocol, host, port, listener_name })
    }
}

/// `NAME://host:port` with brackets round an IPv6 address; the name comes back in upper case.
fn split_endpoint(text: &str) -> Option<(String, String, i32)> {
    let (name, address) = text.split_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    Some((name.to_uppercase(), host.to_string(), i32::from_str(port).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &[u8]) -> Result<BrokerRegistration, MalformedZnode> {
        BrokerRegistration::decode(BrokerId(1), text)
    }

    #[test]
    fn captured_registrations_survive() {
        for (format, captured) in [
            (RegistrationFormat::V5, &include_bytes!("../testdata/kafka_3_9_2/brokers.ids.1")[..]),
            (RegistrationFormat::V4, include_bytes!("../testdata/kafka_2_4_1/brokers.ids.2")),
            (
                RegistrationFormat::V5,
                br#"{"version":5,"host":null,"port":-1,"jmx_port":9999,"timestamp":"1700000000000",
                    "endpoints":["REPL://[::1]:9094"],"listener_security_protocol_map":{"REPL":"SASL_SSL"},
                    "features":{"f":{"min_version":1,"max_version":3}}}"#,
            ),
        ] {
            json::check_same_value(captured, &decode(captured).unwrap().encode(format));
        }
    }

    #[test]
    fn older_versions_are_read() {
        let v1 = decode(br#"{"version":1,"host":"b1","port":9092,"jmx_port":-1,"timestamp":"17"}"#).unwrap();
        assert_eq!((v1.endpoints[0].to_string().as_str(), v1.timestamp_ms), ("PLAINTEXT://b1:9092", 17));
        let v3 = br#"{"version":3,"host":"b1","port":9092,"jmx_port":9999,"timestamp":"2233345666",
                      "endpoints":["PLAINTEXT://b1:9092","SSL://b1:9093"],"rack":"dc1"}"#;
        let v3 = decode(v3).unwrap();
        assert_eq!(v3.endpoint("SSL").unwrap().security_protocol, SecurityProtocol::Ssl);
        assert_eq!(v3.rack.as_deref(), Some("dc1"));
    }

    #[test]
    fn nonsense_is_refused_by_path() {
        for bad in [
            r#"{"version":0,"jmx_port":-1}"#,
            r#"{"version":1,"jmx_port":-1}"#,
            r#"{"version":4,"jmx_port":-1}"#,
            r#"{"version":4,"jmx_port":-1,"endpoints":["CLIENT://h:1"]}"#,
            r#"{"version":4,"jmx_port":-1,"endpoints":["PLAINTEXT://h"]}"#,
            r#"{"version":4,"jmx_port":-1,"endpoints":["C://h:1"],"listener_security_protocol_map":{"C":"NONE"}}"#,
            "null",
        ] {
            assert_eq!(decode(bad.as_bytes()).unwrap_err().path, "/brokers/ids/1", "{bad}");
        }
    }
}
