package klamm.lab;

import java.io.PrintWriter;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Runs JUnit 5 test classes against a broker: {@code main(bootstrap servers, class...)}. One line per test; the exit
 * status is 1 if a test failed or if there was none.
 */
public final class Scenarios {
    public static void main(String[] args) {
        LauncherDiscoveryRequestBuilder request = LauncherDiscoveryRequestBuilder.request();
        request.configurationParameter("bootstrap.servers", args[0]);
        for (int i = 1; i < args.length; i++) {
            request.selectors(DiscoverySelectors.selectClass(args[i]));
        }
        Report report = new Report();
        LauncherDiscoveryRequest built = request.build();
        LauncherFactory.create().execute(built, report);
        System.out.println(report.passed + " passed, " + report.failed + " failed");
        org.apache.kafka.common.utils.Exit.exit(report.failed > 0 || report.passed == 0 ? 1 : 0);
    }

    private static final class Report implements TestExecutionListener {
        private int passed;
        private int failed;
        private long started;

        @Override
        public void executionStarted(TestIdentifier test) {
            started = System.nanoTime();
        }

        @Override
        public void executionFinished(TestIdentifier test, TestExecutionResult result) {
            if (result.getStatus() != TestExecutionResult.Status.SUCCESSFUL) {
                failed++;
                System.out.println("FAILED " + test.getDisplayName());
                result.getThrowable().ifPresent(thrown -> thrown.printStackTrace(new PrintWriter(System.out, true)));
            } else if (test.isTest()) {
                passed++;
                System.out.println("ok " + test.getDisplayName() + ", " + (System.nanoTime() - started) / 1_000_000 + " ms");
            }
        }
    }
}
