//! Events from the session to everybody who subscribed.
//!
//! Every subscriber has a queue of its own, bounded by [`QUEUE_LIMIT`]. Since every event only means "read again", equal
//! changes in a queue are told once, and a queue that would grow over its limit is folded: the changes go, what happened
//! to the session stays, and one [`ZkEvent::Resync`] takes the place of the changes. So no subscriber can be overrun,
//! none can miss an expiry, and a slow one costs the others nothing.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::Notify;

use super::SessionId;
use crate::locks::lock;

/// Most events that wait in one subscriber's queue.
const QUEUE_LIMIT: usize = 4096;

/// What happened to the session or to a watched node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ZkEvent {
    /// There is a connection with a live session. Watches are not armed yet: wait for [`ZkEvent::Resync`].
    SessionEstablished {
        /// The session.
        session: SessionId,
        /// Whether it is a new one.
        how: How,
    },
    /// The connection is gone; the session lives on at the server for as long as its timeout.
    Disconnected,
    /// The server has ended the session: ephemeral nodes are gone. A new session follows by itself.
    Expired,
    /// All watches are armed; events may have been missed: read again whatever you keep.
    Resync,
    /// Something watched has changed: read it again.
    Changed {
        /// The node; for [`Change::Children`], the parent.
        path: String,
        /// What changed about it.
        change: Change,
    },
}

/// Whether a session is a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// The first session, or the first after an expiry.
    New,
    /// The session that was there before, over a new connection.
    Reconnected,
}

/// What changed about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// It was created.
    Created,
    /// It was deleted.
    Deleted,
    /// Its data was set.
    Data,
    /// A child came or went.
    Children,
}

/// Where the session puts its events.
#[derive(Debug, Default)]
pub(super) struct EventHub {
    subscribers: Mutex<Vec<Weak<Subscriber>>>,
}

impl EventHub {
    /// Gives the event to every subscriber.
    pub fn send(&self, event: &ZkEvent) {
        lock(&self.subscribers).retain(|subscriber| match subscriber.upgrade() {
            Some(subscriber) => {
                lock(&subscriber.queue).push(event);
                subscriber.wake.notify_one();
                true
            }
            None => false,
        });
    }

    /// A receiver of all events from now on.
    pub fn subscribe(&self) -> EventReceiver {
        let subscriber = Arc::new(Subscriber::default());
        lock(&self.subscribers).push(Arc::downgrade(&subscriber));
        EventReceiver { subscriber }
    }

    /// No event will follow: receivers end once they have read what is queued.
    pub fn close(&self) {
        for subscriber in lock(&self.subscribers).drain(..).filter_map(|weak| weak.upgrade()) {
            lock(&subscriber.queue).closed = true;
            subscriber.wake.notify_one();
        }
    }
}

/// One subscriber's end. Dropping it ends the subscription.
#[derive(Debug)]
pub struct EventReceiver {
    subscriber: Arc<Subscriber>,
}

impl EventReceiver {
    /// The next event; `None` after the client was closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<ZkEvent> {
        loop {
            match self.subscriber.take() {
                (Some(event), _) => return Some(event),
                (None, true) => return None,
                (None, false) => self.subscriber.wake.notified().await,
            }
        }
    }

    /// The next event if one is queued.
    pub fn try_next(&mut self) -> Option<ZkEvent> {
        self.subscriber.take().0
    }
}

#[derive(Debug, Default)]
struct Subscriber {
    queue: Mutex<Queue>,
    wake: Notify,
}

impl Subscriber {
    fn take(&self) -> (Option<ZkEvent>, bool) {
        let mut queue = lock(&self.queue);
        (queue.pop(), queue.closed)
    }
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<ZkEvent>,
    changes: HashSet<ZkEvent>,
    closed: bool,
}

impl Queue {
    fn push(&mut self, event: &ZkEvent) {
        if matches!(event, ZkEvent::Changed { .. }) && !self.changes.insert(event.clone()) {
            return;
        }
        self.events.push_back(event.clone());
        if self.events.len() > QUEUE_LIMIT {
            self.fold();
        }
    }

    fn pop(&mut self) -> Option<ZkEvent> {
        let event = self.events.pop_front()?;
        self.changes.remove(&event);
        Some(event)
    }

    /// Keeps whether the session expired and how it stands now, and asks for a resync in place of all changes.
    fn fold(&mut self) {
        let expired = self.events.iter().any(|event| *event == ZkEvent::Expired);
        let standing = self
            .events
            .iter()
            .rev()
            .find(|event| matches!(event, ZkEvent::SessionEstablished { .. } | ZkEvent::Disconnected));
        let mut folded = VecDeque::new();
        folded.extend(expired.then_some(ZkEvent::Expired));
        folded.extend(standing.cloned());
        folded.push_back(ZkEvent::Resync);
        self.events = folded;
        self.changes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(path: &str) -> ZkEvent {
        ZkEvent::Changed { path: path.into(), change: Change::Data }
    }

    fn drain(receiver: &mut EventReceiver) -> Vec<ZkEvent> {
        std::iter::from_fn(|| receiver.try_next()).collect()
    }

    #[test]
    fn every_subscriber_gets_every_event_and_equal_changes_once() {
        let hub = EventHub::default();
        let (mut one, mut other) = (hub.subscribe(), hub.subscribe());
        for event in [changed("/a"), changed("/b"), changed("/a"), ZkEvent::Disconnected, ZkEvent::Disconnected] {
            hub.send(&event);
        }
        let expected = vec![changed("/a"), changed("/b"), ZkEvent::Disconnected, ZkEvent::Disconnected];
        assert_eq!(drain(&mut one), expected);
        assert_eq!(drain(&mut other), expected);
        hub.send(&changed("/a"));
        assert_eq!(drain(&mut one), [changed("/a")], "told again once the earlier one was read");
    }

    #[test]
    fn an_overrun_queue_keeps_the_session_and_asks_for_a_resync() {
        let hub = EventHub::default();
        let mut receiver = hub.subscribe();
        let back = ZkEvent::SessionEstablished { session: SessionId(2), how: How::New };
        for event in [changed("/a"), ZkEvent::Disconnected, ZkEvent::Expired, back.clone()] {
            hub.send(&event);
        }
        (0..=QUEUE_LIMIT).for_each(|n| hub.send(&changed(&format!("/{n}"))));
        let events = drain(&mut receiver);
        assert_eq!(events[..3], [ZkEvent::Expired, back, ZkEvent::Resync]);
        assert!(events.len() < QUEUE_LIMIT);
    }

    #[tokio::test]
    async fn a_closed_hub_ends_its_receivers_after_what_is_queued() {
        let hub = EventHub::default();
        let mut receiver = hub.subscribe();
        hub.send(&ZkEvent::Expired);
        hub.close();
        assert_eq!(receiver.next().await, Some(ZkEvent::Expired));
        assert_eq!(receiver.next().await, None);
    }
}
