//! A broker takes its place in the cluster: the paths that must exist, the cluster's id, a number for brokers without one,
//! and the ephemeral registration whose czxid is the broker epoch.
//!
//! Every write here is safe to repeat, so an unknown outcome is settled by trying again and looking at what is there.
//! What a broker says about itself is put together in [`document`]. Absent: when to register again, which is up to whoever
//! hears [`super::ZkEvent::SessionEstablished`] with a new session.

pub mod document;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::time::{Instant, sleep};
use zk_paths::broker_registration::{self, BrokerRegistration, Endpoint, RegistrationFormat};
use zk_paths::ids::{BrokerEpoch, BrokerId, ZkVersion};
use zk_paths::{MalformedZnode, broker_ids, broker_sequence_id, cluster_id, persistent_paths};

use super::{CreateMode, MultiError, Op, OpResult, SessionId, Stat, Zk, ZkError, ZkEvent, parent};
use crate::locks::lock;

/// How many of our earlier sessions are remembered. One would do unless several expire before a registration succeeds.
const OWN_SESSIONS: usize = 8;

/// Pause between attempts to register while an earlier life of this broker is still registered.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(200);

/// Why a broker cannot take its place.
#[derive(Debug, Error)]
pub enum RegistrationError {
    /// ZooKeeper did not do what was asked.
    #[error("cannot register with ZooKeeper")]
    Zk(#[from] ZkError),
    /// Another session holds the registration of this id.
    #[error(
        "broker id {broker_id} is registered already, by ZooKeeper session {owner}; ours is {ours}. Either another broker \
         uses the same broker.id, or this broker ran until a moment ago and its earlier session has not expired yet: then \
         start again after the session timeout"
    )]
    IdTaken {
        /// The id both want.
        broker_id: BrokerId,
        /// The session that has it.
        owner: SessionId,
        /// Our session.
        ours: SessionId,
    },
    /// Another broker advertises the same address.
    #[error("advertised listeners {endpoints} are already registered by broker {by}")]
    EndpointTaken {
        /// `host:port` of each address in common.
        endpoints: String,
        /// Who has them.
        by: BrokerId,
    },
    /// The sequence of generated ids is used up.
    #[error("no broker id is left above reserved.broker.max.id={reserved_max}")]
    NoIdLeft {
        /// Generated ids start above it.
        reserved_max: i32,
    },
    /// A znode that must be understood is not.
    #[error(transparent)]
    Malformed(#[from] MalformedZnode),
}

/// Registers one broker, again and again over its sessions.
#[derive(Debug)]
pub struct Registrar {
    zk: Arc<dyn Zk>,
    broker_id: BrokerId,
    /// The latest sessions in which we tried to register: a node that one of them left behind is ours to remove.
    own_sessions: Mutex<VecDeque<SessionId>>,
}

impl Registrar {
    /// For the broker of this id.
    pub fn new(zk: Arc<dyn Zk>, broker_id: BrokerId) -> Registrar {
        Registrar { zk, broker_id, own_sessions: Mutex::default() }
    }

    /// Registers at a start. After a crash the registration of this broker's earlier life stays until its session ends;
    /// Kafka gives up then, we wait for `patience`. A ZooKeeper that was away meanwhile gives every session its whole time
    /// again, and so do we.
    pub async fn register_patiently(
        &self,
        registration: impl Fn() -> BrokerRegistration,
        format: RegistrationFormat,
        patience: Duration,
    ) -> Result<BrokerEpoch, RegistrationError> {
        let mut events = self.zk.subscribe();
        let mut deadline = Instant::now() + patience;
        let mut told = false;
        loop {
            let error = match self.register(&registration(), format).await {
                Err(error @ RegistrationError::IdTaken { .. }) => error,
                settled => return settled,
            };
            while let Some(event) = events.try_next() {
                if matches!(event, ZkEvent::SessionEstablished { .. }) {
                    deadline = Instant::now() + patience;
                }
            }
            if Instant::now() >= deadline {
                return Err(error);
            }
            if !told {
                tracing::warn!("waiting up to {} s for that session to end: {error}", patience.as_secs());
            }
            told = true;
            sleep(ATTEMPT_PAUSE).await;
        }
    }

    /// Creates the ephemeral `/brokers/ids/<id>` and answers its broker epoch. Called again in the same session it answers
    /// the same epoch; after an expiry it makes a new registration.
    ///
    /// As Kafka's `CheckedEphemeral`: a node of our own earlier session, which the server should have removed with it
    /// (ZOOKEEPER-2985), is deleted and made anew; anybody else's is [`RegistrationError::IdTaken`].
    pub async fn register(
        &self,
        registration: &BrokerRegistration,
        format: RegistrationFormat,
    ) -> Result<BrokerEpoch, RegistrationError> {
        let path = broker_registration::path(self.broker_id);
        let data = Bytes::from(registration.encode(format));
        loop {
            self.note_session();
            let ops = vec![
                Op::Create { path: path.clone(), data: None, mode: CreateMode::Ephemeral },
                Op::Set { path: path.clone(), data: data.clone(), expected: ZkVersion(0) },
            ];
            let registered = match self.zk.multi(ops).await {
                Ok(results) => results.iter().find_map(set_stat),
                Err(MultiError::Op { error: ZkError::NodeExists { .. }, .. })
                | Err(MultiError::Request(ZkError::NodeExists { .. } | ZkError::UnknownOutcome { .. })) => {
                    self.settle(&path).await?
                }
                // The operation was for a session that is gone; the next attempt is made in the new one.
                Err(MultiError::Request(ZkError::SessionExpired { .. })) => None,
                Err(error) => return Err(ZkError::from(error).into()),
            };
            if let Some(stat) = registered {
                tracing::info!("registered broker {} at {path}, broker epoch {}", self.broker_id, stat.czxid);
                return Ok(BrokerEpoch(stat.czxid));
            }
        }
    }

    /// Replaces the data of our registration, after its listeners have changed.
    pub async fn update(
        &self,
        registration: &BrokerRegistration,
        format: RegistrationFormat,
    ) -> Result<(), RegistrationError> {
        let path = broker_registration::path(self.broker_id);
        let data = Bytes::from(registration.encode(format));
        // The same data twice is no harm, so an unknown outcome is settled by setting again.
        loop {
            match self.zk.set(&path, data.clone(), ZkVersion::ANY).await {
                Err(ZkError::UnknownOutcome { .. }) => {}
                result => return Ok(result.map(drop)?),
            }
        }
    }

    /// Removes our registration ahead of the end of the session. Somebody else's, or none, is left alone.
    pub async fn deregister(&self) -> Result<(), RegistrationError> {
        let path = broker_registration::path(self.broker_id);
        let stat = self.zk.exists(&path).await?;
        let ours = stat.filter(|stat| stat.ephemeral_owner == self.zk.session_id());
        match ours {
            Some(stat) => Ok(delete_for_sure(&*self.zk, &path, stat.version).await?),
            None => Ok(()),
        }
    }

    /// Finds out whose the node is that is there already: its stat when it is ours, `None` when to try again.
    async fn settle(&self, path: &str) -> Result<Option<Stat>, RegistrationError> {
        let Some(stat) = self.zk.exists(path).await? else { return Ok(None) };
        let owner = stat.ephemeral_owner;
        let ours = self.zk.session_id();
        if owner == ours {
            return Ok(Some(stat));
        }
        if self.own_sessions().contains(&owner) {
            tracing::info!("{path} is still there from our expired session {owner}: removing it");
            delete_for_sure(&*self.zk, path, stat.version).await?;
            return Ok(None);
        }
        Err(RegistrationError::IdTaken { broker_id: self.broker_id, owner, ours })
    }

    fn note_session(&self) {
        let session = self.zk.session_id();
        let mut own_sessions = self.own_sessions();
        if !own_sessions.contains(&session) {
            own_sessions.push_back(session);
        }
        if own_sessions.len() > OWN_SESSIONS {
            own_sessions.pop_front();
        }
    }

    fn own_sessions(&self) -> MutexGuard<'_, VecDeque<SessionId>> {
        lock(&self.own_sessions)
    }
}

/// Creates the persistent nodes that every broker counts on, all at once: one after the other, each would wait for a sync
/// of the server's disk. Whoever needs the same parent finds it made by another.
pub async fn create_top_level_paths(zk: &dyn Zk) -> Result<(), ZkError> {
    let created = persistent_paths::CREATED_AT_START.map(|path| create_recursive(zk, path, None));
    futures_util::future::try_join_all(created).await.map(drop)
}

/// The cluster's id: `/cluster/id`, written with `proposed` by the first broker of a cluster.
pub async fn read_or_create_cluster_id(zk: &dyn Zk, proposed: &str) -> Result<String, RegistrationError> {
    if zk.exists(cluster_id::PATH).await?.is_none() {
        create_recursive(zk, cluster_id::PATH, Some(cluster_id::encode(proposed).into())).await?;
    }
    Ok(cluster_id::decode(&zk.get(cluster_id::PATH).await?.data)?)
}

/// Draws a broker id above `reserved_max` from `/brokers/seqid`. A draw whose answer is lost leaves a number unused.
pub async fn generate_broker_id(zk: &dyn Zk, reserved_max: i32) -> Result<BrokerId, RegistrationError> {
    loop {
        match zk.set(broker_sequence_id::PATH, Bytes::new(), ZkVersion::ANY).await {
            Ok(stat) => {
                let drawn = broker_sequence_id::generated_broker_id(stat.version, reserved_max);
                return drawn.ok_or(RegistrationError::NoIdLeft { reserved_max });
            }
            Err(ZkError::NoNode { .. }) => create_recursive(zk, broker_sequence_id::PATH, Some(Bytes::new())).await?,
            Err(ZkError::UnknownOutcome { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Makes sure that no other live broker advertises one of these addresses. Kafka looks before ports are bound, so an
/// endpoint with port 0 clashes with nobody.
pub async fn check_endpoint_clash(
    zk: &dyn Zk,
    broker_id: BrokerId,
    endpoints: &[Endpoint],
) -> Result<(), RegistrationError> {
    let names = zk.children(broker_ids::PATH).await?;
    let ids = names.iter().map(|name| broker_ids::parse_child(name)).collect::<Result<Vec<_>, _>>()?;
    let others: Vec<BrokerId> = ids.into_iter().filter(|id| *id != broker_id).collect();
    let paths: Vec<String> = others.iter().map(|id| broker_registration::path(*id)).collect();
    let nodes = zk.get_many(&paths).await?;
    for (by, node) in others.into_iter().zip(nodes) {
        let Some(node) = node else { continue };
        let other = BrokerRegistration::decode(by, &node.data)?;
        let same = |mine: &&Endpoint| other.endpoints.iter().any(|it| (&it.host, it.port) == (&mine.host, mine.port));
        let common = endpoints.iter().filter(same).map(|endpoint| format!("{}:{}", endpoint.host, endpoint.port));
        let common: Vec<String> = common.collect();
        if !common.is_empty() {
            return Err(RegistrationError::EndpointTaken { endpoints: common.join(","), by });
        }
    }
    Ok(())
}

/// Creates a persistent node and its missing parents (those with null data). A node that is there is left as it is.
pub async fn create_recursive(zk: &dyn Zk, path: &str, data: Option<Bytes>) -> Result<(), ZkError> {
    loop {
        match zk.create(path, data.clone(), CreateMode::Persistent).await {
            Ok(_) | Err(ZkError::NodeExists { .. }) => return Ok(()),
            Err(ZkError::UnknownOutcome { .. }) => {}
            Err(ZkError::NoNode { path }) => match parent(&path) {
                Some(above) if above != "/" => Box::pin(create_recursive(zk, above, None)).await?,
                _ => return Err(ZkError::NoNode { path }),
            },
            Err(error) => return Err(error),
        }
    }
}

/// Deletes a node of this version, over lost answers. A node that is gone or was replaced is no error.
async fn delete_for_sure(zk: &dyn Zk, path: &str, version: ZkVersion) -> Result<(), ZkError> {
    loop {
        match zk.delete(path, version).await {
            Ok(()) | Err(ZkError::NoNode { .. } | ZkError::BadVersion { .. }) => return Ok(()),
            Err(ZkError::UnknownOutcome { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

fn set_stat(result: &OpResult) -> Option<Stat> {
    match result {
        OpResult::Set(stat) => Some(*stat),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
