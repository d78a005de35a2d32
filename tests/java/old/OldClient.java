import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The clients of Kafka 0.9 and 0.10, against whose jars this is compiled.
 *
 * Arguments: bootstrap servers, then in turn "produce TOPIC CODEC COUNT" (records "key n" and "value n") and "consume TOPIC
 * COUNT" (partition 0 from the beginning; one line per record: topic, offset, timestamp or -1, key, value) with small fetches.
 * With a COUNT of 0 there must be no record within a while, whatever the client thinks of what it is told.
 */
public final class OldClient {
    private static final long LIMIT_MS = 60_000;
    private static final long WHILE_MS = 1_500;

    public static void main(String[] args) throws Exception {
        for (int at = 1; at < args.length;) {
            if (args[at].equals("produce")) {
                produce(args[0], args[at + 1], args[at + 2], Integer.parseInt(args[at + 3]));
                at += 4;
            } else {
                consume(args[0], args[at + 1], Integer.parseInt(args[at + 2]));
                at += 3;
            }
        }
    }

    private static void produce(String bootstrap, String topic, String codec, int count) throws Exception {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("compression.type", codec);
        settings.put("acks", "all");
        settings.put("linger.ms", 20);
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            java.util.List<java.util.concurrent.Future<?>> sent = new java.util.ArrayList<>();
            for (int n = 0; n < count; n++) {
                sent.add(producer.send(new ProducerRecord<>(topic, 0, bytes("key " + n), bytes("value " + n))));
            }
            for (java.util.concurrent.Future<?> one : sent) {
                one.get();
            }
        }
    }

    private static void consume(String bootstrap, String topic, int count) throws Exception {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("max.partition.fetch.bytes", 20_000);
        settings.put("enable.auto.commit", "false");
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            TopicPartition partition = new TopicPartition(topic, 0);
            consumer.assign(Collections.singletonList(partition));
            consumer.seek(partition, 0);
            long deadline = System.currentTimeMillis() + LIMIT_MS;
            StringBuilder out = new StringBuilder();
            if (count == 0) {
                readNothing(consumer, topic);
            }
            for (int read = 0; read < count;) {
                if (System.currentTimeMillis() > deadline) {
                    throw new IllegalStateException(read + " of " + count + " records of " + topic + " in time");
                }
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(200)) {
                    out.append(topic).append(' ').append(record.offset()).append(' ').append(timestamp(record));
                    out.append(' ').append(text(record.key())).append(' ').append(text(record.value())).append('\n');
                    read++;
                }
            }
            System.out.print(out);
        }
    }

    private static void readNothing(KafkaConsumer<byte[], byte[]> consumer, String topic) {
        long deadline = System.currentTimeMillis() + WHILE_MS;
        while (System.currentTimeMillis() < deadline) {
            try {
                if (!consumer.poll(200).isEmpty()) {
                    throw new AssertionError("a record of " + topic);
                }
            } catch (IllegalStateException unknownError) {
                return;
            }
        }
    }

    /** 0.9 knows none. */
    private static Object timestamp(ConsumerRecord<?, ?> record) throws Exception {
        try {
            return ConsumerRecord.class.getMethod("timestamp").invoke(record);
        } catch (NoSuchMethodException e) {
            return -1;
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] bytes) {
        return bytes == null ? "null" : new String(bytes, StandardCharsets.UTF_8);
    }
}
