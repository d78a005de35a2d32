//! Rules that concern several keys at once (`KafkaConfig.validateValues`), as far as they apply in ZooKeeper mode.

use super::BrokerConfig;
use super::settings::Values;
use crate::error::ConfigError;
use crate::listener::Listener;

/// Adds every rule that is broken.
pub(super) fn check(config: &BrokerConfig, values: &Values, errors: &mut Vec<ConfigError>) {
    let mut require = |holds: bool, message: &str| {
        if !holds {
            errors.push(ConfigError::Conflict(message.to_owned()));
        }
    };
    zookeeper_mode(config, values, &mut require);
    logs(config, values, &mut require);
    replication(config, &mut require);
    connections(config, values, &mut require);
    offsets(config, &mut require);
    message_format(config, &mut require);
    if !config.network.listeners.is_empty() {
        listeners(config, &mut require);
    }
}

fn zookeeper_mode(config: &BrokerConfig, values: &Values, require: &mut impl FnMut(bool, &str)) {
    if !values.list("process.roles").is_empty() {
        require(false, "process.roles must not be set: Klamm serves ZooKeeper mode only");
    }
    require(
        values.text("controller.listener.names").is_none_or(str::is_empty),
        "controller.listener.names must be empty when not running in KRaft mode",
    );
    require(
        !config.zookeeper.connect.is_empty(),
        "Missing required configuration `zookeeper.connect` which has no default value.",
    );
    let id = values.int("broker.id");
    require(values.int("node.id") == id, "You must set `node.id` to the same value as `broker.id`.");
    if config.identity.generate_broker_id {
        require(
            (-1..=config.identity.reserved_broker_max_id).contains(&id),
            "broker.id must be greater than or equal to -1 and not greater than reserved.broker.max.id",
        );
    } else {
        require(id >= 0, "broker.id must be greater than or equal to 0");
    }
}

fn logs(config: &BrokerConfig, values: &Values, require: &mut impl FnMut(bool, &str)) {
    let topic = |name: &str| config.topic_defaults.number(name);
    require(topic("segment.ms") >= 1, "log.roll.ms must be greater than or equal to 1");
    require(topic("segment.jitter.ms") >= 0, "log.roll.jitter.ms must be greater than or equal to 0");
    let retention = ["log.retention.ms", "log.retention.minutes", "log.retention.hours"]
        .iter()
        .find_map(|name| values.optional_number(name));
    require(
        retention.is_none_or(|value| value != 0),
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
    );
    require(!config.logs.dirs.is_empty(), "At least one log directory must be defined via log.dirs or log.dir.");
    let threads = config.cleaner.threads.max(1) as u64;
    require(
        config.cleaner.dedupe_buffer_bytes / threads > 1024 * 1024,
        "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
    );
    // A slot of the cleaner's map takes 24 bytes (`SkimpyOffsetMap`), and Kafka's arrays end at 2 GiB.
    let slots = (config.cleaner.dedupe_buffer_bytes / threads).min(i32::MAX as u64) / 24;
    require(
        slots as f64 * config.cleaner.dedupe_buffer_load_factor > 1.0,
        "offset map is too small to fit in even a single message, so log cleaning will never make progress. You can \
         increase log.cleaner.dedupe.buffer.size or decrease log.cleaner.threads",
    );
}

fn replication(config: &BrokerConfig, require: &mut impl FnMut(bool, &str)) {
    let replication = &config.replication;
    require(
        replication.fetch_wait_max <= replication.socket_timeout,
        "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket \
         timeouts",
    );
    require(
        replication.fetch_wait_max <= replication.lag_time_max,
        "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent \
         changes in ISR",
    );
}

fn connections(config: &BrokerConfig, values: &Values, require: &mut impl FnMut(bool, &str)) {
    let network = &config.network;
    require(
        network.queued_max_request_bytes.is_none_or(|bytes| bytes >= u64::from(network.request_max_bytes)),
        "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
    );
    require(
        network.max_connections_per_ip > 0 || !network.max_connections_per_ip_overrides.is_empty(),
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
    );
    let idle = values.number("connections.max.idle.ms");
    let delay = values.number("connection.failed.authentication.delay.ms");
    require(
        idle < 0 || delay < idle,
        &format!(
            "connection.failed.authentication.delay.ms={delay} should always be less than \
             connections.max.idle.ms={idle} to prevent failed authentication responses from timing out"
        ),
    );
}

/// Records cannot be kept in a format that other brokers do not know.
fn message_format(config: &BrokerConfig, require: &mut impl FnMut(bool, &str)) {
    let format = config.topic_defaults.text("message.format.version");
    let wanted = format.parse().map_or(2, crate::MetadataVersion::record_version);
    let texts = config.settings().effective();
    let text = texts.get("log.message.format.version").copied().unwrap_or(&format);
    let since = if wanted > 1 { "0.11.0" } else { "0.10.0" };
    require(
        config.replication.protocol_version.record_version() >= wanted,
        &format!(
            "log.message.format.version {text} can only be used when inter.broker.protocol.version is set to version \
             {since} or higher"
        ),
    );
}

fn offsets(config: &BrokerConfig, require: &mut impl FnMut(bool, &str)) {
    let offsets = &config.offsets;
    require(
        (0..=4).contains(&offsets.topic_codec),
        "offsets.topic.compression.codec must be a codec number from 0 to 4",
    );
    require(
        offsets.topic_codec != 4 || config.replication.protocol_version.has_zstd(),
        "offsets.topic.compression.codec zstd can only be used when inter.broker.protocol.version is set to version \
         2.1 or higher",
    );
    require(
        (-1..=offsets.topic_replication_factor).contains(&offsets.commit_required_acks),
        "offsets.commit.required.acks must be greater or equal to -1 and less or equal to \
         offsets.topic.replication.factor",
    );
}

fn names(listeners: &[Listener]) -> String {
    listeners.iter().map(|listener| listener.name.as_str()).collect::<Vec<_>>().join(",")
}

fn listeners(config: &BrokerConfig, require: &mut impl FnMut(bool, &str)) {
    let network = &config.network;
    let has = |listeners: &[Listener], name: &str| listeners.iter().any(|listener| listener.name == name);
    let advertised = names(&network.advertised_listeners);
    require(!network.advertised_listeners.is_empty(), "There must be at least one broker advertised listener.");
    require(
        network.inter_broker_listener.is_empty() || has(&network.advertised_listeners, &network.inter_broker_listener),
        &format!(
            "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options \
             based on currently configured listeners are {advertised}"
        ),
    );
    require(
        network.advertised_listeners.iter().all(|listener| has(&network.listeners, &listener.name)),
        &format!(
            "advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. Found \
             {advertised}. The valid options based on the current configuration are {}",
            names(&network.listeners)
        ),
    );
    require(
        network.advertised_listeners.iter().all(|listener| listener.host.as_deref() != Some("0.0.0.0")),
        "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
    );
    if let Some(control_plane) = &network.control_plane_listener {
        require(
            has(&network.advertised_listeners, control_plane),
            &format!(
                "control.plane.listener.name must be a listener name defined in advertised.listeners. The valid \
                 options based on currently configured listeners are {advertised}"
            ),
        );
        require(
            *control_plane != network.inter_broker_listener,
            &format!(
                "control.plane.listener.name, when defined, should have a different value from the inter broker \
                 listener name. Currently they both have the value {control_plane}"
            ),
        );
    }
}
