//! How a tool reaches brokers: bootstrap servers, the client properties it understands, a runtime for the waiting, and
//! the words of Kafka's tools when it fails.
//!
//! A cluster that does not answer is tried until the operation's time is up, as Java's AdminClient does: scripts start a
//! broker and a tool at once.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use client::{Admin, ClientError, Cluster, ClusterOptions};
use config::{Properties, SecurityProtocol};

use crate::error::ToolError;
use crate::options::{Spec, valued};
use crate::terminal::Terminal;

/// `--bootstrap-server` of most tools.
pub const BOOTSTRAP_SERVER: Spec =
    valued("bootstrap-server", "String: host:port, ...", "REQUIRED: brokers to find the cluster with.");

/// `--command-config` of the admin tools.
pub const COMMAND_CONFIG: Spec =
    valued("command-config", "String: file", "Properties file with settings of the admin client.");

/// A properties file of a client is small.
const MAX_PROPERTIES: u64 = 1 << 20;

/// Runs asynchronous work to its end.
pub fn block_on<T>(work: impl Future<Output = Result<T, ToolError>>) -> Result<T, ToolError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ToolError::Failed(format!("cannot start the runtime: {error}")))?;
    let outcome = runtime.block_on(work);
    // A thread that still reads standard input must not hold the end up.
    runtime.shutdown_background();
    outcome
}

/// Connects an admin client with this client id and the settings of a `--command-config` file.
pub async fn admin(
    terminal: &mut Terminal,
    bootstrap: &str,
    client_id: &str,
    command_config: Option<&str>,
    call: &str,
) -> Result<Admin, ToolError> {
    let mut settings = Settings::new(client_id);
    if let Some(file) = command_config {
        for (key, value) in read_properties(terminal, file)? {
            settings.apply(&key, &value)?;
        }
    }
    connect(terminal, bootstrap, settings.options, call).await.map(Admin::new)
}

/// Finds a cluster. `call` is what the message names when none is found in time.
pub async fn connect(
    terminal: &mut Terminal,
    bootstrap: &str,
    options: ClusterOptions,
    call: &str,
) -> Result<Cluster, ToolError> {
    let patience = options.api_timeout;
    connect_within(terminal, bootstrap, options, patience, call).await
}

/// As [`connect`], with a time of its own. `Failed`: none was found in time.
pub async fn connect_within(
    terminal: &mut Terminal,
    bootstrap: &str,
    options: ClusterOptions,
    patience: Duration,
    call: &str,
) -> Result<Cluster, ToolError> {
    let give_up = terminal.clock.monotonic().saturating_add(patience);
    let mut warned = false;
    loop {
        let error = match Cluster::connect(terminal.network.clone(), bootstrap, options.clone()).await {
            Ok(cluster) => return Ok(cluster),
            Err(error @ ClientError::NoBroker(_)) => error,
            Err(error) if error.is_retriable() => error,
            Err(error) => return Err(ToolError::NoClient(format!("Failed to create the client: {}", said(&error)))),
        };
        if !warned {
            terminal.warn(&format!("WARN {error}; trying again"));
            warned = true;
        }
        if terminal.clock.monotonic() + options.retry_backoff >= give_up {
            return Err(ToolError::Failed(format!("Timed out waiting for a node assignment. Call: {call}")));
        }
        tokio::time::sleep(options.retry_backoff).await;
    }
}

/// What Kafka's tools would say of an error: a broker's own words when it gave some.
pub fn said(error: &ClientError) -> String {
    match error {
        ClientError::Refused { refusal, .. } => refusal.to_string(),
        other => other.to_string(),
    }
}

/// A client's failure as a tool's.
impl From<ClientError> for ToolError {
    fn from(error: ClientError) -> ToolError {
        ToolError::Failed(said(&error))
    }
}

/// The keys and values of a properties file.
pub fn read_properties(terminal: &Terminal, file: &str) -> Result<Vec<(String, String)>, ToolError> {
    let bytes = terminal
        .disk
        .read_all(Path::new(file), MAX_PROPERTIES)
        .map_err(|error| ToolError::Failed(format!("cannot read {file}: {error}")))?;
    let properties = Properties::parse(&bytes, file).map_err(|error| ToolError::Failed(error.to_string()))?;
    Ok(properties.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

/// Settings of Java's clients that all of ours have.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What they amount to.
    pub options: ClusterOptions,
}

impl Settings {
    /// The defaults, under this client id.
    pub fn new(client_id: &str) -> Settings {
        let mut options = ClusterOptions::default();
        options.connection.client_id = client_id.to_owned();
        Settings { options }
    }

    /// Takes one property; an error names one that is not built.
    pub fn apply(&mut self, key: &str, value: &str) -> Result<(), ToolError> {
        if self.take(key, value)? { Ok(()) } else { Err(ToolError::not_built(&format!("the client property {key}"))) }
    }

    /// Takes one property, if it is one that all clients have. Answers whether it is.
    pub fn take(&mut self, key: &str, value: &str) -> Result<bool, ToolError> {
        match key {
            // The option wins over the file, as in Kafka.
            "bootstrap.servers" => {}
            "client.id" => self.options.connection.client_id = value.to_owned(),
            "request.timeout.ms" => self.options.connection.request_timeout = milliseconds(key, value)?,
            "default.api.timeout.ms" => self.options.api_timeout = milliseconds(key, value)?,
            "retry.backoff.ms" => self.options.retry_backoff = milliseconds(key, value)?,
            "socket.connection.setup.timeout.ms" => {
                self.options.connection.connect_timeout = milliseconds(key, value)?;
            }
            "security.protocol" => {
                let known = value.parse::<SecurityProtocol>().map_err(|_| invalid(key, value, "unknown protocol"))?;
                if known != SecurityProtocol::Plaintext {
                    return Err(ToolError::not_built(&format!("security.protocol={value}")));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// A property's value as a time.
pub fn milliseconds(key: &str, value: &str) -> Result<Duration, ToolError> {
    value.trim().parse().map(Duration::from_millis).map_err(|_| invalid(key, value, "not a number of milliseconds"))
}

/// A property's value as a number.
pub fn number<T: std::str::FromStr>(key: &str, value: &str) -> Result<T, ToolError> {
    value.trim().parse().map_err(|_| invalid(key, value, "not a number in its range"))
}

/// A property's value as yes or no.
pub fn boolean(key: &str, value: &str) -> Result<bool, ToolError> {
    match value.trim() {
        yes if yes.eq_ignore_ascii_case("true") => Ok(true),
        no if no.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(invalid(key, value, "expected true or false")),
    }
}

/// A property's value that makes no sense, in the words of Kafka's `ConfigException`.
pub fn invalid(key: &str, value: &str, why: &str) -> ToolError {
    ToolError::Failed(format!("Invalid value {value} for configuration {key}: {why}"))
}

/// An address list that every entry of is `host:port` (`ToolsUtils.validateBootstrapServer`).
pub fn check_bootstrap(text: &str) -> Result<(), ToolError> {
    let valid = |address: &str| {
        let (host, port) = address.rsplit_once(':')?;
        let port = port.parse::<u16>().ok()?;
        (!host.is_empty() && port > 0).then_some(())
    };
    if text.split(',').all(|address| valid(address.trim()).is_some()) {
        return Ok(());
    }
    Err(ToolError::Usage("Please provide valid host:port like host1:9091,host2:9092\n".to_owned()))
}
