//! `/brokers/seqid`: where brokers without `broker.id` get one. It never holds data: each taker sets empty data with
//! any version, and the data version ZooKeeper answers is the number, above `reserved.broker.max.id`.

use crate::ids::{BrokerId, ZkVersion};

/// The counter's path.
pub const PATH: &str = "/brokers/seqid";

/// The broker id that belongs to the data version answered; `None` when it would leave the range of ids.
pub fn generated_broker_id(zk_version: ZkVersion, reserved_broker_max_id: i32) -> Option<BrokerId> {
    reserved_broker_max_id.checked_add(zk_version.0).map(BrokerId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_generated_id_follows_the_reserved_ones() {
        assert_eq!(generated_broker_id(ZkVersion(1), 1000), Some(BrokerId(1001)));
        assert_eq!(generated_broker_id(ZkVersion(1), i32::MAX), None);
    }
}
