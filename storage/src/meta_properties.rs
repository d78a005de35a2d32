//! `meta.properties` in each log directory: whose data this is. Version 0, as in ZooKeeper mode:
//!
//! ```text
//! #
//! #Sat Nov 21 15:17:00 UTC 2026
//! broker.id=1
//! version=0
//! cluster.id=vPeOCWypqUOSepEvx0cbog
//! ```
//!
//! A file without a version is of version 0. Version 1 is KRaft's, with `node.id` in place of `broker.id`: it is read, so
//! that the broker's start can say what it found, and never written.
//!
//! All directories must agree with each other, with the configuration and with `/cluster/id`; who compares is the
//! broker's start. Keys we do not know (`directory.id` during a migration to KRaft) are kept when the file is rewritten.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use world::Disk;
use zk_paths::ids::BrokerId;

use crate::error::{Attempt, StorageError};

/// The file's name.
pub const FILE_NAME: &str = "meta.properties";
const MAX_FILE: u64 = 64 * 1024;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetaProperties {
    /// `version`: 0, or 1 when the directory belongs to a KRaft broker.
    pub version: u8,
    /// `broker.id`; `node.id` in version 1.
    pub broker_id: Option<BrokerId>,
    /// `cluster.id`; missing in files from before 0.10.1.
    pub cluster_id: Option<String>,
    /// All other keys.
    pub other: BTreeMap<String, String>,
}

/// Reads the file of a log directory; `None` without one.
pub fn read(disk: &dyn Disk, log_dir: &Path) -> Result<Option<MetaProperties>, StorageError> {
    let path = log_dir.join(FILE_NAME);
    let bytes = match disk.read_all(&path, MAX_FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.attempt("read", &path)?,
    };
    decode(&String::from_utf8_lossy(&bytes)).map(Some).map_err(|what| StorageError::Damaged { path, what })
}

/// Writes the file of a log directory.
pub fn write(disk: &dyn Disk, log_dir: &Path, meta: &MetaProperties) -> Result<(), StorageError> {
    let path = log_dir.join(FILE_NAME);
    disk.replace(&path, encode(meta).as_bytes()).attempt("write", &path)
}

/// The file's text.
pub fn encode(meta: &MetaProperties) -> String {
    let mut lines = vec!["#".to_owned(), "version=0".to_owned()];
    lines.extend(meta.broker_id.map(|id| format!("broker.id={id}")));
    lines.extend(meta.cluster_id.iter().map(|id| format!("cluster.id={id}")));
    lines.extend(meta.other.iter().map(|(key, value)| format!("{key}={value}")));
    lines.join("\n") + "\n"
}

/// Reads the file's text. Keys and values of this file never need escapes, except for the colons and equal signs that
/// Java escapes when it writes.
pub fn decode(text: &str) -> Result<MetaProperties, String> {
    let mut meta = MetaProperties::default();
    let mut version = None;
    let (mut broker_id, mut node_id) = (None, None);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!'])) {
        let (key, value) = line.split_once('=').or_else(|| line.split_once(':')).unwrap_or((line, ""));
        let (key, value) = (key.trim(), value.trim().replace('\\', ""));
        match key {
            "version" => version = Some(value),
            "broker.id" => broker_id = Some(value),
            "node.id" => node_id = Some(value),
            "cluster.id" => meta.cluster_id = Some(value),
            _ => {
                meta.other.insert(key.to_owned(), value);
            }
        }
    }
    let number = |key: &str, value: String| match value.parse() {
        Ok(id) => Ok(BrokerId(id)),
        Err(_) => Err(format!("{key} '{value}' is not a number")),
    };
    match version.as_deref() {
        None | Some("0") => meta.broker_id = broker_id.map(|id| number("broker.id", id)).transpose()?,
        Some("1") => {
            meta.version = 1;
            meta.broker_id = Some(number("node.id", node_id.ok_or("there is no node.id")?)?);
        }
        Some(other) => return Err(format!("version '{other}' is neither 0 nor 1")),
    }
    Ok(meta)
}

/// Feeds arbitrary bytes to the reader; for fuzzing.
pub fn fuzz(bytes: &[u8]) {
    let _ = decode(&String::from_utf8_lossy(bytes));
}

#[cfg(test)]
mod tests {
    use world::MemDisk;

    use super::*;

    #[test]
    fn javas_file_is_read_and_ours_is_read_again() {
        let java = "#\n#Sat Nov 21 15:17:00 UTC 2026\nbroker.id=1\nversion=0\ncluster.id=vPeOCWypqUOSepEvx0cbog\n";
        let meta = decode(java).unwrap();
        assert_eq!((meta.broker_id, meta.cluster_id.as_deref()), (Some(BrokerId(1)), Some("vPeOCWypqUOSepEvx0cbog")));
        assert_eq!(decode(&encode(&meta)).unwrap(), meta);
        let kept = decode("version=0\ndirectory.id=abc\n").unwrap();
        assert!(encode(&kept).contains("directory.id=abc\n"));
    }

    #[test]
    fn wrong_versions_and_ids_are_refused() {
        assert_eq!(decode("broker.id=1\n").unwrap().broker_id, Some(BrokerId(1)), "version 0 need not be said");
        assert_eq!(decode("version=1\nnode.id=1\n").unwrap().version, 1);
        for bad in ["version=1\nbroker.id=1\n", "version=2\n", "version=x\n", "version=0\nbroker.id=x\n"] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
        fuzz(b"\xff=\xfe\nversion");
    }

    #[test]
    fn a_directory_without_the_file_is_new() {
        let disk = MemDisk::new();
        assert_eq!(read(&disk, Path::new("/")).unwrap(), None);
        let meta = MetaProperties { broker_id: Some(BrokerId(4)), ..MetaProperties::default() };
        write(&disk, Path::new("/"), &meta).unwrap();
        assert_eq!(read(&disk, Path::new("/")).unwrap(), Some(meta));
    }
}
