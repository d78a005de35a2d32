//! The broker's own log: one line per event on standard output, as Kafka's console appender does. `KLAMM_LOG` chooses
//! what is shown: `info` (the default), `debug`, or per target, `info,klamm::zk=debug`.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Environment variable with the filter.
pub const VARIABLE: &str = "KLAMM_LOG";

/// Starts logging for the life of the process. An error says what is wrong with the filter.
pub fn start() -> Result<(), String> {
    let text = std::env::var(VARIABLE).unwrap_or_else(|_| "info".into());
    let filter: Targets = text.parse().map_err(|error| format!("{VARIABLE}={text}: {error}"))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stdout).with_target(true);
    let lines = lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stdout()));
    tracing_subscriber::registry().with(filter).with(lines).try_init().map_err(|error| error.to_string())
}
