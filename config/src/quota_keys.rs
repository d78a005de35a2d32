//! Keys that exist only as dynamic configuration of users, clients, addresses and brokers (`QuotaConfigs`,
//! `DynamicConfig`).

use crate::definition::Kind::{Double, Int, Long, Text};
use crate::definition::Valid::{Any, AtLeast};
use crate::definition::{Applies, Importance, Key, Kind, Scope, Valid};

/// Whose dynamic configuration a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entity {
    /// `/config/users`, and the users with client ids below them.
    User,
    /// `/config/clients`.
    ClientId,
    /// `/config/ips`.
    Ip,
    /// `/config/brokers`.
    Broker,
}

/// The dynamic keys of one kind of entity.
pub fn keys(entity: Entity) -> impl Iterator<Item = &'static Key> {
    let (quotas, credentials): (&[Key], &[Key]) = match entity {
        Entity::User => (CLIENT_QUOTAS, SCRAM_CREDENTIALS),
        Entity::ClientId => (CLIENT_QUOTAS, &[]),
        Entity::Ip => (IP_QUOTAS, &[]),
        Entity::Broker => (BROKER_QUOTAS, &[]),
    };
    quotas.iter().chain(credentials)
}

/// Looks a dynamic key of one kind of entity up.
pub fn find(entity: Entity, name: &str) -> Option<&'static Key> {
    keys(entity).find(|key| key.name == name)
}

const LONG_MAX: Option<&str> = Some("9223372036854775807");
const INT_MAX: Option<&str> = Some("2147483647");

const fn dynamic(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    valid: Valid,
    doc: &'static str,
) -> Key {
    let (scope, importance, applies) = (Scope::ClusterWide, Importance::Medium, Applies::Everywhere);
    Key { name, kind, default, valid, scope, importance, applies, internal: false, doc }
}

#[rustfmt::skip]
static CLIENT_QUOTAS: &[Key] = &[
    dynamic("consumer_byte_rate", Long, LONG_MAX, Any, "Bytes per second that may be fetched from one broker."),
    dynamic("controller_mutation_rate", Double, INT_MAX, Any, "Partitions per second that may be created or deleted."),
    dynamic("producer_byte_rate", Long, LONG_MAX, Any, "Bytes per second that may be produced to one broker."),
    dynamic("request_percentage", Double, INT_MAX, Any, "Percent of one thread's time that requests may take."),
];

#[rustfmt::skip]
static SCRAM_CREDENTIALS: &[Key] = &[
    dynamic("SCRAM-SHA-256", Text, None, Any, "A SCRAM credential."),
    dynamic("SCRAM-SHA-512", Text, None, Any, "A SCRAM credential."),
];

#[rustfmt::skip]
static IP_QUOTAS: &[Key] = &[
    dynamic("connection_creation_rate", Int, INT_MAX, AtLeast(0), "New connections per second from one address."),
];

#[rustfmt::skip]
static BROKER_QUOTAS: &[Key] = &[
    dynamic("follower.replication.throttled.rate", Long, LONG_MAX, AtLeast(0),
        "Bytes per second that followers here fetch of throttled replicas."),
    dynamic("leader.replication.throttled.rate", Long, LONG_MAX, AtLeast(0),
        "Bytes per second that leaders here serve of throttled replicas."),
    dynamic("replica.alter.log.dirs.io.max.bytes.per.second", Long, LONG_MAX, AtLeast(0),
        "Bytes per second moved between log directories."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_the_reference() {
        let counts = [Entity::User, Entity::ClientId, Entity::Ip, Entity::Broker].map(|entity| keys(entity).count());
        assert_eq!(counts, [6, 4, 1, 3]);
        assert!(find(Entity::Ip, "producer_byte_rate").is_none());
    }
}
