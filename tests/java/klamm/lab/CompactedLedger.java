package klamm.lab;

import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * What was written to a compacted partition: records may go, but only for newer ones of the same key, they never come back,
 * and what is left is as it was written.
 */
final class CompactedLedger extends Ledger {
    private Set<Long> gone = new HashSet<>();

    CompactedLedger(String topic, int partition) {
        super(topic, partition);
    }

    @Override
    void checkRecords(Sight.Seen seen, Sight.Seen seenCommitted, long stable) {
        List<ConsumerRecord<byte[], byte[]>> all = seen.records();
        List<ConsumerRecord<byte[], byte[]>> committed = seenCommitted.records();
        all.forEach(found -> require(written.get(found.offset()), found));
        committed.forEach(found -> require(!written.get(found.offset()).is(Fate.ABORTED), "offset " + found.offset() + " was aborted"));
        Set<Long> left = offsets(all);
        for (long offset : left) {
            require(!gone.contains(offset), "offset " + offset + " is back");
        }
        Set<Long> leftCommitted = offsets(committed);
        newest(Long.MAX_VALUE).forEach((key, offset) -> requireKept(left, offset));
        newest(stable).forEach((key, offset) -> requireKept(leftCommitted, offset));
        gone = new HashSet<>(written.keySet());
        gone.removeAll(left);
    }

    /** Whether every key has but one record below {@code end}, so that a cleaner has been there. */
    boolean isCleanBelow(long end, List<ConsumerRecord<byte[], byte[]>> all) {
        Set<ByteBuffer> keys = new HashSet<>();
        return all.stream().filter(found -> found.offset() < end).allMatch(found -> keys.add(ByteBuffer.wrap(found.key())));
    }

    private void requireKept(Set<Long> left, long offset) {
        // A tombstone may go, too, once everybody has had the time to see it.
        require(left.contains(offset) || written.get(offset).value() == null, "offset " + offset + ", the newest of its key, is gone");
    }

    /** The newest offset of each key below {@code end}, what was aborted not counted. */
    private Map<ByteBuffer, Long> newest(long end) {
        Map<ByteBuffer, Long> newest = new HashMap<>();
        written.headMap(end).forEach((offset, each) -> {
            if (!each.is(Fate.ABORTED)) {
                newest.put(ByteBuffer.wrap(each.key()), offset);
            }
        });
        return newest;
    }

    private static Set<Long> offsets(List<ConsumerRecord<byte[], byte[]>> records) {
        return records.stream().map(ConsumerRecord::offset).collect(Collectors.toSet());
    }
}
