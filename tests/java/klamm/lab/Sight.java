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

    /** Reads until no retention has come in between. */
    static Map<TopicPartition, Seen> of(String bootstrap, Collection<TopicPartition> partitions, IsolationLevel isolation) {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap, isolation, Map.of("auto.offset.reset", "earliest"))) {
            consumer.assign(partitions);
            Map<TopicPartition, Seen> seen = new HashMap<>();
            Map<TopicPartition, Long> starts = consumer.beginningOffsets(partitions, LIMIT);
            while (!starts.isEmpty()) {
                seen.putAll(read(consumer, starts, deadline));
                Map<TopicPartition, Long> now = consumer.beginningOffsets(starts.keySet(), LIMIT);
                now.entrySet().removeIf(start -> seen.get(start.getKey()).start() == start.getValue());
                starts = now;
            }
            return seen;
        }
    }

    private static Map<TopicPartition, Seen> read(KafkaConsumer<byte[], byte[]> consumer, Map<TopicPartition, Long> starts,
            long deadline) {
        Map<TopicPartition, List<ConsumerRecord<byte[], byte[]>>> records = new HashMap<>();
        starts.keySet().forEach(partition -> records.put(partition, new ArrayList<>()));
        Map<TopicPartition, Long> ends = consumer.endOffsets(starts.keySet(), LIMIT);
        starts.forEach(consumer::seek);
        for (var behind = behind(consumer, ends); !behind.isEmpty(); behind = behind(consumer, ends)) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("still behind the ends " + ends + ": " + behind);
            }
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                TopicPartition partition = new TopicPartition(record.topic(), record.partition());
                records.computeIfPresent(partition, (key, list) -> {
                    list.add(record);
                    return list;
                });
            }
        }
        Map<TopicPartition, Seen> seen = new HashMap<>();
        records.forEach((partition, found) ->
            seen.put(partition, new Seen(starts.get(partition), ends.get(partition), found)));
        return seen;
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
