package klamm.lab;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Sends numbered values in order and writes down which were acknowledged: {@code main(bootstrap servers, topic, count,
 * file)}. Each line of the file is {@code offset value}. The broker may be killed and come back meanwhile: the producer
 * is idempotent with acks=all, keeps its order and never gives up within two minutes.
 */
public final class AckedProducer {
    public static void main(String[] args) throws Exception {
        String topic = args[1];
        long count = Long.parseLong(args[2]);
        AtomicLong failed = new AtomicLong();
        java.util.Properties settings = new java.util.Properties();
        settings.put("bootstrap.servers", args[0]);
        settings.put("acks", "all");
        settings.put("enable.idempotence", "true");
        settings.put("delivery.timeout.ms", "120000");
        settings.put("request.timeout.ms", "5000");
        settings.put("max.block.ms", "120000");
        settings.put("linger.ms", "2");
        settings.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        settings.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        try (BufferedWriter file = Files.newBufferedWriter(Path.of(args[3]));
                var producer = new org.apache.kafka.clients.producer.KafkaProducer<String, String>(settings)) {
            for (long i = 0; i < count; i++) {
                String value = Long.toString(i);
                producer.send(new ProducerRecord<>(topic, 0, null, value), (metadata, error) -> {
                    if (error != null) {
                        failed.incrementAndGet();
                        System.err.println(value + ": " + error);
                    } else {
                        note(file, metadata.offset() + " " + value + "\n");
                    }
                });
            }
            producer.flush();
        }
        System.out.println(failed.get() + " failed");
    }

    private static void note(BufferedWriter file, String line) {
        try {
            file.write(line);
            file.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
