//! One entry for everything an operator can write: a short property test runs it on every build, a long fuzz target beside.

use crate::{BrokerConfig, Properties};

/// Reads bytes as a server.properties and checks its values as a start would.
pub fn fuzz(bytes: &[u8]) {
    let Ok(properties) = Properties::parse(bytes, "server.properties") else { return };
    if let Ok(config) = BrokerConfig::new(properties) {
        let _ = config.unsupported();
        let _ = config.without_effect();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_value_of_any_key_is_taken_or_refused(key in 0..crate::broker_keys::BROKER_KEYS.len(), value in "[ -~]{0,40}") {
            let name = crate::broker_keys::BROKER_KEYS[key].name;
            fuzz(format!("broker.id=1\nzookeeper.connect=z:1\n{name}={value}\n").as_bytes());
        }
    }
}
