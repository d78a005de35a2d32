//! Starts and stops a broker, in order. Read [`Server::start`] from top to bottom: each step may rely on those above it, and
//! [`Server::stop`] undoes them backwards.
//!
//! What the network may see waits for what makes it true: listeners are bound early, so that a taken port stops the start
//! before anything is registered, but requests are read only once the broker is registered and its logs are loaded.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use client::transport::{Acceptor, BindOptions, Network, TcpNetwork};
use config::{BrokerConfig, Listener, Properties};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};
use world::{Clock, Disk, RealDisk, SystemClock};
use zk_paths::broker_registration::{BrokerRegistration, Endpoint};
use zk_paths::config_entity::ConfigEntity;
use zk_paths::ids::BrokerId;

use crate::assembly::{self, Parts};
use crate::broker::Broker;
use crate::cli::ServerArguments;
use crate::handlers::Handlers;
use crate::net::buffers::BufferPool;
use crate::net::connection::Shared;
use crate::net::connection_quota::{ConnectionLimits, ConnectionQuota};
use crate::net::frame::RequestMemory;
use crate::net::listener;
use crate::replica::cleaner::CleanerTasks;
use crate::zk::registration::{self, Registrar, document};
use crate::zk::{Ensemble, How, RealEnsemble, Zk, ZkEvent};
use crate::{identity, open_files, replica};

/// Largest server.properties that is read, bytes.
const MAX_PROPERTIES: u64 = 1 << 20;
/// How long connections may take to end at a stop.
const DRAIN: Duration = Duration::from_secs(5);
/// Threads for blocking file work that do not depend on the configuration.
const OWN_BLOCKING_THREADS: usize = 8;

/// The machine, as the broker sees it: a simulation brings another.
#[derive(Debug, Clone)]
pub struct World {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Streams.
    pub network: Arc<dyn Network>,
    /// ZooKeeper.
    pub ensemble: Arc<dyn Ensemble>,
}

/// What a broker writes into its registration, each time anew.
#[derive(Debug)]
struct Registration {
    endpoints: Vec<Endpoint>,
    config: Arc<BrokerConfig>,
    clock: Arc<dyn Clock>,
}

impl Registration {
    fn now(&self) -> BrokerRegistration {
        document::document(&self.config, self.endpoints.clone(), self.clock.now_ms())
    }
}

impl World {
    /// This machine.
    pub fn real() -> World {
        World {
            clock: Arc::new(SystemClock::new()),
            disk: Arc::new(RealDisk),
            network: Arc::new(TcpNetwork),
            ensemble: Arc::new(RealEnsemble),
        }
    }
}

/// Why a broker did not start: one sentence for its operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

impl StartError {
    /// The error with its causes.
    pub fn of(error: impl std::error::Error) -> StartError {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            text = format!("{text}: {source}");
            cause = source.source();
        }
        StartError(text)
    }
}

/// A running broker.
#[derive(Debug)]
pub struct Server {
    broker: Arc<Broker>,
    stopping: watch::Sender<bool>,
    failed: watch::Receiver<Option<String>>,
    listeners: JoinSet<()>,
    background: JoinSet<()>,
    cleaner: Option<CleanerTasks>,
}

impl Server {
    /// Starts a broker.
    pub async fn start(config: BrokerConfig, world: World) -> Result<Server, StartError> {
        Server::start_unless(config, world, std::future::pending()).await
    }

    /// Starts a broker, unless `cancelled` comes first: then the start is an error, and nothing of it stays in ZooKeeper.
    /// Logs that are being recovered go on being so until the process ends.
    pub async fn start_unless(
        config: BrokerConfig,
        world: World,
        cancelled: impl Future<Output = ()>,
    ) -> Result<Server, StartError> {
        check_supported(&config)?;
        let config = Arc::new(config);
        let too_early = || StartError("asked to stop before the start was complete".into());
        tokio::pin!(cancelled);
        let session = tokio::select! {
            session = world.ensemble.connect(&config.zookeeper) => session.map_err(StartError)?,
            () = &mut cancelled => return Err(too_early()),
        };
        let started = tokio::select! {
            started = Server::on_session(config, world, session.clone()) => started,
            () = &mut cancelled => Err(too_early()),
        };
        if started.is_err() {
            session.close().await;
        }
        started
    }

    async fn on_session(config: Arc<BrokerConfig>, world: World, zk: Arc<dyn Zk>) -> Result<Server, StartError> {
        registration::create_top_level_paths(zk.as_ref()).await.map_err(StartError::of)?;
        let identity = identity::establish(zk.as_ref(), world.disk.as_ref(), &config.identity, &config.logs.dirs).await;
        let identity = identity.map_err(StartError::of)?;
        info!("broker {} of cluster {}", identity.broker_id, identity.cluster_id);
        refuse_company(zk.as_ref(), identity.broker_id).await?;
        warn_of_dynamic_settings(zk.as_ref(), identity.broker_id).await?;

        let bound = bind(&config, &world).await?;
        let port = |name: &str| bound.iter().find(|(own, _)| own.name == name).map(|(_, it)| it.local_addr().port());
        let endpoints = document::endpoints(&config, port);
        registration::check_endpoint_clash(zk.as_ref(), identity.broker_id, &endpoints)
            .await
            .map_err(StartError::of)?;

        let (failure, failed) = watch::channel(None);
        let (failed_dirs, dirs_failed) = watch::channel(0);
        let (registered, is_registered) = watch::channel(false);
        let broker = assembly::assemble(Parts {
            config: config.clone(),
            world: world.clone(),
            zk: zk.clone(),
            identity,
            failure,
            failed_dirs,
            registered: is_registered,
        });
        let broker = broker.await?;

        let registrar = Arc::new(Registrar::new(zk.clone(), broker.id));
        let registration = Registration { endpoints, config: config.clone(), clock: world.clock.clone() };
        let events = zk.subscribe();
        // ZooKeeper ends a session up to two ticks after its timeout (it rounds the deadline up and looks once a tick), and no
        // session lasts less than two ticks: twice the timeout is enough.
        let patience = config.zookeeper.session_timeout * 2 + Duration::from_secs(1);
        let epoch = registrar.register_patiently(|| registration.now(), document::format(&config), patience).await;
        let epoch = epoch.map_err(StartError::of)?;
        broker.replicas.registered(epoch);
        registered.send_replace(true);

        let (stopping, stop) = watch::channel(false);
        let listeners = serve(&config, bound, &broker, stop)?;
        let mut background = replica::background::start(&broker);
        background.spawn(follow_session(events, registrar, registration, broker.clone(), registered));
        background.spawn(follow_topic_configs(broker.clone()));
        background.spawn(follow_features(broker.clone()));
        background.spawn(replica::failed_dirs::stop_serving(broker.replicas.clone(), dirs_failed.clone()));
        let throttle = broker.replicas.moves().throttle().clone();
        background.spawn(replica::move_rate::follow(zk.clone(), broker.id, throttle));
        background.spawn(replica::failed_dirs::announce(zk, broker.id, dirs_failed));
        let cleaner = replica::cleaner::start(&broker);
        info!("broker {} serves", broker.id);
        Ok(Server { broker, stopping, failed, listeners, background, cleaner })
    }

    /// The running broker.
    pub fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// Waits for a failure that the broker cannot go on with, and answers it.
    pub async fn failure(&self) -> String {
        let mut failed = self.failed.clone();
        match failed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            // Nobody is left who could report one.
            Err(_) => std::future::pending().await,
        }
    }

    /// Stops: gives the controllership up, ends connections, flushes, marks the directories clean, leaves ZooKeeper.
    pub async fn stop(mut self) {
        info!("broker {} stops", self.broker.id);
        self.broker.groups.shut_down();
        self.stopping.send_replace(true);
        let drained = tokio::time::timeout(DRAIN, async { while self.listeners.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            warn!("connections did not end within {} s: dropped", DRAIN.as_secs());
        }
        self.listeners.shutdown().await;
        self.background.shutdown().await;
        if let Some(cleaner) = self.cleaner.take() {
            cleaner.stop().await;
        }
        let broker = self.broker.clone();
        let closed = tokio::task::spawn_blocking(move || {
            broker.replicas.rest_all_moves();
            broker.replicas.logs().shutdown()
        });
        let closed = closed.await;
        match closed {
            Ok(Ok(())) => info!("logs are flushed and marked clean"),
            Ok(Err(fault)) => {
                error!("logs could not be closed cleanly and will be recovered at the next start: {fault}")
            }
            Err(panic) => error!("closing the logs failed: {panic}"),
        }
        // Its end removes the registration and, before anybody could react to that here, the controllership.
        self.broker.zk.close().await;
        info!("broker {} has stopped", self.broker.id);
    }
}

/// Runs a broker until a signal asks for the end.
pub(crate) fn run(arguments: ServerArguments) -> Result<(), String> {
    let config = load(&arguments.properties, &arguments.overrides)?;
    open_files::raise_limit();
    let runtime = runtime(Some(&config))?;
    let end = runtime.block_on(async {
        let mut signals = Signals::new()?;
        let started = Server::start_unless(config, World::real(), signals.stop()).await;
        let server = started.map_err(|error| error.to_string())?;
        let end = tokio::select! {
            () = signals.stop() => Ok(()),
            reason = server.failure() => Err(reason),
        };
        server.stop().await;
        end
    });
    // A start that was given up may still be reading logs.
    runtime.shutdown_background();
    end
}

/// The runtime that everything of a process runs on. Requests are worked on by the threads that read them, so that
/// `num.network.threads` and `num.io.threads` together bound their number, which never exceeds that of the cores;
/// `background.threads` bounds those for blocking file work, beyond the few that are always there and those that clean.
pub(crate) fn runtime(config: Option<&BrokerConfig>) -> Result<Runtime, String> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let configured = config.map(|config| config.network.network_threads + config.network.io_threads);
    let background = config.map_or(0, |config| config.network.background_threads + config.cleaner.threads);
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("klamm")
        .worker_threads(configured.unwrap_or(cores).clamp(1, cores.max(2)))
        .max_blocking_threads(OWN_BLOCKING_THREADS + background)
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))
}

/// SIGTERM and SIGINT, from the moment this is made: they ask for a stop and kill nothing any more.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Taken over so that a file at the process's size limit is an error of its directory and not the end of the process.
    _file_size: Signal,
}

impl Signals {
    /// Takes the signals over.
    pub(crate) fn new() -> Result<Signals, String> {
        let cannot = |error: io::Error| format!("cannot listen for signals: {error}");
        Ok(Signals {
            terminate: signal(SignalKind::terminate()).map_err(cannot)?,
            interrupt: signal(SignalKind::interrupt()).map_err(cannot)?,
            _file_size: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map_err(cannot)?,
        })
    }

    /// Waits for one of them. One that came since the last time counts.
    pub(crate) async fn stop(&mut self) {
        tokio::select! { _ = self.terminate.recv() => {}, _ = self.interrupt.recv() => {} }
    }
}

fn load(path: &Path, overrides: &[String]) -> Result<BrokerConfig, String> {
    let name = path.display().to_string();
    let bytes = RealDisk.read_all(path, MAX_PROPERTIES).map_err(|error| format!("cannot read {name}: {error}"))?;
    let mut properties = Properties::parse(&bytes, &name).map_err(|error| error.to_string())?;
    for text in overrides {
        properties.apply_override(text).map_err(|error| error.to_string())?;
    }
    BrokerConfig::new(properties).map_err(|errors| errors.to_string())
}

fn check_supported(config: &BrokerConfig) -> Result<(), StartError> {
    let unsupported: Vec<String> = config.unsupported().iter().map(ToString::to_string).collect();
    if !unsupported.is_empty() {
        return Err(StartError(unsupported.join("\n")));
    }
    for key in config.settings().unknown() {
        warn!("unknown setting {key}: kept, but nothing here reads it");
    }
    if let Some(warning) = config.message_format_warning() {
        warn!("{warning}");
    }
    for key in config.without_effect() {
        warn!("setting {key} has no effect in ZooKeeper mode");
    }
    Ok(())
}

/// Replication is not built yet: a broker that joined others would be assigned replicas that it cannot follow.
async fn refuse_company(zk: &dyn Zk, me: BrokerId) -> Result<(), StartError> {
    let ids = zk.children(zk_paths::broker_ids::PATH).await.map_err(StartError::of)?;
    let others: Vec<String> = ids.into_iter().filter(|id| *id != me.to_string()).collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(StartError(format!(
        "brokers {} are registered in this cluster, and replication is not built yet: this version runs alone",
        others.join(", ")
    )))
}

/// Dynamic settings of clients, users and addresses are not built yet, and of brokers' one is. They are other people's data,
/// so that the start is not refused, but it does not pass over them in silence.
async fn warn_of_dynamic_settings(zk: &dyn Zk, me: BrokerId) -> Result<(), StartError> {
    for broker in [None, Some(me)] {
        let settings = replica::move_rate::read(zk, broker).await.map_err(StartError::of)?;
        let others: Vec<&str> =
            settings.keys().map(String::as_str).filter(|key| *key != replica::move_rate::KEY).collect();
        if !others.is_empty() {
            let path = ConfigEntity::Broker(broker).path();
            warn!("{path} holds dynamic settings, of which these have no effect yet: {}", others.join(", "));
        }
    }
    for kind in ["clients", "users", "ips"] {
        let path = format!("/config/{kind}");
        let names = zk.children(&path).await.map_err(StartError::of)?;
        if !names.is_empty() {
            warn!("{path} holds dynamic settings of {}, which have no effect yet", names.join(", "));
        }
    }
    Ok(())
}

type Bound = Vec<(Listener, Box<dyn Acceptor>)>;

async fn bind(config: &BrokerConfig, world: &World) -> Result<Bound, StartError> {
    let options = BindOptions {
        backlog: config.network.backlog,
        receive_buffer_bytes: config.network.receive_buffer_bytes,
        send_buffer_bytes: config.network.send_buffer_bytes,
    };
    let mut bound = Vec::new();
    for listener in &config.network.listeners {
        let failed = |error: io::Error| StartError(format!("cannot listen on {listener}: {error}"));
        let acceptor = world.network.bind(address(listener).map_err(failed)?, &options).await.map_err(failed)?;
        info!("listening on {} ({})", acceptor.local_addr(), listener.name);
        bound.push((listener.clone(), acceptor));
    }
    Ok(bound)
}

fn address(listener: &Listener) -> io::Result<SocketAddr> {
    match &listener.host {
        None => Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, listener.port))),
        Some(host) => (host.as_str(), listener.port)
            .to_socket_addrs()?
            .next()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"))),
    }
}

fn serve(
    config: &BrokerConfig,
    bound: Bound,
    broker: &Arc<Broker>,
    stopping: watch::Receiver<bool>,
) -> Result<JoinSet<()>, StartError> {
    let quota = ConnectionQuota::new(limits(config)?);
    let shared = Arc::new(Shared {
        max_request_bytes: config.network.request_max_bytes as usize,
        max_idle: config.network.connections_max_idle,
        queue: Arc::new(Semaphore::new(config.network.queued_max_requests.clamp(1, Semaphore::MAX_PERMITS))),
        memory: config.network.queued_max_request_bytes.map(RequestMemory::new),
        pool: Arc::new(BufferPool::new(config.network.sendfile_min_bytes)),
        stopping,
    });
    let service = Arc::new(Handlers(broker.clone()));
    let mut listeners = JoinSet::new();
    for (listener, acceptor) in bound {
        let name: Arc<str> = listener.name.into();
        listeners.spawn(listener::run(acceptor, name, quota.clone(), shared.clone(), service.clone()));
    }
    Ok(listeners)
}

fn limits(config: &BrokerConfig) -> Result<ConnectionLimits, StartError> {
    let mut overrides = std::collections::HashMap::new();
    for (host, count) in &config.network.max_connections_per_ip_overrides {
        let unknown = |error: io::Error| {
            StartError(format!("max.connections.per.ip.overrides names {host}, which has no address: {error}"))
        };
        for address in (host.as_str(), 0).to_socket_addrs().map_err(unknown)? {
            overrides.insert(address.ip().to_canonical(), *count as usize);
        }
    }
    let network = &config.network;
    let of_listeners = network.max_connections_of_listeners.iter();
    let inter_broker = || Arc::from(network.inter_broker_listener.as_str());
    Ok(ConnectionLimits {
        total: network.max_connections as usize,
        per_listener: of_listeners.map(|(name, limit)| (Arc::from(name.as_str()), *limit as usize)).collect(),
        protected: (network.listeners.len() > 1).then(inter_broker),
        per_address: network.max_connections_per_ip as usize,
        overrides,
    })
}

/// Registers again whenever the server has ended a session.
async fn follow_session(
    mut events: crate::zk::EventReceiver,
    registrar: Arc<Registrar>,
    registration: Registration,
    broker: Arc<Broker>,
    registered: watch::Sender<bool>,
) {
    while let Some(event) = events.next().await {
        match event {
            ZkEvent::Expired => {
                warn!("the ZooKeeper session has expired: controllership and registration are gone, registering again");
                registered.send_replace(false);
            }
            ZkEvent::SessionEstablished { how: How::New, session } => {
                match registrar.register(&registration.now(), document::format(&registration.config)).await {
                    Ok(epoch) => {
                        broker.replicas.registered(epoch);
                        registered.send_replace(true);
                        info!("registered again in session {session}, broker epoch {epoch}");
                    }
                    Err(error) => error!("cannot register again: {error}"),
                }
            }
            ZkEvent::Disconnected => warn!("the connection to ZooKeeper is lost; the session lives on"),
            ZkEvent::SessionEstablished { .. } | ZkEvent::Resync | ZkEvent::Changed { .. } => {}
        }
    }
}

/// Keeps topics' settings current, in the logs and in the controller.
async fn follow_topic_configs(broker: Arc<Broker>) {
    let clock = broker.clock.clone();
    broker.topic_configs.follow(broker.zk.clone(), move || clock.now_ms(), broker.as_ref()).await;
}

/// Keeps the cluster's features current, for ApiVersions.
async fn follow_features(broker: Arc<Broker>) {
    broker.finalized_features.follow(broker.zk.as_ref()).await;
}
