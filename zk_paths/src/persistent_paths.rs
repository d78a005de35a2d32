//! The persistent nodes every broker makes sure of when it starts, and which paths are protected how
//! (`ZkData.PersistentZkPaths`, `SecureRootPaths`, `SensitiveRootPaths`).

use crate::{
    broker_ids, broker_sequence_id, config_change, consumer_offset, delete_topics, isr_change_notification,
    log_dir_event_notification, producer_id_block, topic,
};

/// Created with null data, and their parents, when missing. Order is Kafka's.
pub const CREATED_AT_START: [&str; 14] = [
    consumer_offset::ROOT,
    broker_ids::PATH,
    topic::ROOT,
    config_change::PATH,
    delete_topics::PATH,
    broker_sequence_id::PATH,
    isr_change_notification::PATH,
    producer_id_block::PATH,
    log_dir_event_notification::PATH,
    "/config/topics",
    "/config/clients",
    "/config/users",
    "/config/brokers",
    "/config/ips",
];

/// Who may read and write a node when `zookeeper.set.acl` is on (otherwise everything is open).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Everybody may do everything.
    Open,
    /// The creator may do everything, the world may read.
    WorldReadable,
    /// Only the creator, not even reading.
    Sensitive,
}

/// The protection of a path. A plain string prefix decides, as in Kafka: `/config/users2` would be sensitive as well.
pub fn protection(path: &str) -> Protection {
    const SENSITIVE: [&str; 3] = ["/config/users", "/config/brokers", "/delegation_token/tokens"];
    if path == consumer_offset::ROOT {
        Protection::Open
    } else if SENSITIVE.iter().any(|root| path.starts_with(root)) {
        Protection::Sensitive
    } else {
        Protection::WorldReadable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_tokens_are_sensitive_and_the_rest_readable() {
        for (path, expected) in [
            ("/consumers", Protection::Open),
            ("/consumers/g", Protection::WorldReadable),
            ("/brokers/topics/orders", Protection::WorldReadable),
            ("/config/users", Protection::Sensitive),
            ("/config/users/alice", Protection::Sensitive),
            ("/config/brokers/<default>", Protection::Sensitive),
            ("/delegation_token/tokens/x", Protection::Sensitive),
        ] {
            assert_eq!(protection(path), expected, "{path}");
        }
    }
}
