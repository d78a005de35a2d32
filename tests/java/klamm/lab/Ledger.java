package klamm.lab;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;

/**
 * What was written to one partition. A broker that opens its directory must serve exactly that: every record with its offset,
 * timestamp, key, value, headers and leader epoch, to readers of both isolation levels.
 */
class Ledger {
    /** How a transaction ended, if it did. */
    enum Fate { OPEN, COMMITTED, ABORTED }

    /** A transaction of one producer, over any number of partitions. */
    static final class Transaction {
        Fate fate = Fate.OPEN;
    }

    /** One acknowledged record; {@code transaction} is null outside of one. */
    record Written(byte[] key, byte[] value, List<Header> headers, long timestamp, Transaction transaction) {
        boolean is(Fate fate) {
            return transaction != null && transaction.fate == fate;
        }

        String difference(ConsumerRecord<byte[], byte[]> found) {
            if (found.timestamp() != timestamp) {
                return "timestamp " + found.timestamp() + " instead of " + timestamp;
            }
            if (!Arrays.equals(found.key(), key)) {
                return "key " + Arrays.toString(found.key()) + " instead of " + Arrays.toString(key);
            }
            if (!Arrays.equals(found.value(), value)) {
                return "another value";
            }
            List<Header> foundHeaders = List.of(found.headers().toArray());
            return foundHeaders.equals(headers) ? null : "headers " + foundHeaders + " instead of " + headers;
        }
    }

    final TopicPartition partition;
    final TreeMap<Long, Written> written = new TreeMap<>();
    private final Map<Long, Integer> leaderEpochs = new HashMap<>();
    /** Where the log starts, as far as anybody was told. */
    private long start;
    /** Whether retention may have raised the start since. */
    boolean expires;
    /** The end of the log when it was last handed over; -1 while a broker may still append to it. */
    private long sealedEnd = -1;
    /** Whether the format keeps no timestamps (0). */
    boolean timeless;
    /** Whether the broker gives records their time. */
    boolean brokerTime;
    /** Whether the format keeps headers (2). */
    boolean headers = true;

    Ledger(String topic, int partition) {
        this.partition = new TopicPartition(topic, partition);
    }

    void add(RecordMetadata metadata, ProducerRecord<byte[], byte[]> sent, Transaction transaction) {
        // What an acknowledgement says is no record's time when the batch came twice.
        long timestamp = timeless ? -1 : brokerTime ? metadata.timestamp() : sent.timestamp();
        List<Header> headers = List.of(sent.headers().toArray());
        Written earlier = written.put(metadata.offset(), new Written(sent.key(), sent.value(), headers, timestamp, transaction));
        require(earlier == null, "offset " + metadata.offset() + " was given twice");
        require(sealedEnd <= metadata.offset(), "offset " + metadata.offset() + " is below the end " + sealedEnd);
    }

    /** Everything below {@code offset} was deleted on request. */
    void startsAt(long offset) {
        start = offset;
    }

    long start() {
        return start;
    }

    /** The end of what was written, markers of transactions not counted. */
    long endOfWritten() {
        return written.isEmpty() ? 0 : written.lastKey() + 1;
    }

    /** The first offset of the oldest transaction that has not ended; -1 if there is none. */
    long firstOpenOffset() {
        for (Map.Entry<Long, Written> each : written.tailMap(start).entrySet()) {
            if (each.getValue().is(Fate.OPEN)) {
                return each.getKey();
            }
        }
        return -1;
    }

    /** The first offset whose record is as young as {@code timestamp}; -1 if there is none. */
    long offsetFor(long timestamp) {
        for (Map.Entry<Long, Written> each : written.tailMap(start).entrySet()) {
            if (each.getValue().timestamp() >= timestamp) {
                return each.getKey();
            }
        }
        return -1;
    }

    /** Notes where the log ends now that nobody writes; whoever opens it next must find that end. */
    void seal(long end) {
        sealedEnd = end;
    }

    /** Compares what a broker serves with what was written. */
    void check(Sight.Seen uncommitted, Sight.Seen committed) {
        checkStart(uncommitted.start());
        checkStart(committed.start());
        require(sealedEnd < 0 || uncommitted.end() == sealedEnd, "the log ends at " + uncommitted.end() + " instead of " + sealedEnd);
        long open = firstOpenOffset();
        long stable = open < 0 ? uncommitted.end() : open;
        require(committed.end() == stable, "the last stable offset is " + committed.end() + " instead of " + stable);
        checkRecords(uncommitted, committed, stable);
        checkLeaderEpochs(uncommitted.records());
    }

    private void checkStart(long found) {
        require(found == start || expires && found > start, "the log starts at " + found + " instead of " + start);
        start = found;
    }

    void checkRecords(Sight.Seen all, Sight.Seen committed, long stable) {
        same(all.records(), written.tailMap(all.start()));
        long from = committed.start();
        TreeMap<Long, Written> expected = new TreeMap<>(written.subMap(from, Math.max(from, stable)));
        expected.values().removeIf(each -> each.is(Fate.ABORTED));
        same(committed.records(), expected);
    }

    private void same(List<ConsumerRecord<byte[], byte[]>> found, Map<Long, Written> expected) {
        List<Map.Entry<Long, Written>> entries = new ArrayList<>(expected.entrySet());
        for (int i = 0; i < Math.min(found.size(), entries.size()); i++) {
            long offset = entries.get(i).getKey();
            require(found.get(i).offset() == offset, "offset " + found.get(i).offset() + " where " + offset + " was written");
            require(entries.get(i).getValue(), found.get(i));
        }
        require(found.size() == entries.size(), found.size() + " records instead of " + entries.size());
    }

    final void require(Written expected, ConsumerRecord<byte[], byte[]> found) {
        String difference = expected == null ? "nothing was written there" : expected.difference(found);
        require(difference == null, "offset " + found.offset() + ": " + difference);
    }

    /** A record keeps the leader epoch with which it was first seen, and epochs do not go down. */
    private void checkLeaderEpochs(List<ConsumerRecord<byte[], byte[]>> records) {
        int latest = -1;
        for (ConsumerRecord<byte[], byte[]> record : records) {
            int epoch = record.leaderEpoch().orElse(-1);
            int first = leaderEpochs.computeIfAbsent(record.offset(), offset -> epoch);
            require(epoch == first, "offset " + record.offset() + ": leader epoch " + epoch + " instead of " + first);
            require(epoch == -1 || epoch >= latest, "offset " + record.offset() + ": leader epoch " + epoch + " after " + latest);
            latest = Math.max(latest, epoch);
        }
    }

    final void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(partition + ": " + otherwise);
        }
    }
}
