import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import kafka.log.Cleaner;
import kafka.log.CleanerStats;
import kafka.log.LogToClean;
import kafka.log.UnifiedLog;
import kafka.server.BrokerTopicStats;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.LogOffsetsListener;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.internals.log.SkimpyOffsetMap;
import org.apache.kafka.storage.internals.utils.Throttler;
import scala.Option;
import scala.Tuple2;
import scala.runtime.BoxedUnit;

/**
 * Cleans logs as a broker's cleaner thread does, with Kafka's own Cleaner on its own UnifiedLog, and says how long that
 * took. Arguments: topic settings (k=v,k=v), and for each log its directory, "@", bytes of the dedupe buffer, "@" and the
 * cleanings: "now:limit" with commas between. Nothing at or above the limit is cleaned. The logs must have been closed
 * cleanly, and are so again afterwards.
 */
public class CleanLog {
    /** A clock that stands where it is put. */
    static class Fixed implements Time {
        long now;
        public long milliseconds() { return now; }
        public long nanoseconds() { return System.nanoTime(); }
        public void sleep(long ms) { }
        public void waitObject(Object object, Supplier<Boolean> condition, long deadlineMs) { }
    }

    public static void main(String[] args) throws Exception {
        Map<String, String> settings = new HashMap<>();
        for (String pair : args[0].split(",")) settings.put(pair.split("=")[0], pair.split("=")[1]);
        Fixed time = new Fixed();
        KafkaScheduler scheduler = new KafkaScheduler(1);
        scheduler.startup();
        Throttler throttler = new Throttler(Double.MAX_VALUE, 300, "cleaner-io", "bytes", Time.SYSTEM);
        for (int i = 1; i < args.length; i++) {
            String[] parts = args[i].split("@");
            String dir = parts[0];
            String[] cleanings = parts[2].split(",");
            // Kafka's defaults for one cleaner thread.
            Cleaner cleaner = new Cleaner(0, new SkimpyOffsetMap(Integer.parseInt(parts[1]), "MD5"), 256 * 1024, 1048588,
                0.9, throttler, time, partition -> BoxedUnit.UNIT);
            time.now = Long.parseLong(cleanings[0].split(":")[0]);
            UnifiedLog log = open(new File(dir), new LogConfig(settings), scheduler, time);
            long dirty = log.logStartOffset();
            for (String cleaning : cleanings) {
                time.now = Long.parseLong(cleaning.split(":")[0]);
                long limit = Long.parseLong(cleaning.split(":")[1]);
                long cpu = cpu(), start = System.nanoTime();
                Tuple2<Object, CleanerStats> cleaned =
                    cleaner.doClean(new LogToClean(log.topicPartition(), log, dirty, limit, false), time.now);
                dirty = (Long) cleaned._1();
                double millis = (System.nanoTime() - start) / 1e6;
                System.out.printf("cleaned to %d: %.3f ms, %d cpu ms, %d bytes read, %d bytes written%n", dirty, millis,
                    cpu() - cpu, cleaned._2().bytesRead(), cleaned._2().bytesWritten());
            }
            log.close();
        }
        Runtime.getRuntime().halt(0);
    }

    static UnifiedLog open(File dir, LogConfig config, KafkaScheduler scheduler, Time time) {
        UnifiedLog log = UnifiedLog.apply(dir, config, 0L, 0L, scheduler, new BrokerTopicStats(false), time, 900000,
            new ProducerStateManagerConfig(86400000, false), 600000, new LogDirFailureChannel(10), true,
            Option.empty(), true, new ConcurrentHashMap<>(), false, LogOffsetsListener.NO_OP_OFFSETS_LISTENER);
        log.updateHighWatermark(log.logEndOffset());
        return log;
    }

    static long cpu() throws Exception {
        String stat = Files.readString(Path.of("/proc/self/stat"));
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
        return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) * 10;
    }
}
