//! Reads a partition of `__consumer_offsets` into a shard, when this broker has become its leader.
//!
//! Runs on a thread that may block. Memory is bounded by `offsets.load.buffer.size` (or the largest batch) beside what
//! the groups themselves need. A record that cannot be understood is passed over with a warning: refusing the whole
//! partition for it would take every group on it away.

use storage::batch::{Batch, Batches, ControlType};
use tracing::warn;
use zk_paths::ids::{Offset, ProducerId};

use super::core::{Now, Settings, Shard};
use super::log::{OffsetsLog, ReadFailure};
use super::records;

/// No batch of the offsets topic unpacks to more.
const UNPACKED_LIMIT: usize = 64 << 20;

/// What was read.
#[derive(Debug)]
pub struct Loaded {
    /// The groups. Not yet told that loading is over.
    pub shard: Shard,
    /// How many records it took.
    pub records: u64,
}

/// Replays all batches of a partition. `go_on` is asked between reads; when it says no, loading ends with
/// `ReadFailure::NotLeader`.
pub fn load(
    log: &dyn OffsetsLog,
    partition: i32,
    settings: Settings,
    max_bytes: usize,
    now: Now,
    go_on: impl Fn() -> bool,
) -> Result<Loaded, ReadFailure> {
    let mut loaded = Loaded { shard: Shard::new(settings), records: 0 };
    let mut next = Offset::ZERO;
    while go_on() {
        let bytes = log.read(partition, next, max_bytes)?;
        if bytes.is_empty() {
            return Ok(loaded);
        }
        let before = next;
        for batch in Batches::new(bytes) {
            let failed = |reason: String| ReadFailure::Failed { partition, from: next, reason };
            let batch = batch.map_err(|error| failed(error.to_string()))?;
            // A read begins at a batch; what is before the offset we want was seen already.
            if batch.header.next_offset() > next.0 {
                next = Offset(batch.header.next_offset());
                replay(&mut loaded, partition, now, &batch);
            }
        }
        if next == before {
            let reason = "it holds no whole batch".to_owned();
            return Err(ReadFailure::Failed { partition, from: next, reason });
        }
    }
    Err(ReadFailure::NotLeader(partition))
}

fn replay(loaded: &mut Loaded, partition: i32, now: Now, batch: &Batch) {
    let header = &batch.header;
    if let Err(error) = replay_batch(loaded, now, batch) {
        warn!("__consumer_offsets-{partition}: the batch at offset {} is passed over: {error}", header.base_offset);
    }
}

fn replay_batch(loaded: &mut Loaded, now: Now, batch: &Batch) -> Result<(), storage::batch::BatchError> {
    let header = &batch.header;
    let producer = ProducerId(header.producer_id);
    if header.is_control() {
        if let Some(marker) = batch.end_transaction_marker()? {
            loaded.shard.replay_marker(now, producer, marker.control_type == ControlType::Commit);
        }
        return Ok(());
    }
    let records = batch.records(UNPACKED_LIMIT)?;
    let base_offset = records.first().map_or(Offset(header.base_offset), |record| Offset(record.offset));
    for record in records {
        loaded.records += 1;
        let key = record.key.unwrap_or_default();
        match records::decode(&key, record.value.as_ref()) {
            Ok(Some(decoded)) if header.is_transactional() => {
                loaded.shard.replay_transactional(producer, base_offset, decoded);
            }
            Ok(Some(decoded)) => loaded.shard.replay(now, base_offset, decoded),
            Ok(None) => {}
            Err(error) => warn!("the record of __consumer_offsets at offset {} is passed over: {error}", record.offset),
        }
    }
    Ok(())
}
