//! The network: streams of bytes between two addresses, behind a trait so that a simulation can stand in for it.
//!
//! Broker listeners, inter-broker channels and clients all open and accept their streams here and nowhere else. A TLS
//! stream will be another [`Stream`] over one of these; nothing above may assume that a stream is a socket, which is why
//! [`Stream::as_tcp`] answers an `Option`.

mod mem;
mod tcp;

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub use mem::MemNetwork;
pub use tcp::TcpNetwork;

/// A place where streams are opened and accepted.
#[async_trait]
pub trait Network: Send + Sync + Debug + 'static {
    /// Opens a stream to `address`, written as `host:port` (an IPv6 host in brackets). Every address that the name
    /// stands for is tried in turn; each attempt may take `timeout`, and the last one's error is the answer.
    async fn connect(&self, address: &str, timeout: Duration) -> io::Result<Box<dyn Stream>>;

    /// Starts to listen. Port 0 takes a free one: ask [`Acceptor::local_addr`].
    async fn bind(&self, address: SocketAddr, options: &BindOptions) -> io::Result<Box<dyn Acceptor>>;
}

/// Two directions of bytes, and who is at the other end.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The other end's address.
    fn peer(&self) -> SocketAddr;
    /// The socket, for readiness and sendfile; `None` when bytes must pass through this stream.
    fn as_tcp(&self) -> Option<&TcpStream>;
}

impl Debug for dyn Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({})", self.peer())
    }
}

/// A listening address. Dropping it closes the address.
#[async_trait]
pub trait Acceptor: Send + Sync + Debug + 'static {
    /// Waits for the next stream. Safe to drop while waiting. An error concerns one attempt only: accept again (after
    /// a pause when the process is out of file descriptors).
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, SocketAddr)>;
    /// Where it listens.
    fn local_addr(&self) -> SocketAddr;
}

/// How a listening address treats its sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindOptions {
    /// Streams that may wait to be accepted (`socket.listen.backlog.size`).
    pub backlog: u32,
    /// Kernel receive buffer of every accepted stream, bytes; `None` leaves it to the system.
    pub receive_buffer_bytes: Option<u32>,
    /// Kernel send buffer of every accepted stream, bytes; `None` leaves it to the system.
    pub send_buffer_bytes: Option<u32>,
}

impl Default for BindOptions {
    fn default() -> Self {
        BindOptions { backlog: 50, receive_buffer_bytes: None, send_buffer_bytes: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// What every network must do: an echo through an accepted stream, addresses that match, and a refusal once the
    /// acceptor is gone.
    async fn check(network: &dyn Network) {
        let acceptor = network.bind("127.0.0.1:0".parse().unwrap(), &BindOptions::default()).await.unwrap();
        let address = acceptor.local_addr();
        assert_ne!(address.port(), 0);
        let text = format!("localhost:{}", address.port());
        let timeout = Duration::from_secs(5);
        let (accepted, connected) = tokio::join!(acceptor.accept(), network.connect(&text, timeout));
        let ((mut server, from), mut client) = (accepted.unwrap(), connected.unwrap());
        assert_eq!(client.peer(), address);
        assert_eq!(server.peer(), from);

        client.write_all(b"ping").await.unwrap();
        client.flush().await.unwrap();
        let mut got = [0; 4];
        server.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"ping");
        drop(server);
        assert_eq!(client.read(&mut got).await.unwrap(), 0, "end of stream");

        let taken = network.bind(address, &BindOptions::default()).await.unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(acceptor);
        let refused = network.connect(&text, timeout).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        for malformed in ["localhost", "localhost:", "localhost:99999", ":9092"] {
            assert!(network.connect(malformed, timeout).await.is_err(), "{malformed}");
        }
    }

    #[tokio::test]
    async fn tcp_keeps_the_contract() {
        check(&TcpNetwork).await;
        let acceptor = TcpNetwork.bind("127.0.0.1:0".parse().unwrap(), &BindOptions::default()).await.unwrap();
        let stream = TcpNetwork.connect(&acceptor.local_addr().to_string(), Duration::from_secs(5)).await.unwrap();
        assert!(stream.as_tcp().is_some_and(|tcp| tcp.nodelay().unwrap()));
    }

    #[tokio::test]
    async fn memory_keeps_the_contract() {
        check(&MemNetwork::default()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_backlog_times_out() {
        let network = MemNetwork::default();
        let options = BindOptions { backlog: 1, ..BindOptions::default() };
        let acceptor = network.bind("127.0.0.1:9092".parse().unwrap(), &options).await.unwrap();
        let _waiting = network.connect("127.0.0.1:9092", Duration::from_secs(1)).await.unwrap();
        let late = network.connect("127.0.0.1:9092", Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        acceptor.accept().await.unwrap();
    }
}
