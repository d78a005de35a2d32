//! `/brokers/ids`: the live brokers, one ephemeral child each (see [`crate::broker_registration`]). Holds no data.

use crate::MalformedZnode;
use crate::ids::BrokerId;

/// The parent of all registrations; the controller watches its children.
pub const PATH: &str = "/brokers/ids";

/// Reads a child's name. Kafka takes any integer, so does this.
pub fn parse_child(name: &str) -> Result<BrokerId, MalformedZnode> {
    let id = name.parse().map_err(|_| MalformedZnode::new(format!("{PATH}/{name}"), "the name is not a broker id"))?;
    Ok(BrokerId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_numbers() {
        assert_eq!(parse_child("1001"), Ok(BrokerId(1001)));
        assert!(parse_child("one").is_err());
        assert!(parse_child("99999999999").is_err());
    }
}
