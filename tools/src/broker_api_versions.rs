//! `kafka-broker-api-versions.sh`: which versions of which APIs each broker speaks.
//!
//! The tool marks what Kafka 3.9's own client would use, so it knows the names of all of Kafka 3.9's APIs, also those
//! that no ZooKeeper-mode broker has.

use std::collections::BTreeMap;

use client::cluster::BrokerNode;
use client::{ClientError, Cluster};
use wire::{ApiKey, VersionRange};

use crate::brokers::{BOOTSTRAP_SERVER, COMMAND_CONFIG, admin, block_on};
use crate::error::ToolError;
use crate::options::{HELP, Options, Spec, VERSION};
use crate::terminal::Terminal;

/// Its options.
pub const OPTIONS: &[Spec] = &[BOOTSTRAP_SERVER, COMMAND_CONFIG, HELP, VERSION];

/// An API that ZooKeeper-mode brokers do not have.
struct Foreign {
    key: i16,
    name: &'static str,
    /// The latest version that Kafka 3.9 knows; the first is 0 for all of them.
    latest: i16,
    /// Whether clients may ask brokers for it, so that its absence is told.
    of_clients: bool,
}

const fn foreign(key: i16, name: &'static str, latest: i16, of_clients: bool) -> Foreign {
    Foreign { key, name, latest, of_clients }
}

/// From Kafka 3.9's message definitions.
const FOREIGN: &[Foreign] = &[
    foreign(52, "Vote", 1, false),
    foreign(53, "BeginQuorumEpoch", 1, false),
    foreign(54, "EndQuorumEpoch", 1, false),
    foreign(55, "DescribeQuorum", 2, true),
    foreign(59, "FetchSnapshot", 1, false),
    foreign(62, "BrokerRegistration", 4, false),
    foreign(63, "BrokerHeartbeat", 1, false),
    foreign(64, "UnregisterBroker", 0, true),
    foreign(70, "ControllerRegistration", 0, false),
    foreign(71, "GetTelemetrySubscriptions", 0, true),
    foreign(72, "PushTelemetry", 0, true),
    foreign(73, "AssignReplicasToDirs", 0, false),
    foreign(74, "ListClientMetricsResources", 0, true),
    foreign(75, "DescribeTopicPartitions", 0, true),
    foreign(76, "ShareGroupHeartbeat", 0, true),
    foreign(77, "ShareGroupDescribe", 0, true),
    foreign(78, "ShareFetch", 0, true),
    foreign(79, "ShareAcknowledge", 0, true),
    foreign(80, "AddRaftVoter", 0, true),
    foreign(81, "RemoveRaftVoter", 0, true),
    foreign(82, "UpdateRaftVoter", 0, false),
    foreign(83, "InitializeShareGroupState", 0, true),
    foreign(84, "ReadShareGroupState", 0, true),
    foreign(85, "WriteShareGroupState", 0, true),
    foreign(86, "DeleteShareGroupState", 0, true),
    foreign(87, "ReadShareGroupStateSummary", 0, true),
];

/// The tool.
pub fn run(arguments: &[String], terminal: &mut Terminal) -> Result<(), ToolError> {
    let options = Options::parse(OPTIONS, arguments)?;
    options.help_or_version("This tool helps to retrieve broker version information.")?;
    options.require("bootstrap-server")?;
    let bootstrap = options.value("bootstrap-server")?.unwrap_or_default();
    let config = options.value("command-config")?;
    block_on(async {
        let admin = admin(terminal, bootstrap, "admin-1", config, "listNodes").await?;
        for broker in admin.cluster().brokers() {
            let rack = broker.rack.as_deref().unwrap_or("null");
            let node = format!("{}:{} (id: {} rack: {rack})", broker.host, broker.port, broker.id);
            match versions(admin.cluster(), &broker).await {
                Ok(versions) => terminal.line(&format!("{node} -> {}", text(&versions)))?,
                Err(error) => terminal.line(&format!("{node} -> ERROR: {}", exception(&error)))?,
            }
        }
        Ok(())
    })
}

async fn versions(cluster: &Cluster, broker: &BrokerNode) -> Result<BTreeMap<i16, VersionRange>, ClientError> {
    Ok(cluster.broker(broker.id).await?.api_versions())
}

/// A broker that cannot be reached is told by the name of Java's exception, which scripts look for.
fn exception(error: &ClientError) -> String {
    match error {
        ClientError::Connect { .. } | ClientError::Lost { .. } => {
            "org.apache.kafka.common.errors.DisconnectException".to_owned()
        }
        other => other.to_string(),
    }
}

/// All APIs of the broker, and those that clients would like to see there (`NodeApiVersions.toString`).
fn text(versions: &BTreeMap<i16, VersionRange>) -> String {
    let ours = ApiKey::ALL.iter().map(|api| *api as i16);
    let foreign = FOREIGN.iter().filter(|api| api.of_clients).map(|api| api.key);
    let mut lines: BTreeMap<i16, String> = ours
        .chain(foreign)
        .map(|key| (key, format!("{}({key}): UNSUPPORTED", known(key).map_or("", |api| api.0))))
        .collect();
    lines.extend(versions.iter().map(|(key, range)| (*key, line(*key, *range))));
    let lines: Vec<String> = lines.into_values().collect();
    format!("(\n\t{}\n)", lines.join(",\n\t"))
}

/// Name and versions that Kafka 3.9 knows.
fn known(key: i16) -> Option<(&'static str, VersionRange)> {
    match ApiKey::try_from(key) {
        Ok(api) => Some((api.name(), api.versions())),
        Err(_) => {
            FOREIGN.iter().find(|api| api.key == key).map(|api| (api.name, VersionRange { min: 0, max: api.latest }))
        }
    }
}

fn line(key: i16, range: VersionRange) -> String {
    let versions =
        if range.min == range.max { range.min.to_string() } else { format!("{} to {}", range.min, range.max) };
    match known(key) {
        None => format!("UNKNOWN({key}): {versions}"),
        Some((name, own)) => {
            let usable = if own.max < range.min {
                "unusable: node too new".to_owned()
            } else if range.max < own.min {
                "unusable: node too old".to_owned()
            } else {
                format!("usable: {}", own.max.min(range.max))
            };
            format!("{name}({key}): {versions} [{usable}]")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_is_usable() {
        for (key, min, max, want) in [
            (0, 0, 11, "Produce(0): 0 to 11 [usable: 11]"),
            (0, 3, 99, "Produce(0): 3 to 99 [usable: 11]"),
            (0, 98, 99, "Produce(0): 98 to 99 [unusable: node too new]"),
            (46, 0, 0, "ListPartitionReassignments(46): 0 [usable: 0]"),
            (55, 0, 2, "DescribeQuorum(55): 0 to 2 [usable: 2]"),
            (999, 0, 1, "UNKNOWN(999): 0 to 1"),
        ] {
            assert_eq!(line(key, VersionRange { min, max }), want);
        }
    }

    #[test]
    fn absent_apis_of_clients_are_told() {
        let text = text(&BTreeMap::from([(18, VersionRange { min: 0, max: 4 })]));
        assert!(text.starts_with("(\n\tProduce(0): UNSUPPORTED,\n\tFetch(1): UNSUPPORTED,\n"), "{text}");
        assert!(text.contains(",\n\tApiVersions(18): 0 to 4 [usable: 4],\n\t"), "{text}");
        assert!(text.ends_with(",\n\tReadShareGroupStateSummary(87): UNSUPPORTED\n)"), "{text}");
        assert!(!text.contains("Vote("), "{text}");
    }
}
