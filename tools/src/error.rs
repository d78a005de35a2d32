//! How a tool ends when it does not end well: what it says, on which stream, and the exit status.
//!
//! Java's tools print a stack trace behind many of these messages; ours print the message only.

use std::io;

use thiserror::Error;

use crate::KAFKA_VERSION;
use crate::options::{OptionError, Spec, usage};
use crate::terminal::Terminal;

/// The end of a tool.
#[derive(Debug, Error)]
pub enum ToolError {
    /// A combination of options that makes no sense: the message and the usage text, status 1.
    #[error("{0}")]
    Usage(String),
    /// `--version` was given: the version on standard output, status 0.
    #[error("asked for the version")]
    Version,
    /// An option that cannot be read: the message, status 1.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// Any other failure: the message on standard error, status 1.
    #[error("{0}")]
    Failed(String),
    /// A client that cannot even be made: as [`ToolError::Failed`], before the tool's own way of telling failures.
    #[error("{0}")]
    NoClient(String),
    /// Everything was said already.
    #[error("exit status {0}")]
    Exit(u8),
    /// Standard output is gone. Nobody listens, so nothing is said, and as with Java's `PrintStream` it is no failure.
    #[error("standard output: {0}")]
    Output(io::Error),
}

impl ToolError {
    /// An option or a property that Kafka has and we do not yet.
    pub fn not_built(what: &str) -> ToolError {
        ToolError::Failed(format!("{what} is not built yet in Klamm"))
    }

    /// Says what is to be said and answers the exit status.
    pub fn tell(&self, options: &[Spec], terminal: &mut Terminal) -> u8 {
        match self {
            ToolError::Usage(message) => {
                terminal.warn(&format!("{message}\n{}", usage(options).trim_end_matches('\n')));
                1
            }
            ToolError::Version => {
                let _ = terminal.line(KAFKA_VERSION);
                0
            }
            ToolError::Option(_) | ToolError::Failed(_) | ToolError::NoClient(_) => {
                terminal.warn(&self.to_string());
                1
            }
            ToolError::Exit(status) => *status,
            ToolError::Output(_) => 0,
        }
    }
}
