//! One client: its first frame or four-letter word, then requests in and answers out until either side ends it.
//!
//! Always: at most one frame of a connection is being read, and its buffer grows with what has arrived, not with what
//! its length promises. Reading stops while too much is unanswered or unsent ([`crate::outbox`] has the bounds, and
//! [`crate::memory`] the one for all connections together). A client that is to go and does not take what is queued for
//! it is waited for no longer than [`LINGER`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, warn};

use crate::core::ConnId;
use crate::engine::Message;
use crate::four_letter::{self, Word};
use crate::jute::JuteError;
use crate::memory::{Memory, Share};
use crate::outbox::{LIMIT, Next, Outbox};
use crate::proto::ConnectRequest;

/// How long a client may take to read what is queued for it when its connection is closed.
const LINGER: Duration = Duration::from_secs(5);

/// What connections share.
#[derive(Debug)]
pub struct Shared {
    /// The way to the engine.
    pub engine: mpsc::Sender<Message>,
    /// What they hold in memory.
    pub memory: Arc<Memory>,
    /// The longest frame.
    pub max_request_bytes: usize,
    /// The four-letter words that are answered.
    pub words: std::collections::BTreeSet<Word>,
    /// How long a connection may stay without a session.
    pub handshake_timeout: Duration,
    /// Never used to send: its receiver learns when the last connection has ended.
    pub alive: mpsc::Sender<()>,
}

/// Why a connection ended.
#[derive(Debug, Error)]
enum End {
    #[error("the client closed it")]
    ByClient,
    #[error("the server closed it")]
    ByServer,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("a frame of {0} bytes was announced, more than jute.maxbuffer allows")]
    Oversized(i64),
    #[error("the first frame is no connect request: {0}")]
    NoConnect(JuteError),
    #[error("no session was asked for in time")]
    Silent,
    #[error("watch events make more than {LIMIT} bytes that the client did not read")]
    Overrun,
    #[error("all connections together hold more than {0} bytes of requests and answers, and this one the most")]
    Evicted(usize),
}

/// Serves a connection to its end.
pub async fn serve(stream: TcpStream, peer: SocketAddr, conn: ConnId, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let outbox = Arc::new(Outbox::new(shared.memory.share(conn)));
    let (mut reader, mut writer) = stream.into_split();
    let end = tokio::select! {
        end = converse(&mut reader, &mut writer, peer, conn, &outbox, &shared) => end,
        () = outbox.share().evicted() => Err(End::Evicted(shared.memory.limit())),
    };
    // Without an engine there is nobody to tell.
    let _ = shared.engine.send(Message::Disconnect(conn)).await;
    let _ = writer.shutdown().await;
    match end {
        Ok(()) => {}
        Err(end @ (End::ByClient | End::ByServer | End::Io(_))) => debug!(%peer, reason = %end, "connection closed"),
        Err(end) => warn!(%peer, reason = %end, "connection closed"),
    }
}

async fn converse(
    reader: &mut OwnedReadHalf,
    writer: &mut OwnedWriteHalf,
    peer: SocketAddr,
    conn: ConnId,
    outbox: &Arc<Outbox>,
    shared: &Shared,
) -> Result<(), End> {
    let Some(request) = first_frame(reader, writer, peer, outbox.share(), shared).await? else { return Ok(()) };
    let connect = Message::Connect { conn, peer, request, outbox: outbox.clone() };
    outbox.request_sent(0);
    shared.engine.send(connect).await.map_err(|_| End::ByServer)?;
    tokio::select! {
        end = read_requests(reader, conn, outbox, shared) => end,
        end = write_answers(writer, conn, outbox, shared) => end,
    }
}

/// Reads the connect request; answers a four-letter word itself, and then there is no request.
async fn first_frame(
    reader: &mut OwnedReadHalf,
    writer: &mut OwnedWriteHalf,
    peer: SocketAddr,
    share: &Share,
    shared: &Shared,
) -> Result<Option<ConnectRequest>, End> {
    let read = async {
        let mut head = [0; 4];
        read_exact(reader, &mut head).await?;
        match Word::parse(head) {
            Some(word) => {
                writer.write_all(answer(word, peer, shared).await.as_bytes()).await?;
                Ok(None)
            }
            None => {
                let frame = read_body(reader, head, shared.max_request_bytes, share).await?;
                share.shrink(frame.len());
                ConnectRequest::decode(&frame).map(Some).map_err(End::NoConnect)
            }
        }
    };
    tokio::time::timeout(shared.handshake_timeout, read).await.unwrap_or(Err(End::Silent))
}

async fn answer(word: Word, asker: SocketAddr, shared: &Shared) -> String {
    if !shared.words.contains(&word) {
        return four_letter::refusal(word);
    }
    let (answer, receive) = oneshot::channel();
    match shared.engine.send(Message::Word { word, asker, answer }).await {
        Ok(()) => receive.await.unwrap_or_default(),
        // As `AbstractFourLetterCommand.ZK_NOT_SERVING`.
        Err(_) => "This ZooKeeper instance is not currently serving requests\n".into(),
    }
}

async fn read_requests(reader: &mut OwnedReadHalf, conn: ConnId, outbox: &Outbox, shared: &Shared) -> Result<(), End> {
    loop {
        outbox.room().await;
        let mut head = [0; 4];
        read_exact(reader, &mut head).await?;
        let frame = read_body(reader, head, shared.max_request_bytes, outbox.share()).await?;
        outbox.request_sent(frame.len());
        shared.engine.send(Message::Request { conn, frame }).await.map_err(|_| End::ByServer)?;
    }
}

async fn read_exact(reader: &mut OwnedReadHalf, buffer: &mut [u8]) -> Result<(), End> {
    match reader.read_exact(buffer).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(End::ByClient),
        Err(error) => Err(error.into()),
    }
}

/// Reads the rest of a frame, and counts its bytes as they come.
async fn read_body(reader: &mut OwnedReadHalf, head: [u8; 4], limit: usize, share: &Share) -> Result<Bytes, End> {
    const FIRST: usize = 4 << 10;
    let length = i32::from_be_bytes(head);
    let Some(length) = usize::try_from(length).ok().filter(|length| *length <= limit) else {
        return Err(End::Oversized(length.into()));
    };
    let mut frame = BytesMut::with_capacity(length.min(FIRST));
    while frame.len() < length {
        frame.reserve((length - frame.len()).min(frame.len().max(FIRST)));
        let missing = (length - frame.len()) as u64;
        match reader.take(missing).read_buf(&mut frame).await? {
            0 => return Err(End::ByClient),
            arrived => share.grow(arrived),
        }
    }
    Ok(frame.freeze())
}

async fn write_answers(
    writer: &mut (impl AsyncWrite + Unpin),
    conn: ConnId,
    outbox: &Outbox,
    shared: &Shared,
) -> Result<(), End> {
    let lingered = async || {
        outbox.closed().await;
        tokio::time::sleep(LINGER).await;
    };
    loop {
        match outbox.next().await {
            Next::Send { bytes, resume } => {
                tokio::select! {
                    written = writer.write_all(&bytes) => written?,
                    () = lingered() => return Err(End::ByServer),
                }
                outbox.sent(bytes.len());
                if resume {
                    shared.engine.send(Message::Resume(conn)).await.map_err(|_| End::ByServer)?;
                }
            }
            Next::Close => return Err(End::ByServer),
            Next::Overrun => return Err(End::Overrun),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session that ended is closed behind what is queued; a client that reads none of it must not hold that for ever.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_not_waited_for_when_it_is_to_go() {
        let (engine, _messages) = mpsc::channel(1);
        let (alive, _connections) = mpsc::channel(1);
        let memory = Memory::new(usize::MAX);
        let shared = Shared {
            engine,
            memory: memory.clone(),
            max_request_bytes: 1024,
            words: Default::default(),
            handshake_timeout: LINGER,
            alive,
        };
        let outbox = Outbox::new(memory.share(ConnId(1)));
        let (mut ours, _theirs) = tokio::io::duplex(4);
        outbox.reply(b"more than four bytes");
        let closing = async {
            tokio::time::sleep(LINGER * 10).await;
            outbox.close();
        };
        let start = tokio::time::Instant::now();
        let (end, ()) = tokio::join!(write_answers(&mut ours, ConnId(1), &outbox, &shared), closing);
        assert!(matches!(end, Err(End::ByServer)), "{end:?}");
        assert_eq!(start.elapsed(), LINGER * 11);
    }
}
