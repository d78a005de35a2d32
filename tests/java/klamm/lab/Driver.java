package klamm.lab;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Proxy;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Runs the main methods of Kafka's tools and of our own clients in one JVM, so that dozens of runs cost one start.
 *
 * <p>Commands come as JSON lines on standard input: {@code id, version, main, args, stdin, timeout_ms}. Each gets one
 * JSON line on standard output: {@code id, status, stdout, stderr}. Runs may overlap. A run has streams of its own and
 * its tool's classes of its own, so that their static fields start fresh; Kafka's clients and libraries are loaded once
 * per release. When standard input ends, so does the JVM.
 *
 * <p>Arguments: our classes' directory, then per release {@code name=directory of jars[:more]}.
 */
public final class Driver {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream ANSWERS = System.out;

    private final Map<String, Release> releases = new HashMap<>();

    /** The jars of one Kafka release: those shared by all runs, and those that each run loads afresh. */
    private record Release(ClassLoader shared, URL[] fresh) {
        ClassLoader forOneRun() {
            ClassLoader loader = new URLClassLoader(fresh, shared);
            endTheRunOnZooKeepersExit(loader);
            return loader;
        }
    }

    public static void main(String[] args) throws Exception {
        Run.routeStreams();
        Driver driver = new Driver();
        for (String release : List.of(args).subList(1, args.length)) {
            driver.load(release, new File(args[0]));
        }
        BufferedReader commands = new BufferedReader(new InputStreamReader(Run.realInput(), StandardCharsets.UTF_8));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            JsonNode command = JSON.readTree(line);
            Thread thread = new Thread(() -> driver.answer(command), "run-" + command.get("id").asLong());
            thread.setDaemon(true);
            thread.start();
        }
        Runtime.getRuntime().halt(0);
    }

    private void load(String nameAndDirectories, File ownClasses) throws Exception {
        String[] parts = nameAndDirectories.split("[=:]");
        List<URL> shared = new ArrayList<>();
        List<URL> fresh = new ArrayList<>();
        fresh.add(ownClasses.toURI().toURL());
        for (String directory : List.of(parts).subList(1, parts.length)) {
            for (File jar : new File(directory).listFiles((dir, name) -> name.endsWith(".jar"))) {
                // ZooKeeper's comes along because Kafka's shell lives in its package.
                boolean holdsTools = jar.getName().matches("(kafka-tools|kafka_2\\.\\d+|zookeeper)-\\d.*\\.jar");
                (holdsTools ? fresh : shared).add(jar.toURI().toURL());
            }
        }
        ClassLoader platform = ClassLoader.getPlatformClassLoader();
        ClassLoader loader = new URLClassLoader(shared.toArray(URL[]::new), platform);
        exitWithoutEnding(loader);
        releases.put(parts[0], new Release(loader, fresh.toArray(URL[]::new)));
    }

    /** Makes Kafka's own exit and halt end the run that calls them instead of the JVM. */
    private static void exitWithoutEnding(ClassLoader loader) throws Exception {
        Class<?> exit = loader.loadClass("org.apache.kafka.common.utils.Exit");
        Class<?> procedure = loader.loadClass("org.apache.kafka.common.utils.Exit$Procedure");
        Object endTheRun = Proxy.newProxyInstance(loader, new Class<?>[] {procedure}, (proxy, method, args) -> {
            if (!method.getName().equals("execute")) {
                return method.getName().equals("hashCode") ? (Object) 0 : "end the run";
            }
            Run.current().exit((Integer) args[0], (String) args[1]);
            throw new Run.Ended();
        });
        exit.getMethod("setExitProcedure", procedure).invoke(null, endTheRun);
        exit.getMethod("setHaltProcedure", procedure).invoke(null, endTheRun);
    }

    /** The same for ZooKeeper's shell; 3.5's exits without asking, so 2.4.1's shell is not for this driver. */
    private static void endTheRunOnZooKeepersExit(ClassLoader loader) {
        try {
            Consumer<Integer> endTheRun = status -> {
                Run.current().exit(status, null);
                throw new Run.Ended();
            };
            Class<?> utils = loader.loadClass("org.apache.zookeeper.util.ServiceUtils");
            utils.getMethod("setSystemExitProcedure", Consumer.class).invoke(null, endTheRun);
        } catch (ClassNotFoundException e) {
            // An older release.
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("ZooKeeper's ServiceUtils is not as it was in 3.8", e);
        }
    }

    private void answer(JsonNode command) {
        Run run = new Run(command.path("stdin").asText(""));
        List<String> args = new ArrayList<>();
        command.get("args").forEach(arg -> args.add(arg.asText()));
        Release release = releases.get(command.get("version").asText());
        String main = command.get("main").asText();
        run.start(release.forOneRun(), main, args.toArray(String[]::new));
        run.await(command.get("timeout_ms").asLong());

        ObjectNode answer = JSON.createObjectNode();
        answer.put("id", command.get("id").asLong());
        answer.put("status", run.status());
        answer.put("stdout", run.out());
        answer.put("stderr", run.err());
        write(answer.toString());
    }

    private static void write(String line) {
        synchronized (ANSWERS) {
            ANSWERS.println(line);
            ANSWERS.flush();
        }
    }
}
