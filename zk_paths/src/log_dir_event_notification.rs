//! `/log_dir_event_notification/log_dir_event_<seq>`: a broker lost a log directory. The controller answers with
//! LeaderAndIsr, learns from the reply which replicas are gone, and deletes the entries.

use serde::Deserialize;
use serde_json::json;

use crate::ids::BrokerId;
use crate::{MalformedZnode, json};

/// The parent; the controller watches its children.
pub const PATH: &str = "/log_dir_event_notification";
/// What a child's name starts with.
pub const PREFIX: &str = "log_dir_event_";
/// The only event there is.
const LOG_DIR_FAILURE: i32 = 1;

/// Where a broker creates its entry (persistent, sequential).
pub fn create_path() -> String {
    child_path(PREFIX)
}

/// One entry.
pub fn child_path(child: &str) -> String {
    format!("{PATH}/{child}")
}

/// The document by which `broker` reports a failed directory.
pub fn encode(broker: BrokerId) -> Vec<u8> {
    json::to_bytes(&json!({"version": 1, "broker": broker, "event": LOG_DIR_FAILURE}))
}

/// The broker that reports. The event is not looked at: there is only one.
pub fn decode(child: &str, bytes: &[u8]) -> Result<BrokerId, MalformedZnode> {
    #[derive(Deserialize)]
    struct Document {
        broker: BrokerId,
    }
    json::parse::<Document>(&child_path(child), bytes).map(|document| document.broker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_survives() {
        let text = br#"{"version":1,"broker":2,"event":1}"#;
        json::check_same_value(text, &encode(decode("log_dir_event_0000000000", text).unwrap()));
        assert!(decode("log_dir_event_0000000000", br#"{"version":1,"event":1}"#).is_err());
    }
}
