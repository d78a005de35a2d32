//! One TCP connection to one ZooKeeper server: handshake, frames, answers matched to requests, pings.
//!
//! A server answers in the order of the requests, so the requests without answer are a queue. Whatever is in it when the
//! connection ends is handed back to the supervisor, which knows what may be sent again. One task owns the connection;
//! nothing is shared. What this file does not know: sessions that outlive a connection, watches, paths.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::SessionId;
use super::jute::{self, ConnectResponse, Credentials, Malformed, Reader, ReplyHeader, WatcherEvent, code, xid};

/// Largest request and largest answer, bytes: what Kafka sets `jute.maxbuffer` to. Servers refuse requests above 1 MiB
/// unless told otherwise, and answer them by closing the connection.
pub(super) const MAX_FRAME: usize = 4 * 1024 * 1024;
/// Longest silence towards the server (`ClientCnxn.MAX_SEND_PING_INTERVAL`).
const MAX_PING_INTERVAL: Duration = Duration::from_secs(10);
/// Requests that go out in one write.
const BATCH: usize = 64;
/// How long a server may take to confirm the end of a session.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What is asked of the server, by whom it is awaited, and what becomes of it when the connection breaks.
#[derive(Debug)]
pub(super) struct Request {
    /// Operation number and body.
    pub body: Bytes,
    /// The session that the asker had in mind. In another one the request is not sent.
    pub session: SessionId,
    /// What a broken connection means for it.
    pub retry: Retry,
    /// Where the answer's body goes.
    pub reply: oneshot::Sender<Result<Bytes, Failure>>,
}

/// What becomes of a request whose connection broke before its answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// It changes nothing: sent again on the next connection.
    Read,
    /// It may have been done: reported as [`Failure::Lost`].
    Write,
    /// It concerns the connection of this number only: never sent on another, [`Failure::Lost`].
    OnlyOn(u64),
}

/// Why a request has no answer body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server answered this error code.
    Code(i32),
    /// The connection broke first.
    Lost,
    /// The session is over.
    Expired,
    /// The client was closed.
    Closed,
    /// Request or answer has this many bytes, more than [`MAX_FRAME`].
    TooLarge(usize),
}

/// How a connection came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// Something failed; the words are for the log.
    Broken(String),
    /// We closed the session.
    Closed,
}

/// A connection after its handshake.
#[derive(Debug)]
pub(super) struct Connection {
    /// Its number among the connections of this client, for [`Retry::OnlyOn`].
    pub number: u64,
    /// The session it serves.
    pub session: SessionId,
    /// Latest transaction that the server told of.
    pub last_zxid: i64,
    stream: TcpStream,
    inbound: BytesMut,
    outbound: BytesMut,
    waiting: VecDeque<(i32, Request)>,
    last_xid: i32,
    /// Bytes of an answer over [`MAX_FRAME`] that are still to be thrown away.
    skipping: usize,
    read_timeout: Duration,
    last_received: Instant,
    last_sent: Instant,
}

impl Connection {
    /// Connects and asks for the session (or a new one); gives up after `within`. Whether the session still lives is for
    /// the caller to see in the response.
    pub async fn open(
        server: &(String, u16),
        credentials: &Credentials,
        last_zxid: i64,
        session_timeout: Duration,
        within: Duration,
    ) -> io::Result<(Connection, ConnectResponse)> {
        let handshake = handshake(server, credentials, last_zxid, session_timeout);
        let (stream, inbound, response) =
            timeout(within, handshake).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let granted = Duration::from_millis(response.session_timeout_ms.max(0) as u64);
        let now = Instant::now();
        let connection = Connection {
            number: 0,
            session: response.credentials.session,
            last_zxid,
            stream,
            inbound,
            outbound: BytesMut::new(),
            waiting: VecDeque::new(),
            last_xid: 0,
            skipping: 0,
            read_timeout: granted * 2 / 3,
            last_received: now,
            last_sent: now,
        };
        Ok((connection, response))
    }

    /// Serves until the connection breaks or `closing` turns true. Watch events go to `on_event` in the order in which
    /// the server sent them, each before the answers behind it.
    pub async fn serve(
        &mut self,
        requests: &mut mpsc::Receiver<Request>,
        closing: &mut watch::Receiver<bool>,
        on_event: &mut (dyn FnMut(WatcherEvent) + Send),
    ) -> End {
        match self.serve_until_closing(requests, closing, on_event).await {
            Ok(()) => self.close_session().await,
            Err(error) => End::Broken(error.to_string()),
        }
    }

    /// The requests that have no answer, oldest first.
    pub fn into_waiting(self) -> impl Iterator<Item = Request> {
        self.waiting.into_iter().map(|(_, request)| request)
    }

    /// Puts a request on its way; [`Connection::flush`] sends it. Those that may not go out here are answered at once.
    pub fn enqueue(&mut self, request: Request) {
        if request.session != self.session {
            let _ = request.reply.send(Err(Failure::Expired));
        } else if matches!(request.retry, Retry::OnlyOn(number) if number != self.number) {
            let _ = request.reply.send(Err(Failure::Lost));
        } else if request.body.len() > MAX_FRAME {
            let _ = request.reply.send(Err(Failure::TooLarge(request.body.len())));
        } else {
            self.last_xid = self.last_xid.checked_add(1).unwrap_or(1);
            put_frame(&mut self.outbound, self.last_xid, &request.body);
            self.waiting.push_back((self.last_xid, request));
        }
    }

    /// Sends what is queued.
    pub async fn flush(&mut self) -> io::Result<()> {
        if !self.outbound.is_empty() {
            let sending = self.stream.write_all_buf(&mut self.outbound);
            timeout(self.read_timeout, sending).await.map_err(|_| silent("took no request"))??;
            self.last_sent = Instant::now();
        }
        Ok(())
    }

    async fn serve_until_closing(
        &mut self,
        requests: &mut mpsc::Receiver<Request>,
        closing: &mut watch::Receiver<bool>,
        on_event: &mut (dyn FnMut(WatcherEvent) + Send),
    ) -> io::Result<()> {
        let mut batch = Vec::with_capacity(BATCH);
        self.take_frames(on_event)?;
        self.flush().await?;
        loop {
            let ping_at = self.last_sent + (self.read_timeout / 2).min(MAX_PING_INTERVAL);
            let silent_at = self.last_received + self.read_timeout;
            self.inbound.reserve(16 * 1024);
            tokio::select! {
                read = self.stream.read_buf(&mut self.inbound) => {
                    if read? == 0 {
                        return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server closed the connection"));
                    }
                    self.last_received = Instant::now();
                    self.take_frames(on_event)?;
                }
                taken = requests.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return Ok(());
                    }
                    batch.drain(..).for_each(|request| self.enqueue(request));
                    self.flush().await?;
                }
                () = sleep_until(ping_at.min(silent_at)) => {
                    if Instant::now() >= silent_at {
                        return Err(silent("said nothing"));
                    }
                    self.ping().await?;
                }
                () = told_to_close(closing) => return Ok(()),
            }
        }
    }

    async fn ping(&mut self) -> io::Result<()> {
        let mut body = BytesMut::new();
        body.put_i32(jute::op_code::PING);
        put_frame(&mut self.outbound, xid::PING, &body);
        self.flush().await
    }

    /// Ends the session and waits for the server to say so, which it does by an answer and by closing the connection.
    async fn close_session(&mut self) -> End {
        put_frame(&mut self.outbound, 0, &jute::request::close_session());
        let goodbye = async {
            self.flush().await?;
            let mut rest = BytesMut::with_capacity(4096);
            while self.stream.read_buf(&mut rest).await? > 0 {
                rest.clear();
            }
            io::Result::Ok(())
        };
        match timeout(CLOSE_TIMEOUT, goodbye).await {
            Ok(_) => End::Closed,
            Err(_) => End::Broken("the server did not confirm the end of the session".into()),
        }
    }

    /// Takes every complete frame out of what was read.
    fn take_frames(&mut self, on_event: &mut (dyn FnMut(WatcherEvent) + Send)) -> io::Result<()> {
        loop {
            let skip = self.skipping.min(self.inbound.len());
            self.inbound.advance(skip);
            self.skipping -= skip;
            let Some(length) = peek_length(&self.inbound)? else { return Ok(()) };
            if length > MAX_FRAME {
                if self.inbound.len() < 4 + ReplyHeader::LENGTH {
                    return Ok(());
                }
                self.refuse_large_answer(length)?;
            } else if self.inbound.len() < 4 + length {
                return Ok(());
            } else {
                self.inbound.advance(4);
                let frame = self.inbound.split_to(length).freeze();
                self.take_frame(frame, on_event).map_err(io::Error::other)?;
            }
        }
    }

    /// Fails the one request whose answer is too large, and throws the answer away as it comes in.
    fn refuse_large_answer(&mut self, length: usize) -> io::Result<()> {
        self.inbound.advance(4);
        let head = self.inbound.split_to(ReplyHeader::LENGTH).freeze();
        let header = ReplyHeader::decode(&mut Reader(head)).map_err(io::Error::other)?;
        self.skipping = length - ReplyHeader::LENGTH;
        let request = self.take_waiting(header.xid).map_err(io::Error::other)?;
        let _ = request.reply.send(Err(Failure::TooLarge(length)));
        Ok(())
    }

    fn take_frame(&mut self, frame: Bytes, on_event: &mut (dyn FnMut(WatcherEvent) + Send)) -> Result<(), Malformed> {
        let mut reader = Reader(frame);
        let header = ReplyHeader::decode(&mut reader)?;
        self.last_zxid = self.last_zxid.max(header.zxid);
        match header.xid {
            xid::PING => Ok(()),
            xid::WATCH_EVENT => {
                on_event(WatcherEvent::decode(&mut reader)?);
                Ok(())
            }
            answered => self.answer(answered, header.code, reader.0),
        }
    }

    fn answer(&mut self, answered: i32, error_code: i32, body: Bytes) -> Result<(), Malformed> {
        let request = self.take_waiting(answered)?;
        let answer = match error_code {
            code::OK => Ok(body),
            code::SESSION_EXPIRED => Err(Failure::Expired),
            code::SESSION_MOVED => {
                self.waiting.push_front((answered, request));
                return Err(Malformed("the session has moved to another server".into()));
            }
            other => Err(Failure::Code(other)),
        };
        let _ = request.reply.send(answer);
        Ok(())
    }

    fn take_waiting(&mut self, answered: i32) -> Result<Request, Malformed> {
        match self.waiting.pop_front() {
            Some((xid, request)) if xid == answered => Ok(request),
            Some((xid, request)) => {
                self.waiting.push_front((xid, request));
                Err(Malformed(format!("an answer to request {answered} where {xid} was due")))
            }
            None => Err(Malformed(format!("an answer to request {answered}, which was never made"))),
        }
    }
}

/// Waits until the client is closed (or dropped).
pub(super) async fn told_to_close(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await.is_ok();
}

async fn handshake(
    (host, port): &(String, u16),
    credentials: &Credentials,
    last_zxid: i64,
    session_timeout: Duration,
) -> io::Result<(TcpStream, BytesMut, ConnectResponse)> {
    let mut stream = TcpStream::connect((host.as_str(), *port)).await?;
    stream.set_nodelay(true)?;
    let session_timeout_ms = i32::try_from(session_timeout.as_millis()).unwrap_or(i32::MAX);
    stream.write_all(&jute::connect_request(credentials, last_zxid, session_timeout_ms)).await?;
    let mut inbound = BytesMut::with_capacity(4096);
    let length = loop {
        if stream.read_buf(&mut inbound).await? == 0 {
            let reason = "the server closed the connection during the handshake (is its ensemble without a leader?)";
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, reason));
        }
        match peek_length(&inbound)? {
            Some(length) if length > MAX_FRAME => return Err(io::Error::other("not a ZooKeeper server")),
            Some(length) if inbound.len() >= 4 + length => break length,
            _ => {}
        }
    };
    inbound.advance(4);
    let response = ConnectResponse::decode(inbound.split_to(length).freeze()).map_err(io::Error::other)?;
    Ok((stream, inbound, response))
}

/// The length in front of the next frame, `None` while it has not come in.
fn peek_length(inbound: &BytesMut) -> io::Result<Option<usize>> {
    let Some(head) = inbound.first_chunk::<4>() else { return Ok(None) };
    let length = i32::from_be_bytes(*head);
    match usize::try_from(length) {
        Ok(length) => Ok(Some(length)),
        Err(_) => Err(io::Error::other(format!("the server sent a frame of length {length}"))),
    }
}

fn put_frame(outbound: &mut BytesMut, xid: i32, body: &[u8]) {
    outbound.reserve(8 + body.len());
    outbound.put_i32(4 + body.len() as i32);
    outbound.put_i32(xid);
    outbound.put_slice(body);
}

fn silent(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("the server {what} for two thirds of the session timeout"))
}
