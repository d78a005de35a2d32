//! A segment whose offsets reach too far from its first for an index entry (32 bits) becomes several.
//!
//! Old brokers could write such segments when they compacted (KAFKA-6264); recovery meets them when it builds an index.
//! The parts are written as `.cleaned` and renamed to `.swap`, highest first: a crash up to then undoes all of it, and from
//! then on the next start finishes it (`plan.rs`), as for Kafka's own splits.

use std::io::IoSlice;
use std::sync::Arc;

use world::DiskFile;

use super::plan::Step;
use crate::batch::Batch;
use crate::error::{Attempt, StorageError};
use crate::file_name::{FileKind, FileState, SegmentFile};
use crate::log::LogContext;
use crate::log_path::SharedDir;
use crate::segment::Segment;

/// Whether an index of a segment that begins at `base_offset` can name this offset.
pub(super) fn fits(base_offset: i64, offset: i64) -> bool {
    offset.saturating_sub(base_offset) <= i64::from(i32::MAX)
}

/// Writes the parts of a segment beside it. Answers the renames that make them count; the first part keeps the segment's
/// own base offset. What lies behind a broken batch is left out: recovery would cut it off as well.
pub(super) fn write_parts(dir: &SharedDir, segment: &Segment, context: &LogContext) -> Result<Vec<Step>, StorageError> {
    let mut parts = vec![Part::create(dir, segment.base_offset, context)?];
    let mut next_offset = segment.base_offset;
    for item in segment.scan(0)? {
        let batch = match item {
            Ok((_, batch)) => batch,
            Err(error) => {
                tracing::warn!("{}", segment.scan_error(error));
                break;
            }
        };
        let last_offset = batch.header.last_offset();
        if parts.last().is_none_or(|part| !fits(part.base_offset, last_offset)) {
            // Batches of old formats do not tell their first offset: it is behind the one before them.
            let guess = next_offset.max(last_offset.saturating_sub(i64::from(i32::MAX)));
            let base_offset = if batch.header.magic == 2 { batch.header.base_offset } else { guess };
            parts.push(Part::create(dir, base_offset, context)?);
        }
        if let Some(part) = parts.last_mut() {
            part.append(&batch)?;
        }
        next_offset = batch.header.next_offset();
    }
    let modified_ms = segment.modified_ms()?;
    parts.iter().try_for_each(|part| part.finish(modified_ms))?;
    let renamed = |part: &Part| {
        let file = |state| SegmentFile { offset: part.base_offset, kind: FileKind::Log, state };
        Step::Rename(file(FileState::Cleaned).name(), file(FileState::Swap).name())
    };
    Ok(parts.iter().rev().map(renamed).collect())
}

struct Part {
    base_offset: i64,
    file: Arc<dyn DiskFile>,
    path: std::path::PathBuf,
    size: u64,
}

impl Part {
    fn create(dir: &SharedDir, base_offset: i64, context: &LogContext) -> Result<Part, StorageError> {
        let name = SegmentFile { offset: base_offset, kind: FileKind::Log, state: FileState::Cleaned };
        let path = dir.load().join(name.name());
        let file = context.disk.open_or_create(&path).attempt("create", &path)?;
        file.set_len(0).attempt("truncate", &path)?;
        Ok(Part { base_offset, file, path, size: 0 })
    }

    fn append(&mut self, batch: &Batch) -> Result<(), StorageError> {
        self.file.write_at(&mut [IoSlice::new(&batch.bytes)], self.size).attempt("write", &self.path)?;
        self.size += batch.bytes.len() as u64;
        Ok(())
    }

    /// Retention goes by the time of the last change, which is that of the segment.
    fn finish(&self, modified_ms: i64) -> Result<(), StorageError> {
        self.file.set_modified_ms(modified_ms).attempt("set the time of", &self.path)?;
        self.file.sync_all().attempt("sync", &self.path)
    }
}
