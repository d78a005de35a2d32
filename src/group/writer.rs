//! Puts the core's appends into record batches and those into the log, in order.
//!
//! Appends that wait together are written together: while one batch is being replicated the next ones gather, so that a
//! partition takes as many commits as come, at one batch per round trip.

use bytes::Bytes;
use storage::batch::BatchBuilder;
use storage::compression::Codec;
use zk_paths::ids::{LeaderEpoch, Offset};

use super::core::Append;
use super::log::{AppendFailure, OffsetsLog};
use super::records::{self, ValueVersions};

/// Appends are gathered up to this size of a batch; a larger one goes alone.
const GATHERED_BYTES: usize = 64 * 1024;

/// How records become batches.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Versions of values.
    pub versions: ValueVersions,
    /// `offsets.topic.compression.codec`.
    pub compression: Codec,
}

/// An append that has come back.
pub type Written = (Append, Result<Offset, AppendFailure>);

type KeyValue = (Bytes, Option<Bytes>);

/// Appends with their bytes that go into one batch.
#[derive(Default)]
struct Gathered {
    appends: Vec<(Append, Vec<KeyValue>)>,
    size: usize,
}

/// Writes all of the appends. Each answers for itself: one that cannot be written does not stop the others.
pub async fn write(
    log: &dyn OffsetsLog,
    partition: i32,
    leader_epoch: LeaderEpoch,
    format: Format,
    timestamp_ms: i64,
    appends: Vec<Append>,
) -> Vec<Written> {
    let mut written = Vec::with_capacity(appends.len());
    for gathered in gather(appends, format.versions) {
        let is_alone = gathered.appends.len() == 1;
        let pairs = gathered.appends.iter().flat_map(|(_, pairs)| pairs);
        let outcome = append(log, partition, leader_epoch, format.compression, timestamp_ms, pairs).await;
        if outcome == Err(AppendFailure::MessageTooLarge) && !is_alone {
            for (one, pairs) in gathered.appends {
                let outcome = append(log, partition, leader_epoch, format.compression, timestamp_ms, &pairs).await;
                written.push((one, outcome));
            }
            continue;
        }
        let mut next = outcome;
        for (one, pairs) in gathered.appends {
            let count = i64::try_from(pairs.len()).unwrap_or_default();
            written.push((one, next));
            next = next.map(|offset| Offset(offset.0 + count));
        }
    }
    written
}

/// Groups appends into batches, in order. One whose records cannot be encoded has none and is refused later.
fn gather(appends: Vec<Append>, versions: ValueVersions) -> Vec<Gathered> {
    let mut all: Vec<Gathered> = Vec::new();
    for append in appends {
        let pairs =
            append.records.iter().map(|record| records::encode(record, versions)).collect::<Result<Vec<_>, _>>();
        let pairs = pairs.unwrap_or_default();
        let size =
            pairs.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Bytes::len) + 16).sum::<usize>();
        match all.last_mut() {
            Some(last) if !pairs.is_empty() && last.size > 0 && last.size + size <= GATHERED_BYTES => {
                last.size += size;
                last.appends.push((append, pairs));
            }
            _ => all.push(Gathered { size, appends: vec![(append, pairs)] }),
        }
    }
    all
}

async fn append(
    log: &dyn OffsetsLog,
    partition: i32,
    leader_epoch: LeaderEpoch,
    compression: Codec,
    timestamp_ms: i64,
    pairs: impl IntoIterator<Item = &KeyValue>,
) -> Result<Offset, AppendFailure> {
    let mut builder = BatchBuilder::new().compression(compression);
    for (key, value) in pairs {
        builder.append(timestamp_ms, Some(key), value.as_deref(), &[]);
    }
    if builder.record_count() == 0 {
        return Err(AppendFailure::Unknown);
    }
    let batch = builder.build().map_err(|_| AppendFailure::Unknown)?;
    log.append(partition, leader_epoch, batch).await
}
