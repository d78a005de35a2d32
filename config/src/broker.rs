//! What a broker runs with: every setting that the code uses, typed and checked, in structs by area.
//!
//! Built from the layers in [`settings`]; `checks` holds the rules that concern several keys, [`unsupported`] what
//! Klamm does not do yet and therefore refuses. Settings without effect in ZooKeeper mode have no field here.

mod checks;
pub mod settings;
pub mod unsupported;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use zk_paths::ids::BrokerId;

use crate::error::{ConfigError, ConfigErrors};
use crate::listener::{self, Listener, SecurityProtocol};
use crate::metadata_version::MetadataVersion;
use crate::properties::Properties;
use crate::topic::TopicDefaults;
use crate::value::split_list;
use settings::{Settings, Values};

/// A broker's configuration. Its parts are read freely; a change makes a new one ([`BrokerConfig::with_dynamic`]).
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// Who this broker is.
    pub identity: Identity,
    /// Sockets, connections, threads.
    pub network: Network,
    /// How ZooKeeper is reached.
    pub zookeeper: ZooKeeper,
    /// Log directories and their housekeeping.
    pub logs: Logs,
    /// The log cleaner.
    pub cleaner: Cleaner,
    /// Creation and deletion of topics.
    pub topics: Topics,
    /// What a topic has unless it says otherwise.
    pub topic_defaults: TopicDefaults,
    /// Fetching between brokers.
    pub replication: Replication,
    /// The controller's own settings, and controlled shutdown.
    pub controller: Controller,
    /// Answers to Fetch.
    pub fetch: Fetch,
    /// Requests that wait.
    pub purgatory: Purgatory,
    /// Consumer groups.
    pub groups: Groups,
    /// Committed offsets and `__consumer_offsets`.
    pub offsets: Offsets,
    /// Transactions and idempotent producers.
    pub transactions: Transactions,
    /// Windows over which quotas are measured.
    pub quotas: Quotas,
    settings: Settings,
}

/// Who a broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `broker.id`; `None` when ZooKeeper draws one.
    pub broker_id: Option<BrokerId>,
    /// `broker.id.generation.enable`
    pub generate_broker_id: bool,
    /// `reserved.broker.max.id`
    pub reserved_broker_max_id: i32,
    /// `broker.rack`
    pub rack: Option<String>,
}

/// Sockets, connections, threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// `listeners`
    pub listeners: Vec<Listener>,
    /// `advertised.listeners`, or [`Network::listeners`]; a host that is `None` is the machine's own name.
    pub advertised_listeners: Vec<Listener>,
    /// Name of the listener that brokers use among themselves.
    pub inter_broker_listener: String,
    /// What is spoken there.
    pub inter_broker_protocol: SecurityProtocol,
    /// `control.plane.listener.name`
    pub control_plane_listener: Option<String>,
    /// `num.network.threads`
    pub network_threads: usize,
    /// `num.io.threads`
    pub io_threads: usize,
    /// `background.threads`
    pub background_threads: usize,
    /// `queued.max.requests`
    pub queued_max_requests: usize,
    /// `queued.max.request.bytes`
    pub queued_max_request_bytes: Option<u64>,
    /// `klamm.sendfile.min.bytes`; `None` never.
    pub sendfile_min_bytes: Option<u64>,
    /// `socket.request.max.bytes`
    pub request_max_bytes: u32,
    /// `socket.send.buffer.bytes`; `None` leaves it to the system.
    pub send_buffer_bytes: Option<u32>,
    /// `socket.receive.buffer.bytes`; `None` leaves it to the system.
    pub receive_buffer_bytes: Option<u32>,
    /// `socket.listen.backlog.size`
    pub backlog: u32,
    /// `max.connections`
    pub max_connections: u32,
    /// `listener.name.<listener>.max.connections`, by name of the listener; no entry is no limit of its own.
    pub max_connections_of_listeners: BTreeMap<String, u32>,
    /// `max.connections.per.ip`
    pub max_connections_per_ip: u32,
    /// `max.connections.per.ip.overrides`, by host.
    pub max_connections_per_ip_overrides: BTreeMap<String, u32>,
    /// `max.connection.creation.rate`, per second.
    pub max_connection_creation_rate: u32,
    /// `connections.max.idle.ms`; `None` never closes.
    pub connections_max_idle: Option<Duration>,
    /// `connection.failed.authentication.delay.ms`
    pub failed_authentication_delay: Duration,
    /// `request.timeout.ms`
    pub request_timeout: Duration,
    /// `socket.connection.setup.timeout.ms`
    pub connection_setup_timeout: Duration,
    /// `socket.connection.setup.timeout.max.ms`
    pub connection_setup_timeout_max: Duration,
}

/// How ZooKeeper is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZooKeeper {
    /// `zookeeper.connect`: servers, perhaps with a chroot.
    pub connect: String,
    /// `zookeeper.session.timeout.ms`
    pub session_timeout: Duration,
    /// `zookeeper.connection.timeout.ms`, or the session timeout.
    pub connection_timeout: Duration,
    /// `zookeeper.max.in.flight.requests`
    pub max_in_flight_requests: usize,
}

/// Log directories and their housekeeping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    /// `log.dirs`, or `log.dir`.
    pub dirs: Vec<PathBuf>,
    /// `num.recovery.threads.per.data.dir`
    pub recovery_threads_per_dir: usize,
    /// `log.retention.check.interval.ms`
    pub retention_check_interval: Duration,
    /// `log.flush.scheduler.interval.ms`
    pub flush_check_interval: Duration,
    /// `log.flush.offset.checkpoint.interval.ms`
    pub recovery_point_checkpoint_interval: Duration,
    /// `log.flush.start.offset.checkpoint.interval.ms`
    pub log_start_offset_checkpoint_interval: Duration,
    /// `log.initial.task.delay.ms`
    pub initial_task_delay: Duration,
    /// `num.replica.alter.log.dirs.threads`; one per directory when `None`.
    pub alter_log_dirs_threads: Option<usize>,
}

/// The log cleaner.
#[derive(Debug, Clone, PartialEq)]
pub struct Cleaner {
    /// `log.cleaner.enable`
    pub enable: bool,
    /// `log.cleaner.threads`
    pub threads: usize,
    /// `log.cleaner.dedupe.buffer.size`
    pub dedupe_buffer_bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`
    pub dedupe_buffer_load_factor: f64,
    /// `log.cleaner.io.buffer.size`
    pub io_buffer_bytes: u64,
    /// `log.cleaner.io.max.bytes.per.second`
    pub io_max_bytes_per_second: f64,
    /// `log.cleaner.backoff.ms`
    pub backoff: Duration,
}

/// Creation and deletion of topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// `auto.create.topics.enable`
    pub auto_create: bool,
    /// `delete.topic.enable`
    pub delete_enable: bool,
    /// `num.partitions`
    pub num_partitions: i32,
    /// `default.replication.factor`
    pub replication_factor: i32,
}

/// Fetching between brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication {
    /// `inter.broker.protocol.version`
    pub protocol_version: MetadataVersion,
    /// `replica.lag.time.max.ms`
    pub lag_time_max: Duration,
    /// `num.replica.fetchers`
    pub fetchers: usize,
    /// `replica.fetch.max.bytes`
    pub fetch_max_bytes: u32,
    /// `replica.fetch.min.bytes`
    pub fetch_min_bytes: u32,
    /// `replica.fetch.response.max.bytes`
    pub fetch_response_max_bytes: u32,
    /// `replica.fetch.wait.max.ms`
    pub fetch_wait_max: Duration,
    /// `replica.fetch.backoff.ms`
    pub fetch_backoff: Duration,
    /// `replica.socket.timeout.ms`
    pub socket_timeout: Duration,
    /// `replica.socket.receive.buffer.bytes`; `None` leaves it to the system.
    pub receive_buffer_bytes: Option<u32>,
    /// `replica.high.watermark.checkpoint.interval.ms`
    pub high_watermark_checkpoint_interval: Duration,
}

/// The controller's own settings, and controlled shutdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// `controller.socket.timeout.ms`
    pub socket_timeout: Duration,
    /// `controlled.shutdown.enable`
    pub controlled_shutdown: bool,
    /// `controlled.shutdown.max.retries`
    pub controlled_shutdown_max_retries: u32,
    /// `controlled.shutdown.retry.backoff.ms`
    pub controlled_shutdown_backoff: Duration,
    /// `auto.leader.rebalance.enable`
    pub auto_rebalance: bool,
    /// `leader.imbalance.check.interval.seconds`
    pub imbalance_check_interval: Duration,
    /// `leader.imbalance.per.broker.percentage`
    pub imbalance_percentage: i32,
}

/// Answers to Fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// `fetch.max.bytes`
    pub max_bytes: u32,
    /// `max.incremental.fetch.session.cache.slots`
    pub session_cache_slots: usize,
}

/// Requests that wait: how many done ones may linger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purgatory {
    /// `producer.purgatory.purge.interval.requests`
    pub produce_purge_interval: usize,
    /// `fetch.purgatory.purge.interval.requests`
    pub fetch_purge_interval: usize,
    /// `delete.records.purgatory.purge.interval.requests`
    pub delete_records_purge_interval: usize,
}

/// Consumer groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay: Duration,
    /// `group.min.session.timeout.ms`
    pub min_session_timeout: Duration,
    /// `group.max.session.timeout.ms`
    pub max_session_timeout: Duration,
    /// `group.max.size`
    pub max_size: usize,
}

/// Committed offsets and `__consumer_offsets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offsets {
    /// `offset.metadata.max.bytes`
    pub metadata_max_bytes: usize,
    /// `offsets.commit.timeout.ms`
    pub commit_timeout: Duration,
    /// `offsets.commit.required.acks`
    pub commit_required_acks: i16,
    /// `offsets.load.buffer.size`
    pub load_buffer_bytes: u32,
    /// `offsets.retention.minutes`
    pub retention: Duration,
    /// `offsets.retention.check.interval.ms`
    pub retention_check_interval: Duration,
    /// `offsets.topic.num.partitions`
    pub topic_partitions: i32,
    /// `offsets.topic.replication.factor`
    pub topic_replication_factor: i16,
    /// `offsets.topic.segment.bytes`
    pub topic_segment_bytes: u32,
    /// `offsets.topic.compression.codec`, a codec number as in record batches.
    pub topic_codec: i8,
}

/// Transactions and idempotent producers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transactions {
    /// `transaction.max.timeout.ms`
    pub max_timeout: Duration,
    /// `transactional.id.expiration.ms`
    pub id_expiration: Duration,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`
    pub abort_check_interval: Duration,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`
    pub expiration_check_interval: Duration,
    /// `transaction.partition.verification.enable`
    pub verify_partitions: bool,
    /// `transaction.state.log.load.buffer.size`
    pub load_buffer_bytes: u32,
    /// `transaction.state.log.num.partitions`
    pub topic_partitions: i32,
    /// `transaction.state.log.replication.factor`
    pub topic_replication_factor: i16,
    /// `transaction.state.log.min.isr`
    pub topic_min_isr: u32,
    /// `transaction.state.log.segment.bytes`
    pub topic_segment_bytes: u32,
    /// `producer.id.expiration.ms`
    pub producer_id_expiration: Duration,
    /// `producer.id.expiration.check.interval.ms`
    pub producer_id_check_interval: Duration,
}

/// Windows over which quotas are measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas {
    /// `quota.window.num` and `quota.window.size.seconds`
    pub client: QuotaWindow,
    /// `replication.quota.window.num` and `replication.quota.window.size.seconds`
    pub replication: QuotaWindow,
    /// `alter.log.dirs.replication.quota.window.num` and `alter.log.dirs.replication.quota.window.size.seconds`
    pub alter_log_dirs: QuotaWindow,
    /// `controller.quota.window.num` and `controller.quota.window.size.seconds`
    pub controller: QuotaWindow,
}

/// Samples that a rate is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaWindow {
    /// How many.
    pub samples: usize,
    /// How long each.
    pub sample: Duration,
}

impl BrokerConfig {
    /// Reads and checks the texts of a `server.properties` with its overrides. Answers all that is wrong, not only the
    /// first. What is right but not built yet is told by [`BrokerConfig::unsupported`].
    pub fn new(statics: Properties) -> Result<BrokerConfig, ConfigErrors> {
        BrokerConfig::from_settings(Settings::new(statics))
    }

    /// The same broker with other dynamic layers: `/config/brokers/<default>` and `/config/brokers/<id>`.
    pub fn with_dynamic(&self, default: Properties, broker: Properties) -> Result<BrokerConfig, ConfigErrors> {
        let statics = self.settings.statics.clone();
        BrokerConfig::from_settings(Settings { statics, dynamic_default: default, dynamic_broker: broker })
    }

    /// The texts behind it.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn from_settings(settings: Settings) -> Result<BrokerConfig, ConfigErrors> {
        let values = settings.values().map_err(ConfigErrors)?;
        let mut errors = Vec::new();
        let network = network(&values, &settings, &mut errors);
        let config = BrokerConfig {
            identity: identity(&values),
            network,
            zookeeper: zookeeper(&values),
            logs: logs(&values),
            cleaner: cleaner(&values),
            topics: topics(&values),
            topic_defaults: TopicDefaults::new(&values)?,
            replication: replication(&values)?,
            controller: controller(&values),
            fetch: Fetch {
                max_bytes: values.u32("fetch.max.bytes"),
                session_cache_slots: values.usize("max.incremental.fetch.session.cache.slots"),
            },
            purgatory: Purgatory {
                produce_purge_interval: values.usize("producer.purgatory.purge.interval.requests"),
                fetch_purge_interval: values.usize("fetch.purgatory.purge.interval.requests"),
                delete_records_purge_interval: values.usize("delete.records.purgatory.purge.interval.requests"),
            },
            groups: groups(&values),
            offsets: offsets(&values),
            transactions: transactions(&values),
            quotas: quotas(&values),
            settings,
        };
        checks::check(&config, &values, &mut errors);
        if errors.is_empty() { Ok(config) } else { Err(ConfigErrors(errors)) }
    }
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

fn identity(values: &Values) -> Identity {
    let id = values.int("broker.id");
    Identity {
        broker_id: (id >= 0).then_some(BrokerId(id)),
        generate_broker_id: values.bool("broker.id.generation.enable"),
        reserved_broker_max_id: values.int("reserved.broker.max.id"),
        rack: owned(values.text("broker.rack")),
    }
}

fn network(values: &Values, settings: &Settings, errors: &mut Vec<ConfigError>) -> Network {
    let mut keep = |result: Result<Vec<Listener>, String>| {
        result.unwrap_or_else(|reason| {
            errors.push(ConfigError::Conflict(reason));
            Vec::new()
        })
    };
    let map = listener::parse_protocol_map(values.text("listener.security.protocol.map").unwrap_or(""));
    let protocols = map.clone().unwrap_or_default();
    let listeners = match &map {
        Ok(map) => keep(listener::parse_listeners(values.text("listeners").unwrap_or(""), map, true)),
        Err(reason) => {
            keep(Err(format!("Error parsing configuration property 'listener.security.protocol.map': {reason}")))
        }
    };
    let advertised_listeners = match values.text("advertised.listeners") {
        Some(text) if map.is_ok() => keep(listener::parse_listeners(text, &protocols, false)),
        _ => listeners.clone(),
    };
    let (inter_broker_listener, inter_broker_protocol) =
        inter_broker(values, settings, &protocols).unwrap_or_else(|reason| {
            errors.push(ConfigError::Conflict(reason));
            (String::new(), SecurityProtocol::Plaintext)
        });
    Network {
        max_connections_of_listeners: connections_of_listeners(settings, &listeners, errors),
        listeners,
        advertised_listeners,
        inter_broker_listener,
        inter_broker_protocol,
        control_plane_listener: values.text("control.plane.listener.name").map(str::to_ascii_uppercase),
        network_threads: values.usize("num.network.threads"),
        io_threads: values.usize("num.io.threads"),
        background_threads: values.usize("background.threads"),
        queued_max_requests: values.usize("queued.max.requests"),
        queued_max_request_bytes: values.limit("queued.max.request.bytes").filter(|bytes| *bytes > 0),
        sendfile_min_bytes: values.limit("klamm.sendfile.min.bytes"),
        request_max_bytes: values.u32("socket.request.max.bytes"),
        send_buffer_bytes: u32::try_from(values.int("socket.send.buffer.bytes")).ok(),
        receive_buffer_bytes: u32::try_from(values.int("socket.receive.buffer.bytes")).ok(),
        backlog: values.u32("socket.listen.backlog.size"),
        max_connections: values.u32("max.connections"),
        max_connections_per_ip: values.u32("max.connections.per.ip"),
        max_connections_per_ip_overrides: ip_overrides(values, errors),
        max_connection_creation_rate: values.u32("max.connection.creation.rate"),
        connections_max_idle: values.limit("connections.max.idle.ms").map(Duration::from_millis),
        failed_authentication_delay: values.millis("connection.failed.authentication.delay.ms"),
        request_timeout: values.millis("request.timeout.ms"),
        connection_setup_timeout: values.millis("socket.connection.setup.timeout.ms"),
        connection_setup_timeout_max: values.millis("socket.connection.setup.timeout.max.ms"),
    }
}

/// Name and protocol of the inter-broker listener (`getInterBrokerListenerNameAndSecurityProtocol`).
fn inter_broker(
    values: &Values,
    settings: &Settings,
    protocols: &listener::ProtocolMap,
) -> Result<(String, SecurityProtocol), String> {
    let Some(name) = values.text("inter.broker.listener.name") else {
        let protocol: SecurityProtocol = values.text("security.inter.broker.protocol").unwrap_or("").parse()?;
        return Ok((protocol.to_string(), protocol));
    };
    if settings.effective().contains_key("security.inter.broker.protocol") {
        return Err(
            "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.".to_owned()
        );
    }
    let name = name.to_ascii_uppercase();
    match protocols.get(&name) {
        Some(protocol) => Ok((name, *protocol)),
        None => Err(format!(
            "Listener with name {name} defined in inter.broker.listener.name not found in \
             listener.security.protocol.map."
        )),
    }
}

/// The prefix holds the listener's name in lower case (`ListenerName.configPrefix`).
fn connections_of_listeners(
    settings: &Settings,
    listeners: &[Listener],
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<String, u32> {
    let texts = settings.effective();
    let mut limits = BTreeMap::new();
    for listener in listeners {
        let key = format!("listener.name.{}.max.connections", listener.name.to_lowercase());
        let Some(text) = texts.get(key.as_str()) else { continue };
        match text.trim().parse() {
            Ok(limit) if limit > 0 => drop(limits.insert(listener.name.clone(), limit)),
            // What is no number at all has been reported by its base key.
            Err(_) => {}
            Ok(_) => errors.push(ConfigError::Value {
                key,
                value: (*text).to_owned(),
                reason: "Value must be at least 1".to_owned(),
            }),
        }
    }
    limits
}

fn ip_overrides(values: &Values, errors: &mut Vec<ConfigError>) -> BTreeMap<String, u32> {
    let mut overrides = BTreeMap::new();
    for pair in split_list(values.text("max.connections.per.ip.overrides").unwrap_or("")) {
        let parsed = pair.rsplit_once(':').and_then(|(host, count)| {
            let host = host.trim();
            let count = count.trim().parse().ok()?;
            (!host.is_empty() && listener::is_host(host)).then(|| (host.to_owned(), count))
        });
        match parsed {
            Some((host, count)) => drop(overrides.insert(host, count)),
            None => errors.push(ConfigError::Value {
                key: "max.connections.per.ip.overrides".to_owned(),
                value: pair,
                reason: "Expected host:count".to_owned(),
            }),
        }
    }
    overrides
}

fn zookeeper(values: &Values) -> ZooKeeper {
    let session_timeout = values.millis("zookeeper.session.timeout.ms");
    let connection_timeout = values.optional_number("zookeeper.connection.timeout.ms");
    ZooKeeper {
        connect: values.text("zookeeper.connect").unwrap_or("").to_owned(),
        session_timeout,
        connection_timeout: connection_timeout.map_or(session_timeout, |ms| Duration::from_millis(ms.max(0) as u64)),
        max_in_flight_requests: values.usize("zookeeper.max.in.flight.requests"),
    }
}

fn logs(values: &Values) -> Logs {
    let dirs = values.text("log.dirs").or(values.text("log.dir")).unwrap_or("");
    let dirs = split_list(dirs).into_iter().filter(|dir| !dir.is_empty()).map(PathBuf::from).collect();
    Logs {
        dirs,
        recovery_threads_per_dir: values.usize("num.recovery.threads.per.data.dir"),
        retention_check_interval: values.millis("log.retention.check.interval.ms"),
        flush_check_interval: values.millis("log.flush.scheduler.interval.ms"),
        recovery_point_checkpoint_interval: values.millis("log.flush.offset.checkpoint.interval.ms"),
        log_start_offset_checkpoint_interval: values.millis("log.flush.start.offset.checkpoint.interval.ms"),
        initial_task_delay: values.millis("log.initial.task.delay.ms"),
        alter_log_dirs_threads: values
            .optional_number("num.replica.alter.log.dirs.threads")
            .map(|count| count.max(0) as usize),
    }
}

fn cleaner(values: &Values) -> Cleaner {
    Cleaner {
        enable: values.bool("log.cleaner.enable"),
        threads: values.usize("log.cleaner.threads"),
        dedupe_buffer_bytes: values.bytes("log.cleaner.dedupe.buffer.size"),
        dedupe_buffer_load_factor: values.double("log.cleaner.io.buffer.load.factor"),
        io_buffer_bytes: values.bytes("log.cleaner.io.buffer.size"),
        io_max_bytes_per_second: values.double("log.cleaner.io.max.bytes.per.second"),
        backoff: values.millis("log.cleaner.backoff.ms"),
    }
}

fn topics(values: &Values) -> Topics {
    Topics {
        auto_create: values.bool("auto.create.topics.enable"),
        delete_enable: values.bool("delete.topic.enable"),
        num_partitions: values.int("num.partitions"),
        replication_factor: values.int("default.replication.factor"),
    }
}

fn replication(values: &Values) -> Result<Replication, ConfigError> {
    let version = values.text("inter.broker.protocol.version").unwrap_or("");
    Ok(Replication {
        protocol_version: version.parse().map_err(|error| ConfigError::Conflict(format!("{error}")))?,
        lag_time_max: values.millis("replica.lag.time.max.ms"),
        fetchers: values.usize("num.replica.fetchers"),
        fetch_max_bytes: values.u32("replica.fetch.max.bytes"),
        fetch_min_bytes: values.u32("replica.fetch.min.bytes"),
        fetch_response_max_bytes: values.u32("replica.fetch.response.max.bytes"),
        fetch_wait_max: values.millis("replica.fetch.wait.max.ms"),
        fetch_backoff: values.millis("replica.fetch.backoff.ms"),
        socket_timeout: values.millis("replica.socket.timeout.ms"),
        receive_buffer_bytes: u32::try_from(values.int("replica.socket.receive.buffer.bytes")).ok(),
        high_watermark_checkpoint_interval: values.millis("replica.high.watermark.checkpoint.interval.ms"),
    })
}

fn controller(values: &Values) -> Controller {
    Controller {
        socket_timeout: values.millis("controller.socket.timeout.ms"),
        controlled_shutdown: values.bool("controlled.shutdown.enable"),
        controlled_shutdown_max_retries: values.u32("controlled.shutdown.max.retries"),
        controlled_shutdown_backoff: values.millis("controlled.shutdown.retry.backoff.ms"),
        auto_rebalance: values.bool("auto.leader.rebalance.enable"),
        imbalance_check_interval: values.seconds("leader.imbalance.check.interval.seconds"),
        imbalance_percentage: values.int("leader.imbalance.per.broker.percentage"),
    }
}

fn groups(values: &Values) -> Groups {
    Groups {
        initial_rebalance_delay: values.millis("group.initial.rebalance.delay.ms"),
        min_session_timeout: values.millis("group.min.session.timeout.ms"),
        max_session_timeout: values.millis("group.max.session.timeout.ms"),
        max_size: values.usize("group.max.size"),
    }
}

fn offsets(values: &Values) -> Offsets {
    Offsets {
        metadata_max_bytes: values.usize("offset.metadata.max.bytes"),
        commit_timeout: values.millis("offsets.commit.timeout.ms"),
        commit_required_acks: values.int("offsets.commit.required.acks") as i16,
        load_buffer_bytes: values.u32("offsets.load.buffer.size"),
        retention: values.seconds("offsets.retention.minutes") * 60,
        retention_check_interval: values.millis("offsets.retention.check.interval.ms"),
        topic_partitions: values.int("offsets.topic.num.partitions"),
        topic_replication_factor: values.int("offsets.topic.replication.factor") as i16,
        topic_segment_bytes: values.u32("offsets.topic.segment.bytes"),
        topic_codec: values.int("offsets.topic.compression.codec").clamp(-1, 127) as i8,
    }
}

fn transactions(values: &Values) -> Transactions {
    Transactions {
        max_timeout: values.millis("transaction.max.timeout.ms"),
        id_expiration: values.millis("transactional.id.expiration.ms"),
        abort_check_interval: values.millis("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
        expiration_check_interval: values.millis("transaction.remove.expired.transaction.cleanup.interval.ms"),
        verify_partitions: values.bool("transaction.partition.verification.enable"),
        load_buffer_bytes: values.u32("transaction.state.log.load.buffer.size"),
        topic_partitions: values.int("transaction.state.log.num.partitions"),
        topic_replication_factor: values.int("transaction.state.log.replication.factor") as i16,
        topic_min_isr: values.u32("transaction.state.log.min.isr"),
        topic_segment_bytes: values.u32("transaction.state.log.segment.bytes"),
        producer_id_expiration: values.millis("producer.id.expiration.ms"),
        producer_id_check_interval: values.millis("producer.id.expiration.check.interval.ms"),
    }
}

fn quotas(values: &Values) -> Quotas {
    let window = |prefix: &str| QuotaWindow {
        samples: values.usize(&format!("{prefix}quota.window.num")),
        sample: values.seconds(&format!("{prefix}quota.window.size.seconds")),
    };
    Quotas {
        client: window(""),
        replication: window("replication."),
        alter_log_dirs: window("alter.log.dirs.replication."),
        controller: window("controller."),
    }
}

#[cfg(test)]
mod tests;
