//! Who this broker is: its cluster's id and its own, agreed between server.properties, every log directory's
//! `meta.properties` and ZooKeeper before anything else is done with either.
//!
//! The order is Kafka's (`KafkaServer.startup`): read or create `/cluster/id`, compare what the directories say, take the
//! configured broker id, else the stored one, else draw one, then write both ids to every directory that lacks them.
//! A directory that cannot be read or written, or whose `meta.properties` makes no sense, is reported as failed and the
//! broker goes on without it; one that belongs to another cluster or broker stops the start, because serving its data
//! would corrupt both.

use std::path::{Path, PathBuf};

use storage::StorageError;
use storage::meta_properties::{self, MetaProperties};
use thiserror::Error;
use world::Disk;
use zk_paths::ids::{BrokerId, TopicId};

use crate::zk::Zk;
use crate::zk::registration::{self, RegistrationError};

/// What a broker knows about itself once it has started.
#[derive(Debug)]
pub struct Identity {
    /// The cluster's id, from `/cluster/id`.
    pub cluster_id: String,
    /// This broker's id.
    pub broker_id: BrokerId,
    /// Log directories that could not be read or written; they start offline.
    pub failed_log_dirs: Vec<(PathBuf, StorageError)>,
}

/// Why the broker's identity cannot be settled. Each stops the start.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// ZooKeeper gave no cluster id or broker id.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// A directory holds another cluster's data.
    #[error(
        "{path}: cluster.id is {stored}, but the cluster at zookeeper.connect is {cluster_id}: these log directories belong \
         to another cluster, or zookeeper.connect names the wrong one"
    )]
    InconsistentClusterId {
        /// The `meta.properties`.
        path: PathBuf,
        /// What it says.
        stored: String,
        /// What ZooKeeper says.
        cluster_id: String,
    },
    /// A directory holds another broker's data.
    #[error(
        "{path}: broker.id is {stored}, but {expected} is {expected_from}: if the data was moved, configure the broker.id it \
         belongs to; for a new broker, start with empty log directories"
    )]
    InconsistentBrokerId {
        /// The `meta.properties`.
        path: PathBuf,
        /// What it says.
        stored: BrokerId,
        /// What it should say.
        expected: BrokerId,
        /// Where that comes from, in words.
        expected_from: String,
    },
    /// Nobody says what the id is.
    #[error(
        "there is no broker id: broker.id is not configured, no log directory has one, and broker.id.generation.enable=false"
    )]
    NoBrokerId,
    /// A directory holds the data of a KRaft broker.
    #[error("{path}: version 1 belongs to KRaft, and Klamm serves ZooKeeper mode only")]
    Kraft {
        /// The `meta.properties`.
        path: PathBuf,
    },
}

/// Settles the identity, and writes it to the log directories (made when missing). Blocks on small files.
pub async fn establish(
    zk: &dyn Zk,
    disk: &dyn Disk,
    configured: &config::broker::Identity,
    log_dirs: &[PathBuf],
) -> Result<Identity, IdentityError> {
    let cluster_id = registration::read_or_create_cluster_id(zk, &random_cluster_id()).await?;
    let (found, mut failed_log_dirs) = read_all(disk, log_dirs);
    let stored_id = verify(&found, &cluster_id, configured.broker_id)?;
    let broker_id = match configured.broker_id.or(stored_id) {
        Some(broker_id) => broker_id,
        None if configured.generate_broker_id => {
            registration::generate_broker_id(zk, configured.reserved_broker_max_id).await?
        }
        None => return Err(IdentityError::NoBrokerId),
    };
    for (log_dir, meta) in found {
        if let Err(error) = write_if_changed(disk, &log_dir, meta, &cluster_id, broker_id) {
            failed_log_dirs.push((log_dir, error));
        }
    }
    Ok(Identity { cluster_id, broker_id, failed_log_dirs })
}

type Found = Vec<(PathBuf, Option<MetaProperties>)>;
type Failed = Vec<(PathBuf, StorageError)>;

/// What each readable directory says, and the others (`MetaPropertiesEnsemble.Loader`).
fn read_all(disk: &dyn Disk, log_dirs: &[PathBuf]) -> (Found, Failed) {
    let (mut found, mut failed) = (Found::new(), Failed::new());
    for log_dir in log_dirs {
        match meta_properties::read(disk, log_dir) {
            Ok(meta) => found.push((log_dir.clone(), meta)),
            Err(error) => failed.push((log_dir.clone(), error)),
        }
    }
    (found, failed)
}

/// Compares the directories with the cluster, the configuration and each other (`MetaPropertiesEnsemble.verify`). Answers
/// the broker id that they hold.
fn verify(
    found: &[(PathBuf, Option<MetaProperties>)],
    cluster_id: &str,
    configured: Option<BrokerId>,
) -> Result<Option<BrokerId>, IdentityError> {
    let mut expected = configured.map(|broker_id| (broker_id, "configured".to_string()));
    let mut stored_id = None;
    for (log_dir, meta) in found {
        let Some(meta) = meta else { continue };
        let path = log_dir.join(meta_properties::FILE_NAME);
        if meta.version != 0 {
            return Err(IdentityError::Kraft { path });
        }
        if let Some(stored) = meta.cluster_id.as_ref().filter(|stored| *stored != cluster_id) {
            let (stored, cluster_id) = (stored.clone(), cluster_id.to_string());
            return Err(IdentityError::InconsistentClusterId { path, stored, cluster_id });
        }
        let Some(stored) = meta.broker_id else { continue };
        match &expected {
            Some((expected, from)) if *expected != stored => {
                let (expected, expected_from) = (*expected, from.clone());
                return Err(IdentityError::InconsistentBrokerId { path, stored, expected, expected_from });
            }
            Some(_) => {}
            None => expected = Some((stored, format!("stored in {}", path.display()))),
        }
        stored_id = Some(stored);
    }
    Ok(stored_id)
}

fn write_if_changed(
    disk: &dyn Disk,
    log_dir: &Path,
    found: Option<MetaProperties>,
    cluster_id: &str,
    broker_id: BrokerId,
) -> Result<(), StorageError> {
    let other = found.as_ref().map(|meta| meta.other.clone()).unwrap_or_default();
    let meta =
        MetaProperties { version: 0, broker_id: Some(broker_id), cluster_id: Some(cluster_id.to_string()), other };
    if found.as_ref() == Some(&meta) {
        return Ok(());
    }
    let created = disk.create_dir_all(log_dir);
    created.map_err(|source| StorageError::Io { action: "create", path: log_dir.to_owned(), source })?;
    tracing::info!("writing {}", log_dir.join(meta_properties::FILE_NAME).display());
    meta_properties::write(disk, log_dir, &meta)
}

/// As Kafka makes one: a random UUID in 22 characters of URL-safe base64.
fn random_cluster_id() -> String {
    loop {
        if let Some(id) = TopicId::from_random(rand::random()) {
            return id.to_string();
        }
    }
}

#[cfg(test)]
mod tests;
