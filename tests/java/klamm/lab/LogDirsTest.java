package klamm.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ReplicaInfo;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.LogDirNotFoundException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Log directories and deleted records as a Java 3.9 Admin sees them, of a broker with two directories and the id 1. */
@ExtendWith(Cluster.Parameter.class)
class LogDirsTest {
    private static final String TEXT = "x".repeat(1000);

    @Test
    void aReplicaMovesWhileItIsWrittenAndNothingIsLost(Cluster cluster) throws Exception {
        TopicPartition partition = new TopicPartition(cluster.topic(1), 0);
        try (Admin admin = cluster.admin(); var producer = cluster.producer(Map.of())) {
            for (int i = 0; i < 5_000; i++) {
                producer.send(new ProducerRecord<>(partition.topic(), null, i + " " + TEXT));
            }
            producer.flush();
            AtomicBoolean moving = new AtomicBoolean(true);
            int[] sent = {5_000};
            Thread writer = new Thread(() -> {
                while (moving.get()) {
                    Future<RecordMetadata> last = null;
                    for (int i = 0; i < 50; i++) {
                        last = producer.send(new ProducerRecord<>(partition.topic(), null, sent[0]++ + " " + TEXT));
                    }
                    try {
                        last.get(30, TimeUnit.SECONDS);
                    } catch (Exception e) {
                        throw new AssertionError(e);
                    }
                }
            });
            writer.start();
            for (int i = 0; i < 4; i++) {
                String target = otherThan(admin, directory(admin, partition));
                move(admin, partition, target);
                await(() -> target.equals(directory(admin, partition)) && replicas(admin, partition).size() == 1);
            }
            moving.set(false);
            writer.join();
            producer.flush();
            try (var consumer = cluster.consumer(Map.of())) {
                Cluster.assignFromBeginning(consumer, partition.topic());
                long next = 0;
                for (long end = System.nanoTime() + Cluster.LIMIT.toNanos(); next < sent[0];) {
                    assertTrue(System.nanoTime() < end, next + " of " + sent[0]);
                    for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                        assertEquals(next, record.offset());
                        assertTrue(record.value().startsWith(next + " "));
                        next++;
                    }
                }
            }
        }
    }

    @Test
    void directoriesAreDescribedWithTheirSizes(Cluster cluster) throws Exception {
        TopicPartition partition = new TopicPartition(cluster.topic(2), 1);
        try (Admin admin = cluster.admin(); var producer = cluster.producer(Map.of())) {
            producer.send(new ProducerRecord<>(partition.topic(), 1, null, TEXT)).get();
            Map<String, LogDirDescription> dirs = dirs(admin);
            assertEquals(2, dirs.size());
            for (LogDirDescription dir : dirs.values()) {
                assertEquals(null, dir.error());
                assertTrue(dir.totalBytes().getAsLong() >= dir.usableBytes().getAsLong());
            }
            ReplicaInfo replica = replicas(admin, partition).values().iterator().next();
            assertTrue(replica.size() > 1000 && replica.size() < 1200);
            assertEquals(0, replica.offsetLag());
            assertEquals(false, replica.isFuture());
        }
    }

    @Test
    void aWishIsRememberedForAPartitionThatIsNotHereYet(Cluster cluster) throws Exception {
        try (Admin admin = cluster.admin()) {
            for (String target : dirs(admin).keySet()) {
                TopicPartition partition = new TopicPartition("t-" + UUID.randomUUID(), 0);
                var altered = admin.alterReplicaLogDirs(Map.of(replica(partition), target));
                assertInstanceOf(UnknownTopicOrPartitionException.class, Cluster.cause(altered.all()));
                admin.createTopics(List.of(new NewTopic(partition.topic(), 1, (short) 1))).all().get(30, TimeUnit.SECONDS);
                await(() -> !replicas(admin, partition).isEmpty());
                assertEquals(target, directory(admin, partition));
            }
        }
    }

    @Test
    void whatCannotBeMovedIsRefused(Cluster cluster) throws Exception {
        TopicPartition partition = new TopicPartition(cluster.topic(1), 0);
        TopicPartition tooLong = new TopicPartition("x".repeat(220), 0);
        try (Admin admin = cluster.admin()) {
            String here = directory(admin, partition);
            var nowhere = admin.alterReplicaLogDirs(Map.of(replica(partition), here + "-not"));
            assertInstanceOf(LogDirNotFoundException.class, Cluster.cause(nowhere.all()));
            var named = admin.alterReplicaLogDirs(Map.of(replica(tooLong), here));
            assertInstanceOf(InvalidTopicException.class, Cluster.cause(named.all()));
            move(admin, partition, here);
            assertEquals(1, replicas(admin, partition).size());
        }
    }

    @Test
    void recordsAreDeletedUpToAnOffset(Cluster cluster) throws Exception {
        TopicPartition partition = new TopicPartition(cluster.topic(1), 0);
        try (Admin admin = cluster.admin(); var producer = cluster.producer(Map.of())) {
            for (int i = 0; i < 20; i++) {
                producer.send(new ProducerRecord<>(partition.topic(), null, "" + i)).get();
            }
            assertEquals(7, delete(admin, partition, 7));
            assertEquals(7, admin.listOffsets(Map.of(partition, OffsetSpec.earliest())).partitionResult(partition).get().offset());
            assertEquals(7, delete(admin, partition, 3));
            assertInstanceOf(OffsetOutOfRangeException.class, refusal(admin, partition, 21));
            assertInstanceOf(OffsetOutOfRangeException.class, refusal(admin, partition, -2));
            try (var consumer = cluster.consumer(Map.of())) {
                Cluster.assignFromBeginning(consumer, partition.topic());
                assertEquals("7", Cluster.take(consumer, 13).get(0).value());
            }
            assertEquals(20, delete(admin, partition, -1));
            assertEquals(20, producer.send(new ProducerRecord<>(partition.topic(), null, "next")).get().offset());
        }
    }

    @Test
    void recordsOfCompactedTopicsAreNotDeleted(Cluster cluster) throws Exception {
        TopicPartition partition = new TopicPartition("t-" + UUID.randomUUID(), 0);
        try (Admin admin = cluster.admin()) {
            admin.createTopics(List.of(new NewTopic(partition.topic(), 1, (short) 1)
                .configs(Map.of("cleanup.policy", "compact")))).all().get(30, TimeUnit.SECONDS);
            assertInstanceOf(PolicyViolationException.class, refusal(admin, partition, 0));
        }
    }

    private static long delete(Admin admin, TopicPartition partition, long before) throws Exception {
        return admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(before)))
            .lowWatermarks().get(partition).get(30, TimeUnit.SECONDS).lowWatermark();
    }

    private static Throwable refusal(Admin admin, TopicPartition partition, long before) throws Exception {
        return Cluster.cause(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(before)))
            .lowWatermarks().get(partition));
    }

    private static TopicPartitionReplica replica(TopicPartition partition) {
        return new TopicPartitionReplica(partition.topic(), partition.partition(), 1);
    }

    private static void move(Admin admin, TopicPartition partition, String target) throws Exception {
        admin.alterReplicaLogDirs(Map.of(replica(partition), target)).all().get(30, TimeUnit.SECONDS);
    }

    private static Map<String, LogDirDescription> dirs(Admin admin) throws Exception {
        return admin.describeLogDirs(List.of(1)).allDescriptions().get(30, TimeUnit.SECONDS).get(1);
    }

    /** The directories that have a replica of the partition. */
    private static Map<String, ReplicaInfo> replicas(Admin admin, TopicPartition partition) throws Exception {
        Map<String, ReplicaInfo> found = new HashMap<>();
        dirs(admin).forEach((path, dir) -> {
            if (dir.replicaInfos().containsKey(partition)) {
                found.put(path, dir.replicaInfos().get(partition));
            }
        });
        return found;
    }

    private static String directory(Admin admin, TopicPartition partition) throws Exception {
        return replicas(admin, partition).entrySet().stream().filter(replica -> !replica.getValue().isFuture())
            .map(Map.Entry::getKey).findAny().orElse(null);
    }

    private static String otherThan(Admin admin, String path) throws Exception {
        return dirs(admin).keySet().stream().filter(other -> !other.equals(path)).findAny().orElseThrow();
    }

    private interface Condition {
        boolean holds() throws Exception;
    }

    private static void await(Condition condition) throws Exception {
        long deadline = System.nanoTime() + Cluster.LIMIT.toNanos();
        while (!condition.holds()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("it never came to be");
            }
            Thread.sleep(20);
        }
    }
}
