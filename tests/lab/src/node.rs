//! kafkajs from npm, with the codecs it leaves to others.

use std::path::PathBuf;
use std::process::Command;

use crate::cache;
use crate::process::run_to_end;

const PACKAGES: &[&str] = &["kafkajs@2.2.4", "kafkajs-snappy@1.1.0"];
const INSTALL: &str = "install Node.js with npm (node and npm on the PATH)";

/// The `node_modules` directory that has kafkajs; give it to `node` as `NODE_PATH`.
pub fn node_modules() -> PathBuf {
    let name = format!("node-{}", cache::fingerprint(PACKAGES));
    let dir = cache::entry(&name, |dir| {
        let mut npm = Command::new("npm");
        npm.current_dir(dir).args(["install", "--silent", "--no-audit", "--no-fund", "--prefix", "."]).args(PACKAGES);
        run_to_end(&mut npm, INSTALL);
    });
    dir.join("node_modules")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_finds_the_client_and_its_codec() {
        let require = "require('kafkajs'); require('kafkajs-snappy')";
        run_to_end(Command::new("node").env("NODE_PATH", node_modules()).args(["-e", require]), INSTALL);
    }
}
