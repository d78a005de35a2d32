//! How fast replicas may move between log directories: `replica.alter.log.dirs.io.max.bytes.per.second`, a dynamic setting
//! of brokers in ZooKeeper (`/config/brokers/<id>` before `/config/brokers/<default>`), without a key in server.properties,
//! as in Kafka. It is read at the start, after every announced change, and again after a reconnect.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::definition::Key;
use config::quota_keys::{self, Entity};
use config::value::Value;
use tracing::{info, warn};
use zk_paths::config_change;
use zk_paths::config_entity::{self, ConfigEntity};
use zk_paths::ids::BrokerId;

use super::throttle::Throttle;
use crate::zk::{Change, Zk, ZkError, ZkEvent};

/// The setting's name.
pub const KEY: &str = "replica.alter.log.dirs.io.max.bytes.per.second";

/// The setting's row.
pub fn key() -> Option<&'static Key> {
    quota_keys::find(Entity::Broker, KEY)
}

/// What one of the two nodes says: all of its settings, as written.
pub async fn read(zk: &dyn Zk, broker: Option<BrokerId>) -> Result<BTreeMap<String, String>, ZkError> {
    let entity = ConfigEntity::Broker(broker);
    match zk.get(&entity.path()).await {
        Ok(node) => Ok(config_entity::decode(&entity, &node.data).unwrap_or_else(|error| {
            warn!("dynamic settings of brokers are not taken: {error}");
            BTreeMap::new()
        })),
        Err(ZkError::NoNode { .. }) => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// Keeps the rate as ZooKeeper has it. Ends with the ZooKeeper session's client.
pub async fn follow(zk: Arc<dyn Zk>, me: BrokerId, throttle: Arc<Throttle>) {
    let mut events = zk.subscribe();
    let mut known = None;
    loop {
        match rate(zk.as_ref(), me).await {
            Ok(rate) => {
                if rate != known {
                    let shown = rate.map_or("any number of".to_owned(), |rate| rate.to_string());
                    info!("moves between log directories may copy {shown} bytes per second");
                    throttle.set(rate);
                    known = rate;
                }
            }
            Err(error) => warn!("the rate of moves between log directories is left as it was: {error}"),
        }
        loop {
            match events.next().await {
                Some(ZkEvent::Changed { path, change: Change::Children }) if path == config_change::PATH => break,
                Some(ZkEvent::Resync) => break,
                Some(_) => {}
                None => return,
            }
        }
    }
}

/// The rate in force; `None` without a limit.
async fn rate(zk: &dyn Zk, me: BrokerId) -> Result<Option<u64>, ZkError> {
    let mut settings = read(zk, None).await?;
    settings.extend(read(zk, Some(me)).await?);
    let (Some(text), Some(key)) = (settings.get(KEY), key()) else { return Ok(None) };
    Ok(match Value::parse(key, text) {
        Ok(Value::Long(i64::MAX)) => None,
        Ok(Value::Long(rate)) => u64::try_from(rate).ok(),
        Ok(_) => None,
        Err(error) => {
            warn!("no limit for moves between log directories: {error}");
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::zk::Watch;
    use crate::zk::fake::FakeZooKeeper;

    fn node(rate: &str) -> String {
        format!(r#"{{"version":1,"config":{{"{KEY}":"{rate}"}}}}"#)
    }

    #[tokio::test(start_paused = true)]
    async fn the_brokers_own_rate_wins_and_changes_are_heard() {
        let ensemble = FakeZooKeeper::new();
        ensemble.put(config_change::PATH, "");
        ensemble.put("/config/brokers/<default>", &node("100"));
        let session = ensemble.session();
        // Set by whoever follows the changes of topics.
        session.watch(Watch::Children(config_change::PATH.into())).await.unwrap();
        let throttle = Arc::new(Throttle::default());
        let following = follow(session, BrokerId(7), throttle.clone());
        let rates = async {
            let mut rates = Vec::new();
            let steps =
                [("", ""), ("/config/brokers/7", "200"), ("/config/brokers/7", "many"), ("/config/brokers/7", "0")];
            for (number, (path, rate)) in steps.into_iter().enumerate() {
                if !path.is_empty() {
                    ensemble.put(path, &node(rate));
                    ensemble.put(&format!("{}/config_change_{number:010}", config_change::PATH), "{}");
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
                rates.push(throttle.rate());
            }
            rates
        };
        let rates = tokio::select! { () = following => Vec::new(), rates = rates => rates };
        assert_eq!(rates, [Some(100), Some(200), None, Some(0)]);
    }
}
