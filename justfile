# One word per job, the same for people and for CI.

# Format, lints, every test: what `.ci/run` asks.
check:
    .ci/run

# Every test. Fetches Java Kafka, ZooKeeper and the foreign clients into a cache outside the tree on its first run.
test:
    cargo test --workspace

# Real clients, tools and ZooKeepers against the broker; `just compat java` asks the same of a Java broker.
compat target="klamm":
    KLAMM_TEST_TARGET={{target}} cargo test --test java_tools --test our_tools --test java_clients --test foreign_clients \
        --test kill9 --test dump_log --test zookeeper_versions --test bad_input

# A log directory handed to and fro between Klamm and Java Kafka 3.9, 2.8, 2.4, 1.1 and 0.10; ten minutes or so.
swap:
    KLAMM_TEST_SLOW=1 cargo test --test swap

# Time to start, memory and CPU beside a Java broker in the same run.
bench *arguments:
    cargo bench -p benches --bench against_java -- {{arguments}}

# One parser against random bytes, for so many seconds; fuzz/README.md has the set-up, `cargo fuzz list` the targets.
fuzz target seconds="60":
    RUSTC_BOOTSTRAP=1 cargo fuzz run --dev --sanitizer none {{target}} -- \
        -max_total_time={{seconds}} -timeout=10 -rss_limit_mb=1024

# A whole broker in a simulated world, as this seed deals it.
sim seed:
    KLAMM_SIM_SEED={{seed}} cargo test --test simulation
