package klamm.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Topics, their configurations and the cluster as a Java 3.9 Admin sees them. */
@ExtendWith(Cluster.Parameter.class)
class AdminTest {
    @Test
    void aTopicIsMadeDescribedGrownAndDeleted(Cluster cluster) throws Exception {
        String name = "t-" + UUID.randomUUID();
        try (Admin admin = cluster.admin()) {
            var created = admin.createTopics(List.of(
                new NewTopic(name, 2, (short) 1).configs(Map.of("retention.ms", "86400000"))));
            assertEquals(2, get(created.numPartitions(name)));
            assertEquals("86400000", get(created.config(name)).get("retention.ms").value());
            Uuid id = get(created.topicId(name));
            assertNotEquals(Uuid.ZERO_UUID, id);

            TopicDescription described = get(admin.describeTopics(List.of(name)).allTopicNames()).get(name);
            assertEquals(2, described.partitions().size());
            assertEquals(id, described.topicId());
            assertFalse(described.isInternal());
            assertEquals(1, described.partitions().get(0).isr().size());
            assertTrue(get(admin.listTopics().names()).contains(name));

            get(admin.createPartitions(Map.of(name, NewPartitions.increaseTo(5))).all());
            assertEquals(5, get(admin.describeTopics(List.of(name)).allTopicNames()).get(name).partitions().size());

            get(admin.deleteTopics(List.of(name)).all());
            assertInstanceOf(UnknownTopicOrPartitionException.class,
                Cluster.cause(admin.describeTopics(List.of(name)).allTopicNames()));
            assertFalse(get(admin.listTopics().names()).contains(name));

            // Once the deletion is through, the name is free again, and means another topic.
            assertNotEquals(id, createWhenGone(admin, name));
        }
    }

    @Test
    void whatCannotBeMadeIsRefusedWithTheReason(Cluster cluster) throws Exception {
        String taken = cluster.topic(1);
        try (Admin admin = cluster.admin()) {
            var refused = admin.createTopics(List.of(
                new NewTopic(taken, 1, (short) 1),
                new NewTopic("bad name", 1, (short) 1),
                new NewTopic("x".repeat(250), 1, (short) 1),
                new NewTopic("none", 0, (short) 1),
                new NewTopic("three", 1, (short) 3),
                new NewTopic("odd", 1, (short) 1).configs(Map.of("retention.ms", "soon")))).values();
            assertInstanceOf(TopicExistsException.class, Cluster.cause(refused.get(taken)));
            assertInstanceOf(InvalidTopicException.class, Cluster.cause(refused.get("bad name")));
            assertInstanceOf(InvalidTopicException.class, Cluster.cause(refused.get("x".repeat(250))));
            assertInstanceOf(InvalidPartitionsException.class, Cluster.cause(refused.get("none")));
            assertInstanceOf(InvalidReplicationFactorException.class, Cluster.cause(refused.get("three")));
            assertInstanceOf(InvalidConfigurationException.class, Cluster.cause(refused.get("odd")));
            Set<String> names = get(admin.listTopics().names());
            for (String name : List.of("bad name", "none", "three", "odd")) {
                assertFalse(names.contains(name), name);
            }
            assertInstanceOf(InvalidPartitionsException.class,
                Cluster.cause(admin.createPartitions(Map.of(taken, NewPartitions.increaseTo(1))).all()));
            assertInstanceOf(UnknownTopicOrPartitionException.class,
                Cluster.cause(admin.deleteTopics(List.of("missing-" + UUID.randomUUID())).all()));
        }
    }

    @Test
    void aTopicsConfigurationIsChangedAndShown(Cluster cluster) throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, cluster.topic(1));
        try (Admin admin = cluster.admin()) {
            assertEquals("delete", describe(admin, topic).get("cleanup.policy").value());
            alter(admin, topic, new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.SET);
            ConfigEntry changed = describe(admin, topic).get("cleanup.policy");
            assertEquals("compact", changed.value());
            assertEquals(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, changed.source());
            alter(admin, topic, new ConfigEntry("cleanup.policy", ""), AlterConfigOp.OpType.DELETE);
            ConfigEntry restored = describe(admin, topic).get("cleanup.policy");
            assertEquals("delete", restored.value());
            assertEquals(ConfigEntry.ConfigSource.DEFAULT_CONFIG, restored.source());
            Collection<AlterConfigOp> bad =
                List.of(new AlterConfigOp(new ConfigEntry("cleanup.policy", "burn"), AlterConfigOp.OpType.SET));
            assertInstanceOf(InvalidConfigurationException.class,
                Cluster.cause(admin.incrementalAlterConfigs(Map.of(topic, bad)).all()));
        }
    }

    @Test
    void offsetsAreListedByTime(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (var producer = cluster.producer(Map.of())) {
            for (long timestamp : new long[] {1_000, 3_000, 2_000}) {
                producer.send(new ProducerRecord<>(topic, 0, timestamp, null, "value")).get();
            }
        }
        try (Admin admin = cluster.admin()) {
            assertEquals(0, offset(admin, partition, OffsetSpec.earliest()));
            assertEquals(3, offset(admin, partition, OffsetSpec.latest()));
            assertEquals(1, offset(admin, partition, OffsetSpec.maxTimestamp()));
            assertEquals(1, offset(admin, partition, OffsetSpec.forTimestamp(1_500)));
            assertEquals(-1, offset(admin, partition, OffsetSpec.forTimestamp(3_001)));
        }
    }

    @Test
    void theClusterHasAnIdAndAController(Cluster cluster) throws Exception {
        try (Admin admin = cluster.admin()) {
            var described = admin.describeCluster();
            assertEquals(22, get(described.clusterId()).length());
            assertEquals(1, get(described.nodes()).size());
            assertEquals(get(described.nodes()).iterator().next().id(), get(described.controller()).id());
        }
    }

    private static Uuid createWhenGone(Admin admin, String name) throws Exception {
        long deadline = System.nanoTime() + Cluster.LIMIT.toNanos();
        while (true) {
            try {
                return get(admin.createTopics(List.of(new NewTopic(name, 1, (short) 1))).topicId(name));
            } catch (ExecutionException e) {
                assertInstanceOf(TopicExistsException.class, e.getCause());
                assertTrue(System.nanoTime() < deadline, "the topic is not gone");
                Thread.sleep(50);
            }
        }
    }

    private static Config describe(Admin admin, ConfigResource resource) throws Exception {
        return get(admin.describeConfigs(List.of(resource)).all()).get(resource);
    }

    private static void alter(Admin admin, ConfigResource resource, ConfigEntry entry, AlterConfigOp.OpType type)
            throws Exception {
        Collection<AlterConfigOp> change = List.of(new AlterConfigOp(entry, type));
        get(admin.incrementalAlterConfigs(Map.of(resource, change)).all());
    }

    private static long offset(Admin admin, TopicPartition partition, OffsetSpec spec) throws Exception {
        return get(admin.listOffsets(Map.of(partition, spec)).partitionResult(partition)).offset();
    }

    private static <T> T get(KafkaFuture<T> future) throws Exception {
        return future.get(30, TimeUnit.SECONDS);
    }
}
