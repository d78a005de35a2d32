//! Keeps one ZooKeeper session alive over connections, and replaces it when the server says that it is over.
//!
//! | state        | event                                    | next         | told to users                              |
//! |--------------|------------------------------------------|--------------|--------------------------------------------|
//! | disconnected | handshake, session lives                 | connected    | SessionEstablished(reconnected), … Resync  |
//! | disconnected | handshake, the server says "expired"     | disconnected | Expired; the next handshake asks for a new |
//! | disconnected | handshake, session is new                | connected    | SessionEstablished(new), … Resync          |
//! | disconnected | refused, silent, anything else           | disconnected | nothing: wait a little, next server        |
//! | connected    | connection breaks or falls silent        | disconnected | Disconnected                               |
//! | any          | closed by us                             | end          | the event streams end                      |
//!
//! Only the server ends a session: however long it is away, we come back with the old session's id and password and ask.
//! So an ensemble that was down for two minutes finds its brokers' ephemeral nodes still there, as the Java client does it
//! (`ClientCnxn`). Pauses between rounds over all servers grow from 100 ms to 1 s, the longest that Java waits.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use rand::seq::SliceRandom;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::connection::{Connection, End, Failure, Request, Retry, told_to_close};
use super::jute::{ConnectResponse, Credentials, WatcherEvent};
use super::link::Link;
use super::{How, SessionId, ZkEvent, watches};

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A connection that lived this long was a good one: the next attempt need not wait.
const GOOD_LIFE: Duration = Duration::from_secs(1);

/// The task that owns the session.
#[derive(Debug)]
pub(super) struct Supervisor {
    link: Link,
    requests: mpsc::Receiver<Request>,
    closing: watch::Receiver<bool>,
    servers: Vec<(String, u16)>,
    credentials: Credentials,
    session_timeout: Duration,
    last_zxid: i64,
    connections: u64,
    pause: Duration,
    /// Reads that were under way when a connection broke; no more than were in flight.
    resend: VecDeque<Request>,
    told: Told,
}

impl Supervisor {
    pub fn new(link: Link, requests: mpsc::Receiver<Request>, closing: watch::Receiver<bool>) -> Supervisor {
        let mut servers = link.settings.servers.clone();
        servers.shuffle(&mut rand::rng());
        let session_timeout = link.settings.session_timeout;
        Supervisor {
            link,
            requests,
            closing,
            servers,
            credentials: Credentials::none(),
            session_timeout,
            last_zxid: 0,
            connections: 0,
            pause: SHORTEST_PAUSE,
            resend: VecDeque::new(),
            told: Told::default(),
        }
    }

    /// Runs until the client is closed.
    pub async fn run(mut self) {
        while let Some((connection, how)) = self.connect().await {
            let began = Instant::now();
            if self.serve(connection, how).await == End::Closed {
                break;
            }
            if began.elapsed() < GOOD_LIFE && !self.rest().await {
                break;
            }
        }
        self.requests.close();
        while let Ok(request) = self.requests.try_recv() {
            let _ = request.reply.send(Err(Failure::Closed));
        }
        self.fail_resend(&Failure::Closed);
        self.link.hub.close();
    }

    /// Tries every server in turn until one takes us; `None` when the client is closed meanwhile.
    async fn connect(&mut self) -> Option<(Connection, How)> {
        loop {
            for _ in 0..self.servers.len() {
                self.servers.rotate_left(1);
                let opened = self.open().await?;
                match opened {
                    Some((connection, response)) if response.session_timeout_ms > 0 => {
                        self.pause = SHORTEST_PAUSE;
                        return Some(self.adopt(connection, response));
                    }
                    Some(_) if self.credentials.session != SessionId(0) => self.expire(),
                    Some(_) | None => {}
                }
            }
            if !self.rest().await {
                return None;
            }
        }
    }

    /// One attempt on the last server of the list. Outer `None`: the client is closed; inner: the attempt failed.
    async fn open(&mut self) -> Option<Option<(Connection, ConnectResponse)>> {
        let server = self.servers.last()?;
        let within = self.session_timeout / u32::try_from(self.servers.len()).unwrap_or(1).max(1);
        let asked_timeout = self.link.settings.session_timeout;
        let opening = Connection::open(server, &self.credentials, self.last_zxid, asked_timeout, within);
        let opened = tokio::select! {
            opened = opening => opened,
            () = told_to_close(&mut self.closing) => return None,
        };
        Some(opened.map_err(|error| self.note_problem(&error.to_string())).ok())
    }

    /// Makes the connection the current one and its session ours.
    fn adopt(&mut self, mut connection: Connection, response: ConnectResponse) -> (Connection, How) {
        let how = if self.credentials.session == SessionId(0) { How::New } else { How::Reconnected };
        self.session_timeout = Duration::from_millis(response.session_timeout_ms.unsigned_abs().into());
        self.credentials = response.credentials;
        self.connections += 1;
        connection.number = self.connections;
        self.link.set_session(self.credentials.session);
        self.link.note_problem(String::new());
        self.told.clear();
        if let Some((host, port)) = self.servers.last() {
            let (session, timeout) = (self.credentials.session, self.session_timeout);
            let how = if how == How::New { "new session" } else { "connected again, session" };
            tracing::info!("ZooKeeper {host}:{port}: {how} {session}, timeout {} ms", timeout.as_millis());
        }
        (connection, how)
    }

    /// Serves one connection to its end and sorts what it left without answer.
    async fn serve(&mut self, mut connection: Connection, how: How) -> End {
        let link = self.link.clone();
        link.hub.send(&ZkEvent::SessionEstablished { session: self.credentials.session, how });
        // Bounded by the number of one-shot watches that are set, the only ones whose events come this way.
        let (to_armer, events) = mpsc::unbounded_channel();
        let armer = tokio::spawn(keep_armed(link.clone(), Retry::OnlyOn(connection.number), events));
        self.resend.drain(..).for_each(|request| connection.enqueue(request));
        let mut on_event = |event: WatcherEvent| take_event(&link, event, &to_armer);
        let end = connection.serve(&mut self.requests, &mut self.closing, &mut on_event).await;
        armer.abort();
        self.last_zxid = connection.last_zxid;
        if let End::Broken(reason) = &end {
            self.note_problem(reason);
        }
        for request in connection.into_waiting() {
            match request.retry {
                Retry::Read => self.resend.push_back(request),
                Retry::Write | Retry::OnlyOn(_) => drop(request.reply.send(Err(Failure::Lost))),
            }
        }
        self.link.hub.send(&ZkEvent::Disconnected);
        end
    }

    /// The server has answered that the session is over.
    fn expire(&mut self) {
        tracing::warn!("ZooKeeper has expired session {}", self.credentials.session);
        self.credentials = Credentials::none();
        self.session_timeout = self.link.settings.session_timeout;
        self.last_zxid = 0;
        self.fail_resend(&Failure::Expired);
        self.link.hub.send(&ZkEvent::Expired);
    }

    /// Logs a failed or broken connection; the same problem again only once until there is a connection, however many
    /// servers there are.
    fn note_problem(&mut self, reason: &str) {
        let Some((host, port)) = self.servers.last() else { return };
        let problem = format!("{host}:{port}: {reason}");
        if self.told.is_news(&problem) {
            tracing::warn!("ZooKeeper {problem}");
        } else {
            tracing::debug!("ZooKeeper {problem}");
        }
        self.link.note_problem(problem);
    }

    fn fail_resend(&mut self, failure: &Failure) {
        for request in self.resend.drain(..) {
            let _ = request.reply.send(Err(failure.clone()));
        }
    }

    /// Waits before the next round; false when the client is closed meanwhile.
    async fn rest(&mut self) -> bool {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        tokio::select! {
            () = sleep(pause) => true,
            () = told_to_close(&mut self.closing) => false,
        }
    }
}

/// Sets all watches of a new connection, asks users to read again, then keeps one-shot watches set. Ends with the
/// connection: whatever it could not finish is done again on the next one.
async fn keep_armed(link: Link, retry: Retry, mut events: mpsc::UnboundedReceiver<WatcherEvent>) {
    if watches::arm_all(&link, retry).await.is_err() {
        return;
    }
    link.hub.send(&ZkEvent::Resync);
    while let Some(event) = events.recv().await {
        if watches::rearm(&link, &event, retry).await.is_err() {
            return;
        }
    }
}

fn take_event(link: &Link, event: WatcherEvent, to_armer: &mpsc::UnboundedSender<WatcherEvent>) {
    let Some(path) = link.relative(&event.path) else { return };
    let event = WatcherEvent { path, ..event };
    if link.knows_persistent_watches() {
        watches::tell(link, &event);
    } else {
        let _ = to_armer.send(event);
    }
}

/// Problems that were logged since the last connection.
#[derive(Debug, Default)]
struct Told(BTreeSet<String>);

impl Told {
    /// More than these are not remembered; then they are logged again.
    const LIMIT: usize = 100;

    fn is_news(&mut self, problem: &str) -> bool {
        if self.0.len() >= Told::LIMIT {
            self.clear();
        }
        self.0.insert(problem.to_owned())
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two servers that refuse in turn must not fill the log, one line per attempt.
    #[test]
    fn problems_are_told_once_until_there_is_a_connection() {
        let mut told = Told::default();
        let news =
            |told: &mut Told| ["a:1: refused", "b:1: refused", "a:1: refused"].map(|problem| told.is_news(problem));
        assert_eq!(news(&mut told), [true, true, false]);
        assert_eq!(news(&mut told), [false, false, false]);
        told.clear();
        assert_eq!(news(&mut told), [true, true, false]);
        assert!((0..10_000).all(|number| told.is_news(&number.to_string())));
        assert!(told.0.len() <= Told::LIMIT);
    }
}
