//! A scripted broker in memory for this crate's tests: it reads whole requests and answers what the script says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::api_versions::{ApiVersion, ApiVersionsResponse};
use wire::{ApiKey, Budget, Message, Request, RequestHeader};

use crate::transport::{BindOptions, MemNetwork, Network, Stream};

/// A request as it came in.
pub struct Asked {
    pub header: RequestHeader,
    pub frame: Bytes,
}

impl Asked {
    pub fn key(&self) -> ApiKey {
        self.header.key().unwrap()
    }

    pub fn version(&self) -> i16 {
        self.header.api_version
    }

    pub fn body<R: Request>(&self) -> R {
        wire::decode_request::<R>(&self.frame, Budget::for_frame(self.frame.len())).unwrap().1
    }

    /// The frame that answers, size included.
    pub fn answer<M: Message>(&self, response: &M) -> Reply {
        let correlation_id = self.header.correlation_id;
        let encoded = wire::encode_response(self.key(), self.version(), correlation_id, response).unwrap();
        Reply::Bytes(encoded.into_bytes().unwrap())
    }

    /// Answers ApiVersions with everything that we know.
    pub fn all_versions(&self) -> Reply {
        let range = |key: &ApiKey| {
            let versions = key.versions();
            ApiVersion { api_key: key.code(), min_version: versions.min, max_version: versions.max }
        };
        self.answer(&ApiVersionsResponse {
            api_keys: ApiKey::ALL.iter().map(range).collect(),
            ..ApiVersionsResponse::default()
        })
    }
}

/// Decides what is answered.
type Script = dyn Fn(&Asked) -> Option<Reply> + Send + Sync;

/// What the script wants done.
pub enum Reply {
    /// Send these bytes.
    Bytes(Bytes),
    /// Send these bytes after a while, and let everything behind them wait.
    Later(Duration, Bytes),
    /// Say nothing.
    Silence,
    /// Close the connection.
    Close,
}

/// Answers every connection at `address` as `script` says. ApiVersions is answered with all versions unless
/// `script` answers it itself (it is asked first; `None` leaves it to the default).
pub async fn broker(
    network: &MemNetwork,
    address: &str,
    script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
) -> String {
    let acceptor = network.bind(address.parse().unwrap(), &BindOptions::default()).await.unwrap();
    let bound = acceptor.local_addr().to_string();
    let script: Arc<Script> = Arc::new(script);
    tokio::spawn(async move {
        while let Ok((stream, _)) = acceptor.accept().await {
            let script = script.clone();
            tokio::spawn(serve(stream, script));
        }
    });
    bound
}

async fn serve(mut stream: Box<dyn Stream>, script: Arc<Script>) {
    while let Ok(size) = stream.read_i32().await {
        let mut frame = vec![0; size as usize];
        stream.read_exact(&mut frame).await.unwrap();
        let frame = Bytes::from(frame);
        let header = RequestHeader::decode(&mut wire::Reader::new(&frame, Budget::for_frame(frame.len()))).unwrap();
        let asked = Asked { header, frame };
        let reply = match script(&asked) {
            Some(reply) => reply,
            None if asked.key() == ApiKey::ApiVersions => asked.all_versions(),
            None => panic!("the script has no answer to {} v{}", asked.key(), asked.version()),
        };
        match reply {
            Reply::Bytes(bytes) => stream.write_all(&bytes).await.unwrap(),
            Reply::Later(pause, bytes) => {
                tokio::time::sleep(pause).await;
                stream.write_all(&bytes).await.unwrap();
            }
            Reply::Silence => {}
            Reply::Close => return,
        }
    }
}

/// A network and short timeouts.
pub fn options() -> crate::connection::ConnectionOptions {
    crate::connection::ConnectionOptions { request_timeout: Duration::from_secs(1), ..Default::default() }
}
