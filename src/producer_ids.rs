//! Producer ids for InitProducerId: blocks of 1,000 out of `/latest_producer_id_block`, taken by compare-and-set. Every
//! Kafka version takes them there, whether through the controller (AllocateProducerIds) or, as here and below
//! `inter.broker.protocol.version` 3.0, each broker by itself; both ways go together in one cluster.
//!
//! Invariant: an id is handed out once. A write whose outcome is unknown is read back; what is not provably ours is left.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;
use zk_paths::ids::{BrokerId, ProducerId};
use zk_paths::producer_id_block::{PATH, ProducerIdBlock};

use crate::zk::{Zk, ZkError};

/// How long a request waits for a new block. Kafka does not wait at all; its clients retry either way.
const WAIT: Duration = Duration::from_secs(5);

/// Why there is no id.
#[derive(Debug, thiserror::Error)]
pub enum NoProducerId {
    /// ZooKeeper did not answer in time: try again.
    #[error("no block of producer ids within {} s", WAIT.as_secs())]
    Timeout,
    /// ZooKeeper refused.
    #[error("cannot take a block of producer ids: {0}")]
    Zk(#[from] ZkError),
    /// The node holds something else.
    #[error(transparent)]
    Malformed(#[from] zk_paths::MalformedZnode),
    /// All 2^63 ids are used up.
    #[error("producer ids are used up")]
    UsedUp,
}

/// This broker's supply of producer ids.
#[derive(Debug)]
pub struct ProducerIds {
    zk: Arc<dyn Zk>,
    broker: BrokerId,
    /// What is left of the current block, both ends included.
    left: Mutex<Option<(i64, i64)>>,
}

impl ProducerIds {
    /// Takes its first block when the first id is asked for.
    pub fn new(zk: Arc<dyn Zk>, broker: BrokerId) -> ProducerIds {
        ProducerIds { zk, broker, left: Mutex::new(None) }
    }

    /// The next id.
    pub async fn next(&self) -> Result<ProducerId, NoProducerId> {
        let mut left = self.left.lock().await;
        let (first, last) = match *left {
            Some(range) => range,
            None => tokio::time::timeout(WAIT, self.block()).await.map_err(|_| NoProducerId::Timeout)??,
        };
        *left = (first < last).then_some((first + 1, last));
        Ok(ProducerId(first))
    }

    async fn block(&self) -> Result<(i64, i64), NoProducerId> {
        loop {
            let node = self.zk.get(PATH).await?;
            let previous = (!node.data.is_empty()).then(|| ProducerIdBlock::decode(&node.data)).transpose()?;
            let block = ProducerIdBlock::following(previous.as_ref(), self.broker).ok_or(NoProducerId::UsedUp)?;
            let bytes = Bytes::from(block.encode());
            match self.zk.set(PATH, bytes.clone(), node.stat.version).await {
                Ok(_) => return Ok((block.first.0, block.last.0)),
                Err(ZkError::BadVersion { .. }) => {}
                Err(ZkError::UnknownOutcome { .. }) => {
                    let now = self.zk.get(PATH).await?;
                    if now.data == bytes && now.stat.version.0 == node.stat.version.0 + 1 {
                        return Ok((block.first.0, block.last.0));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zk::fake::{FakeZooKeeper, Lost};

    #[tokio::test]
    async fn two_brokers_never_share_an_id() {
        let ensemble = FakeZooKeeper::new();
        ensemble.put(PATH, "");
        let one = ProducerIds::new(ensemble.session(), BrokerId(1));
        let two = ProducerIds::new(ensemble.session(), BrokerId(2));
        assert_eq!(one.next().await.unwrap(), ProducerId(0));
        assert_eq!(two.next().await.unwrap(), ProducerId(1000));
        for expected in 1..1000 {
            assert_eq!(one.next().await.unwrap(), ProducerId(expected));
        }
        assert_eq!(one.next().await.unwrap(), ProducerId(2000));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_outcome_is_read_back() {
        for (lost, expected) in [(Lost::BeforeTheWrite, 0), (Lost::AfterTheWrite, 0)] {
            let ensemble = FakeZooKeeper::new();
            ensemble.put(PATH, "");
            let session = ensemble.session();
            let ids = ProducerIds::new(session.clone(), BrokerId(1));
            session.lose_next_write(lost);
            let (id, ()) = tokio::join!(ids.next(), async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                session.reconnect();
            });
            assert_eq!(id.unwrap(), ProducerId(expected), "{lost:?}");
        }
    }

    #[tokio::test]
    async fn another_documents_node_is_refused() {
        let ensemble = FakeZooKeeper::new();
        ensemble.put(PATH, "not json");
        let ids = ProducerIds::new(ensemble.session(), BrokerId(1));
        assert!(matches!(ids.next().await, Err(NoProducerId::Malformed(_))));
    }
}
