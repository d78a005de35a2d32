//! What black-box tests share: Java Kafka and foreign clients in a cache outside the tree, ports, processes.
