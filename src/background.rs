//! `-daemon` of `kafka-server-start.sh` and `zookeeper-server-start.sh`: the server in a process of its own, away from the
//! terminal, with what it prints in `$LOG_DIR/<name>.out` (`logs` in the working directory without the variable), as
//! Kafka's scripts have it. Under a service manager the foreground is the better choice.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Starts `klamm <command> <arguments>` and does not wait for it.
pub(crate) fn start(command: &str, name: &str, arguments: &[OsString]) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| format!("cannot find out where this program is: {error}"))?;
    let output = output_file(name)?;
    let errors = output.try_clone().map_err(|error| format!("cannot share the output file: {error}"))?;
    let started = Command::new(program)
        .arg(command)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        // Its own group: what the terminal sends to ours does not reach it.
        .process_group(0)
        .spawn();
    started.map(drop).map_err(|error| format!("cannot start the {command} in the background: {error}"))
}

#[allow(clippy::disallowed_methods, reason = "a process's output must be a file of the system's")]
fn output_file(name: &str) -> Result<File, String> {
    let dir = std::env::var_os("LOG_DIR").map_or_else(|| PathBuf::from("logs"), PathBuf::from);
    let path = dir.join(format!("{name}.out"));
    let opened = std::fs::create_dir_all(&dir).and_then(|()| File::create(&path));
    opened.map_err(|error| format!("cannot write {}: {error}", path.display()))
}
