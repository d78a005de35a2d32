import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import kafka.log.LogManager;
import kafka.server.BrokerTopicStats;
import kafka.server.KafkaConfig;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;

/**
 * Loads the logs of a directory as a starting broker does, with Kafka's own LogManager, and says how long that took:
 * milliseconds, CPU milliseconds of the process meanwhile, resident KiB before and after. Then halts: the directory
 * stays as uncleanly stopped as it was. Arguments: directory, recovery threads.
 */
public class LoadLogs {
    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.put("zookeeper.connect", "unused:1");
        properties.put("broker.id", "1");
        properties.put("log.dirs", args[0]);
        properties.put("num.recovery.threads.per.data.dir", args[1]);
        KafkaConfig config = new KafkaConfig(properties, false);
        KafkaScheduler scheduler = new KafkaScheduler(1);
        scheduler.startup();
        // Topic configurations are asked for by startup() only, which is not called.
        LogManager manager = kafka.log.LogManager$.MODULE$.apply(config, scala.collection.immutable.Seq$.MODULE$.empty(), null,
            scheduler, Time.SYSTEM, new BrokerTopicStats(false), new LogDirFailureChannel(10), true);
        long residentBefore = resident(), cpuBefore = cpu(), start = System.nanoTime();
        manager.loadLogs(manager.currentDefaultConfig(), scala.collection.immutable.Map$.MODULE$.empty(), log -> false);
        double millis = (System.nanoTime() - start) / 1e6;
        System.out.printf("loaded %d logs: %.3f ms, %d cpu ms, %d KiB before, %d KiB after%n",
            manager.allLogs().size(), millis, cpu() - cpuBefore, residentBefore, resident());
        Runtime.getRuntime().halt(0);
    }

    static long resident() throws Exception {
        for (String line : Files.readAllLines(Path.of("/proc/self/status")))
            if (line.startsWith("VmRSS:")) return Long.parseLong(line.replaceAll("\\D", ""));
        return 0;
    }

    static long cpu() throws Exception {
        String stat = Files.readString(Path.of("/proc/self/stat"));
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
        return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) * 10;
    }
}
