//! What a `server.properties` becomes, and what is refused.

use super::*;
use crate::listener::SecurityProtocol;

fn properties(settings: &[(&str, &str)]) -> Properties {
    let base = [("zookeeper.connect", "localhost:2181")];
    base.iter().chain(settings).copied().collect()
}

fn broker(settings: &[(&str, &str)]) -> BrokerConfig {
    BrokerConfig::new(properties(settings)).unwrap()
}

fn errors(settings: &[(&str, &str)]) -> Vec<String> {
    match BrokerConfig::new(properties(settings)) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn defaults_are_kafkas() {
    let config = broker(&[]);
    assert_eq!(config.identity.broker_id, None);
    assert_eq!(config.network.listeners.len(), 1);
    assert_eq!(config.network.listeners[0].to_string(), "PLAINTEXT://:9092");
    assert_eq!(config.network.advertised_listeners, config.network.listeners);
    assert_eq!(config.network.inter_broker_listener, "PLAINTEXT");
    assert_eq!(config.network.connections_max_idle, Some(Duration::from_secs(600)));
    assert_eq!(config.zookeeper.session_timeout, Duration::from_secs(18));
    assert_eq!(config.zookeeper.connection_timeout, Duration::from_secs(18));
    assert_eq!(config.logs.dirs, [PathBuf::from("/tmp/kafka-logs")]);
    assert_eq!(config.replication.protocol_version, MetadataVersion::LATEST);
    assert_eq!(config.offsets.retention, Duration::from_secs(7 * 24 * 3600));
    assert_eq!(config.quotas.controller, QuotaWindow { samples: 11, sample: Duration::from_secs(1) });
    assert_eq!(config.unsupported(), []);
}

#[test]
fn listeners_and_names_are_typed() {
    let config = broker(&[
        ("listeners", "INTERNAL://:9092,EXTERNAL://0.0.0.0:9093"),
        ("advertised.listeners", "INTERNAL://b1:9092,EXTERNAL://k.example:443"),
        ("listener.security.protocol.map", "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT"),
        ("inter.broker.listener.name", "internal"),
        ("log.dirs", "/a, /b"),
        ("node.id", "7"),
        ("max.connections.per.ip", "0"),
        ("listener.name.internal.max.connections", "7"),
        ("listener.name.elsewhere.max.connections", "8"),
        ("max.connections.per.ip.overrides", "localhost:5,::1:6"),
        ("socket.send.buffer.bytes", "-1"),
    ]);
    assert_eq!(config.network.inter_broker_listener, "INTERNAL");
    assert_eq!(config.network.inter_broker_protocol, SecurityProtocol::Plaintext);
    assert_eq!(config.network.advertised_listeners[1].host.as_deref(), Some("k.example"));
    assert_eq!(config.logs.dirs, [PathBuf::from("/a"), PathBuf::from("/b")]);
    assert_eq!(config.identity.broker_id, Some(BrokerId(7)));
    assert_eq!(config.network.max_connections_per_ip_overrides.get("::1"), Some(&6));
    assert_eq!(config.network.max_connections_of_listeners, [("INTERNAL".to_owned(), 7)].into_iter().collect());
    assert_eq!(config.network.send_buffer_bytes, None);
}

#[test]
fn all_wrong_values_are_told_at_once_with_their_lines() {
    let text = "zookeeper.connect=z:1\nnum.io.threads=foo\n\nnum.partitions=0\n";
    let mut properties = Properties::parse(text.as_bytes(), "server.properties").unwrap();
    properties.apply_override("background.threads=-1").unwrap();
    let errors = BrokerConfig::new(properties).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "Invalid value -1 for configuration background.threads: Value must be at least 1 (--override)\n\
         Invalid value foo for configuration num.io.threads: Not a number of type INT (server.properties, line 2)\n\
         Invalid value 0 for configuration num.partitions: Value must be at least 1 (server.properties, line 4)"
    );
}

#[test]
fn conflicts_are_told_in_kafkas_words() {
    for (settings, want) in [
        (vec![("process.roles", "broker")], "process.roles must not be set: Klamm serves ZooKeeper mode only"),
        (
            vec![("zookeeper.connect", "")],
            "Missing required configuration `zookeeper.connect` which has no default value.",
        ),
        (
            vec![("broker.id", "1001")],
            "broker.id must be greater than or equal to -1 and not greater than reserved.broker.max.id",
        ),
        (vec![("broker.id.generation.enable", "false")], "broker.id must be greater than or equal to 0"),
        (vec![("broker.id", "1"), ("node.id", "2")], "You must set `node.id` to the same value as `broker.id`."),
        (vec![("log.retention.ms", "0")], "log.retention.ms must be unlimited (-1) or, greater than or equal to 1"),
        (vec![("log.roll.ms", "0")], "log.roll.ms must be greater than or equal to 1"),
        (
            vec![("log.cleaner.io.buffer.load.factor", "0.0000001")],
            "offset map is too small to fit in even a single message, so log cleaning will never make progress. You can \
             increase log.cleaner.dedupe.buffer.size or decrease log.cleaner.threads",
        ),
        (vec![("log.dirs", "")], "At least one log directory must be defined via log.dirs or log.dir."),
        (
            vec![("queued.max.request.bytes", "5")],
            "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
        ),
        (
            vec![("advertised.listeners", "PLAINTEXT://0.0.0.0:1")],
            "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
        ),
        (
            vec![("inter.broker.protocol.version", "0.10.2"), ("log.message.format.version", "0.11.0")],
            "log.message.format.version 0.11.0 can only be used when inter.broker.protocol.version is set to version \
             0.11.0 or higher",
        ),
        (
            vec![("security.inter.broker.protocol", "SSL")],
            "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options based \
             on currently configured listeners are PLAINTEXT",
        ),
        (
            vec![("inter.broker.listener.name", "PLAINTEXT"), ("security.inter.broker.protocol", "PLAINTEXT")],
            "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.",
        ),
        (
            vec![("replica.fetch.wait.max.ms", "31000"), ("replica.socket.timeout.ms", "40000")],
            "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent \
             frequent changes in ISR",
        ),
        (
            vec![("listener.security.protocol.map", "PLAINTEXT:TLS")],
            "Error parsing configuration property 'listener.security.protocol.map': Invalid security protocol `TLS`",
        ),
        (
            vec![("listener.name.plaintext.max.connections", "0")],
            "Invalid value 0 for configuration listener.name.plaintext.max.connections: Value must be at least 1",
        ),
        (
            vec![("max.connections.per.ip.overrides", "localhost")],
            "Invalid value localhost for configuration max.connections.per.ip.overrides: Expected host:count",
        ),
    ] {
        assert_eq!(errors(&settings), [want], "{settings:?}");
    }
}

#[test]
fn what_is_not_built_is_refused_and_harmless_settings_are_not() {
    let refused =
        |settings: &[(&str, &str)]| broker(settings).unsupported().into_iter().map(|each| each.key).collect::<Vec<_>>();
    for (key, value) in [
        ("authorizer.class.name", "kafka.security.authorizer.AclAuthorizer"),
        ("zookeeper.set.acl", "true"),
        ("zookeeper.ssl.client.enable", "true"),
        ("remote.log.storage.system.enable", "true"),
        ("create.topic.policy.class.name", "a.B"),
        ("metric.reporters", "a.B"),
        ("client.quota.callback.class", "a.B"),
        ("replica.selector.class", "org.apache.kafka.common.replica.RackAwareReplicaSelector"),
        ("config.providers", "file"),
        ("listener.name.plaintext.max.connection.creation.rate", "5"),
        ("listener.name.plaintext.principal.builder.class", "com.example.Builder"),
    ] {
        assert_eq!(refused(&[(key, value)]), [key]);
    }
    let secured = [("listeners", "PLAINTEXT://:9092,SSL://:9093,SASL_SSL://:9094")];
    assert_eq!(refused(&secured), ["listeners", "listeners"]);
    let harmless = [
        ("ssl.keystore.location", "/k.jks"),
        ("sasl.enabled.mechanisms", "PLAIN"),
        ("authorizer.class.name", ""),
        ("zookeeper.set.acl", "false"),
        ("log.cleaner.threads", "2"),
        ("group.coordinator.threads", "4"),
    ];
    assert_eq!(refused(&harmless), Vec::<String>::new());
    assert_eq!(broker(&harmless).without_effect(), ["group.coordinator.threads"]);
    let old = [("inter.broker.protocol.version", "2.8"), ("log.message.format.version", "0.10.2")];
    assert_eq!(refused(&old), Vec::<String>::new());
    assert_eq!(broker(&old).message_format_warning(), None);
    let ignored = broker(&[old[1]]).message_format_warning().unwrap();
    assert!(ignored.contains("with value 0.10.2 is ignored because"), "{ignored}");
}

#[test]
fn unknown_keys_are_kept_and_listed() {
    let config =
        broker(&[("nmu.io.threads", "3"), ("listener.name.a.ssl.keystore.location", "/k"), ("broker.id", "1")]);
    assert_eq!(config.settings().unknown(), ["nmu.io.threads"]);
    assert_eq!(config.settings().statics.get("nmu.io.threads"), Some("3"));
}

#[test]
fn dynamic_layers_hide_synonyms_below_them() {
    let config = broker(&[("log.retention.hours", "1"), ("log.retention.ms", "5"), ("num.io.threads", "4")]);
    let retention = |config: &BrokerConfig| config.topic_defaults.number("retention.ms");
    assert_eq!(retention(&config), 5);
    let changed = config
        .with_dynamic(
            [("log.retention.ms", "7"), ("num.io.threads", "6")].into_iter().collect(),
            [("num.io.threads", "5")].into_iter().collect(),
        )
        .unwrap();
    assert_eq!((retention(&changed), changed.network.io_threads), (7, 5));
    let wrong = config.with_dynamic(Properties::default(), [("num.io.threads", "0")].into_iter().collect());
    assert!(wrong.is_err());
}

#[test]
fn the_shipped_server_properties_starts_a_broker() {
    let text = include_bytes!("../../server.properties");
    let config = BrokerConfig::new(Properties::parse(text, "server.properties").unwrap()).unwrap();
    assert_eq!(config.settings().unknown(), Vec::<&str>::new());
    assert_eq!(config.unsupported(), []);
    assert_eq!(config.identity.broker_id, Some(BrokerId(0)));
}
