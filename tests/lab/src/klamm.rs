//! A `klamm server` process on a port of 127.0.0.1.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::{Home, Process, wait};

/// What [`Klamm::start`] needs to know.
#[derive(Clone, Debug)]
pub struct KlammOptions<'a> {
    /// The binary: `env!("CARGO_BIN_EXE_klamm")` of the test that starts it.
    pub binary: &'a str,
    /// `zookeeper.connect`.
    pub zookeeper: &'a str,
    /// Lines added to the small broker's server.properties.
    pub properties: &'a [(&'a str, &'a str)],
}

/// A broker whose data lives until this is dropped, through any number of stops and starts.
#[derive(Debug)]
pub struct Klamm {
    binary: PathBuf,
    home: Home,
    process: Option<Process>,
}

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(60);

impl Klamm {
    /// Starts a broker on an empty log directory and waits until it accepts connections.
    pub fn start(options: &KlammOptions<'_>) -> Klamm {
        Klamm::open(options.binary, Home::new(options.zookeeper, options.properties))
    }

    /// Starts a broker on what another one left. `binary` as in [`KlammOptions`].
    pub fn open(binary: &str, home: Home) -> Klamm {
        let mut klamm = Klamm { binary: PathBuf::from(binary), home, process: None };
        klamm.restart();
        klamm
    }

    /// Gives its home to another broker. Kills the process if it still runs.
    pub fn into_home(self) -> Home {
        self.home
    }

    /// `127.0.0.1:port`, for `bootstrap.servers`.
    pub fn address(&self) -> String {
        self.home.address()
    }

    /// The log directory.
    pub fn log_dir(&self) -> PathBuf {
        self.home.log_dir()
    }

    /// The file of its configuration.
    pub fn properties_file(&self) -> PathBuf {
        self.home.properties_file()
    }

    /// Stops the broker with SIGTERM, a controlled shutdown, and says how it ended.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.process.take().map(|mut process| process.terminate(STOP_LIMIT))
    }

    /// Kills the broker with SIGKILL. Its data stays for [`Klamm::restart`].
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Starts the broker again, on the same data and port; stops it first if it runs.
    pub fn restart(&mut self) {
        self.stop();
        let mut command = Command::new(&self.binary);
        command.arg("server").arg(self.properties_file()).env("RUST_BACKTRACE", "1");
        let mut process = Process::start("klamm server", &mut command, &self.output_file(), "build klamm");
        process.ready_within(START_LIMIT, || wait::connect(self.home.port()).is_some());
        self.process = Some(process);
    }

    /// The process, while it runs.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    /// The file that holds what all its processes wrote.
    pub fn output_file(&self) -> PathBuf {
        self.home.output_file()
    }

    /// The directory of everything this broker has.
    pub fn dir(&self) -> &Path {
        self.home.dir()
    }
}
