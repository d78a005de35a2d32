//! Klamm, the broker for Kafka clusters that live on ZooKeeper.

pub mod zk;
