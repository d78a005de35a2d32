//! TCP through tokio, with the socket options that Kafka sets: no delay, keep-alive, reuse of the address.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::time;

use super::{Acceptor, BindOptions, Network, Stream};

/// The machine's TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpNetwork;

#[async_trait]
impl Network for TcpNetwork {
    async fn connect(&self, address: &str, timeout: Duration) -> io::Result<Box<dyn Stream>> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("no address found for {address}"));
        for candidate in lookup_host(address).await? {
            match time::timeout(timeout, connect_to(candidate)).await {
                Ok(Ok(stream)) => return Ok(Box::new(stream)),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {timeout:?}")),
            }
        }
        Err(last)
    }

    async fn bind(&self, address: SocketAddr, options: &BindOptions) -> io::Result<Box<dyn Acceptor>> {
        let socket = new_socket(address)?;
        socket.set_reuseaddr(true)?;
        socket.set_keepalive(true)?; // accepted sockets inherit this and the buffer sizes
        if let Some(bytes) = options.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = options.send_buffer_bytes {
            socket.set_send_buffer_size(bytes)?;
        }
        socket.bind(address)?;
        let listener = socket.listen(options.backlog)?;
        let local = listener.local_addr()?;
        Ok(Box::new(TcpAcceptor { listener, local }))
    }
}

fn new_socket(address: SocketAddr) -> io::Result<TcpSocket> {
    if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpConnection> {
    let socket = new_socket(address)?;
    socket.set_keepalive(true)?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(TcpConnection { stream, peer: address })
}

#[derive(Debug)]
struct TcpAcceptor {
    listener: TcpListener,
    local: SocketAddr,
}

#[async_trait]
impl Acceptor for TcpAcceptor {
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, SocketAddr)> {
        let (stream, peer) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((Box::new(TcpConnection { stream, peer }), peer))
    }

    fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

struct TcpConnection {
    stream: TcpStream,
    peer: SocketAddr,
}

impl Stream for TcpConnection {
    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn as_tcp(&self) -> Option<&TcpStream> {
        Some(&self.stream)
    }
}

impl AsyncRead for TcpConnection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for TcpConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
