//! What a broker says about itself in its registration, from its configuration and the ports it got
//! (`KafkaServer.createBrokerInfo`).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, ToSocketAddrs};

use config::{BrokerConfig, Listener};
use zk_paths::broker_registration::{BrokerRegistration, Endpoint, RegistrationFormat, SecurityProtocol};

/// The advertised listeners. A port 0 becomes the port that `bound_port` knows for the listener's name; a missing host
/// becomes this machine's name.
pub fn endpoints(config: &BrokerConfig, bound_port: impl Fn(&str) -> Option<u16>) -> Vec<Endpoint> {
    let advertised = config.network.advertised_listeners.iter();
    advertised.map(|listener| endpoint(listener, &bound_port)).collect()
}

/// The registration of a broker that advertises these endpoints. `now_ms` is the time of registering, milliseconds since
/// 1970. No features: Kafka 3.9 has none in ZooKeeper mode. No JMX: there is no JVM.
pub fn document(config: &BrokerConfig, endpoints: Vec<Endpoint>, now_ms: i64) -> BrokerRegistration {
    BrokerRegistration {
        endpoints,
        rack: config.identity.rack.clone(),
        features: BTreeMap::new(),
        jmx_port: -1,
        timestamp_ms: now_ms,
    }
}

/// The encoding that every broker of the cluster can read.
pub fn format(config: &BrokerConfig) -> RegistrationFormat {
    if config.replication.protocol_version.has_feature_versioning() {
        RegistrationFormat::V5
    } else {
        RegistrationFormat::V4
    }
}

fn endpoint(listener: &Listener, bound_port: &impl Fn(&str) -> Option<u16>) -> Endpoint {
    let port = if listener.port == 0 { bound_port(&listener.name).unwrap_or(0) } else { listener.port };
    Endpoint {
        listener_name: listener.name.clone(),
        security_protocol: security_protocol(listener.protocol),
        host: listener.host.clone().unwrap_or_else(machine_name),
        port: port.into(),
    }
}

fn security_protocol(protocol: config::SecurityProtocol) -> SecurityProtocol {
    match protocol {
        config::SecurityProtocol::Plaintext => SecurityProtocol::Plaintext,
        config::SecurityProtocol::Ssl => SecurityProtocol::Ssl,
        config::SecurityProtocol::SaslPlaintext => SecurityProtocol::SaslPlaintext,
        config::SecurityProtocol::SaslSsl => SecurityProtocol::SaslSsl,
    }
}

/// The machine's own name; its loopback address when nobody can resolve that name, which is at least right on this
/// machine. Java would also ask the resolver for a fully qualified one; whoever needs that configures
/// `advertised.listeners`.
fn machine_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    match (name.as_str(), 0).to_socket_addrs() {
        Ok(_) => name,
        Err(_) => Ipv4Addr::LOCALHOST.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(settings: &[(&str, &str)], expected: &[&str]) {
        let base = [("zookeeper.connect", "z:1")];
        let config = BrokerConfig::new(base.iter().chain(settings).copied().collect()).unwrap();
        let endpoints = endpoints(&config, |name| (name == "PLAINTEXT").then_some(4711));
        let shown: Vec<String> = endpoints.iter().map(Endpoint::to_string).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_advertised_is_the_real_port_and_a_name() {
        check(&[("listeners", "PLAINTEXT://h:0")], &["PLAINTEXT://h:4711"]);
        check(&[("listeners", "PLAINTEXT://:9092")], &[&format!("PLAINTEXT://{}:9092", machine_name())]);
        let advertised = [("listeners", "PLAINTEXT://:9092"), ("advertised.listeners", "PLAINTEXT://[::1]:19092")];
        check(&advertised, &["PLAINTEXT://[::1]:19092"]);
    }
}
