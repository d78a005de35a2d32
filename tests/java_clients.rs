//! Java 3.9 clients against the broker: the JUnit scenarios in `tests/java/` (producers of each codec, groups, positions,
//! topics and their configurations), with Apache ZooKeeper beside it.

use test_lab::{Broker, Driver, ZooKeeper, ZooKeeperVersion};

#[test]
fn java_clients_find_a_broker_as_they_know_it() {
    let zookeeper = ZooKeeper::start(ZooKeeperVersion::V3_8);
    let broker = Broker::start(env!("CARGO_BIN_EXE_klamm"), &zookeeper.address(), &[]);
    let report = Driver::shared().scenarios(&broker.address(), &["ProducerTest", "ConsumerTest", "AdminTest"]);
    println!("{}", report.stdout);
}
