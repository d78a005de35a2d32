//! Topics' configuration overrides: `/config/topics/<t>`, kept current by `/config/changes` (apis.md and zookeeper.md:
//! a change is always two writes, the node and then an entry that announces it).
//!
//! The overrides are kept as written; what they mean together with the broker's own settings is `config`'s business.
//! Unlike Kafka, a broker that was cut off for longer than entries live (15 minutes) loses nothing: every resync reads
//! all topics again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use tracing::{info, warn};
use zk_paths::config_entity::{self, ConfigEntity};
use zk_paths::ids::{TopicName, ZkVersion};
use zk_paths::{config_change, controller};

use crate::replica::move_rate;
use crate::zk::{Change, CreateMode, Op, Watch, Zk, ZkError, ZkEvent};

/// Parent of the topics' nodes.
const TOPICS: &str = "/config/topics";

/// A topic's overrides, as written.
pub type Overrides = Arc<BTreeMap<String, String>>;

/// Settings for a log line.
pub fn listed(settings: &BTreeMap<String, String>) -> String {
    if settings.is_empty() {
        return "none of its own".into();
    }
    settings.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

/// Hears of changes.
pub trait TopicConfigListener: Send + Sync {
    /// The topic's overrides are now these.
    fn topic_config_changed(&self, topic: &str, overrides: &Overrides);
}

/// All topics' overrides.
#[derive(Debug, Default)]
pub struct TopicConfigs {
    overrides: papaya::HashMap<TopicName, Overrides>,
}

impl TopicConfigs {
    /// The overrides of a topic; empty when it has none.
    pub fn of(&self, topic: &str) -> Overrides {
        self.overrides.pin().get(topic).cloned().unwrap_or_default()
    }

    /// Reads every topic's node.
    pub async fn load(&self, zk: &dyn Zk) -> Result<(), ZkError> {
        self.load_changed(zk).await.map(drop)
    }

    /// Reads one topic's node, ahead of its change entry: a topic's first LeaderAndIsr may overtake the entry.
    pub async fn refresh(&self, zk: &dyn Zk, topic: &str) -> Result<bool, ZkError> {
        let entity = ConfigEntity::Topic(topic.into());
        match zk.get(&entity.path()).await {
            Ok(node) => Ok(self.take(topic, &node.data)),
            Err(ZkError::NoNode { .. }) => Ok(self.overrides.pin().remove(topic).is_some()),
            Err(error) => Err(error),
        }
    }

    /// What one topic's node holds now. What is known stays as it is: it moves with the announcements only, or their
    /// listener would miss a change that somebody had read before.
    pub async fn read(&self, zk: &dyn Zk, topic: &str) -> Result<BTreeMap<String, String>, ZkError> {
        let entity = ConfigEntity::Topic(topic.into());
        match zk.get(&entity.path()).await {
            Ok(node) => Ok(config_entity::decode(&entity, &node.data).unwrap_or_else(|error| {
                warn!(topic, "topic configuration cannot be read, what was known is used: {error}");
                BTreeMap::clone(&self.of(topic))
            })),
            Err(ZkError::NoNode { .. }) => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }

    async fn load_changed(&self, zk: &dyn Zk) -> Result<Vec<TopicName>, ZkError> {
        let names = zk.children(TOPICS).await?;
        let paths: Vec<String> = names.iter().map(|name| format!("{TOPICS}/{name}")).collect();
        let nodes = zk.get_many(&paths).await?;
        let mut changed = Vec::new();
        for (name, node) in names.iter().zip(nodes) {
            if node.is_some_and(|node| self.take(name, &node.data)) {
                changed.push(name.as_str().into());
            }
        }
        let there: HashSet<&str> = names.iter().map(String::as_str).collect();
        let overrides = self.overrides.pin();
        overrides.retain(|known, _| there.contains(&**known));
        Ok(changed)
    }

    /// Keeps what a node holds; answers whether it differs from what was known. A node that cannot be read is left as
    /// it was, with a log line.
    fn take(&self, topic: &str, data: &[u8]) -> bool {
        let entity = ConfigEntity::Topic(topic.into());
        match config_entity::decode(&entity, data) {
            Ok(values) => {
                let values = Arc::new(values);
                let overrides = self.overrides.pin();
                let former = overrides.insert(topic.into(), values.clone());
                former.is_none_or(|former| *former != values)
            }
            Err(error) => {
                warn!(topic, "topic configuration left unchanged: {error}");
                false
            }
        }
    }

    /// Follows the changes until the task is dropped.
    pub async fn follow(&self, zk: Arc<dyn Zk>, now_ms: impl Fn() -> i64, listener: &dyn TopicConfigListener) {
        let mut events = zk.subscribe();
        let mut handled = None;
        if let Err(error) = zk.watch(Watch::Children(config_change::PATH.into())).await {
            warn!("cannot watch {}: {error}", config_change::PATH);
        }
        loop {
            if let Err(error) = self.changes(zk.as_ref(), &mut handled, now_ms(), listener).await {
                warn!("reading configuration changes failed, will be read again: {error}");
            }
            loop {
                match events.next().await {
                    Some(ZkEvent::Changed { path, change: Change::Children }) if path == config_change::PATH => break,
                    Some(ZkEvent::Resync) => {
                        self.reload(zk.as_ref(), listener).await;
                        break;
                    }
                    Some(_) => {}
                    None => return,
                }
            }
        }
    }

    async fn reload(&self, zk: &dyn Zk, listener: &dyn TopicConfigListener) {
        match self.load_changed(zk).await {
            Ok(changed) => {
                changed.iter().for_each(|topic| listener.topic_config_changed(topic, &self.of(topic)));
            }
            Err(error) => warn!("reading topic configurations again failed: {error}"),
        }
    }

    /// Handles the entries behind the last handled one, then removes those that have lived long enough.
    async fn changes(
        &self,
        zk: &dyn Zk,
        handled: &mut Option<String>,
        now_ms: i64,
        listener: &dyn TopicConfigListener,
    ) -> Result<(), ZkError> {
        let entries = zk.children(config_change::PATH).await?;
        for entry in &entries {
            if handled.as_ref().is_some_and(|handled| entry <= handled) {
                continue;
            }
            match zk.get(&config_change::child_path(entry)).await {
                Ok(node) => self.change(zk, entry, &node.data, listener).await?,
                Err(ZkError::NoNode { .. }) => {}
                Err(error) => return Err(error),
            }
            *handled = Some(entry.clone());
        }
        remove_old(zk, &entries, now_ms).await
    }

    async fn change(
        &self,
        zk: &dyn Zk,
        entry: &str,
        data: &[u8],
        listener: &dyn TopicConfigListener,
    ) -> Result<(), ZkError> {
        match config_change::decode(entry, data) {
            Ok(ConfigEntity::Topic(topic)) => {
                if self.refresh(zk, &topic).await? {
                    let overrides = self.of(&topic);
                    info!("topic {topic} has new settings: {}", listed(&overrides));
                    listener.topic_config_changed(&topic, &overrides);
                }
            }
            Ok(broker @ ConfigEntity::Broker(_)) => {
                info!("dynamic settings of {broker} were changed; of those only {} has an effect yet", move_rate::KEY);
            }
            Ok(other) => warn!("a dynamic configuration of {other} was changed: not supported yet, has no effect"),
            Err(error) => warn!("configuration change skipped: {error}"),
        }
        Ok(())
    }
}

/// Replaces an entity's settings: the node first, then the entry that announces it. Both writes depend on the controller's
/// node being as it was (`KafkaZkClient.setOrCreateEntityConfigs`), so that without a controller nothing changes.
pub async fn change(zk: &dyn Zk, entity: &ConfigEntity, settings: &BTreeMap<String, String>) -> Result<(), ZkError> {
    let path = entity.path();
    let data = Bytes::from(config_entity::encode(settings));
    let version = zk.get(controller::PATH).await?.stat.version;
    let check = Op::Check { path: controller::PATH.into(), version };
    loop {
        let write = if zk.exists(&path).await?.is_some() {
            Op::Set { path: path.clone(), data: data.clone(), expected: ZkVersion::ANY }
        } else {
            Op::Create { path: path.clone(), data: Some(data.clone()), mode: CreateMode::Persistent }
        };
        match zk.multi(vec![check.clone(), write]).await.map_err(ZkError::from) {
            Ok(_) => break,
            // Writing the same again does no harm.
            Err(ZkError::UnknownOutcome { .. } | ZkError::NodeExists { .. } | ZkError::NoNode { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let entry = Op::Create {
        path: config_change::create_path(),
        data: Some(Bytes::from(config_change::encode(entity))),
        mode: CreateMode::PersistentSequential,
    };
    loop {
        match zk.multi(vec![check.clone(), entry.clone()]).await.map_err(ZkError::from) {
            Ok(_) => return Ok(()),
            // A second entry for one change does no harm either.
            Err(ZkError::UnknownOutcome { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

async fn remove_old(zk: &dyn Zk, entries: &[String], now_ms: i64) -> Result<(), ZkError> {
    for entry in entries {
        let path = config_change::child_path(entry);
        let Some(stat) = zk.exists(&path).await? else { continue };
        if now_ms - stat.ctime <= config_change::EXPIRATION_MS {
            // Entries are in order of their age.
            return Ok(());
        }
        match zk.delete(&path, ZkVersion::ANY).await {
            Ok(()) | Err(ZkError::NoNode { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::zk::fake::FakeZooKeeper;

    #[derive(Debug, Default)]
    struct Heard(Mutex<Vec<String>>);

    impl TopicConfigListener for Heard {
        fn topic_config_changed(&self, topic: &str, overrides: &Overrides) {
            self.0.lock().unwrap().push(format!("{topic} {overrides:?}"));
        }
    }

    fn scene() -> FakeZooKeeper {
        let ensemble = FakeZooKeeper::new();
        ensemble.put(config_change::PATH, "");
        ensemble.put("/config/topics/a", r#"{"version":1,"config":{"retention.ms":"1"}}"#);
        ensemble.put("/config/topics/b", r#"{"version":1,"config":{}}"#);
        ensemble
    }

    fn announce(ensemble: &FakeZooKeeper, sequence: u32, topic: &str) {
        let entry = format!("{}/config_change_{sequence:010}", config_change::PATH);
        ensemble.put(&entry, &format!(r#"{{"version":2,"entity_path":"topics/{topic}"}}"#));
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_heard_once_and_a_resync_reads_everything() {
        let ensemble = scene();
        let session = ensemble.session();
        let (configs, heard) = (TopicConfigs::default(), Heard::default());
        configs.load(session.as_ref()).await.unwrap();
        assert_eq!(configs.of("a").get("retention.ms").map(String::as_str), Some("1"));
        let following = configs.follow(session.clone(), || 0, &heard);
        let script = async {
            let settle = || tokio::time::sleep(Duration::from_millis(1));
            settle().await;
            ensemble.put("/config/topics/a", r#"{"version":1,"config":{"retention.ms":"2"}}"#);
            announce(&ensemble, 1, "a");
            settle().await;
            announce(&ensemble, 2, "b");
            settle().await;
            session.disconnect();
            ensemble.put("/config/topics/b", r#"{"version":1,"config":{"retention.ms":"3"}}"#);
            session.reconnect();
            settle().await;
        };
        tokio::select! { () = following => {}, () = script => {} }
        let heard = heard.0.into_inner().unwrap();
        assert_eq!(heard, [r#"a {"retention.ms": "2"}"#, r#"b {"retention.ms": "3"}"#]);
    }

    /// A change that was read before its announcement came was never heard of.
    #[tokio::test(start_paused = true)]
    async fn a_change_that_was_read_early_is_still_heard() {
        let ensemble = scene();
        let session = ensemble.session();
        let (configs, heard) = (TopicConfigs::default(), Heard::default());
        configs.load(session.as_ref()).await.unwrap();
        ensemble.put("/config/topics/a", r#"{"version":1,"config":{"retention.ms":"2"}}"#);
        let read = configs.read(session.as_ref(), "a").await.unwrap();
        assert_eq!(read.get("retention.ms").map(String::as_str), Some("2"));
        announce(&ensemble, 1, "a");
        let following = configs.follow(session, || 0, &heard);
        tokio::select! { () = following => {}, () = tokio::time::sleep(Duration::from_millis(5)) => {} }
        assert_eq!(heard.0.into_inner().unwrap(), [r#"a {"retention.ms": "2"}"#]);
    }

    #[tokio::test(start_paused = true)]
    async fn old_entries_are_removed() {
        let ensemble = scene();
        announce(&ensemble, 1, "a");
        ensemble.set_now_ms(config_change::EXPIRATION_MS);
        announce(&ensemble, 2, "a");
        let session = ensemble.session();
        let (configs, heard) = (TopicConfigs::default(), Heard::default());
        let following = configs.follow(session, || config_change::EXPIRATION_MS + 1, &heard);
        tokio::select! { () = following => {}, () = tokio::time::sleep(Duration::from_millis(5)) => {} }
        let left: Vec<String> = ensemble.paths().into_iter().filter(|path| path.contains("config_change_")).collect();
        assert_eq!(left, ["/config/changes/config_change_0000000002"]);
    }
}
