package klamm.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Positions, commits and groups as a Java 3.9 consumer sees them. */
@ExtendWith(Cluster.Parameter.class)
class ConsumerTest {
    @ParameterizedTest
    @ValueSource(strings = {"RangeAssignor", "RoundRobinAssignor", "StickyAssignor", "CooperativeStickyAssignor"})
    void twoMembersShareThePartitionsAndOneTakesOverAll(String assignor, Cluster cluster) throws Exception {
        String topic = cluster.topic(4);
        Map<String, Object> group = Map.of(
            "group.id", "g-" + UUID.randomUUID(),
            "partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor,
            "heartbeat.interval.ms", 200,
            "enable.auto.commit", false);
        produce(cluster, topic, 0, 400);
        Set<String> seen = new HashSet<>();
        try (var first = cluster.consumer(group)) {
            first.subscribe(List.of(topic));
            pollUntil(() -> seen.size() == 400, seen, first);
            first.commitSync();
            try (var second = cluster.consumer(group)) {
                second.subscribe(List.of(topic));
                pollUntil(() -> first.assignment().size() == 2 && second.assignment().size() == 2, seen, first, second);
                Set<TopicPartition> all = new HashSet<>(first.assignment());
                all.addAll(second.assignment());
                assertEquals(4, all.size());

                produce(cluster, topic, 400, 800);
                pollUntil(() -> seen.size() == 800, seen, first, second);
                first.commitSync();
                second.commitSync();
            }
            pollUntil(() -> first.assignment().size() == 4, seen, first);
            produce(cluster, topic, 800, 1_200);
            pollUntil(() -> seen.size() == 1_200, seen, first);
            first.commitSync();
            long committed = 0;
            for (OffsetAndMetadata offset : first.committed(first.assignment()).values()) {
                committed += offset.offset();
            }
            assertEquals(1_200, committed);
        }
    }

    @Test
    void aGroupGoesOnWhereItCommitted(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        Map<String, Object> group = Map.of("group.id", "g-" + UUID.randomUUID(), "enable.auto.commit", false);
        produce(cluster, topic, 0, 100);
        try (var consumer = cluster.consumer(group)) {
            consumer.subscribe(List.of(topic));
            Cluster.take(consumer, 100);
            assertNull(consumer.committed(Set.of(partition)).get(partition));
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(60, "said so")));
        }
        try (var consumer = cluster.consumer(group)) {
            consumer.subscribe(List.of(topic));
            assertEquals("value 60", Cluster.take(consumer, 40).get(0).value());
            OffsetAndMetadata committed = consumer.committed(Set.of(partition)).get(partition);
            assertEquals(60, committed.offset());
            assertEquals("said so", committed.metadata());
        }
    }

    @Test
    void aMemberThatFallsSilentLosesItsPartitions(Cluster cluster) throws Exception {
        String topic = cluster.topic(2);
        Map<String, Object> group = Map.of(
            "group.id", "g-" + UUID.randomUUID(),
            "enable.auto.commit", false,
            "heartbeat.interval.ms", 200,
            "max.poll.interval.ms", 6_000,
            "session.timeout.ms", 6_000);
        produce(cluster, topic, 0, 10);
        Set<String> seen = new HashSet<>();
        try (var silent = cluster.consumer(group); var other = cluster.consumer(group)) {
            silent.subscribe(List.of(topic));
            pollUntil(() -> seen.size() == 10, seen, silent);
            other.subscribe(List.of(topic));
            // The silent one polls no more: after max.poll.interval.ms it leaves, and the other gets everything.
            pollUntil(() -> other.assignment().size() == 2, seen, other);
            assertThrows(CommitFailedException.class, silent::commitSync);
        }
    }

    @Test
    void positionsCanBeSoughtByOffsetAndByTime(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (var producer = cluster.producer(Map.of("batch.size", 200))) {
            for (int i = 0; i < 1_000; i++) {
                producer.send(new ProducerRecord<>(topic, 0, 1_700_000_000_000L + i * 10, null, "value " + i));
            }
        }
        try (var consumer = cluster.consumer(Map.of())) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, 321);
            assertEquals("value 321", Cluster.take(consumer, 1).get(0).value());
            assertEquals(1_000L, consumer.endOffsets(List.of(partition)).get(partition));
            assertEquals(0L, consumer.beginningOffsets(List.of(partition)).get(partition));
            // Between two records the later one is found; after the last, none.
            var found = consumer.offsetsForTimes(Map.of(partition, 1_700_000_005_001L)).get(partition);
            assertEquals(501L, found.offset());
            assertEquals(1_700_000_005_010L, found.timestamp());
            assertNull(consumer.offsetsForTimes(Map.of(partition, 1_700_000_009_991L)).get(partition));
            consumer.seek(partition, found.offset());
            assertEquals("value 501", Cluster.take(consumer, 1).get(0).value());
        }
    }

    @Test
    void aPositionBeyondTheLogIsAnErrorWithoutAResetPolicy(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        produce(cluster, topic, 0, 10);
        try (var consumer = cluster.consumer(Map.of("auto.offset.reset", "none"))) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, 11);
            assertThrows(OffsetOutOfRangeException.class, () -> Cluster.take(consumer, 1));
        }
    }

    @Test
    void aWaitingFetchIsAnsweredByTheNextRecord(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        Map<String, Object> patient = Map.of("fetch.max.wait.ms", 20_000, "fetch.min.bytes", 1);
        var consumer = cluster.consumer(patient);
        try (var producer = cluster.producer(Map.of())) {
            Cluster.assignFromBeginning(consumer, topic);
            producer.send(new ProducerRecord<>(topic, "warm")).get();
            Cluster.take(consumer, 1);
            consumer.poll(Duration.ofMillis(300));
            producer.send(new ProducerRecord<>(topic, "up")).get();
            long sent = System.nanoTime();
            assertEquals("up", Cluster.take(consumer, 1).get(0).value());
            long waitedMs = (System.nanoTime() - sent) / 1_000_000;
            assertTrue(waitedMs < 5_000, "waited " + waitedMs + " ms");
        } finally {
            consumer.close(Duration.ZERO); // A plain close waits for the fetch that is parked by now.
        }
    }

    private static void produce(Cluster cluster, String topic, int from, int end) {
        try (var producer = cluster.producer(Map.of())) {
            int partitions = producer.partitionsFor(topic).size();
            for (int i = from; i < end; i++) {
                producer.send(new ProducerRecord<>(topic, i % partitions, null, "value " + i));
            }
        }
    }

    /** Polls all consumers, in one thread as one program would, until {@code done}; collects the values. */
    @SafeVarargs
    private static void pollUntil(BooleanSupplier done, Set<String> seen, KafkaConsumer<String, String>... consumers) {
        long deadline = System.nanoTime() + Cluster.LIMIT.toNanos();
        while (!done.getAsBoolean()) {
            assertTrue(System.nanoTime() < deadline, () -> "not done after " + Cluster.LIMIT + "; seen " + seen.size());
            for (KafkaConsumer<String, String> consumer : consumers) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(50))) {
                    assertNotNull(record.value());
                    seen.add(record.value());
                }
            }
        }
    }
}
