package klamm.lab;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads whole partitions from their start to their end. */
final class Sight {
    private static final Duration LIMIT = Duration.ofSeconds(60);

    /** One partition: its start, its end (the last stable offset for readers of committed data), and all in between. */
    record Seen(long start, long end, List<ConsumerRecord<byte[], byte[]>> records) {}

    private Sight() {}

    static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, IsolationLevel isolation, Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(more);
        settings.put("bootstrap.servers", bootstrap);
        settings.put("isolation.level", isolation.toString());
        settings.put("enable.auto.commit", "false");
        settings.put("fetch.max.wait.ms", 100);
        // Several fetches for each partition, ends in the middle of segments.
        settings.put("max.partition.fetch.bytes", 30_000);
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static Map<TopicPartition, Seen> of(String bootstrap, Collection<TopicPartition> partitions, IsolationLevel isolation) {
        Map<TopicPartition, List<ConsumerRecord<byte[], byte[]>>> records = new HashMap<>();
        partitions.forEach(partition -> records.put(partition, new ArrayList<>()));
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap, isolation, Map.of())) {
            Map<TopicPartition, Long> starts = consumer.beginningOffsets(partitions, LIMIT);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions, LIMIT);
            consumer.assign(partitions);
            partitions.forEach(partition -> consumer.seek(partition, starts.get(partition)));
            long deadline = System.nanoTime() + LIMIT.toNanos();
            List<TopicPartition> behind = behind(consumer, ends);
            while (!behind.isEmpty()) {
                if (System.nanoTime() > deadline) {
                    throw new AssertionError("still behind the ends " + ends + ": " + behind);
                }
                consumer.poll(Duration.ofMillis(100)).forEach(
                    record -> records.get(new TopicPartition(record.topic(), record.partition())).add(record));
                behind = behind(consumer, ends);
            }
            Map<TopicPartition, Seen> seen = new HashMap<>();
            records.forEach((partition, found) ->
                seen.put(partition, new Seen(starts.get(partition), ends.get(partition), found)));
            return seen;
        }
    }

    private static List<TopicPartition> behind(KafkaConsumer<byte[], byte[]> consumer, Map<TopicPartition, Long> ends) {
        List<TopicPartition> behind = new ArrayList<>();
        ends.forEach((partition, end) -> {
            if (consumer.position(partition, LIMIT) < end) {
                behind.add(partition);
            }
        });
        return behind;
    }
}
