//! Clients from outside Java, unmodified: confluent-kafka (librdkafka), kafka-python and kafkajs. Each makes topics,
//! produces with every codec it has, and reads all of it back through a group in two sittings (`tests/foreign/`).

mod support;

use std::process::Command;
use std::thread;
use std::time::Duration;

use support::Ensemble;
use test_lab::{Broker, node_modules, python, run};

const LIMIT: Duration = Duration::from_secs(240);

#[test]
fn confluent_kafka_kafka_python_and_kafkajs_find_a_broker_as_they_know_it() {
    let ensemble = Ensemble::ours();
    let broker = Broker::start(env!("CARGO_BIN_EXE_klamm"), &ensemble.address(), &[]);
    let address = &broker.address();
    thread::scope(|scope| {
        scope.spawn(move || script(Command::new(python()), "confluent.py", address, "install Python 3"));
        scope.spawn(move || script(Command::new(python()), "kafka_python.py", address, "install Python 3"));
        scope.spawn(move || {
            let mut node = Command::new("node");
            node.env("NODE_PATH", node_modules());
            script(node, "kafkajs.js", address, "install Node.js");
        });
    });
}

fn script(mut interpreter: Command, name: &str, address: &str, install: &str) {
    let file = format!("{}/tests/foreign/{name}", env!("CARGO_MANIFEST_DIR"));
    run(interpreter.arg(file).arg(address), LIMIT, install).ok();
}
