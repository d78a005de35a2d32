//! Child processes: one that serves until its guard is dropped, one that runs to its end.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::{reaper, wait};

/// A running process, its own process group, whose output goes to a file. Dropping it kills the group.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: PathBuf,
    /// How long the file was when the process started.
    output_start: u64,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts `command`; standard output and error are appended to the file `output`. Panics if it cannot start;
    /// `install` says what is missing then.
    pub fn start(name: &str, command: &mut Command, output: &Path, install: &str) -> Process {
        let opened = File::options().create(true).append(true).open(output);
        let file = opened.unwrap_or_else(|e| panic!("open {}: {e}", output.display()));
        let output_start = file.metadata().unwrap_or_else(|e| panic!("look at {}: {e}", output.display())).len();
        let also = file.try_clone().unwrap_or_else(|e| panic!("share {}: {e}", output.display()));
        command.stdin(Stdio::null()).stdout(file).stderr(also).process_group(0);
        let child = spawn(command, install);
        reaper::watch(child.id());
        Process { name: name.to_owned(), child, output: output.to_owned(), output_start, ended: None }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How the process ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap_or_else(|e| panic!("wait for {}: {e}", self.name));
            if self.ended.is_some() {
                reaper::forget(self.id());
            }
        }
        self.ended
    }

    /// Waits until `ready` answers true. Panics with the output's tail if the process ends first or `limit` passes.
    pub fn ready_within(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) {
        if let Some(status) = self.ready_or_ended(limit, |_| ready()) {
            panic!("{} ended at its start with {status}:\n{}", self.name, self.output_tail());
        }
    }

    /// The same, but a process that ends first is answered with its status.
    pub fn ready_or_ended(&mut self, limit: Duration, mut ready: impl FnMut(&Process) -> bool) -> Option<ExitStatus> {
        let outcome = wait::until(limit, || match self.ended() {
            Some(status) => Some(Some(status)),
            None => ready(self).then_some(None),
        });
        outcome.unwrap_or_else(|| panic!("{} was not ready after {limit:?}:\n{}", self.name, self.output_tail()))
    }

    /// Sends SIGTERM and waits for the end. Panics with the output's tail if `limit` passes.
    pub fn terminate(&mut self, limit: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        match wait::until(limit, || self.ended()) {
            Some(status) => status,
            None => panic!("{} did not stop within {limit:?} of SIGTERM:\n{}", self.name, self.output_tail()),
        }
    }

    /// Kills the process group with SIGKILL and waits for the process to be gone.
    pub fn kill(&mut self) -> ExitStatus {
        if let Some(status) = self.ended() {
            return status;
        }
        // Failing means that the group is gone already, which the wait below finds out.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        self.child.wait().unwrap_or_else(|e| panic!("wait for {}: {e}", self.name));
        self.ended().unwrap_or_else(|| ExitStatus::from_raw(9))
    }

    /// Stops the process in its tracks (SIGSTOP), connections open, until [`Process::resume`].
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Lets a paused process go on (SIGCONT).
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// All that the process wrote to standard output and standard error.
    pub fn output(&self) -> String {
        let bytes = fs::read(&self.output).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(self.output_start as usize..).unwrap_or_default()).into_owned()
    }

    /// Where in the output file this process began, bytes: its end may be read when the process is gone.
    pub fn output_start(&self) -> u64 {
        self.output_start
    }

    /// The last lines of the output, for messages.
    pub fn output_tail(&self) -> String {
        tail(&self.output())
    }

    /// The process id as the system's calls want it.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            kill_process(self.pid(), signal).unwrap_or_else(|e| panic!("signal {}: {e}", self.name));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a finished command left behind.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit status; 128 + the signal's number if a signal ended it.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// The output of a command that must have ended well; panics with all of it otherwise.
    #[track_caller]
    pub fn ok(self) -> Output {
        assert_eq!(self.status, 0, "standard output:\n{}\nstandard error:\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs `command` to its end and captures what it writes; kills it and panics when `limit` passes.
pub fn run(command: &mut Command, limit: Duration, install: &str) -> Output {
    let dir = tempfile::tempdir().unwrap_or_else(|e| panic!("make a temporary directory: {e}"));
    let create = |name: &str| File::create(dir.path().join(name)).unwrap_or_else(|e| panic!("create {name}: {e}"));
    let read = |name: &str| String::from_utf8_lossy(&fs::read(dir.path().join(name)).unwrap_or_default()).into_owned();
    command.stdin(Stdio::null()).stdout(create("stdout")).stderr(create("stderr")).process_group(0);
    let name = format!("{command:?}");
    let child = spawn(command, install);
    reaper::watch(child.id());
    let mut process = Process { name, child, output: dir.path().join("stderr"), output_start: 0, ended: None };
    let Some(status) = wait::until(limit, || process.ended()) else {
        panic!("{} did not end within {limit:?}:\n{}", process.name, tail(&(read("stdout") + &read("stderr"))));
    };
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Output { status: code, stdout: read("stdout"), stderr: read("stderr") }
}

/// Runs a step that sets something up; panics with its output if it fails.
pub(crate) fn run_to_end(command: &mut Command, install: &str) {
    let output = run(command, Duration::from_secs(600), install);
    if output.status != 0 {
        panic!("{command:?} failed with status {}:\n{}", output.status, tail(&(output.stdout + &output.stderr)));
    }
}

fn spawn(command: &mut Command, install: &str) -> Child {
    match command.spawn() {
        Ok(child) => child,
        Err(e) if e.kind() == io::ErrorKind::NotFound => panic!("{install}"),
        Err(e) => panic!("start {command:?}: {e}"),
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_is_not_there_is_answered_with_what_to_install() {
        let missing = || run(&mut Command::new("klamm-no-such-command"), Duration::from_secs(1), "install it");
        let panicked = std::panic::catch_unwind(missing).expect_err("a panic");
        assert_eq!(panicked.downcast_ref::<String>().map(String::as_str), Some("install it"));
    }

    #[test]
    fn a_command_gives_back_status_and_both_outputs() {
        let mut command = Command::new("sh");
        let output = run(command.args(["-c", "echo out; echo err >&2; exit 3"]), Duration::from_secs(10), "install sh");
        assert_eq!((output.status, &*output.stdout, &*output.stderr), (3, "out\n", "err\n"));
    }

    #[test]
    fn a_dropped_process_takes_its_children_along() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("output");
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $!; wait"]);
        let mut process = Process::start("sh", &mut command, &output, "install sh");
        let read = || fs::read_to_string(&output).unwrap_or_default().trim().parse::<i32>().ok();
        process.ready_within(Duration::from_secs(10), || read().is_some());
        let child = Pid::from_raw(read().unwrap()).unwrap();
        drop(process);
        let gone = || rustix::process::test_kill_process(child).is_err().then_some(());
        // Nobody may wait for an orphan in a container, so a zombie counts as gone.
        let zombie = || {
            fs::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero())).ok()?.contains(") Z ").then_some(())
        };
        assert!(wait::until(Duration::from_secs(10), || gone().or_else(zombie)).is_some());
    }
}
