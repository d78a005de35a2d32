import java.io.File;
import org.apache.kafka.server.util.FileLock;

/** Takes a log directory's lock as Kafka's LogManager does, says whether that worked, and keeps it until its input ends. */
public class HoldLock {
    public static void main(String[] args) throws Exception {
        FileLock lock = new FileLock(new File(args[0]));
        System.out.println(lock.tryLock() ? "taken" : "refused");
        System.out.flush();
        while (System.in.read() >= 0) { }
    }
}
