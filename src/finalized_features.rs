//! The cluster's finalized features (`/feature`, KIP-584) as ApiVersions tells them: their epoch is the znode's version.
//!
//! Followed with a watch and read again on every resync. No node, or one that is disabled, means no features and no epoch
//! (`FinalizedFeatureChangeListener`). Absent: acting on features. A ZooKeeper cluster of 3.9 has none.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tracing::warn;
use zk_paths::feature::{self, FinalizedFeatures};

use crate::zk::{Watch, Zk, ZkError, ZkEvent};

/// What is known of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Version of `/feature`; `None` as long as features are not in use.
    pub epoch: Option<i64>,
    /// The level of each feature.
    pub levels: BTreeMap<String, i16>,
}

/// Keeps them current.
#[derive(Debug, Default)]
pub struct FinalizedFeaturesCache {
    known: ArcSwap<Known>,
}

impl FinalizedFeaturesCache {
    /// As they are known now.
    pub fn known(&self) -> Arc<Known> {
        self.known.load_full()
    }

    /// Follows the znode until the task is dropped.
    pub async fn follow(&self, zk: &dyn Zk) {
        let mut events = zk.subscribe();
        if let Err(error) = zk.watch(Watch::Data(feature::PATH.into())).await {
            warn!("cannot watch {}: {error}", feature::PATH);
        }
        loop {
            match read(zk).await {
                Ok(known) => self.known.store(Arc::new(known)),
                Err(error) => warn!("{} cannot be read, will be read again: {error}", feature::PATH),
            }
            loop {
                match events.next().await {
                    Some(ZkEvent::Resync) => break,
                    Some(ZkEvent::Changed { path, .. }) if path == feature::PATH => break,
                    Some(_) => {}
                    None => return,
                }
            }
        }
    }
}

async fn read(zk: &dyn Zk) -> Result<Known, ZkError> {
    let node = match zk.get(feature::PATH).await {
        Err(ZkError::NoNode { .. }) => return Ok(Known::default()),
        read => read?,
    };
    Ok(match FinalizedFeatures::decode(&node.data) {
        Ok(document) if document.enabled => {
            Known { epoch: Some(node.stat.version.0.into()), levels: document.features }
        }
        Ok(_) => Known::default(),
        Err(malformed) => {
            warn!("{malformed}; taken for no features");
            Known::default()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zk::fake::FakeZooKeeper;

    /// Lets the follower see what has happened.
    async fn settled(cache: &FinalizedFeaturesCache, expected: Option<i64>) -> Arc<Known> {
        for _ in 0..100 {
            if cache.known().epoch == expected {
                break;
            }
            tokio::task::yield_now().await;
        }
        cache.known()
    }

    #[tokio::test]
    async fn the_epoch_is_the_version_of_an_enabled_node() {
        let ensemble = FakeZooKeeper::new();
        let (cache, session) = (Arc::new(FinalizedFeaturesCache::default()), ensemble.session());
        let follower = tokio::spawn({
            let (cache, session) = (cache.clone(), session.clone());
            async move { cache.follow(session.as_ref()).await }
        });
        assert_eq!(*settled(&cache, None).await, Known::default());
        ensemble.put(feature::PATH, r#"{"version":2,"status":1,"features":{}}"#);
        assert_eq!(settled(&cache, Some(0)).await.epoch, Some(0));
        ensemble.put(feature::PATH, r#"{"version":2,"status":1,"features":{"f":{"max_version_level":2}}}"#);
        let known = settled(&cache, Some(1)).await;
        assert_eq!((known.epoch, known.levels.get("f")), (Some(1), Some(&2)));
        ensemble.put(feature::PATH, r#"{"version":2,"status":0,"features":{}}"#);
        assert_eq!(*settled(&cache, None).await, Known::default());
        follower.abort();
    }
}
