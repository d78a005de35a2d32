//! One client's connection: read a request, have it answered, write the answer, again. Ends when the peer leaves, when it
//! breaks the framing, when the service says so, when nothing moves for `connections.max.idle.ms`, or at shutdown.
//! Whatever a peer does, only its own connection ends, with one log line that names it and the reason.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use client::transport::Stream;
use tokio::sync::{Semaphore, watch};
use tracing::{debug, info};

use super::buffers::BufferPool;
use super::connection_quota::Admitted;
use super::frame::{Frame, FrameError, FrameReader, RequestMemory};
use super::send::send;
use super::{Origin, Reply, Service};

/// What all connections of a broker share.
#[derive(Debug)]
pub struct Shared {
    /// `socket.request.max.bytes`.
    pub max_request_bytes: usize,
    /// `connections.max.idle.ms`; `None` when negative.
    pub max_idle: Option<Duration>,
    /// `queued.max.requests`: requests that are being worked on, not counting those that wait for something.
    pub queue: Arc<Semaphore>,
    /// `queued.max.request.bytes`; `None` when unlimited.
    pub memory: Option<RequestMemory>,
    /// Spare buffers.
    pub pool: Arc<BufferPool>,
    /// True once the broker stops.
    pub stopping: watch::Receiver<bool>,
}

/// Why a connection ended.
#[derive(Debug)]
enum End {
    Left,
    Stopping,
    Idle(Duration),
    Half(Duration),
    Frame(FrameError),
    Send(io::Error),
    Refused(String),
    MakesRoom,
}

/// Serves a connection until it ends.
pub async fn serve<S: Service>(
    mut stream: Box<dyn Stream>,
    origin: Origin,
    admitted: Admitted,
    shared: Arc<Shared>,
    service: Arc<S>,
) {
    let peer = origin.peer;
    let mut stopping = shared.stopping.clone();
    let end = tokio::select! {
        end = requests(stream.as_mut(), &origin, &admitted, &shared, service.as_ref()) => end,
        () = admitted.must_go() => End::MakesRoom,
        _ = stopping.wait_for(|stopping| *stopping) => End::Stopping,
    };
    match end {
        End::Left | End::Stopping | End::Idle(_) => {
            debug!(%peer, listener = %origin.listener, "connection closed: {end}")
        }
        End::Frame(FrameError::Read(_)) | End::Send(_) => {
            debug!(%peer, listener = %origin.listener, "connection closed: {end}")
        }
        End::Frame(_) | End::Half(_) | End::Refused(_) | End::MakesRoom => {
            info!(%peer, listener = %origin.listener, "connection closed: {end}")
        }
    }
}

async fn requests<S: Service>(
    stream: &mut dyn Stream,
    origin: &Origin,
    admitted: &Admitted,
    shared: &Shared,
    service: &S,
) -> End {
    let mut reader = FrameReader::new(shared.max_request_bytes, shared.pool.clone(), shared.memory.clone());
    loop {
        let frame = match within(shared.max_idle, reader.next(&mut *stream)).await {
            None if reader.is_within_a_request() => return End::Half(shared.max_idle.unwrap_or_default()),
            None => return End::Idle(shared.max_idle.unwrap_or_default()),
            Some(Err(error)) => return End::Frame(error),
            Some(Ok(None)) => return End::Left,
            Some(Ok(Some(frame))) => frame,
        };
        admitted.touch();
        match answer(stream, origin, shared, service, frame).await {
            Ok(()) => {}
            Err(end) => return end,
        }
    }
}

async fn answer<S: Service>(
    stream: &mut dyn Stream,
    origin: &Origin,
    shared: &Shared,
    service: &S,
    frame: Frame,
) -> Result<(), End> {
    origin.occupy(shared.queue.clone().acquire_owned().await.ok());
    let reply = service.handle(origin, frame.bytes.clone()).await;
    origin.park();
    shared.pool.give_frame(frame.bytes);
    drop(frame.memory);
    match reply {
        Reply::Nothing => Ok(()),
        Reply::Close(reason) => Err(End::Refused(reason)),
        Reply::Send { encoded, contents } => {
            match within(shared.max_idle, send(stream, encoded, contents, &shared.pool)).await {
                None => Err(End::Idle(shared.max_idle.unwrap_or_default())),
                Some(Err(error)) => Err(End::Send(error)),
                Some(Ok(_)) => Ok(()),
            }
        }
    }
}

/// `None` when the time is over first.
async fn within<T>(limit: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, work).await.ok(),
        None => Some(work.await),
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Left => f.write_str("the peer left"),
            End::Stopping => f.write_str("the broker stops"),
            End::Idle(limit) => write!(f, "no request completed within connections.max.idle.ms={}", limit.as_millis()),
            End::Half(limit) => {
                write!(f, "half a request, and not the rest within connections.max.idle.ms={}", limit.as_millis())
            }
            End::Frame(error) => error.fmt(f),
            End::Send(error) => write!(f, "sending failed: {error}"),
            End::Refused(reason) => f.write_str(reason),
            End::MakesRoom => f.write_str("max.connections is reached and another broker needs the room"),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use client::transport::{BindOptions, MemNetwork, Network};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use wire::{Encoded, Part};

    use super::*;
    use crate::net::connection_quota::{ConnectionLimits, ConnectionQuota};

    /// Answers a frame with itself; `quiet` with nothing; `bye` with a closed connection.
    #[derive(Debug)]
    struct Echo;

    impl Service for Echo {
        async fn handle(&self, _: &Origin, frame: Bytes) -> Reply {
            match frame.as_ref() {
                b"quiet" => Reply::Nothing,
                b"bye" => Reply::Close("asked to".into()),
                b"wait" => std::future::pending().await,
                other => {
                    let mut bytes = BytesMut::from(&(other.len() as i32).to_be_bytes()[..]);
                    bytes.extend_from_slice(other);
                    Reply::Send { encoded: Encoded { parts: vec![Part::Bytes(bytes.freeze())] }, contents: vec![] }
                }
            }
        }
    }

    async fn connected(max_idle: Option<Duration>) -> (Box<dyn Stream>, watch::Sender<bool>) {
        let network = MemNetwork::default();
        let acceptor = network.bind("127.0.0.1:9092".parse().unwrap(), &BindOptions::default()).await.unwrap();
        let ours = network.connect("127.0.0.1:9092", Duration::from_secs(1)).await.unwrap();
        let (stream, peer) = acceptor.accept().await.unwrap();
        let (stop, stopping) = watch::channel(false);
        let queue = Arc::new(Semaphore::new(1));
        let shared = Shared { max_request_bytes: 1000, max_idle, queue, memory: None, pool: Arc::default(), stopping };
        let limits = ConnectionLimits { total: 1, per_address: 1, ..Default::default() };
        let quota = ConnectionQuota::new(limits);
        let admitted = quota.admit(peer.ip(), quota.room(&"PLAINTEXT".into()).await).unwrap();
        let origin = Origin::new(peer, "PLAINTEXT".into());
        tokio::spawn(serve(stream, origin, admitted, Arc::new(shared), Arc::new(Echo)));
        (ours, stop)
    }

    fn framed(texts: &[&str]) -> Vec<u8> {
        texts.iter().flat_map(|text| [&(text.len() as i32).to_be_bytes(), text.as_bytes()].concat()).collect()
    }

    async fn check(sent: &[u8], answered: &[&str]) {
        let (mut stream, _stop) = connected(None).await;
        stream.write_all(sent).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, framed(answered));
    }

    #[tokio::test]
    async fn pipelined_requests_are_answered_in_order() {
        let texts: Vec<String> = (0..40).map(|number| format!("request {number}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        check(&framed(&texts), &texts).await;
    }

    #[tokio::test]
    async fn a_request_may_want_no_answer_or_the_end() {
        check(&framed(&["one", "quiet", "two"]), &["one", "two"]).await;
        check(&framed(&["one", "bye", "two"]), &["one"]).await;
        check(&[framed(&["one"]), vec![0x7f, 0xff, 0xff, 0xff]].concat(), &["one"]).await;
        check(&framed(&["one", "two"])[..10], &["one"]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn silence_and_half_a_request_end_the_connection() {
        for sent in [&framed(&["one"])[..], &framed(&["one", "two"])[..12]] {
            let (mut stream, _stop) = connected(Some(Duration::from_secs(10))).await;
            stream.write_all(sent).await.unwrap();
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.unwrap();
            assert_eq!(received, framed(&["one"]));
        }
    }

    #[tokio::test]
    async fn a_stop_ends_connections_that_wait() {
        let (mut stream, stop) = connected(None).await;
        stream.write_all(&framed(&["one", "wait"])).await.unwrap();
        let mut first = [0; 7];
        stream.read_exact(&mut first).await.unwrap();
        stop.send(true).unwrap();
        assert_eq!(stream.read(&mut first).await.unwrap(), 0);
    }
}
