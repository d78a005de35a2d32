//! What waits to be sent on one connection. The engine fills it without ever waiting; the connection's task empties
//! it. Always: a connection whose client does not read costs at most [`LIMIT`] bytes and is closed beyond that.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// More than this many unsent bytes, and the connection is closed.
pub const LIMIT: usize = 64 << 20;
/// With more than this many unsent bytes no further request is read from the connection.
pub const ENOUGH: usize = 1 << 20;
/// With this many requests unanswered no further one is read from the connection.
pub const MAX_OUTSTANDING: usize = 1000;

/// The queue of one connection.
#[derive(Debug, Default)]
pub struct Outbox {
    inner: Mutex<Inner>,
    /// Something to send, or the end.
    filled: Notify,
    /// Room for another request.
    drained: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    bytes: Vec<u8>,
    outstanding: usize,
    closing: bool,
    overrun: bool,
    sent_frames: u64,
}

/// What there is to do for the sender.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Everything was sent; close.
    Close,
    /// The client fell too far behind; close at once.
    Overrun,
}

impl Outbox {
    /// Notes a request on its way to the engine.
    pub fn request_sent(&self) {
        self.inner().outstanding += 1;
    }

    /// Adds the answer to a request.
    pub fn reply(&self, frame: &[u8]) {
        let mut inner = self.inner();
        inner.outstanding = inner.outstanding.saturating_sub(1);
        self.push(inner, frame);
        self.drained.notify_one();
    }

    /// Adds a watch event, which nobody asked for.
    pub fn notify(&self, frame: &[u8]) {
        self.push(self.inner(), frame);
    }

    /// Closes the connection behind what is queued.
    pub fn close(&self) {
        self.inner().closing = true;
        self.filled.notify_one();
    }

    /// Waits for something to do.
    pub async fn next(&self) -> Next {
        loop {
            {
                let mut inner = self.inner();
                if inner.overrun {
                    return Next::Overrun;
                }
                if !inner.bytes.is_empty() {
                    self.drained.notify_one();
                    return Next::Send(std::mem::take(&mut inner.bytes));
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
                if inner.bytes.len() < ENOUGH && inner.outstanding < MAX_OUTSTANDING {
                    return;
                }
            }
            self.drained.notified().await;
        }
    }

    /// Frames queued so far and requests not yet answered.
    pub fn counts(&self) -> (u64, usize) {
        let inner = self.inner();
        (inner.sent_frames, inner.outstanding)
    }

    fn push(&self, mut inner: MutexGuard<'_, Inner>, frame: &[u8]) {
        if inner.closing || inner.overrun {
            return;
        }
        if inner.bytes.len() + frame.len() > LIMIT {
            inner.overrun = true;
            inner.bytes = Vec::new();
        } else {
            inner.bytes.extend_from_slice(frame);
            inner.sent_frames += 1;
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

    #[tokio::test]
    async fn what_is_queued_goes_out_before_the_end() {
        let outbox = Outbox::default();
        outbox.request_sent();
        outbox.notify(b"event");
        outbox.reply(b"reply");
        outbox.close();
        outbox.notify(b"too late");
        assert_eq!(outbox.next().await, Next::Send(b"eventreply".to_vec()));
        assert_eq!(outbox.next().await, Next::Close);
        assert_eq!(outbox.counts(), (2, 0));
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut_off() {
        let outbox = Outbox::default();
        let frame = vec![0; 1 << 20];
        (0..LIMIT >> 20).for_each(|_| outbox.notify(&frame));
        assert!(!outbox.inner().overrun);
        outbox.notify(b"x");
        assert_eq!(outbox.next().await, Next::Overrun);
        assert_eq!(outbox.inner().bytes.capacity(), 0);
    }

    #[tokio::test]
    async fn reading_stops_at_the_limits() {
        use futures_lite_poll::is_ready;
        let outbox = Outbox::default();
        assert!(is_ready(outbox.room()));
        (0..MAX_OUTSTANDING).for_each(|_| outbox.request_sent());
        assert!(!is_ready(outbox.room()));
        outbox.reply(&vec![0; ENOUGH]);
        assert!(!is_ready(outbox.room()));
        let _ = outbox.next().await;
        assert!(is_ready(outbox.room()));
    }

    /// One poll of a future.
    mod futures_lite_poll {
        use std::future::Future;
        use std::pin::pin;
        use std::task::{Context, Waker};

        pub fn is_ready(future: impl Future<Output = ()>) -> bool {
            pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
        }
    }
}
