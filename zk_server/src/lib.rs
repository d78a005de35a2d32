//! The embedded single-node ZooKeeper for the quickstart and the tests.
