//! Snapshots of producers, and transaction indexes.

use std::path::Path;

use storage::producer_snapshot;
use storage::producer_state::ProducerEntry;
use storage::txn_index::AbortedTxn;

use super::{base_offset, unreadable};
use crate::error::ToolError;
use crate::terminal::Terminal;

/// Room for millions of entries; a larger file is damage.
const MAX_FILE: u64 = 1 << 30;

pub fn dump_producers(path: &Path, terminal: &mut Terminal) -> Result<(), ToolError> {
    let bytes = terminal.disk.read_all(path, MAX_FILE).map_err(unreadable(path))?;
    match producer_snapshot::decode(&bytes) {
        Ok(producers) => {
            for (producer_id, entry) in producers {
                terminal.line(&producer_line(producer_id, &entry))?;
            }
        }
        // Kafka goes on with the next file.
        Err(what) => terminal.warn(&format!("Snapshot failed to load: {}: {what}", path.display())),
    }
    Ok(())
}

fn producer_line(producer_id: i64, entry: &ProducerEntry) -> String {
    let first =
        entry.txn_first_offset.map_or("OptionalLong.empty".to_owned(), |offset| format!("OptionalLong[{offset}]"));
    let last = entry.batches.front().map_or(String::new(), |batch| {
        // Sequences wrap from 2^31-1 to 0.
        let first = i64::from(batch.last_sequence) - i64::from(batch.offset_delta);
        let first = if first < 0 { first + i64::from(i32::MAX) + 1 } else { first };
        format!(
            "firstSequence: {first} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
            batch.last_sequence, batch.last_offset, batch.offset_delta, batch.timestamp
        )
    });
    format!(
        "producerId: {producer_id} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {first} \
         lastTimestamp: {} {last}",
        entry.producer_epoch, entry.coordinator_epoch, entry.last_timestamp
    )
}

pub fn dump_transactions(path: &Path, terminal: &mut Terminal) -> Result<(), ToolError> {
    base_offset(path)?;
    let bytes = terminal.disk.read_all(path, MAX_FILE).map_err(unreadable(path))?;
    let entries = AbortedTxn::decode_all(&bytes)
        .map_err(|position| ToolError::Failed(format!("{}: at position {position} is no entry", path.display())))?;
    for entry in entries {
        terminal.line(&format!(
            "version: 0 producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
            entry.producer_id, entry.first_offset, entry.last_offset, entry.last_stable_offset
        ))?;
    }
    Ok(())
}
