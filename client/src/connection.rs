//! A connection to one broker: requests go out as they come, responses come back in the same order.
//!
//! Two tasks own the stream, one per direction. The writer hands every request's correlation id to the reader *before*
//! it writes the request, so that a response always finds its caller. When either direction fails, the reason is kept
//! and every waiting caller learns it; the connection is then dead for good and the caller opens another one.
//!
//! At most [`ConnectionOptions::max_in_flight`] requests wait for responses; further callers wait for their turn.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use config::SecurityProtocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time;
use wire::api_versions::ApiVersionsRequest;
use wire::{ApiKey, Budget, Encoded, ErrorCode, Part, Request, Str, VersionRange};

use crate::error::{ClientError, Refusal};
use crate::transport::{Network, Stream};

/// How connections behave.
#[derive(Debug, Clone)]
pub struct ConnectionOptions {
    /// `client.id`, as brokers log it and count quotas by it.
    pub client_id: String,
    /// Only PLAINTEXT is built.
    pub security: SecurityProtocol,
    /// Time to open the stream, for each address of a name.
    pub connect_timeout: Duration,
    /// Time for a response, from the moment the call is made.
    pub request_timeout: Duration,
    /// A larger response is a broken one.
    pub max_response_bytes: usize,
    /// Requests that may wait for responses at one time.
    pub max_in_flight: usize,
    /// Asks the broker for its versions first. Between brokers the versions follow from
    /// `inter.broker.protocol.version` instead: see [`Connection::call_at`].
    pub negotiate: bool,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        ConnectionOptions {
            client_id: "klamm".to_owned(),
            security: SecurityProtocol::Plaintext,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            max_response_bytes: 256 << 20,
            max_in_flight: 5,
            negotiate: true,
        }
    }
}

/// One call's own wishes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Call {
    /// Use no version above this one.
    pub max_version: Option<i16>,
    /// Wait this long instead of [`ConnectionOptions::request_timeout`].
    pub timeout: Option<Duration>,
}

/// An open connection. Clones share it; it closes with the last of them.
#[derive(Debug, Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    broker: String,
    options: ConnectionOptions,
    client_id: Str,
    outgoing: mpsc::Sender<Outgoing>,
    failure: Failure,
    next_correlation_id: AtomicI32,
    versions: Option<BTreeMap<i16, VersionRange>>,
    tasks: [AbortHandle; 2],
}

/// A request on its way to the writer.
struct Outgoing {
    frame: Encoded,
    waiting: Option<Waiting>,
}

/// Who waits for which response.
struct Waiting {
    correlation_id: i32,
    reply: oneshot::Sender<Bytes>,
}

/// Why the connection died: the first reason stays.
#[derive(Debug, Clone, Default)]
struct Failure(Arc<Mutex<Option<String>>>);

impl Failure {
    fn set(&self, reason: impl Into<String>) {
        let mut kept = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        kept.get_or_insert_with(|| reason.into());
    }

    fn reason(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        kept.clone().unwrap_or_else(|| "connection closed".to_owned())
    }
}

impl Connection {
    /// Connects to `host:port` and, unless told otherwise, asks for the broker's versions.
    pub async fn open(
        network: &dyn Network,
        broker: &str,
        options: ConnectionOptions,
    ) -> Result<Connection, ClientError> {
        if options.security != SecurityProtocol::Plaintext {
            return Err(ClientError::NotBuilt(format!("security.protocol={} is not built yet", options.security)));
        }
        let stream = network
            .connect(broker, options.connect_timeout)
            .await
            .map_err(|source| ClientError::Connect { broker: broker.to_owned(), source })?;
        let mut inner = Inner::start(broker, stream, options);
        if inner.options.negotiate {
            inner.versions = Some(inner.ask_versions().await?);
        }
        Ok(Connection { inner: Arc::new(inner) })
    }

    /// Asks in the newest version that both sides know.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Response, ClientError> {
        self.call_with(request, Call::default()).await
    }

    /// As [`Connection::call`], with wishes.
    pub async fn call_with<R: Request>(&self, request: &R, call: Call) -> Result<R::Response, ClientError> {
        let version = self.version_of::<R>(call.max_version)?;
        self.inner.call(version, request, call.timeout).await
    }

    /// Asks in exactly this version.
    pub async fn call_at<R: Request>(
        &self,
        api_version: i16,
        request: &R,
        timeout: Option<Duration>,
    ) -> Result<R::Response, ClientError> {
        self.inner.call(api_version, request, timeout).await
    }

    /// Sends what gets no response: Produce with acks 0.
    pub async fn send<R: Request>(&self, request: &R, call: Call) -> Result<(), ClientError> {
        let version = self.version_of::<R>(call.max_version)?;
        let (frame, _) = self.inner.encode(version, request)?;
        let sent = self.inner.outgoing.send(Outgoing { frame, waiting: None }).await;
        sent.map_err(|_| self.inner.lost(R::KEY))
    }

    /// The newest version of an API that both sides know, not above `limit`.
    pub fn version_of<R: Request>(&self, limit: Option<i16>) -> Result<i16, ClientError> {
        let ours = R::VERSIONS;
        let max = ours.max.min(limit.unwrap_or(i16::MAX));
        let theirs = match &self.inner.versions {
            None => Some(ours),
            Some(versions) => versions.get(&R::KEY.code()).copied(),
        };
        let common = theirs.map(|theirs| (ours.min.max(theirs.min), max.min(theirs.max)));
        match common {
            Some((min, max)) if min <= max => Ok(max),
            _ => Err(ClientError::Unsupported { broker: self.inner.broker.clone(), api: R::KEY }),
        }
    }

    /// What the broker said it supports, by API key (keys that we do not know included); empty when it was not asked.
    pub fn api_versions(&self) -> BTreeMap<i16, VersionRange> {
        self.inner.versions.clone().unwrap_or_default()
    }

    /// Whether the broker serves this API at all, as far as it was asked.
    pub fn supports(&self, api: ApiKey) -> bool {
        self.inner.versions.as_ref().is_none_or(|versions| versions.contains_key(&api.code()))
    }

    /// `host:port`
    pub fn broker(&self) -> &str {
        &self.inner.broker
    }

    /// Whether it has died. One that is alive now may still die before the next call.
    pub fn is_closed(&self) -> bool {
        self.inner.outgoing.is_closed()
    }
}

impl Inner {
    fn start(broker: &str, stream: Box<dyn Stream>, options: ConnectionOptions) -> Inner {
        let (reader, writer) = tokio::io::split(stream);
        let (outgoing, requests) = mpsc::channel(options.max_in_flight.max(1));
        let (waiting_sender, waiting) = mpsc::channel(options.max_in_flight.max(1));
        let failure = Failure::default();
        let limit = options.max_response_bytes;
        let reading = tokio::spawn(read_responses(reader, waiting, failure.clone(), limit));
        let writing = tokio::spawn(write_requests(writer, requests, waiting_sender, failure.clone()));
        Inner {
            broker: broker.to_owned(),
            client_id: Str::from(&options.client_id),
            options,
            outgoing,
            failure,
            next_correlation_id: AtomicI32::new(0),
            versions: None,
            tasks: [reading.abort_handle(), writing.abort_handle()],
        }
    }

    fn encode<R: Request>(&self, api_version: i16, request: &R) -> Result<(Encoded, i32), ClientError> {
        let correlation_id = self.next_correlation_id.fetch_add(1, Ordering::Relaxed) & i32::MAX;
        let frame = wire::encode_request(api_version, correlation_id, Some(&self.client_id), request)
            .map_err(|source| ClientError::Encode { broker: self.broker.clone(), api: R::KEY, source })?;
        Ok((frame, correlation_id))
    }

    async fn call<R: Request>(
        &self,
        api_version: i16,
        request: &R,
        timeout: Option<Duration>,
    ) -> Result<R::Response, ClientError> {
        let frame = self.exchange(api_version, request, timeout).await?;
        let budget = Budget::for_frame(frame.len());
        let (_, response) = wire::decode_response::<R>(&frame, api_version, budget)
            .map_err(|source| ClientError::Decode { broker: self.broker.clone(), api: R::KEY, source })?;
        Ok(response)
    }

    /// Sends a request and waits for the frame that answers it.
    async fn exchange<R: Request>(
        &self,
        api_version: i16,
        request: &R,
        timeout: Option<Duration>,
    ) -> Result<Bytes, ClientError> {
        let timeout = timeout.unwrap_or(self.options.request_timeout);
        let (frame, correlation_id) = self.encode(api_version, request)?;
        let (reply, response) = oneshot::channel();
        let outgoing = Outgoing { frame, waiting: Some(Waiting { correlation_id, reply }) };
        let exchange = async {
            self.outgoing.send(outgoing).await.map_err(|_| self.lost(R::KEY))?;
            response.await.map_err(|_| self.lost(R::KEY))
        };
        match time::timeout(timeout, exchange).await {
            Ok(result) => result,
            Err(_) => {
                self.close(format!("{} was not answered in time", R::KEY));
                Err(ClientError::Timeout { broker: self.broker.clone(), api: R::KEY, timeout })
            }
        }
    }

    /// ApiVersions (KIP-511): a broker that does not know our version answers in version 0, and perhaps says which
    /// versions it does know.
    async fn ask_versions(&self) -> Result<BTreeMap<i16, VersionRange>, ClientError> {
        const OURS: i16 = 3;
        let request = ApiVersionsRequest {
            client_software_name: Str::from_static("klamm"),
            client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
        };
        let frame = self.exchange(OURS, &request, None).await?;
        let decode = |version| {
            let budget = Budget::for_frame(frame.len());
            wire::decode_response::<ApiVersionsRequest>(&frame, version, budget).map(|(_, response)| response)
        };
        let answer = match decode(OURS) {
            Ok(answer) if ErrorCode::from(answer.error_code) != ErrorCode::UnsupportedVersion => Ok(answer),
            _ => decode(0),
        };
        let failed = |source| ClientError::Decode { broker: self.broker.clone(), api: ApiKey::ApiVersions, source };
        let mut answer = answer.map_err(failed)?;
        if ErrorCode::from(answer.error_code) == ErrorCode::UnsupportedVersion {
            let theirs = answer.api_keys.iter().find(|entry| entry.api_key == ApiKey::ApiVersions.code());
            let version = theirs.map_or(0, |entry| entry.max_version.clamp(0, OURS));
            answer = self.call(version, &request, None).await?;
        }
        Refusal::check(answer.error_code, None)
            .map_err(|refusal| ClientError::Refused { api: ApiKey::ApiVersions, refusal })?;
        let range = |min, max| VersionRange { min, max };
        Ok(answer.api_keys.iter().map(|entry| (entry.api_key, range(entry.min_version, entry.max_version))).collect())
    }

    fn lost(&self, api: ApiKey) -> ClientError {
        ClientError::Lost { broker: self.broker.clone(), api, reason: self.failure.reason() }
    }

    fn close(&self, reason: String) {
        self.failure.set(reason);
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close("closed by us".to_owned());
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("broker", &self.broker).finish_non_exhaustive()
    }
}

async fn write_requests(
    mut stream: WriteHalf<Box<dyn Stream>>,
    mut requests: mpsc::Receiver<Outgoing>,
    waiting: mpsc::Sender<Waiting>,
    failure: Failure,
) {
    loop {
        let outgoing = tokio::select! {
            outgoing = requests.recv() => outgoing,
            () = waiting.closed() => None,
        };
        let Some(Outgoing { frame, waiting: who }) = outgoing else { return };
        if let Some(who) = who
            && waiting.send(who).await.is_err()
        {
            return;
        }
        if let Err(error) = write_frame(&mut stream, &frame).await {
            failure.set(format!("write failed: {error}"));
            return;
        }
    }
}

async fn write_frame(stream: &mut WriteHalf<Box<dyn Stream>>, frame: &Encoded) -> io::Result<()> {
    for part in &frame.parts {
        match part {
            Part::Bytes(bytes) => stream.write_all(bytes).await?,
            Part::External { .. } => return Err(io::Error::other("a request cannot leave bytes to the connection")),
        }
    }
    stream.flush().await
}

async fn read_responses(
    mut stream: ReadHalf<Box<dyn Stream>>,
    mut waiting: mpsc::Receiver<Waiting>,
    failure: Failure,
    limit: usize,
) {
    loop {
        let frame = match read_frame(&mut stream, limit).await {
            Ok(frame) => frame,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return failure.set("the broker closed the connection");
            }
            Err(error) => return failure.set(format!("read failed: {error}")),
        };
        let got = frame.first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
        match waiting.try_recv() {
            // A caller that has given up is no error; the response is simply not wanted any more.
            Ok(who) if Some(who.correlation_id) == got => drop(who.reply.send(frame)),
            Ok(who) => {
                return failure.set(format!("response {got:?} came where {} was due", who.correlation_id));
            }
            Err(_) => return failure.set("a response came that nobody asked for"),
        }
    }
}

/// Reads one frame without its size.
async fn read_frame(stream: &mut ReadHalf<Box<dyn Stream>>, limit: usize) -> io::Result<Bytes> {
    let size = stream.read_i32().await?;
    let size = usize::try_from(size).ok().filter(|size| *size <= limit).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("a response of {size} bytes (the limit is {limit})"))
    })?;
    // The claimed size is not allocated before its bytes come.
    const STEP: usize = 1 << 20;
    let mut frame = BytesMut::with_capacity(size.min(STEP));
    while frame.len() < size {
        let missing = (size - frame.len()).min(STEP);
        let start = frame.len();
        frame.resize(start + missing, 0);
        let Some(room) = frame.get_mut(start..) else { break };
        stream.read_exact(room).await?;
    }
    Ok(frame.freeze())
}

#[cfg(test)]
mod tests;
