//! `partition.metadata`: the topic id a partition's directory belongs to, since Kafka 2.8.
//!
//! ```text
//! version: 0
//! topic_id: Y1pQmVw2RrSx8o0c1bN3Zg
//! ```
//!
//! No newline at the end. The file is written when the partition is made and synced with the log's first flush; what a
//! power failure in between leaves of it counts as missing. A replica whose file names another id than the controller refuses (INCONSISTENT_TOPIC_ID).

use std::io::{self, IoSlice};
use std::path::Path;

use world::Disk;
use zk_paths::ids::TopicId;

use crate::error::{Attempt, StorageError};

/// The file's name.
pub const FILE_NAME: &str = "partition.metadata";
const MAX_FILE: u64 = 4096;

/// Reads the id in a partition's directory; `None` without a file.
pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<TopicId>, StorageError> {
    let path = dir.join(FILE_NAME);
    let bytes = match disk.read_all(&path, MAX_FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.attempt("read", &path)?,
    };
    decode(&String::from_utf8_lossy(&bytes)).map(Some).map_err(|what| StorageError::Damaged { path, what })
}

/// Writes the id into a partition's directory, in one step for everything but a power failure.
pub fn write(disk: &dyn Disk, dir: &Path, id: TopicId) -> Result<(), StorageError> {
    let (path, tmp) = (dir.join(FILE_NAME), dir.join("partition.metadata.tmp"));
    let file = disk.open_or_create(&tmp).attempt("create", &tmp)?;
    file.set_len(0).attempt("truncate", &tmp)?;
    file.write_at(&mut [IoSlice::new(encode(id).as_bytes())], 0).attempt("write", &tmp)?;
    disk.rename(&tmp, &path).attempt("rename", &tmp)
}

/// Makes the file survive a crash, if there is one.
pub(crate) fn sync(disk: &dyn Disk, dir: &Path) -> Result<(), StorageError> {
    let path = dir.join(FILE_NAME);
    match disk.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => opened.and_then(|file| file.sync_all()).attempt("sync", &path),
    }
}

/// The file's text.
pub fn encode(id: TopicId) -> String {
    format!("version: 0\ntopic_id: {id}")
}

/// Reads the file's text.
pub fn decode(text: &str) -> Result<TopicId, String> {
    let mut lines = text.lines();
    let version = lines.next().and_then(|line| line.strip_prefix("version:")).map(str::trim);
    if version != Some("0") {
        return Err("line 1 is not 'version: 0'".to_owned());
    }
    let id = lines.next().and_then(|line| line.strip_prefix("topic_id:")).map(str::trim);
    let id: TopicId = id.ok_or("line 2 is not a topic id")?.parse().map_err(|error| format!("line 2: {error}"))?;
    if id.is_zero() { Err("the topic id is zero".to_owned()) } else { Ok(id) }
}

/// Feeds arbitrary bytes to the reader; for fuzzing.
pub fn fuzz(bytes: &[u8]) {
    let _ = decode(&String::from_utf8_lossy(bytes));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use world::MemDisk;

    use super::*;

    #[test]
    fn kafkas_text_goes_both_ways() {
        // As Kafka 3.9.2 wrote it.
        let text = "version: 0\ntopic_id: Y1pQmVw2RrSx8o0c1bN3Zg";
        assert_eq!(encode(decode(text).unwrap()), text);
        for bad in ["", "version: 1\ntopic_id: Y1pQmVw2RrSx8o0c1bN3Zg", "version: 0", "version: 0\ntopic_id: x"] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
        assert!(decode("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA").is_err());
    }

    #[test]
    fn a_missing_file_is_no_id() {
        let disk = MemDisk::new();
        assert_eq!(read(&disk, Path::new("/")).unwrap(), None);
        write(&disk, Path::new("/"), TopicId::ONE).unwrap();
        assert_eq!(read(&disk, Path::new("/")).unwrap(), Some(TopicId::ONE));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(version: 0\n)?(topic_id: ?)?[ -~é\n]{0,30}") {
            fuzz(text.as_bytes());
        }
    }
}
