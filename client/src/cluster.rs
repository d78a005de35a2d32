//! A cluster as a client sees it: bootstrap addresses, the brokers they lead to, one connection to each, and who the
//! controller is.
//!
//! Connections are opened when they are needed and replaced when they died. Operations that may be tried again are, with
//! a pause, until [`ClusterOptions::api_timeout`].

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{self, Instant};
use wire::find_coordinator::FindCoordinatorRequest;
use wire::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use wire::{ErrorCode, Request, Str};
use zk_paths::ids::BrokerId;

use crate::connection::{Call, Connection, ConnectionOptions};
use crate::error::{ClientError, Refusal};
use crate::transport::Network;

/// How a client uses a cluster.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Of every connection.
    pub connection: ConnectionOptions,
    /// Time for a whole operation with its repetitions (`default.api.timeout.ms`).
    pub api_timeout: Duration,
    /// Pause before a repetition (`retry.backoff.ms`).
    pub retry_backoff: Duration,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        ClusterOptions {
            connection: ConnectionOptions::default(),
            api_timeout: Duration::from_secs(60),
            retry_backoff: Duration::from_millis(100),
        }
    }
}

/// A broker as metadata names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerNode {
    /// `broker.id`
    pub id: BrokerId,
    /// Host to connect to.
    pub host: String,
    /// Port to connect to.
    pub port: u16,
    /// `broker.rack`
    pub rack: Option<String>,
}

impl BrokerNode {
    /// `host:port`, an IPv6 host in brackets.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Which coordinator is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoordinatorKind {
    /// Of a consumer group.
    Group,
    /// Of a transactional id.
    Transaction,
}

/// A cluster. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    network: Arc<dyn Network>,
    options: ClusterOptions,
    bootstrap: Vec<String>,
    state: Mutex<State>,
}

/// One address's connection. Its lock is held while it is opened, so that two callers open one connection.
type Slot = Arc<tokio::sync::Mutex<Option<Connection>>>;

#[derive(Debug, Default)]
struct State {
    brokers: BTreeMap<BrokerId, BrokerNode>,
    controller: Option<BrokerId>,
    slots: HashMap<String, Slot>,
}

impl Cluster {
    /// Reads `bootstrap.servers` and asks the first broker that answers for the others.
    pub async fn connect(
        network: Arc<dyn Network>,
        bootstrap_servers: &str,
        options: ClusterOptions,
    ) -> Result<Cluster, ClientError> {
        let bootstrap = parse_bootstrap(bootstrap_servers)?;
        let state = Mutex::default();
        let cluster = Cluster { shared: Arc::new(Shared { network, options, bootstrap, state }) };
        cluster.retry("Metadata", || cluster.refresh()).await?;
        Ok(cluster)
    }

    /// How it is used.
    pub fn options(&self) -> &ClusterOptions {
        &self.shared.options
    }

    /// The brokers of the last metadata, by id.
    pub fn brokers(&self) -> Vec<BrokerNode> {
        self.state().brokers.values().cloned().collect()
    }

    /// A connection to some broker: one that is open already, if there is one.
    pub async fn any(&self) -> Result<Connection, ClientError> {
        let known: Vec<String> = self.brokers().iter().map(BrokerNode::address).collect();
        let mut tried = Vec::new();
        for address in known.iter().chain(&self.shared.bootstrap) {
            match self.to(address).await {
                Ok(connection) => return Ok(connection),
                Err(error @ ClientError::NotBuilt(_)) => return Err(error),
                Err(error) => tried.push(error.to_string()),
            }
        }
        Err(ClientError::NoBroker(tried.join("; ")))
    }

    /// A connection to this broker; metadata is asked again when the id is unknown.
    pub async fn broker(&self, id: BrokerId) -> Result<Connection, ClientError> {
        let address = self.address_of(id);
        let address = match address {
            Some(address) => address,
            None => {
                self.refresh().await?;
                let missing = || ClientError::NoBroker(format!("broker {id} is not in the cluster's metadata"));
                self.address_of(id).ok_or_else(missing)?
            }
        };
        self.to(&address).await
    }

    /// A connection to this broker that nobody else uses: for requests that the broker may hold back, such as JoinGroup.
    /// Responses come in order, so that on a shared connection all others would wait behind them.
    pub async fn dedicated(&self, id: BrokerId) -> Result<Connection, ClientError> {
        let missing = || ClientError::NoBroker(format!("broker {id} is not in the cluster's metadata"));
        let address = self.address_of(id).ok_or_else(missing)?;
        Connection::open(&*self.shared.network, &address, self.shared.options.connection.clone()).await
    }

    /// Asks the controller, and another one when it is not the controller any more. `refused` finds the error code that
    /// a response holds for its request as a whole, if any.
    pub async fn call_controller<R: Request>(
        &self,
        request: &R,
        call: Call,
        refused: impl Fn(&R::Response) -> Option<ErrorCode>,
    ) -> Result<R::Response, ClientError> {
        let attempt = || async {
            let connection = self.controller().await?;
            let response = connection.call_with(request, call).await.inspect_err(|_| self.forget_controller())?;
            match refused(&response) {
                Some(code @ (ErrorCode::NotController | ErrorCode::StaleControllerEpoch)) => {
                    self.forget_controller();
                    Err(ClientError::Refused { api: R::KEY, refusal: Refusal { code, message: None } })
                }
                _ => Ok(response),
            }
        };
        self.retry(R::KEY.name(), attempt).await
    }

    /// Asks any broker, and another one when the first is lost.
    pub async fn call_any<R: Request>(&self, request: &R, call: Call) -> Result<R::Response, ClientError> {
        self.retry(R::KEY.name(), || async { self.any().await?.call_with(request, call).await }).await
    }

    /// Metadata of these topics, or of all. Learns the brokers and the controller on the way.
    pub async fn metadata(&self, topics: Option<&[&str]>, create: bool) -> Result<MetadataResponse, ClientError> {
        let named = |name: &&str| MetadataRequestTopic { name: Some(Str::from(*name)), ..Default::default() };
        let request = MetadataRequest {
            topics: topics.map(|names| names.iter().map(named).collect()),
            allow_auto_topic_creation: create,
            ..MetadataRequest::default()
        };
        self.retry("Metadata", || async {
            let connection = self.any().await?;
            // Before version 1 an empty list meant all topics, and before 4 every request could create them.
            let response = connection.call(&request).await?;
            self.learn(&response)?;
            Ok(response)
        })
        .await
    }

    /// The broker that coordinates a group or a transactional id.
    pub async fn coordinator(&self, kind: CoordinatorKind, key: &str) -> Result<BrokerNode, ClientError> {
        let key_type = match kind {
            CoordinatorKind::Group => 0,
            CoordinatorKind::Transaction => 1,
        };
        let request = FindCoordinatorRequest { key: Str::from(key), key_type, ..Default::default() };
        self.retry("FindCoordinator", || async {
            let call = Call { max_version: Some(3), timeout: None };
            let response = self.any().await?.call_with(&request, call).await?;
            let message = response.error_message.as_ref().map(Str::as_str);
            Refusal::check(response.error_code, message)
                .map_err(|refusal| ClientError::Refused { api: FindCoordinatorRequest::KEY, refusal })?;
            let node = BrokerNode {
                id: BrokerId(response.node_id),
                host: response.host.as_str().to_owned(),
                port: u16::try_from(response.port).unwrap_or(0),
                rack: None,
            };
            self.state().brokers.entry(node.id).or_insert_with(|| node.clone());
            Ok(node)
        })
        .await
    }

    /// Tries until it succeeds, fails for good, or the time is up.
    pub async fn retry<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        what: &str,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, ClientError> {
        let timeout = self.shared.options.api_timeout;
        let deadline = Instant::now() + timeout;
        loop {
            let error = match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) if !error.is_retriable() => return Err(error),
                Err(error) => error,
            };
            if Instant::now() + self.shared.options.retry_backoff >= deadline {
                return Err(ClientError::GaveUp { what: what.to_owned(), timeout, last: error.to_string() });
            }
            time::sleep(self.shared.options.retry_backoff).await;
        }
    }

    async fn refresh(&self) -> Result<(), ClientError> {
        let response =
            self.any().await?.call(&MetadataRequest { topics: Some(Vec::new()), ..Default::default() }).await?;
        self.learn(&response)
    }

    async fn controller(&self) -> Result<Connection, ClientError> {
        if self.state().controller.is_none() {
            self.refresh().await?;
        }
        let controller = self.state().controller;
        match controller {
            Some(id) => self.broker(id).await,
            None => {
                let refusal =
                    Refusal { code: ErrorCode::NotController, message: Some("no controller is known".into()) };
                Err(ClientError::Refused { api: MetadataRequest::KEY, refusal })
            }
        }
    }

    fn forget_controller(&self) {
        self.state().controller = None;
    }

    /// A broker that has just started may know of no broker yet, not even of itself: that is no news, and worth asking
    /// again (Java's `NetworkClient` ignores such an answer too).
    fn learn(&self, response: &MetadataResponse) -> Result<(), ClientError> {
        if response.brokers.is_empty() {
            let message = Some("the broker that was asked knows of no broker yet".into());
            let refusal = Refusal { code: ErrorCode::LeaderNotAvailable, message };
            return Err(ClientError::Refused { api: MetadataRequest::KEY, refusal });
        }
        let node = |broker: &wire::metadata::MetadataResponseBroker| BrokerNode {
            id: BrokerId(broker.node_id),
            host: broker.host.as_str().to_owned(),
            port: u16::try_from(broker.port).unwrap_or(0),
            rack: broker.rack.as_ref().map(|rack| rack.as_str().to_owned()),
        };
        let mut state = self.state();
        state.brokers = response.brokers.iter().map(|broker| (BrokerId(broker.node_id), node(broker))).collect();
        state.controller = (response.controller_id >= 0).then_some(BrokerId(response.controller_id));
        let bootstrap = &self.shared.bootstrap;
        let wanted: Vec<String> = state.brokers.values().map(BrokerNode::address).collect();
        state.slots.retain(|address, _| wanted.contains(address) || bootstrap.contains(address));
        Ok(())
    }

    fn address_of(&self, id: BrokerId) -> Option<String> {
        self.state().brokers.get(&id).map(BrokerNode::address)
    }

    async fn to(&self, address: &str) -> Result<Connection, ClientError> {
        let slot = self.state().slots.entry(address.to_owned()).or_default().clone();
        let mut slot = slot.lock().await;
        if let Some(connection) = slot.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        let options = self.shared.options.connection.clone();
        let connection = Connection::open(&*self.shared.network, address, options).await?;
        *slot = Some(connection.clone());
        Ok(connection)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Splits `bootstrap.servers` and checks the form of each.
fn parse_bootstrap(text: &str) -> Result<Vec<String>, ClientError> {
    let addresses: Vec<String> = config::value::split_list(text).into_iter().filter(|each| !each.is_empty()).collect();
    if addresses.is_empty() {
        return Err(ClientError::Invalid("No bootstrap urls given in bootstrap.servers".to_owned()));
    }
    for address in &addresses {
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            return Err(ClientError::Invalid(format!("Invalid url in bootstrap.servers: {address}")));
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Asked, Reply, broker, options};
    use crate::transport::MemNetwork;
    use std::sync::atomic::{AtomicI32, Ordering};
    use wire::delete_topics::{DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse};
    use wire::metadata::MetadataResponseBroker;
    use wire::{ApiKey, MetadataResponse};

    fn cluster_options() -> ClusterOptions {
        ClusterOptions { connection: options(), ..ClusterOptions::default() }
    }

    fn two_brokers(controller_id: i32) -> MetadataResponse {
        let node = |node_id, port| MetadataResponseBroker { node_id, host: "b".into(), port, ..Default::default() };
        MetadataResponse { brokers: vec![node(1, 9001), node(2, 9002)], controller_id, ..Default::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_for_the_controller_follows_it() {
        let network = MemNetwork::default();
        let controller = Arc::new(AtomicI32::new(1));
        for id in [1, 2] {
            let controller = controller.clone();
            let script = move |asked: &Asked| match asked.key() {
                ApiKey::Metadata => Some(asked.answer(&two_brokers(controller.load(Ordering::SeqCst)))),
                ApiKey::DeleteTopics => {
                    // The first broker is asked, refuses, and only then does metadata name the second.
                    let error_code = if id == 2 { 0 } else { ErrorCode::NotController as i16 };
                    controller.store(2, Ordering::SeqCst);
                    let responses = vec![DeletableTopicResult { error_code, ..Default::default() }];
                    Some(asked.answer(&DeleteTopicsResponse { responses, ..Default::default() }))
                }
                _ => None,
            };
            broker(&network, &format!("127.0.0.1:900{id}"), script).await;
        }
        let cluster = Cluster::connect(Arc::new(network), "x:1,b:9001", cluster_options()).await.unwrap();
        let first = |response: &DeleteTopicsResponse| response.responses.first().map(|one| one.error_code.into());
        let request = DeleteTopicsRequest::default();
        let call = Call { max_version: Some(5), timeout: None };
        let response = cluster.call_controller(&request, call, first).await.unwrap();
        assert_eq!(response.responses[0].error_code, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_connection_is_opened_again() {
        let network = MemNetwork::default();
        let count = Arc::new(AtomicI32::new(0));
        let counted = count.clone();
        let script = move |asked: &Asked| match asked.key() {
            ApiKey::Metadata => {
                // Every second request meets a broker that goes away.
                let close = counted.fetch_add(1, Ordering::SeqCst) % 2 == 1;
                let mut response = two_brokers(1);
                response.brokers.truncate(1);
                Some(if close { Reply::Close } else { asked.answer(&response) })
            }
            _ => None,
        };
        let address = broker(&network, "127.0.0.1:9001", script).await;
        let cluster = Cluster::connect(Arc::new(network), &address, cluster_options()).await.unwrap();
        for _ in 0..3 {
            assert_eq!(cluster.metadata(None, false).await.unwrap().brokers.len(), 1);
        }
        assert_eq!(count.load(Ordering::SeqCst), 7);
    }

    /// Seen: while the only broker came back, records in flight were given up ("broker 1 is not in the cluster's
    /// metadata"), because its first answers named no broker.
    #[tokio::test(start_paused = true)]
    async fn an_answer_without_brokers_is_no_news() {
        let network = MemNetwork::default();
        let count = AtomicI32::new(0);
        let script = move |asked: &Asked| match asked.key() {
            ApiKey::Metadata => {
                let mut response = two_brokers(1);
                response.brokers.truncate(if count.fetch_add(1, Ordering::SeqCst) % 3 == 2 { 1 } else { 0 });
                Some(asked.answer(&response))
            }
            _ => None,
        };
        let address = broker(&network, "127.0.0.1:9001", script).await;
        let cluster = Cluster::connect(Arc::new(network), &address, cluster_options()).await.unwrap();
        let unsettled = cluster.refresh().await.unwrap_err();
        assert!(unsettled.is_retriable(), "{unsettled}");
        assert_eq!(cluster.brokers().len(), 1, "what was known stays known");
        assert_eq!(cluster.metadata(None, false).await.unwrap().brokers.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_gives_up_in_time_and_says_why() {
        let network = MemNetwork::default();
        let script = |asked: &Asked| match asked.key() {
            ApiKey::Metadata => Some(asked.answer(&two_brokers(-1))),
            _ => None,
        };
        let address = broker(&network, "127.0.0.1:9001", script).await;
        let cluster = Cluster::connect(Arc::new(network), &address, cluster_options()).await.unwrap();
        let request = DeleteTopicsRequest::default();
        let error = cluster.call_controller(&request, Call::default(), |_| None).await.unwrap_err();
        assert_eq!(error.to_string(), "DeleteTopics was not done within 60000 ms: Metadata: no controller is known");
    }

    #[tokio::test]
    async fn bootstrap_addresses_are_checked() {
        for (text, want) in [
            ("", "No bootstrap urls given in bootstrap.servers"),
            ("localhost", "Invalid url in bootstrap.servers: localhost"),
            ("a:1,b:x", "Invalid url in bootstrap.servers: b:x"),
            ("a:1", "no broker could be reached: cannot connect to a:1: nobody listens at 127.0.0.1:1"),
        ] {
            let network = Arc::new(MemNetwork::default());
            let error = Cluster::connect(network, text, cluster_options()).await.unwrap_err();
            assert_eq!(error.to_string(), want);
        }
    }
}
