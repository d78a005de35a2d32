//! Sessions and when they end. Deadlines are rounded up to multiples of the tick, so that touching a session rarely
//! moves it and one look per tick finds all that are over (`ExpiryQueue`).
//!
//! Always: a session stands in exactly one bucket, that of its deadline. The time comes from outside.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::core::ConnId;

/// One session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// As negotiated.
    pub timeout_ms: i32,
    /// What a client must show to continue it.
    pub password: [u8; 16],
    /// The connection that it is on now.
    pub conn: Option<ConnId>,
    /// When it ends, in milliseconds of the monotonic clock; a multiple of the tick.
    deadline_ms: u64,
}

/// All sessions.
#[derive(Debug)]
pub struct Sessions {
    sessions: HashMap<i64, Session>,
    buckets: BTreeMap<u64, BTreeSet<i64>>,
    tick_ms: u64,
    next_id: i64,
}

impl Sessions {
    /// No session yet. Ids start from the wall-clock time, as `SessionTrackerImpl.initializeNextSessionId` has it, so
    /// that those given before a restart are not given again.
    pub fn new(tick: Duration, now_ms: i64) -> Sessions {
        let next_id = (((now_ms as u64) << 24) >> 8) as i64;
        Sessions {
            sessions: HashMap::new(),
            buckets: BTreeMap::new(),
            tick_ms: (tick.as_millis() as u64).max(1),
            next_id: next_id.max(1),
        }
    }

    /// A number that no session has.
    pub fn next_id(&mut self) -> i64 {
        let id = self.next_id;
        self.next_id = id.checked_add(1).unwrap_or(1);
        id
    }

    /// Adds a session that lasts until it was silent for its timeout.
    pub fn add(&mut self, id: i64, timeout_ms: i32, password: [u8; 16], now: Duration) {
        self.next_id = self.next_id.max(id.saturating_add(1));
        let deadline_ms = self.deadline(timeout_ms, now);
        self.sessions.insert(id, Session { timeout_ms, password, conn: None, deadline_ms });
        self.buckets.entry(deadline_ms).or_default().insert(id);
    }

    /// Ends one.
    pub fn remove(&mut self, id: i64) -> Option<Session> {
        let session = self.sessions.remove(&id)?;
        self.leave_bucket(session.deadline_ms, id);
        Some(session)
    }

    /// Looks at one.
    pub fn get(&self, id: i64) -> Option<&Session> {
        self.sessions.get(&id)
    }

    /// Notes where the client is now and what timeout it has there. Answers the connection it was on before.
    pub fn attach(&mut self, id: i64, conn: ConnId, timeout_ms: i32, now: Duration) -> Option<ConnId> {
        let session = self.sessions.get_mut(&id)?;
        session.timeout_ms = timeout_ms;
        let before = session.conn.replace(conn);
        self.touch(id, now);
        before
    }

    /// Notes that a connection is gone; the session lives on.
    pub fn detach(&mut self, id: i64, conn: ConnId) {
        if let Some(session) = self.sessions.get_mut(&id).filter(|session| session.conn == Some(conn)) {
            session.conn = None;
        }
    }

    /// Notes a sign of life. The deadline comes nearer when the timeout has become shorter.
    pub fn touch(&mut self, id: i64, now: Duration) {
        let Some(timeout_ms) = self.sessions.get(&id).map(|session| session.timeout_ms) else { return };
        let deadline_ms = self.deadline(timeout_ms, now);
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.deadline_ms != deadline_ms) else {
            return;
        };
        let before = std::mem::replace(&mut session.deadline_ms, deadline_ms);
        self.leave_bucket(before, id);
        self.buckets.entry(deadline_ms).or_default().insert(id);
    }

    /// The sessions whose deadline has passed, oldest deadline first. They stay until they are removed.
    pub fn expired(&self, now: Duration) -> Vec<i64> {
        let now_ms = now.as_millis() as u64;
        self.buckets.range(..=now_ms).flat_map(|(_, ids)| ids.iter().copied()).collect()
    }

    /// All sessions, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Session)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    /// Which sessions end when, in milliseconds of the monotonic clock, soonest first.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, impl Iterator<Item = i64>)> {
        self.buckets.iter().map(|(deadline_ms, ids)| (*deadline_ms, ids.iter().copied()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    fn deadline(&self, timeout_ms: i32, now: Duration) -> u64 {
        let end = now.as_millis() as u64 + timeout_ms.max(0) as u64;
        (end / self.tick_ms + 1) * self.tick_ms
    }

    fn leave_bucket(&mut self, deadline_ms: u64, id: i64) {
        if let Some(ids) = self.buckets.get_mut(&deadline_ms) {
            ids.remove(&id);
            if ids.is_empty() {
                self.buckets.remove(&deadline_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_session_ends_in_the_bucket_after_its_timeout() {
        let mut sessions = Sessions::new(at(100), 0);
        sessions.add(7, 250, [0; 16], at(0));
        for (now, expected) in [(250, vec![]), (299, vec![]), (300, vec![7])] {
            assert_eq!(sessions.expired(at(now)), expected, "at {now}");
        }
        sessions.touch(7, at(260));
        assert_eq!(sessions.expired(at(599)), [0i64; 0]);
        assert_eq!(sessions.expired(at(600)), [7]);
        sessions.attach(7, ConnId(1), 50, at(270));
        assert_eq!(sessions.expired(at(400)), [7], "a client that came back with a shorter timeout");
        sessions.remove(7);
        assert_eq!(sessions.expired(at(600)), [0i64; 0]);
        assert!(sessions.buckets.is_empty());
    }

    #[test]
    fn only_the_present_connection_detaches() {
        let mut sessions = Sessions::new(at(100), 0);
        sessions.add(7, 250, [0; 16], at(0));
        assert_eq!(sessions.attach(7, ConnId(1), 250, at(0)), None);
        assert_eq!(sessions.attach(7, ConnId(2), 250, at(0)), Some(ConnId(1)));
        sessions.detach(7, ConnId(1));
        assert_eq!(sessions.get(7).unwrap().conn, Some(ConnId(2)));
        sessions.detach(7, ConnId(2));
        assert_eq!(sessions.get(7).unwrap().conn, None);
    }

    #[test]
    fn ids_are_new_even_when_the_clock_went_back() {
        let mut sessions = Sessions::new(at(100), 1);
        sessions.add(1 << 40, 250, [0; 16], at(0));
        assert_eq!(sessions.next_id(), (1 << 40) + 1);
    }
}
