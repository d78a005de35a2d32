package klamm.lab;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * One run of a main method with an input, outputs and an exit status of its own.
 *
 * <p>Threads belong to the run whose thread made them. The first exit counts: what the tool's {@code finally} blocks and
 * catch-all handlers print afterwards would never have happened in a process of its own, so it is dropped. Shutdown hooks
 * are run at the end, as the JVM would (2.4.1's console producer flushes in one).
 */
final class Run {
    /** Thrown through a tool that called exit, so that it goes no further. */
    static final class Ended extends Error {
        Ended() {
            super("the run has ended", null, false, false);
        }
    }

    /** The status of a run that did not end in time; no tool uses it. */
    private static final int TIMED_OUT = 124;

    private static final InheritableThreadLocal<Run> CURRENT = new InheritableThreadLocal<>();
    private static final InputStream REAL_INPUT = System.in;

    private final InputStream in;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();
    private final CountDownLatch done = new CountDownLatch(1);
    private Thread thread;
    private ClassLoader loader;
    private boolean outputsClosed;
    private Integer status;

    Run(String stdin) {
        this.in = new ByteArrayInputStream(stdin.getBytes(StandardCharsets.UTF_8));
    }

    /** Sends the JVM's three streams to the run of whichever thread uses them. */
    static void routeStreams() {
        PrintStream realError = System.err;
        System.setIn(new RoutedInput());
        System.setOut(new PrintStream(new RoutedOutput(run -> run.out, realError), true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(new RoutedOutput(run -> run.err, realError), true, StandardCharsets.UTF_8));
    }

    static InputStream realInput() {
        return REAL_INPUT;
    }

    static Run current() {
        return CURRENT.get();
    }

    void start(ClassLoader loader, String main, String[] args) {
        this.loader = loader;
        thread = new Thread(() -> execute(main, args), main);
        thread.setDaemon(true);
        thread.setContextClassLoader(loader);
        thread.start();
    }

    private void execute(String main, String[] args) {
        CURRENT.set(this);
        try {
            loader.loadClass(main).getMethod("main", String[].class).invoke(null, (Object) args);
            exit(0, null);
        } catch (InvocationTargetException e) {
            uncaught(e.getCause());
        } catch (Throwable e) {
            uncaught(e);
        } finally {
            done.countDown();
        }
    }

    private void uncaught(Throwable thrown) {
        if (!(thrown instanceof Ended)) {
            System.err.print("Exception in thread \"main\" ");
            thrown.printStackTrace();
            exit(1, null);
        }
    }

    /** Ends the run: hooks, then the status. Called again, it does nothing. */
    void exit(int status, String message) {
        synchronized (this) {
            if (this.status != null) {
                return;
            }
            this.status = status;
        }
        if (message != null) {
            System.err.println(message);
        }
        hooks().forEach(Thread::run);
        synchronized (this) {
            outputsClosed = true;
        }
        done.countDown();
    }

    /** Takes from the JVM the shutdown hooks that this run has registered: those made under its class loader. */
    private List<Thread> hooks() {
        List<Thread> ours = new ArrayList<>();
        for (Thread hook : registeredHooks()) {
            if (hook.getContextClassLoader() == loader && Runtime.getRuntime().removeShutdownHook(hook)) {
                ours.add(hook);
            }
        }
        return ours;
    }

    private static List<Thread> registeredHooks() {
        try {
            Class<?> holder = Class.forName("java.lang.ApplicationShutdownHooks");
            Field hooks = holder.getDeclaredField("hooks");
            hooks.setAccessible(true);
            synchronized (holder) {
                List<Thread> threads = new ArrayList<>();
                ((Map<?, ?>) hooks.get(null)).keySet().forEach(hook -> threads.add((Thread) hook));
                return threads;
            }
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("the JVM's shutdown hooks are not where they were in Java 17", e);
        }
    }

    /** Waits for the end; after the limit, says where the main thread stood and interrupts it. */
    void await(long limitMs) {
        try {
            if (!done.await(limitMs, TimeUnit.MILLISECONDS)) {
                StringBuilder where = new StringBuilder("\nnot ended after " + limitMs + " ms; the main thread is at\n");
                for (StackTraceElement frame : thread.getStackTrace()) {
                    where.append("  ").append(frame).append('\n');
                }
                synchronized (this) {
                    status = TIMED_OUT;
                    err.writeBytes(where.toString().getBytes(StandardCharsets.UTF_8));
                    outputsClosed = true;
                }
                thread.interrupt();
            }
        } catch (InterruptedException e) {
            throw new IllegalStateException("nobody interrupts a waiter", e);
        }
    }

    synchronized int status() {
        return status;
    }

    synchronized String out() {
        return out.toString(StandardCharsets.UTF_8);
    }

    synchronized String err() {
        return err.toString(StandardCharsets.UTF_8);
    }

    private synchronized void write(ByteArrayOutputStream to, byte[] bytes, int from, int count) {
        if (!outputsClosed) {
            to.write(bytes, from, count);
        }
    }

    private interface Side {
        ByteArrayOutputStream of(Run run);
    }

    private static final class RoutedOutput extends OutputStream {
        private final Side side;
        private final PrintStream otherwise;

        RoutedOutput(Side side, PrintStream otherwise) {
            this.side = side;
            this.otherwise = otherwise;
        }

        @Override
        public void write(int octet) {
            write(new byte[] {(byte) octet}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int from, int count) {
            Run run = current();
            if (run == null) {
                otherwise.write(bytes, from, count);
            } else {
                run.write(side.of(run), bytes, from, count);
            }
        }
    }

    private static final class RoutedInput extends InputStream {
        @Override
        public int read() throws IOException {
            Run run = current();
            return run == null ? -1 : run.in.read();
        }

        @Override
        public int read(byte[] bytes, int from, int count) throws IOException {
            Run run = current();
            return run == null ? -1 : run.in.read(bytes, from, count);
        }

        @Override
        public int available() throws IOException {
            Run run = current();
            return run == null ? 0 : run.in.available();
        }
    }
}
