//! A listening address: accepts connections, counts them against the limits, serves each on a task of its own.

use std::sync::Arc;
use std::time::Duration;

use client::transport::Acceptor;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::connection::{Shared, serve};
use super::connection_quota::ConnectionQuota;
use super::{Origin, Service};

/// Pause after an accept that failed, so that a process out of file descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a listener until the broker stops, then waits for its connections to end.
pub async fn run<S: Service>(
    acceptor: Box<dyn Acceptor>,
    name: Arc<str>,
    quota: Arc<ConnectionQuota>,
    shared: Arc<Shared>,
    service: Arc<S>,
) {
    let mut connections = JoinSet::new();
    let mut stopping = shared.stopping.clone();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = acceptor.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(listener = %name, "accepting a connection failed: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            () = stopped(&mut stopping) => break,
        };
        let room = tokio::select! {
            room = quota.room(&name) => room,
            () = stopped(&mut stopping) => break,
        };
        match quota.admit(peer.ip(), room) {
            Err(too_many) => info!(%peer, listener = %name, "connection refused: {too_many}"),
            Ok(admitted) => {
                let origin = Origin::new(peer, name.clone());
                connections.spawn(serve(stream, origin, admitted, shared.clone(), service.clone()));
            }
        }
    }
    drop(acceptor);
    while connections.join_next().await.is_some() {}
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // A dropped sender means that the broker is gone, which is a stop as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
