//! How one request reaches one broker: in the process for this broker, over the network for the others.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use client::connection::{Connection, ConnectionOptions};
use client::transport::Network;
use controller::cluster::LiveBroker;
use thiserror::Error;
use tokio::sync::Mutex;
use wire::{
    LeaderAndIsrRequest, LeaderAndIsrResponse, Request, StopReplicaRequest, StopReplicaResponse, UpdateMetadataRequest,
    UpdateMetadataResponse,
};
use zk_paths::broker_registration::SecurityProtocol;
use zk_paths::ids::BrokerId;

/// This broker, as its own controller sees it. Requests come one after the other, exactly as from the network, and
/// `api_version` decides the shape of the answer.
#[async_trait]
pub trait LocalBroker: Send + Sync + Debug {
    /// Lead and follow.
    async fn leader_and_isr(&self, request: LeaderAndIsrRequest, api_version: i16) -> LeaderAndIsrResponse;
    /// Learn about the cluster.
    async fn update_metadata(&self, request: UpdateMetadataRequest, api_version: i16) -> UpdateMetadataResponse;
    /// Stop and delete replicas.
    async fn stop_replica(&self, request: StopReplicaRequest, api_version: i16) -> StopReplicaResponse;
}

/// A way to one broker. An error means that the request may or may not have arrived: it is sent again.
#[async_trait]
pub trait BrokerLink: Send + Sync + Debug {
    /// Sends LeaderAndIsr in this version.
    async fn leader_and_isr(
        &self,
        request: &LeaderAndIsrRequest,
        api_version: i16,
    ) -> Result<LeaderAndIsrResponse, LinkError>;
    /// Sends UpdateMetadata in this version.
    async fn update_metadata(
        &self,
        request: &UpdateMetadataRequest,
        api_version: i16,
    ) -> Result<UpdateMetadataResponse, LinkError>;
    /// Sends StopReplica in this version.
    async fn stop_replica(
        &self,
        request: &StopReplicaRequest,
        api_version: i16,
    ) -> Result<StopReplicaResponse, LinkError>;
}

/// Makes links; a fake one in tests.
pub trait Links: Send + Sync + Debug {
    /// A way to this life of this broker.
    fn link_to(&self, broker: &LiveBroker) -> Arc<dyn BrokerLink>;
}

/// Why a request did not reach a broker.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The network, or the broker at the other end.
    #[error(transparent)]
    Client(#[from] client::ClientError),
    /// It does not advertise the listener that brokers use among themselves.
    #[error("broker {broker} advertises no listener {listener}")]
    NoListener {
        /// Which broker.
        broker: BrokerId,
        /// The listener's name.
        listener: String,
    },
    /// Its listener needs what is not built yet.
    #[error("broker {broker} wants {} between brokers, which is not built yet", protocol.name())]
    NotBuilt {
        /// Which broker.
        broker: BrokerId,
        /// What it wants.
        protocol: SecurityProtocol,
    },
    /// Our own broker did not finish.
    #[error("this broker could not carry the request out: {0}")]
    Local(String),
}

/// The real links.
#[derive(Debug)]
pub struct BrokerLinks {
    /// This broker, which is reached without a network.
    pub me: BrokerId,
    /// This broker.
    pub local: Arc<dyn LocalBroker>,
    /// For the others.
    pub network: Arc<dyn Network>,
    /// `control.plane.listener.name`, or the inter-broker listener.
    pub listener: String,
    /// `controller.socket.timeout.ms`
    pub request_timeout: Duration,
}

impl Links for BrokerLinks {
    fn link_to(&self, broker: &LiveBroker) -> Arc<dyn BrokerLink> {
        if broker.id == self.me {
            return Arc::new(LocalLink(self.local.clone()));
        }
        Arc::new(NetworkLink {
            target: target(broker, &self.listener),
            network: self.network.clone(),
            options: ConnectionOptions {
                client_id: self.me.to_string(),
                connect_timeout: self.request_timeout,
                request_timeout: self.request_timeout,
                max_in_flight: 1,
                // The version follows from the inter-broker protocol; old brokers are not asked.
                negotiate: false,
                ..ConnectionOptions::default()
            },
            connection: Mutex::new(None),
        })
    }
}

/// Where to connect to, or why not.
#[derive(Debug)]
enum Target {
    Address(String),
    NoListener(BrokerId, String),
    NotBuilt(BrokerId, SecurityProtocol),
}

fn target(broker: &LiveBroker, listener: &str) -> Target {
    match broker.registration.endpoint(listener) {
        None => Target::NoListener(broker.id, listener.into()),
        Some(endpoint) if endpoint.security_protocol != SecurityProtocol::Plaintext => {
            Target::NotBuilt(broker.id, endpoint.security_protocol)
        }
        Some(endpoint) if endpoint.host.contains(':') => {
            Target::Address(format!("[{}]:{}", endpoint.host, endpoint.port))
        }
        Some(endpoint) => Target::Address(format!("{}:{}", endpoint.host, endpoint.port)),
    }
}

/// Calls the broker in this process. Each call runs to its end in a task of its own, even if the channel is closed
/// meanwhile: half a LeaderAndIsr must not happen.
#[derive(Debug)]
struct LocalLink(Arc<dyn LocalBroker>);

#[async_trait]
impl BrokerLink for LocalLink {
    async fn leader_and_isr(
        &self,
        request: &LeaderAndIsrRequest,
        api_version: i16,
    ) -> Result<LeaderAndIsrResponse, LinkError> {
        let (local, request) = (self.0.clone(), request.clone());
        finish(tokio::spawn(async move { local.leader_and_isr(request, api_version).await }).await)
    }

    async fn update_metadata(
        &self,
        request: &UpdateMetadataRequest,
        api_version: i16,
    ) -> Result<UpdateMetadataResponse, LinkError> {
        let (local, request) = (self.0.clone(), request.clone());
        finish(tokio::spawn(async move { local.update_metadata(request, api_version).await }).await)
    }

    async fn stop_replica(
        &self,
        request: &StopReplicaRequest,
        api_version: i16,
    ) -> Result<StopReplicaResponse, LinkError> {
        let (local, request) = (self.0.clone(), request.clone());
        finish(tokio::spawn(async move { local.stop_replica(request, api_version).await }).await)
    }
}

fn finish<T>(joined: Result<T, tokio::task::JoinError>) -> Result<T, LinkError> {
    joined.map_err(|error| LinkError::Local(error.to_string()))
}

/// One connection at a time, opened when needed and again after it broke.
#[derive(Debug)]
struct NetworkLink {
    target: Target,
    network: Arc<dyn Network>,
    options: ConnectionOptions,
    connection: Mutex<Option<Connection>>,
}

impl NetworkLink {
    async fn call<R: Request>(&self, request: &R, api_version: i16) -> Result<R::Response, LinkError> {
        let address = match &self.target {
            Target::Address(address) => address,
            Target::NoListener(broker, listener) => {
                return Err(LinkError::NoListener { broker: *broker, listener: listener.clone() });
            }
            Target::NotBuilt(broker, protocol) => {
                return Err(LinkError::NotBuilt { broker: *broker, protocol: *protocol });
            }
        };
        let mut kept = self.connection.lock().await;
        let connection = match kept.take().filter(|connection| !connection.is_closed()) {
            Some(connection) => connection,
            None => Connection::open(self.network.as_ref(), address, self.options.clone()).await?,
        };
        let response = connection.call_at(api_version, request, None).await?;
        *kept = Some(connection);
        Ok(response)
    }
}

#[async_trait]
impl BrokerLink for NetworkLink {
    async fn leader_and_isr(
        &self,
        request: &LeaderAndIsrRequest,
        api_version: i16,
    ) -> Result<LeaderAndIsrResponse, LinkError> {
        self.call(request, api_version).await
    }

    async fn update_metadata(
        &self,
        request: &UpdateMetadataRequest,
        api_version: i16,
    ) -> Result<UpdateMetadataResponse, LinkError> {
        self.call(request, api_version).await
    }

    async fn stop_replica(
        &self,
        request: &StopReplicaRequest,
        api_version: i16,
    ) -> Result<StopReplicaResponse, LinkError> {
        self.call(request, api_version).await
    }
}
