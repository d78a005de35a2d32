//! Record batches, segments, indexes, logs: Kafka's data directory.
