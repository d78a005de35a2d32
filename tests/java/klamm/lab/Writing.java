package klamm.lab;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Producers that live as long as the test, whichever broker answers at their address, and the records that they send: the
 * same ones in every run.
 */
final class Writing {
    private static final List<String> WORDS = List.of("alpha", "beta", "gamma", "δέλτα", "", "a word that is somewhat longer");

    private final String bootstrap;
    private final boolean knowsIdempotence;
    private final Random random = new Random(5);
    private final Map<String, KafkaProducer<byte[], byte[]>> producers = new HashMap<>();
    private final List<Pending> pending = new ArrayList<>();
    /** Timestamps go up by and large, from an hour ago. */
    private long clock = System.currentTimeMillis() - 3_600_000;

    private record Pending(Ledger ledger, ProducerRecord<byte[], byte[]> record, Ledger.Transaction transaction,
        Future<RecordMetadata> sent) {}

    Writing(String bootstrap, boolean knowsIdempotence) {
        this.bootstrap = bootstrap;
        this.knowsIdempotence = knowsIdempotence;
    }

    /** An idempotent producer, where the broker knows that. */
    KafkaProducer<byte[], byte[]> idempotent(String codec) {
        if (!knowsIdempotence) {
            return plain(codec);
        }
        return producers.computeIfAbsent("idempotent " + codec, name -> producer(codec, Map.of("enable.idempotence", "true")));
    }

    /** A producer that sends again what was not acknowledged for as long as a change of the broker may take. */
    KafkaProducer<byte[], byte[]> crossing() {
        return producers.computeIfAbsent("crossing", name -> producer("snappy", Map.of("enable.idempotence", "true",
            // After a restart Kafka knows only the last batch of a producer.
            "max.in.flight.requests.per.connection", 1, "delivery.timeout.ms", 300_000)));
    }

    /** A producer without a producer id, as old formats want it. */
    KafkaProducer<byte[], byte[]> plain(String codec) {
        return producers.computeIfAbsent("plain " + codec, name -> producer(codec, Map.of("enable.idempotence", "false")));
    }

    KafkaProducer<byte[], byte[]> transactional(String id) {
        return producers.computeIfAbsent("transactional " + id, name -> {
            var producer = producer("lz4", Map.of("transactional.id", id, "transaction.timeout.ms", "890000"));
            producer.initTransactions();
            return producer;
        });
    }

    private KafkaProducer<byte[], byte[]> producer(String codec, Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(more);
        settings.put("bootstrap.servers", bootstrap);
        settings.put("acks", "all");
        settings.put("compression.type", codec);
        settings.put("batch.size", 3_000);
        settings.put("linger.ms", 5);
        settings.put("reconnect.backoff.ms", 20);
        settings.put("reconnect.backoff.max.ms", 200);
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    void send(KafkaProducer<byte[], byte[]> producer, Ledger ledger, ProducerRecord<byte[], byte[]> record,
            Ledger.Transaction transaction) {
        pending.add(new Pending(ledger, record, transaction, producer.send(record)));
    }

    /** Sends {@code count} records of all shapes. */
    void sendMany(KafkaProducer<byte[], byte[]> producer, Ledger ledger, int count, Ledger.Transaction transaction) {
        for (int i = 0; i < count; i++) {
            send(producer, ledger, any(ledger), transaction);
        }
    }

    /** The time of some record that is still there, or a little later. */
    long someTime(Ledger ledger) {
        List<Ledger.Written> left = new ArrayList<>(ledger.written.tailMap(ledger.start()).values());
        return left.get(random.nextInt(left.size())).timestamp() + random.nextInt(3);
    }

    /** Waits for the acknowledgements of all that was sent, and enters them in the ledgers. */
    void settle() throws Exception {
        for (Pending each : pending) {
            each.ledger.add(each.sent.get(60, TimeUnit.SECONDS), each.record, each.transaction);
        }
        pending.clear();
    }

    /** A record of any shape that the partition's format can hold. */
    private ProducerRecord<byte[], byte[]> any(Ledger ledger) {
        byte[] key = switch (random.nextInt(4)) {
            case 0 -> null;
            case 1 -> new byte[0];
            default -> text(random.nextInt(5));
        };
        byte[] value = switch (random.nextInt(12)) {
            case 0 -> null;
            case 1 -> new byte[0];
            case 2 -> noise(random.nextInt(1500));
            default -> text(random.nextInt(40));
        };
        List<Header> headers = new ArrayList<>();
        for (int i = ledger.headers ? random.nextInt(6) - 3 : 0; i > 0; i--) {
            headers.add(new RecordHeader(WORDS.get(random.nextInt(WORDS.size())), random.nextBoolean() ? null : noise(i * 3)));
        }
        return record(ledger, key, value, headers);
    }

    /** A record for a compacted partition: a key out of {@code keys}, now and then a tombstone. */
    ProducerRecord<byte[], byte[]> keyed(Ledger ledger, int keys) {
        byte[] key = ("key " + random.nextInt(keys)).getBytes(StandardCharsets.UTF_8);
        return record(ledger, key, random.nextInt(10) == 0 ? null : text(5 + random.nextInt(30)), List.of());
    }

    /** A record of its own key that fills most of a segment. */
    ProducerRecord<byte[], byte[]> filler(Ledger ledger, String key) {
        return record(ledger, key.getBytes(StandardCharsets.UTF_8), noise(6_000), List.of());
    }

    private ProducerRecord<byte[], byte[]> record(Ledger ledger, byte[] key, byte[] value, List<Header> headers) {
        clock += random.nextInt(20);
        long timestamp = clock - (random.nextInt(10) == 0 ? random.nextInt(2_000) : 0);
        return new ProducerRecord<>(ledger.partition.topic(), ledger.partition.partition(), timestamp, key, value, headers);
    }

    private byte[] text(int words) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < words; i++) {
            text.append(WORDS.get(random.nextInt(WORDS.size()))).append(' ').append(random.nextInt(100)).append(' ');
        }
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    private byte[] noise(int length) {
        byte[] noise = new byte[length];
        random.nextBytes(noise);
        return noise;
    }
}
