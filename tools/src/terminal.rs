//! What a tool sees of the machine: three streams, files, the network, the time. The only place that knows the
//! process's own streams.

use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::sync::Arc;

use client::transport::{Network, TcpNetwork};
use tracing_subscriber::filter::LevelFilter;
use world::{Clock, Disk, RealDisk, SystemClock};

use crate::error::ToolError;

/// The streams and the machine behind them.
pub struct Terminal {
    /// Where results go. Buffered; [`Terminal::flush`] before waiting for a person.
    pub out: Box<dyn Write + Send>,
    /// Where warnings, errors and usage texts go.
    pub err: Box<dyn Write + Send>,
    /// What is typed or piped in.
    pub input: Box<dyn BufRead + Send>,
    /// Whether a person types, so that prompts make sense (Java's `System.console() != null`: both ends are terminals).
    pub interactive: bool,
    /// Whether a person sees standard error while standard output goes elsewhere, so that progress may be shown.
    pub watched: bool,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Connections.
    pub network: Arc<dyn Network>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Terminal {
    /// The process's own streams, files, network and clocks.
    pub fn of_the_process() -> Terminal {
        Terminal {
            out: Box::new(BufWriter::with_capacity(64 * 1024, io::stdout())),
            err: Box::new(io::stderr()),
            input: Box::new(BufReader::with_capacity(64 * 1024, io::stdin())),
            interactive: io::stdin().is_terminal() && io::stdout().is_terminal(),
            watched: io::stderr().is_terminal() && !io::stdout().is_terminal(),
            disk: Arc::new(RealDisk),
            network: Arc::new(TcpNetwork),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Lets warnings of the clients through to standard error, as Kafka's `tools-log4j.properties` does. A program that
    /// has its own logging keeps it.
    pub fn show_warnings() {
        let logging = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::WARN)
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr);
        let _ = logging.try_init();
    }

    /// Writes a line to standard output.
    pub fn line(&mut self, text: &str) -> Result<(), ToolError> {
        writeln!(self.out, "{text}").map_err(ToolError::Output)
    }

    /// Writes text to standard output, without a line end.
    pub fn text(&mut self, text: &str) -> Result<(), ToolError> {
        write!(self.out, "{text}").map_err(ToolError::Output)
    }

    /// Writes a line to standard error, behind all that standard output was told before. Nobody can be told when that
    /// fails.
    pub fn warn(&mut self, text: &str) {
        self.flush();
        let _ = writeln!(self.err, "{text}");
    }

    /// Hands what is buffered to the system. A reader that went away is noticed by the next [`Terminal::line`].
    pub fn flush(&mut self) {
        let _ = self.out.flush();
    }
}

#[cfg(test)]
pub mod testing {
    //! A terminal in memory.

    use super::*;
    use client::transport::MemNetwork;
    use std::sync::{Mutex, PoisonError};
    use world::MemDisk;

    /// A stream that keeps what was written.
    #[derive(Clone, Default)]
    pub struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        /// What was written since the last call.
        pub fn take(&self) -> String {
            let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
            String::from_utf8(bytes).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A terminal with `input` typed in, and what will be on its standard output and standard error.
    pub fn terminal(input: &str) -> (Terminal, Captured, Captured) {
        let (out, err) = (Captured::default(), Captured::default());
        let terminal = Terminal {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            input: Box::new(io::Cursor::new(input.as_bytes().to_vec())),
            interactive: false,
            watched: false,
            disk: Arc::new(MemDisk::new()),
            network: Arc::new(MemNetwork::default()),
            clock: Arc::new(SystemClock::new()),
        };
        (terminal, out, err)
    }
}
