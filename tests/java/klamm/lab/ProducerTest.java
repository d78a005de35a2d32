package klamm.lab;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a Java 3.9 producer, idempotent by default, sends and what a consumer reads back. */
@ExtendWith(Cluster.Parameter.class)
class ProducerTest {
    @ParameterizedTest
    @ValueSource(strings = {"none", "gzip", "snappy", "lz4", "zstd"})
    void recordsOfEachCodecComeBackWhole(String codec, Cluster cluster) throws Exception {
        String topic = cluster.topic(3);
        int count = 5_000;
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer = cluster.producer(Map.of("compression.type", codec, "linger.ms", 5))) {
            for (int i = 0; i < count; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, i % 3, "key " + i, "value " + i)));
            }
        }
        for (int i = 0; i < count; i++) {
            assertEquals(i / 3, sent.get(i).get().offset(), "the offset of record " + i);
        }
        try (var consumer = cluster.consumer(Map.of())) {
            Cluster.assignFromBeginning(consumer, topic);
            for (ConsumerRecord<String, String> record : Cluster.take(consumer, count)) {
                long i = record.offset() * 3 + record.partition();
                assertEquals("key " + i + "=value " + i, record.key() + "=" + record.value());
            }
        }
    }

    @Test
    void headersTimestampsAndNullsAreKept(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        try (var producer = cluster.producer(Map.of())) {
            List<org.apache.kafka.common.header.Header> headers = List.of(
                new RecordHeader("a", "1".getBytes(StandardCharsets.UTF_8)),
                new RecordHeader("a", null),
                new RecordHeader("é", new byte[] {0, -1}));
            producer.send(new ProducerRecord<>(topic, 0, 1_600_000_000_123L, null, "no key", headers));
            String none = null;
            producer.send(new ProducerRecord<>(topic, 0, 1_600_000_000_100L, "no value", none));
            producer.send(new ProducerRecord<>(topic, 0, Long.valueOf(0), none, none));
        }
        try (var consumer = cluster.consumer(Map.of())) {
            Cluster.assignFromBeginning(consumer, topic);
            List<ConsumerRecord<String, String>> records = Cluster.take(consumer, 3);
            ConsumerRecord<String, String> first = records.get(0);
            assertNull(first.key());
            assertEquals(1_600_000_000_123L, first.timestamp());
            assertEquals(TimestampType.CREATE_TIME, first.timestampType());
            var headers = first.headers().toArray();
            assertEquals(3, headers.length);
            assertEquals("1", new String(headers[0].value(), StandardCharsets.UTF_8));
            assertNull(headers[1].value());
            assertEquals("é", headers[2].key());
            assertArrayEquals(new byte[] {0, -1}, headers[2].value());
            assertEquals("no value", records.get(1).key());
            assertNull(records.get(1).value());
            assertEquals(0L, records.get(2).timestamp());
            assertNull(records.get(2).key());
            assertNull(records.get(2).value());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "1", "all"})
    void eachKindOfAcknowledgementWorksWithoutIdempotence(String acks, Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        try (var producer = cluster.producer(Map.of("acks", acks, "enable.idempotence", false))) {
            for (int i = 0; i < 1_000; i++) {
                producer.send(new ProducerRecord<>(topic, "value " + i));
            }
        }
        try (var consumer = cluster.consumer(Map.of())) {
            Cluster.assignFromBeginning(consumer, topic);
            List<ConsumerRecord<String, String>> records = Cluster.take(consumer, 1_000);
            for (int i = 0; i < 1_000; i++) {
                assertEquals("value " + i, records.get(i).value());
            }
        }
    }

    @Test
    void aRecordOverTheLimitIsRefusedAndTheNextIsTaken(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        Map<String, Object> generous = Map.of("max.request.size", 4 << 20, "buffer.memory", 16 << 20);
        try (var producer = cluster.producer(generous)) {
            String tooLarge = "x".repeat(2 << 20);
            var refused = assertThrows(ExecutionException.class,
                () -> producer.send(new ProducerRecord<>(topic, tooLarge)).get());
            assertInstanceOf(RecordTooLargeException.class, refused.getCause());
            assertEquals(0, producer.send(new ProducerRecord<>(topic, "small")).get().offset());
        }
    }

    @Test
    void aTopicComesIntoBeingWhenFirstWrittenTo(Cluster cluster) throws Exception {
        String topic = "auto-" + java.util.UUID.randomUUID();
        try (var producer = cluster.producer(Map.of())) {
            assertEquals(0, producer.send(new ProducerRecord<>(topic, "first")).get().offset());
        }
    }
}
