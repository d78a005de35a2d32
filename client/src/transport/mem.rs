//! A network in memory, for tests and simulation: one process, any number of addresses, nothing leaves it.
//!
//! Ports are counted, not drawn, so that runs repeat. Names are not resolved: `localhost` and every other name stand
//! for 127.0.0.1, and an address bound to the unspecified address answers at every other one.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time;

use super::{Acceptor, BindOptions, Network, Stream};

/// Bytes that one direction of a stream holds before its writer waits.
const STREAM_BUFFER_BYTES: usize = 64 * 1024;
/// Where counted ports start.
const FIRST_PORT: u16 = 49152;

/// Streams between tasks of this process. Clones share the same addresses.
#[derive(Debug, Clone, Default)]
pub struct MemNetwork {
    addresses: Arc<Mutex<Addresses>>,
}

#[derive(Debug, Default)]
struct Addresses {
    bound: HashMap<SocketAddr, mpsc::Sender<MemStream>>,
    ports_given: u16,
}

impl Addresses {
    fn free_port(&mut self) -> u16 {
        self.ports_given = self.ports_given.wrapping_add(1) % (u16::MAX - FIRST_PORT);
        FIRST_PORT + self.ports_given
    }

    fn listener_at(&self, address: SocketAddr) -> Option<(SocketAddr, mpsc::Sender<MemStream>)> {
        let anywhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
        let sender = self.bound.get(&address).or_else(|| self.bound.get(&anywhere))?;
        Some((address, sender.clone()))
    }
}

impl MemNetwork {
    fn addresses(&self) -> MutexGuard<'_, Addresses> {
        self.addresses.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[async_trait]
impl Network for MemNetwork {
    async fn connect(&self, address: &str, timeout: Duration) -> io::Result<Box<dyn Stream>> {
        let target = parse(address)?;
        let (local, listener) = {
            let mut addresses = self.addresses();
            let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), addresses.free_port());
            (local, addresses.listener_at(target))
        };
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, format!("nobody listens at {target}"));
        let (peer, sender) = listener.ok_or_else(refused)?;
        let (near, far) = tokio::io::duplex(STREAM_BUFFER_BYTES);
        let offered = sender.send(MemStream { stream: far, peer: local });
        match time::timeout(timeout, offered).await {
            Ok(Ok(())) => Ok(Box::new(MemStream { stream: near, peer })),
            Ok(Err(_)) => Err(refused()),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {timeout:?}"))),
        }
    }

    async fn bind(&self, mut address: SocketAddr, options: &BindOptions) -> io::Result<Box<dyn Acceptor>> {
        let mut addresses = self.addresses();
        if address.port() == 0 {
            address.set_port(addresses.free_port());
        }
        if addresses.bound.contains_key(&address) {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("{address} is taken")));
        }
        let (sender, waiting) = mpsc::channel(options.backlog.max(1) as usize);
        addresses.bound.insert(address, sender);
        Ok(Box::new(MemAcceptor { network: self.clone(), local: address, waiting: tokio::sync::Mutex::new(waiting) }))
    }
}

fn parse(address: &str) -> io::Result<SocketAddr> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidInput, format!("'{address}' is not host:port"));
    let (host, port) = address.rsplit_once(':').ok_or_else(malformed)?;
    let port: u16 = port.parse().map_err(|_| malformed())?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(malformed());
    }
    let ip = host.parse().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    Ok(SocketAddr::new(ip, port))
}

#[derive(Debug)]
struct MemAcceptor {
    network: MemNetwork,
    local: SocketAddr,
    waiting: tokio::sync::Mutex<mpsc::Receiver<MemStream>>,
}

#[async_trait]
impl Acceptor for MemAcceptor {
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, SocketAddr)> {
        let stream = self.waiting.lock().await.recv().await;
        let stream = stream.ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "the network is gone"))?;
        let peer = stream.peer;
        Ok((Box::new(stream), peer))
    }

    fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

impl Drop for MemAcceptor {
    fn drop(&mut self) {
        self.network.addresses().bound.remove(&self.local);
    }
}

#[derive(Debug)]
struct MemStream {
    stream: DuplexStream,
    peer: SocketAddr,
}

impl Stream for MemStream {
    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn as_tcp(&self) -> Option<&TcpStream> {
        None
    }
}

impl AsyncRead for MemStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for MemStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
