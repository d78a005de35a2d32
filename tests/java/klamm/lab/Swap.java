package klamm.lab;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;

/**
 * Fills a broker's directory with all that one can hold, and checks after each change of the broker that it is still there:
 * {@code main(port, bootstrap servers, release)}. Commands come as lines on a connection to {@code port} of this machine and
 * are answered with one line each, {@code ok} or the failure:
 *
 * <ul>
 *   <li>{@code create}: makes the topics
 *   <li>{@code write java N}, {@code write klamm N}: round N of one kind of broker, from records to the deletion of topics
 *   <li>{@code burst}: sends records without waiting for their acknowledgements
 *   <li>{@code check}: waits for those that are still missing, reads everything, compares it with the ledgers
 * </ul>
 */
public final class Swap {
    /** Many small segments, with indexes that have something in them. */
    private static final Map<String, String> SMALL = Map.of("segment.bytes", "8192", "index.interval.bytes", "512");

    private final String bootstrap;
    private final String release;
    /** Whether the Java broker knows headers, producer ids, transactions and deletion of records: from 0.11 on. */
    private final boolean knowsTransactions;
    private final List<String> codecs;
    private final Writing writing;
    private final Map<String, Ledger> ledgers = new LinkedHashMap<>();
    private final Map<String, Map<TopicPartition, OffsetAndMetadata>> committed = new HashMap<>();
    private final Map<String, Uuid> topicIds = new HashMap<>();
    private final Set<String> deletedTopics = new HashSet<>();
    private Ledger.Transaction open;

    public static void main(String[] args) throws Exception {
        Swap swap = new Swap(args[1], args[2]);
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), Integer.parseInt(args[0]));
                var commands = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
                var answers = new PrintWriter(socket.getOutputStream(), true, StandardCharsets.UTF_8)) {
            for (String line = commands.readLine(); line != null; line = commands.readLine()) {
                answers.println(swap.answer(line.split(" ")));
            }
        }
    }

    private Swap(String bootstrap, String release) {
        this.bootstrap = bootstrap;
        this.release = release;
        this.knowsTransactions = !release.equals("0.10.2");
        boolean knowsZstd = knowsTransactions && !release.equals("1.1");
        this.codecs = List.of("none", "gzip", "snappy", "lz4", knowsZstd ? "zstd" : "gzip");
        this.writing = new Writing(bootstrap, knowsTransactions);
    }

    private String answer(String[] command) {
        try {
            switch (command[0]) {
                case "create" -> create();
                case "write" -> write(command[1].equals("java"), Integer.parseInt(command[2]));
                case "burst" -> burst();
                case "check" -> check();
                default -> throw new IllegalArgumentException(command[0]);
            }
            return "ok";
        } catch (Throwable failure) {
            StringWriter trace = new StringWriter();
            failure.printStackTrace(new PrintWriter(trace));
            return trace.toString().replace("\n", "\\n");
        }
    }

    private void create() throws Exception {
        topic("codecs", codecs.size(), Map.of());
        topic("append-time", 1, Map.of("message.timestamp.type", "LogAppendTime"));
        ledger("append-time", 0).brokerTime = true;
        topic("transactions", 2, Map.of());
        topic("open", 1, Map.of());
        topic("trimmed", 1, Map.of());
        topic("crossing", 1, Map.of());
        // Written to by others.
        topic("sequences", 1, Map.of());
        ledgers.remove("sequences-0");
        topic("expiring", 1, Map.of("retention.bytes", "15000"));
        ledger("expiring", 0).expires = true;
        compacted("compacted", Map.of());
        if (release.equals("2.4")) {
            for (String format : List.of("0.9.0", "0.10.2")) {
                topic("format-" + format, 1, Map.of("message.format.version", format));
                ledger("format-" + format, 0).headers = false;
                compacted("compacted-" + format, Map.of("message.format.version", format));
            }
            ledger("format-0.9.0", 0).timeless = true;
            ledger("compacted-0.9.0", 0).timeless = true;
        }
    }

    private void write(boolean java, int round) throws Exception {
        for (int i = 0; i < codecs.size(); i++) {
            writing.sendMany(writing.idempotent(codecs.get(i)), ledger("codecs", i), 120, null);
        }
        writing.sendMany(writing.idempotent("gzip"), ledger("append-time", 0), 50, null);
        writing.sendMany(writing.plain("none"), ledger("trimmed", 0), 60, null);
        writing.sendMany(writing.idempotent("none"), ledger("expiring", 0), 200, null);
        oldFormats();
        if (java && knowsTransactions) {
            transactions();
        }
        openTransaction(java && knowsTransactions, round);
        compactedTopics(java, round);
        writing.settle();
        groups(java, round);
        if (knowsTransactions) {
            deleteRecords();
        }
        if (!java || release.equals("3.9")) {
            awaitRetention();
        }
        comeAndGo(java, round);
        seal();
    }

    /** What is on its way when the broker goes is for the next one to take, unless this one has it already. */
    private void burst() {
        if (knowsTransactions) {
            ledger("crossing", 0).seal(-1);
            writing.sendMany(writing.crossing(), ledger("crossing", 0), 300, null);
        }
    }

    /** Each codec that the old formats know, in batches of several records. */
    private void oldFormats() throws Exception {
        for (Ledger ledger : ledgers.values()) {
            if (ledger.partition.topic().startsWith("format-")) {
                for (String codec : List.of("none", "gzip", "snappy", "lz4")) {
                    writing.sendMany(writing.plain(codec), ledger, 30, null);
                    writing.settle();
                }
            }
        }
    }

    /** Transactions of two producers that overlap, over two partitions, among records outside of any. */
    private void transactions() throws Exception {
        Ledger left = ledger("transactions", 0);
        Ledger right = ledger("transactions", 1);
        for (int i = 0; i < 4; i++) {
            KafkaProducer<byte[], byte[]> first = writing.transactional("first");
            KafkaProducer<byte[], byte[]> second = writing.transactional("second");
            Ledger.Transaction one = begin(first);
            Ledger.Transaction other = begin(second);
            for (int j = 0; j < 3; j++) {
                writing.sendMany(first, left, 6, one);
                writing.sendMany(second, left, 6, other);
                writing.sendMany(first, right, 3, one);
                writing.sendMany(writing.idempotent("none"), right, 3, null);
                writing.settle();
            }
            end(first, one, i % 2 == 0);
            writing.sendMany(second, left, 5, other);
            writing.settle();
            end(second, other, i % 4 < 2);
        }
    }

    /** One transaction stays open while brokers change; the next Java broker ends it. */
    private void openTransaction(boolean java, int round) throws Exception {
        Ledger ledger = ledger("open", 0);
        if (java) {
            KafkaProducer<byte[], byte[]> producer = writing.transactional("open");
            if (open != null) {
                writing.sendMany(producer, ledger, 5, open);
                writing.settle();
                end(producer, open, round % 2 == 0);
            }
            writing.sendMany(writing.idempotent("none"), ledger, 20, null);
            writing.settle();
            open = begin(producer);
            writing.sendMany(producer, ledger, 10, open);
            writing.settle();
        }
        writing.sendMany(writing.idempotent("none"), ledger, 20, null);
    }

    /** Many versions of few keys, some of them of transactions; big records at the end make room for the cleaner. */
    private void compactedTopics(boolean java, int round) throws Exception {
        for (Ledger each : new ArrayList<>(ledgers.values())) {
            if (each instanceof CompactedLedger ledger) {
                boolean old = !ledger.headers;
                for (int i = 0; i < 300; i++) {
                    writing.send(old ? writing.plain("gzip") : writing.idempotent("snappy"), ledger, writing.keyed(ledger, 40), null);
                }
                writing.settle();
                if (java && !old && knowsTransactions) {
                    KafkaProducer<byte[], byte[]> producer = writing.transactional("compacting");
                    for (boolean commit : List.of(true, false)) {
                        Ledger.Transaction transaction = begin(producer);
                        for (int i = 0; i < 40; i++) {
                            writing.send(producer, ledger, writing.keyed(ledger, 60), transaction);
                        }
                        writing.settle();
                        end(producer, transaction, commit);
                    }
                }
                long end = ledger.endOfWritten();
                for (int i = 0; i < 2; i++) {
                    writing.send(writing.plain("none"), ledger, writing.filler(ledger, "filler " + round + i + java), null);
                    writing.settle();
                }
                await("the cleaning of " + ledger.partition, () -> ledger.isCleanBelow(end, see(ledger).records()));
            }
        }
    }

    private Ledger.Transaction begin(KafkaProducer<byte[], byte[]> producer) {
        producer.beginTransaction();
        return new Ledger.Transaction();
    }

    private void end(KafkaProducer<byte[], byte[]> producer, Ledger.Transaction transaction, boolean commit) {
        if (commit) {
            producer.commitTransaction();
        } else {
            producer.abortTransaction();
        }
        transaction.fate = commit ? Ledger.Fate.COMMITTED : Ledger.Fate.ABORTED;
    }

    /** One group moves on by its own choice, one has members, and one of each round is deleted by the other kind of broker. */
    private void groups(boolean java, int round) throws Exception {
        for (String group : List.of("readers", (java ? "of-java-" : "of-klamm-") + round)) {
            try (KafkaConsumer<byte[], byte[]> consumer = member(group)) {
                Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
                for (int i = 0; i < 3; i++) {
                    Ledger ledger = ledger("codecs", (round + i) % codecs.size());
                    positions.put(ledger.partition, new OffsetAndMetadata(ledger.endOfWritten() - i, "round " + round + " ü"));
                }
                consumer.commitSync(positions);
                committed.computeIfAbsent(group, name -> new HashMap<>()).putAll(positions);
            }
        }
        try (KafkaConsumer<byte[], byte[]> consumer = member("members")) {
            consumer.subscribe(List.of("codecs"));
            Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
            await("records for a member", () -> {
                consumer.poll(Duration.ofMillis(200)).forEach(record -> positions.put(
                    new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1)));
                return !positions.isEmpty();
            });
            consumer.commitSync(positions);
            committed.computeIfAbsent("members", name -> new HashMap<>()).putAll(positions);
        }
        String old = (java ? "of-klamm-" : "of-java-") + (round - 1);
        if (knowsTransactions && committed.remove(old) != null) {
            try (Admin admin = admin()) {
                get(admin.deleteConsumerGroups(List.of(old)).all());
            }
        }
    }

    private KafkaConsumer<byte[], byte[]> member(String group) {
        Map<String, Object> settings = Map.of("group.id", group, "auto.offset.reset", "earliest");
        return Sight.consumer(bootstrap, IsolationLevel.READ_UNCOMMITTED, settings);
    }

    private void checkGroups(Admin admin) throws Exception {
        Set<String> listed = new HashSet<>();
        get(admin.listConsumerGroups().all()).forEach(group -> listed.add(group.groupId()));
        require(listed.equals(committed.keySet()), "groups " + listed + " instead of " + committed.keySet());
        for (String group : listed) {
            Map<TopicPartition, OffsetAndMetadata> found = new HashMap<>();
            // Which leader epoch comes with a position is the consumer's affair.
            get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()).forEach(
                (partition, position) -> found.put(partition, new OffsetAndMetadata(position.offset(), position.metadata())));
            require(found.equals(committed.get(group)), group + " stands at " + found + " instead of " + committed.get(group));
        }
    }

    private void deleteRecords() throws Exception {
        Ledger ledger = ledger("trimmed", 0);
        long before = (ledger.start() + ledger.endOfWritten()) / 2;
        try (Admin admin = admin()) {
            get(admin.deleteRecords(Map.of(ledger.partition, RecordsToDelete.beforeOffset(before))).all());
        }
        ledger.startsAt(before);
    }

    private void awaitRetention() throws Exception {
        Ledger ledger = ledger("expiring", 0);
        await("retention of " + ledger.partition, () -> see(ledger).start() > ledger.start());
    }

    /** Each kind of broker makes a topic in every round, which both fill, and which the other one deletes a round later. */
    private void comeAndGo(boolean java, int round) throws Exception {
        String kind = java ? "of-java-" : "of-klamm-";
        topic(kind + round, 1, Map.of());
        for (Ledger ledger : ledgers.values()) {
            if (ledger.partition.topic().startsWith("of-")) {
                writing.sendMany(writing.idempotent(codecs.get(4)), ledger, 40, null);
            }
        }
        writing.settle();
        String old = (java ? "of-klamm-" : "of-java-") + (round - 1);
        if (ledgers.remove(old + "-0") != null) {
            try (Admin admin = admin()) {
                get(admin.deleteTopics(List.of(old)).all());
                await("the deletion of " + old, () -> !get(admin.listTopics().names()).contains(old));
            }
            deletedTopics.add(old);
        }
    }

    /** Waits until all transactions but the open one have their markers, and notes where each log ends. */
    private void seal() throws Exception {
        for (Ledger ledger : ledgers.values()) {
            await("the markers in " + ledger.partition, () -> {
                long end = end(ledger, IsolationLevel.READ_UNCOMMITTED);
                long open = ledger.firstOpenOffset();
                boolean settled = end(ledger, committedReads()) == (open < 0 ? end : open);
                ledger.seal(end);
                return settled;
            });
        }
    }

    private void check() throws Exception {
        writing.settle();
        List<TopicPartition> partitions = ledgers.values().stream().map(ledger -> ledger.partition).toList();
        var uncommitted = Sight.of(bootstrap, partitions, IsolationLevel.READ_UNCOMMITTED);
        var committedOnly = Sight.of(bootstrap, partitions, committedReads());
        checkTimes();
        for (Ledger ledger : ledgers.values()) {
            ledger.check(uncommitted.get(ledger.partition), committedOnly.get(ledger.partition));
        }
        try (Admin admin = admin()) {
            checkGroups(admin);
            checkTopicIds(admin);
            // A broker that is killed may leave a deletion to the next one.
            await("the end of " + deletedTopics, () -> {
                Set<String> back = new HashSet<>(get(admin.listTopics().names()));
                return !back.removeAll(deletedTopics);
            });
        }
    }

    /** The offset of a time is that of the first record that is as young (where no old segments are in the way). */
    private void checkTimes() {
        List<Ledger> timed = new ArrayList<>();
        for (Ledger ledger : ledgers.values()) {
            if (List.of("codecs", "append-time").contains(ledger.partition.topic()) && !ledger.written.isEmpty()) {
                timed.add(ledger);
            }
        }
        try (KafkaConsumer<byte[], byte[]> consumer = Sight.consumer(bootstrap, IsolationLevel.READ_UNCOMMITTED, Map.of())) {
            for (int i = 0; i < 5; i++) {
                Map<TopicPartition, Long> asked = new HashMap<>();
                timed.forEach(ledger -> asked.put(ledger.partition, writing.someTime(ledger)));
                var found = consumer.offsetsForTimes(asked);
                timed.forEach(ledger -> {
                    long expected = ledger.offsetFor(asked.get(ledger.partition));
                    OffsetAndTimestamp answer = found.get(ledger.partition);
                    long offset = answer == null ? -1 : answer.offset();
                    require(offset == expected, ledger.partition + ": time " + asked.get(ledger.partition)
                        + " is at " + offset + " instead of " + expected);
                });
            }
        }
    }

    /** A topic keeps the id that it had when it was first seen. */
    private void checkTopicIds(Admin admin) throws Exception {
        Set<String> topics = new HashSet<>();
        ledgers.values().forEach(ledger -> topics.add(ledger.partition.topic()));
        get(admin.describeTopics(topics).allTopicNames()).forEach((topic, described) -> {
            Uuid id = described.topicId();
            Uuid first = topicIds.computeIfAbsent(topic, name -> id);
            require(id.equals(first), topic + " has the id " + id + " instead of " + first);
            require(id.equals(Uuid.ZERO_UUID) != List.of("2.8", "3.9").contains(release), topic + " has the id " + id);
        });
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }

    private void compacted(String name, Map<String, String> more) throws Exception {
        Map<String, String> configs = new HashMap<>(more);
        configs.putAll(Map.of("cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0.01"));
        topic(name, 1, configs);
        CompactedLedger ledger = new CompactedLedger(name, 0);
        ledger.headers = knowsTransactions && !more.containsKey("message.format.version");
        ledgers.put(name + "-0", ledger);
    }

    private void topic(String name, int partitions, Map<String, String> more) throws Exception {
        Map<String, String> configs = new HashMap<>(SMALL);
        configs.putAll(more);
        try (Admin admin = admin()) {
            get(admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(configs))).all());
        }
        for (int i = 0; i < partitions; i++) {
            Ledger ledger = new Ledger(name, i);
            ledger.headers = knowsTransactions;
            ledgers.put(name + "-" + i, ledger);
        }
    }

    /** The isolation level of who wants committed data only, where that is known. */
    private IsolationLevel committedReads() {
        return knowsTransactions ? IsolationLevel.READ_COMMITTED : IsolationLevel.READ_UNCOMMITTED;
    }

    private Ledger ledger(String topic, int partition) {
        return ledgers.get(topic + "-" + partition);
    }

    private Sight.Seen see(Ledger ledger) {
        return Sight.of(bootstrap, List.of(ledger.partition), IsolationLevel.READ_UNCOMMITTED).get(ledger.partition);
    }

    private long end(Ledger ledger, IsolationLevel isolation) {
        try (KafkaConsumer<byte[], byte[]> consumer = Sight.consumer(bootstrap, isolation, Map.of())) {
            return consumer.endOffsets(List.of(ledger.partition)).get(ledger.partition);
        }
    }

    private Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    private interface Condition {
        boolean holds() throws Exception;
    }

    private static void await(String what, Condition condition) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (!condition.holds()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("waited in vain for " + what);
            }
            Thread.sleep(50);
        }
    }

    private static <T> T get(KafkaFuture<T> future) throws Exception {
        return future.get(60, TimeUnit.SECONDS);
    }
}
