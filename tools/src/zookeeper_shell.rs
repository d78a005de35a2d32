//! `zookeeper-shell.sh`: looks at znodes and changes them, one command from the arguments or many from standard input.
//!
//! The shell of ZooKeeper 3.8 as Kafka starts it (`ZooKeeperMainWithTlsSupportForKafka`): its texts, its lack of a prompt,
//! its exit statuses. It connects when a command first needs it. Times are printed in UTC, where Java uses the machine's
//! time zone. Absent: TLS, authentication, quotas, reconfiguration, containers and TTLs; they are refused by name.

mod command;
mod date;
mod execute;
mod session;

use std::time::Duration;

use crate::brokers::block_on;
use crate::error::ToolError;
use crate::lines::{self, LineReceiver};
use crate::options::Spec;
use crate::terminal::Terminal;
use command::{Command, CommandError, split};
use session::{Event, Session};

/// It has none with two dashes.
pub const OPTIONS: &[Spec] = &[];

/// The script's own usage line.
const USAGE: &str = "USAGE: zookeeper-shell.sh zookeeper_host:port[/path] [-timeout ms] [command [args...]]";

/// The tool.
pub fn run(arguments: &[String], terminal: &mut Terminal) -> Result<(), ToolError> {
    let arguments = Arguments::of(arguments)?;
    terminal.line(&format!("Connecting to {}", arguments.server))?;
    let status = block_on(async {
        let mut shell = Shell {
            server: arguments.server,
            timeout: arguments.timeout,
            session: None,
            history: Vec::new(),
            print_watches: true,
        };
        if arguments.command.is_empty() {
            terminal.line("Welcome to ZooKeeper!")?;
            terminal.line("JLine support is disabled")?;
            let lines = lines::read_on_a_thread(terminal)?;
            shell.interact(lines, terminal).await
        } else {
            let status = shell.one(&arguments.command, terminal).await?;
            shell.close().await;
            Ok(status)
        }
    })?;
    if status == 0 { Ok(()) } else { Err(ToolError::Exit(status)) }
}

/// What stands on the command line.
#[derive(Debug, PartialEq, Eq)]
struct Arguments {
    server: String,
    timeout: Duration,
    command: Vec<String>,
}

impl Arguments {
    /// The script puts `-server` in front of the arguments; it may stand there by itself as well.
    fn of(arguments: &[String]) -> Result<Arguments, ToolError> {
        let mut rest = arguments.iter();
        let mut parsed = Arguments { server: String::new(), timeout: Duration::from_secs(30), command: Vec::new() };
        while let Some(argument) = rest.next() {
            let mut value = || {
                rest.next().ok_or_else(|| ToolError::Failed(format!("Error: no argument found for option {argument}")))
            };
            match argument.as_str() {
                "-server" => parsed.server = value()?.clone(),
                "-timeout" => {
                    let text = value()?;
                    let milliseconds =
                        text.parse().map_err(|_| ToolError::Failed(format!("For input string: \"{text}\"")))?;
                    parsed.timeout = Duration::from_millis(milliseconds);
                }
                // Every command waits for the connection.
                "-waitforconnection" => {}
                option if option.starts_with('-') => return Err(ToolError::not_built(option)),
                server if parsed.server.is_empty() => parsed.server = server.to_owned(),
                command => {
                    parsed.command = [command.to_owned()].into_iter().chain(rest.cloned()).collect();
                    break;
                }
            }
        }
        if parsed.server.is_empty() { Err(ToolError::Failed(USAGE.to_owned())) } else { Ok(parsed) }
    }
}

/// A running shell.
struct Shell {
    server: String,
    timeout: Duration,
    /// Opened by the first command that needs it.
    session: Option<Session>,
    history: Vec<String>,
    print_watches: bool,
}

/// What to do after a command.
enum Next {
    GoOn,
    Quit,
}

impl Shell {
    /// Runs the lines of standard input; the status is that of the last command.
    async fn interact(&mut self, mut lines: LineReceiver, terminal: &mut Terminal) -> Result<u8, ToolError> {
        let mut status = 0;
        loop {
            terminal.flush();
            let line = tokio::select! {
                line = lines.next() => line,
                event = idle(&mut self.session) => {
                    self.tell(&event, terminal)?;
                    continue;
                }
            };
            let Some(line) = line else { break };
            let line = String::from_utf8_lossy(&line.map_err(ToolError::Failed)?).into_owned();
            if line.is_empty() {
                continue;
            }
            self.history.push(line.clone());
            match self.execute(&split(&line), terminal).await {
                Ok(Next::GoOn) => status = 0,
                Ok(Next::Quit) => {
                    if self.session.is_some() {
                        self.tell(&Event::closed(), terminal)?;
                    }
                    break;
                }
                Err(error) => status = complain(error, terminal)?,
            }
        }
        self.close().await;
        Ok(status)
    }

    /// Runs one command; answers the exit status.
    async fn one(&mut self, words: &[String], terminal: &mut Terminal) -> Result<u8, ToolError> {
        match self.execute(words, terminal).await {
            Ok(_) => Ok(0),
            Err(error) => complain(error, terminal),
        }
    }

    async fn execute(&mut self, words: &[String], terminal: &mut Terminal) -> Result<Next, CommandError> {
        match Command::parse(words, terminal)? {
            Command::Quit => Ok(Next::Quit),
            Command::History => {
                let first = self.history.len().saturating_sub(11);
                for (number, line) in self.history.iter().enumerate().skip(first) {
                    terminal.line(&format!("{number} - {line}"))?;
                }
                Ok(Next::GoOn)
            }
            Command::PrintWatches(None) => {
                let now = if self.print_watches { "on" } else { "off" };
                terminal.line(&format!("printwatches is {now}"))?;
                Ok(Next::GoOn)
            }
            Command::PrintWatches(Some(on)) => {
                self.print_watches = on;
                Ok(Next::GoOn)
            }
            command => {
                let path = command.path().to_owned();
                let outcome = match self.session(&path, terminal).await {
                    Ok(session) => execute::run(session, command, terminal).await,
                    Err(error) => Err(error),
                };
                self.tell_events(terminal)?;
                outcome.map(|()| Next::GoOn)
            }
        }
    }

    /// The open session, or a new one.
    async fn session(&mut self, path: &str, terminal: &mut Terminal) -> Result<&mut Session, CommandError> {
        if self.session.as_ref().is_none_or(Session::is_broken) {
            let opened = Session::open(&*terminal.network, &self.server, self.timeout).await;
            self.session = Some(opened.map_err(|error| error.at(path))?);
            self.tell(&Event::connected(), terminal)?;
        }
        self.session.as_mut().ok_or_else(|| CommandError::Failed("Not connected".to_owned()))
    }

    fn tell_events(&mut self, terminal: &mut Terminal) -> Result<(), ToolError> {
        let events = self.session.as_mut().map(Session::take_events).unwrap_or_default();
        events.iter().try_for_each(|event| self.tell(event, terminal))
    }

    fn tell(&self, event: &Event, terminal: &mut Terminal) -> Result<(), ToolError> {
        if !self.print_watches {
            return Ok(());
        }
        terminal.line(&format!("\nWATCHER::\n\n{event}"))
    }

    async fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }
}

/// Keeps the session alive; answers what it tells. For ever without one.
async fn idle(session: &mut Option<Session>) -> Event {
    match session.as_mut().filter(|session| !session.is_broken()) {
        Some(session) => session.idle().await,
        None => std::future::pending().await,
    }
}

/// Says what went wrong; answers the exit status.
fn complain(error: CommandError, terminal: &mut Terminal) -> Result<u8, ToolError> {
    if let CommandError::Terminal(error) = error {
        return Err(error);
    }
    terminal.warn(&error.to_string());
    Ok(error.status())
}

#[cfg(test)]
mod tests;
