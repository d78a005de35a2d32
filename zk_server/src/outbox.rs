//! What waits to be sent on one connection, and how much it may still ask for. The engine fills it without ever
//! waiting; the connection's task empties it.
//!
//! Always, whatever a client does: its requests on their way to the engine take at most [`MAX_REQUEST_BYTES`] (or are a
//! single larger one), the engine answers no further request while more than [`ENOUGH`] bytes are unsent, and watch
//! events, which nobody asks for one by one, end the connection at [`LIMIT`]. A client that never reads thus has its
//! requests waiting, its session's pings among them, until the session expires. What all connections hold together is
//! bounded in [`crate::memory`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::memory::Share;

/// With more than this many unsent bytes requests have to wait.
pub const ENOUGH: usize = 1 << 20;
/// A watch event that would make more than this many bytes unsent closes the connection.
pub const LIMIT: usize = 48 << 20;
/// With this many requests unanswered no further one is read from the connection.
pub const MAX_REQUESTS: usize = 1000;
/// With this many bytes of requests on their way to the engine no further one is read.
pub const MAX_REQUEST_BYTES: usize = 4 << 20;

/// The queue of one connection.
#[derive(Debug)]
pub struct Outbox {
    share: Share,
    inner: Mutex<Inner>,
    /// Something to send, or the end.
    filled: Notify,
    /// Room for another request.
    drained: Notify,
    /// It is being closed.
    closed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    unsent: Vec<u8>,
    unanswered: usize,
    request_bytes: usize,
    /// The engine has put requests aside until what is unsent was sent.
    deferring: bool,
    closing: bool,
    overrun: bool,
    frames: u64,
}

/// What there is to do for the sender.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Send these bytes, say so to [`Outbox::sent`], and if `resume` is set, tell the engine when that is done.
    Send {
        /// Whole frames.
        bytes: Vec<u8>,
        /// The engine has put requests aside.
        resume: bool,
    },
    /// Everything was sent; close.
    Close,
    /// The client fell too far behind; close at once.
    Overrun,
}

impl Outbox {
    /// An empty queue, whose memory is counted.
    pub fn new(share: Share) -> Outbox {
        let (filled, drained, closed) = (Notify::new(), Notify::new(), Notify::new());
        Outbox { share, inner: Mutex::default(), filled, drained, closed }
    }

    /// Where the memory of this connection is counted.
    pub fn share(&self) -> &Share {
        &self.share
    }

    /// Notes a request of so many bytes on its way to the engine; they are counted already.
    pub fn request_sent(&self, bytes: usize) {
        let mut inner = self.inner();
        inner.unanswered += 1;
        inner.request_bytes += bytes;
    }

    /// Notes that the engine has let go of a request.
    pub fn request_taken(&self, bytes: usize) {
        let mut inner = self.inner();
        inner.request_bytes = inner.request_bytes.saturating_sub(bytes);
        drop(inner);
        self.share.shrink(bytes);
        self.drained.notify_one();
    }

    /// Whether requests have to wait because too much is unsent. If so the sender will say when to resume.
    pub fn defers(&self) -> bool {
        let mut inner = self.inner();
        inner.deferring = inner.unsent.len() > ENOUGH;
        inner.deferring
    }

    /// Adds the answer to a request.
    pub fn reply(&self, frame: &[u8]) {
        let mut inner = self.inner();
        inner.unanswered = inner.unanswered.saturating_sub(1);
        self.push(inner, frame);
        self.drained.notify_one();
    }

    /// Adds a watch event.
    pub fn notify(&self, frame: &[u8]) {
        let mut inner = self.inner();
        if inner.unsent.len() + frame.len() > LIMIT {
            inner.overrun = true;
            self.share.shrink(std::mem::take(&mut inner.unsent).len());
        }
        self.push(inner, frame);
    }

    /// Closes the connection behind what is queued.
    pub fn close(&self) {
        self.inner().closing = true;
        self.filled.notify_one();
        self.closed.notify_one();
    }

    /// Waits until the connection is being closed.
    pub async fn closed(&self) {
        while !self.inner().closing {
            self.closed.notified().await;
        }
    }

    /// Notes that bytes which [`Outbox::next`] gave have been sent.
    pub fn sent(&self, bytes: usize) {
        self.share.shrink(bytes);
    }

    /// Waits for something to do.
    pub async fn next(&self) -> Next {
        loop {
            {
                let mut inner = self.inner();
                if inner.overrun {
                    return Next::Overrun;
                }
                if !inner.unsent.is_empty() {
                    self.drained.notify_one();
                    let resume = std::mem::take(&mut inner.deferring);
                    return Next::Send { bytes: std::mem::take(&mut inner.unsent), resume };
                }
                if inner.closing {
                    return Next::Close;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Waits until another request may be read.
    pub async fn room(&self) {
        loop {
            {
                let inner = self.inner();
                let roomy = inner.unsent.len() <= ENOUGH && inner.request_bytes < MAX_REQUEST_BYTES;
                if roomy && inner.unanswered < MAX_REQUESTS {
                    return;
                }
            }
            self.drained.notified().await;
        }
    }

    /// Frames queued so far and requests not yet answered.
    pub fn counts(&self) -> (u64, usize) {
        let inner = self.inner();
        (inner.frames, inner.unanswered)
    }

    fn push(&self, mut inner: MutexGuard<'_, Inner>, frame: &[u8]) {
        if !inner.closing && !inner.overrun {
            inner.unsent.extend_from_slice(frame);
            inner.frames += 1;
            self.share.grow(frame.len());
        }
        drop(inner);
        self.filled.notify_one();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ConnId;
    use crate::memory::Memory;

    fn outbox() -> Outbox {
        Outbox::new(Memory::new(usize::MAX).share(ConnId(1)))
    }

    #[tokio::test]
    async fn what_is_queued_goes_out_before_the_end() {
        let outbox = outbox();
        outbox.request_sent(10);
        outbox.notify(b"event");
        outbox.reply(b"reply");
        outbox.close();
        outbox.notify(b"too late");
        assert_eq!(outbox.next().await, Next::Send { bytes: b"eventreply".to_vec(), resume: false });
        assert_eq!(outbox.next().await, Next::Close);
        assert_eq!(outbox.counts(), (2, 0));
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_its_events_is_cut_off() {
        let outbox = outbox();
        let frame = vec![0; 1 << 20];
        (0..LIMIT >> 20).for_each(|_| outbox.notify(&frame));
        assert!(!outbox.inner().overrun);
        outbox.notify(b"x");
        assert_eq!(outbox.next().await, Next::Overrun);
        assert_eq!(outbox.inner().unsent.capacity(), 0);
    }

    #[tokio::test]
    async fn requests_wait_while_answers_are_unsent_and_the_sender_says_when_to_resume() {
        let outbox = outbox();
        outbox.reply(&vec![0; ENOUGH]);
        assert!(!outbox.defers());
        outbox.reply(b"x");
        assert!(outbox.defers());
        assert!(matches!(outbox.next().await, Next::Send { resume: true, .. }));
        assert!(!outbox.defers());
        outbox.reply(b"x");
        assert!(matches!(outbox.next().await, Next::Send { resume: false, .. }));
    }

    #[tokio::test]
    async fn reading_stops_at_the_limits() {
        use one_poll::is_ready;
        let outbox = outbox();
        assert!(is_ready(outbox.room()));
        (0..MAX_REQUESTS).for_each(|_| outbox.request_sent(1));
        assert!(!is_ready(outbox.room()));
        outbox.reply(&vec![0; ENOUGH + 1]);
        assert!(!is_ready(outbox.room()));
        let _ = outbox.next().await;
        assert!(is_ready(outbox.room()));
        outbox.reply(b"x");
        outbox.request_sent(MAX_REQUEST_BYTES);
        assert!(!is_ready(outbox.room()));
        outbox.share().grow(MAX_REQUEST_BYTES);
        outbox.request_taken(MAX_REQUEST_BYTES);
        assert!(is_ready(outbox.room()));
    }

    /// One poll of a future.
    mod one_poll {
        use std::future::Future;
        use std::pin::pin;
        use std::task::{Context, Waker};

        pub fn is_ready(future: impl Future<Output = ()>) -> bool {
            pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
        }
    }
}
