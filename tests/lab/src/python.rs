//! Python clients from PyPI, in an environment of their own.

use std::path::PathBuf;
use std::process::Command;

use crate::cache;
use crate::process::run_to_end;

const PACKAGES: &[&str] = &[
    "confluent-kafka==2.16.1",
    "kafka-python==3.0.12",
    "kazoo==2.11.0",
    "pure-sasl==0.6.2",
    "python-snappy==0.7.3",
    "lz4==4.4.5",
    "zstandard==0.25.0",
];
const INSTALL: &str = "install Python 3 with its venv module (python3 on the PATH)";

/// The interpreter of an environment with confluent-kafka, kafka-python and the codecs that it wants, and kazoo with its SASL.
pub fn python() -> PathBuf {
    let name = format!("python-{}", cache::fingerprint(PACKAGES));
    let dir = cache::entry_in_place(&name, |dir| {
        run_to_end(Command::new("python3").args(["-m", "venv"]).arg(dir), INSTALL);
        let mut pip = Command::new(dir.join("bin/python"));
        run_to_end(
            pip.args(["-m", "pip", "install", "-q", "--only-binary=:all:", "--no-binary=pure-sasl"]).args(PACKAGES),
            INSTALL,
        );
    });
    dir.join("bin/python")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_has_both_clients_and_their_codecs() {
        let import = "import confluent_kafka, kafka, kazoo, puresasl, snappy, lz4.frame, zstandard";
        run_to_end(Command::new(python()).args(["-c", import]), INSTALL);
    }
}
