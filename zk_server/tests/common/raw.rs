//! A connection that says whatever the test wants, also what no client would.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zk_server::Server;
use zk_server::jute::{Decoder, Encoder};

/// A plain socket to the server.
pub struct Raw {
    /// The socket.
    pub stream: TcpStream,
}

impl Raw {
    /// Connects without saying anything.
    pub async fn open(server: &Server) -> Raw {
        Raw::open_at(&server.local_addr().to_string()).await
    }

    /// Connects to any server.
    pub async fn open_at(address: &str) -> Raw {
        Raw { stream: TcpStream::connect(address).await.unwrap() }
    }

    /// Connects and asks for a new session of 20 s.
    pub async fn with_session(server: &Server) -> Raw {
        let mut raw = Raw::open(server).await;
        assert_eq!(raw.ask_for_session(0, &[0; 16]).await.0, 20_000);
        raw
    }

    /// Sends a connect request; answers timeout, session id and password.
    pub async fn ask_for_session(&mut self, session_id: i64, password: &[u8]) -> (i32, i64, Vec<u8>) {
        let mut out = Encoder::frame();
        out.int(0);
        out.long(0);
        out.int(20_000);
        out.long(session_id);
        out.buffer(Some(password));
        out.bool(false);
        self.send(&out.into_frame()).await;
        let frame = self.frame().await.unwrap();
        let mut input = Decoder::new(&frame[4..]);
        let (timeout_ms, session_id) = (input.int().unwrap(), input.long().unwrap());
        (timeout_ms, session_id, input.buffer().unwrap().unwrap().to_vec())
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends a request: xid, operation, and what `body` writes.
    pub async fn request(&mut self, xid: i32, op: i32, body: impl FnOnce(&mut Encoder)) {
        let mut out = Encoder::frame();
        out.int(xid);
        out.int(op);
        body(&mut out);
        self.send(&out.into_frame()).await;
    }

    /// The next frame; `None` when the server closed the connection.
    pub async fn frame(&mut self) -> Option<Vec<u8>> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).await.ok()?;
        let mut frame = vec![0; u32::from_be_bytes(head) as usize];
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(frame)
    }

    /// Xid and error of the next answer.
    pub async fn answer(&mut self) -> Option<(i32, i32)> {
        let frame = self.frame().await?;
        let mut input = Decoder::new(&frame);
        let (xid, _zxid, error) = (input.int().unwrap(), input.long().unwrap(), input.int().unwrap());
        Some((xid, error))
    }

    /// Everything until the server closes the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), self.stream.read_to_end(&mut bytes)).await.unwrap();
        bytes
    }
}
