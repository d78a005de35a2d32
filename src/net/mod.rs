//! The network side of the broker: listeners, connections, frames. Knows nothing of any API: a [`Service`] turns a frame
//! into a [`Reply`]. Requests of one connection are handled one after the other, so replies leave in request order;
//! what a client pipelines meanwhile waits in the socket.
//!
//! In reading order:

pub mod listener;

pub mod connection;

pub mod frame;

pub mod send;

pub mod buffers;

pub mod connection_quota;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use wire::Encoded;

pub use send::{Content, Piecewise, Region};

use crate::locks::lock;

/// Answers requests.
pub trait Service: Send + Sync + 'static {
    /// Answers one request, given without its length.
    fn handle(&self, from: &Origin, frame: Bytes) -> impl Future<Output = Reply> + Send;
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Reply {
    /// These bytes go back; `contents` are the external parts, in order.
    Send {
        /// The frame, with its length.
        encoded: Encoded,
        /// File bytes that belong to it, and others that are yet to be made.
        contents: Vec<Content>,
    },
    /// The request wants no answer (Produce with acks=0).
    Nothing,
    /// The connection must end, for this reason.
    Close(String),
}

/// Where a request came from.
#[derive(Debug)]
pub struct Origin {
    /// The client's address.
    pub peer: SocketAddr,
    /// Name of the listener that accepted it, in upper case as configured.
    pub listener: Arc<str>,
    slot: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Origin {
    /// A request from `peer`, outside of any queue.
    pub fn new(peer: SocketAddr, listener: Arc<str>) -> Origin {
        Origin { peer, listener, slot: Mutex::new(None) }
    }

    /// Gives the request's place among `queued.max.requests` to somebody else, because this one is about to wait for
    /// data, for other members or for replicas.
    pub fn park(&self) {
        self.occupy(None);
    }

    fn occupy(&self, slot: Option<OwnedSemaphorePermit>) {
        *lock(&self.slot) = slot;
    }
}
