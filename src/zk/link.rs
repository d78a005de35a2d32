//! What the user's side and the supervisor share: the way to ask the server, the registered watches, the events, and what
//! is known about session and servers.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::SessionId;
use super::connection::{Failure, Request, Retry};
use super::events::EventHub;
use super::settings::ZkSettings;
use super::watches::Registry;
use crate::locks::lock;

/// What is known, for everybody to see.
#[derive(Debug)]
pub(super) struct Shared {
    pub settings: ZkSettings,
    pub hub: EventHub,
    session: AtomicI64,
    since_3_6: AtomicBool,
    registry: Mutex<Registry>,
    last_problem: Mutex<String>,
}

/// The way to the server. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Link {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
}

impl Deref for Link {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Link {
    pub fn new(settings: ZkSettings, requests: mpsc::Sender<Request>) -> Link {
        let shared = Shared {
            settings,
            hub: EventHub::default(),
            session: AtomicI64::new(0),
            since_3_6: AtomicBool::new(true),
            registry: Mutex::default(),
            last_problem: Mutex::default(),
        };
        Link { shared: Arc::new(shared), requests }
    }

    /// Asks the server and waits for the answer's body, over reconnects as `retry` says.
    pub async fn call(&self, body: Bytes, retry: Retry) -> Result<Bytes, Failure> {
        self.send(body, retry).await?.await.unwrap_or(Err(Failure::Closed))
    }

    /// As [`Link::call`], in two steps, so that several requests can be under way. They go out in the order of the calls.
    pub async fn send(&self, body: Bytes, retry: Retry) -> Result<oneshot::Receiver<Result<Bytes, Failure>>, Failure> {
        let (reply, answer) = oneshot::channel();
        let request = Request { body, session: self.session(), retry, reply };
        self.requests.send(request).await.map_err(|_| Failure::Closed)?;
        Ok(answer)
    }
}

impl Shared {
    pub fn session(&self) -> SessionId {
        SessionId(self.session.load(Ordering::Acquire))
    }

    pub fn set_session(&self, session: SessionId) {
        self.session.store(session.0, Ordering::Release);
    }

    /// Whether the servers know persistent watches and multi-reads, both since 3.6. Found out once, at the start, because
    /// asking an older server costs the connection: it answers UNIMPLEMENTED and hangs up.
    pub fn knows_persistent_watches(&self) -> bool {
        self.since_3_6.load(Ordering::Acquire)
    }

    pub fn forget_persistent_watches(&self) {
        self.since_3_6.store(false, Ordering::Release);
    }

    pub fn registry(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }

    /// Why there is no connection, for an error message.
    pub fn last_problem(&self) -> String {
        lock(&self.last_problem).clone()
    }

    pub fn note_problem(&self, problem: String) {
        *lock(&self.last_problem) = problem;
    }

    /// The path with the chroot in front, as the server knows it.
    pub fn absolute(&self, path: &str) -> String {
        match (self.settings.chroot.as_str(), path) {
            ("", path) => path.to_string(),
            (chroot, "/") => chroot.to_string(),
            (chroot, path) => format!("{chroot}{path}"),
        }
    }

    /// The server's path without the chroot; `None` for one outside of it.
    pub fn relative(&self, path: &str) -> Option<String> {
        match path.strip_prefix(self.settings.chroot.as_str())? {
            "" => Some("/".into()),
            rest if rest.starts_with('/') => Some(rest.into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chroot_comes_and_goes() {
        let link = |connect| Link::new(ZkSettings::parse(connect).unwrap(), mpsc::channel(1).0);
        for (connect, path, absolute) in [("h", "/", "/"), ("h", "/a", "/a"), ("h/k", "/", "/k"), ("h/k", "/a", "/k/a")]
        {
            let link = link(connect);
            assert_eq!(link.absolute(path), absolute);
            assert_eq!(link.relative(absolute).as_deref(), Some(path));
        }
        assert_eq!(link("h/k").relative("/other"), None);
        assert_eq!(link("h/k").relative("/kk/a"), None);
    }
}
