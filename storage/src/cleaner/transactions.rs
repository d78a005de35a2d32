//! Which transactions a cleaning meets on its way through a log, and so which batches and markers it may drop. Pure.
//! Rules: Kafka's `CleanedTransactionMetadata`.
//!
//! Aborted data goes at once. A marker stays while any batch of its transaction was met before it; without one it has
//! nothing left to end, and gets a delete horizon like a tombstone. The cleaner never passes the last stable offset, so
//! every transaction it meets is decided.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::batch::{BatchHeader, ControlType};
use crate::txn_index::AbortedTxn;

/// What a control batch holds, as far as the cleaner minds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    /// The end of a transaction.
    End(ControlType),
    /// A record that is not ours to understand.
    Unknown,
    /// Nothing any more: an earlier cleaning emptied it.
    Empty,
}

/// The state, carried from batch to batch in offset order.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// Aborted ones that have not begun yet, by first offset.
    ahead: BTreeMap<(i64, i64), AbortedTxn>,
    /// Aborted ones that have begun, by producer, and whether a batch of them was met.
    aborted: HashMap<i64, (AbortedTxn, bool)>,
    /// Producers of which a batch of a committed transaction was met.
    committed: HashSet<i64>,
}

impl Transactions {
    /// Learns of aborted transactions that overlap what comes next. Hearing of one twice does no harm.
    pub(super) fn add_aborted(&mut self, found: impl IntoIterator<Item = AbortedTxn>) {
        self.ahead.extend(found.into_iter().map(|txn| ((txn.first_offset, txn.producer_id), txn)));
    }

    /// A data batch; whether it belongs to an aborted transaction.
    pub(super) fn on_data(&mut self, header: &BatchHeader) -> bool {
        self.begin_until(header.last_offset());
        if !header.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&header.producer_id) {
            Some((_, was_met)) => {
                *was_met = true;
                true
            }
            None => {
                self.committed.insert(header.producer_id);
                false
            }
        }
    }

    /// A control batch; whether it may be dropped, and else the aborted transaction that the new index must list.
    pub(super) fn on_control(&mut self, header: &BatchHeader, control: Control) -> (bool, Option<AbortedTxn>) {
        self.begin_until(header.last_offset());
        match control {
            Control::End(ControlType::Abort) => match self.aborted.remove(&header.producer_id) {
                Some((txn, true)) => (false, Some(txn)),
                _ => (true, None),
            },
            Control::End(ControlType::Commit) => (!self.committed.remove(&header.producer_id), None),
            Control::Unknown => (false, None),
            Control::Empty => (true, None),
        }
    }

    fn begin_until(&mut self, offset: i64) {
        while let Some(first) = self.ahead.first_entry().filter(|first| first.key().0 <= offset) {
            let txn = first.remove();
            self.aborted.entry(txn.producer_id).or_insert((txn, false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Batch, BatchBuilder, ProducerFields};

    fn header(producer: i64, offset: i64, transactional: bool) -> BatchHeader {
        let fields = ProducerFields { id: producer, epoch: 0, base_sequence: 0 };
        let mut builder = BatchBuilder::new().base_offset(offset).producer(fields);
        if transactional {
            builder = builder.transactional();
        }
        builder.append(0, None, None, &[]);
        Batch::parse(&builder.build().unwrap()).unwrap().header
    }

    fn aborted(producer_id: i64, first_offset: i64, last_offset: i64) -> AbortedTxn {
        AbortedTxn { producer_id, first_offset, last_offset, last_stable_offset: last_offset + 1 }
    }

    const ABORT: Control = Control::End(ControlType::Abort);
    const COMMIT: Control = Control::End(ControlType::Commit);

    #[test]
    fn markers_stay_while_their_data_was_met() {
        let mut txns = Transactions::default();
        txns.add_aborted([aborted(1, 10, 20), aborted(2, 12, 21)]);
        assert!(!txns.on_data(&header(1, 5, true)), "an earlier transaction of the producer");
        assert_eq!(txns.on_control(&header(1, 6, true), COMMIT), (false, None));
        assert_eq!(txns.on_control(&header(1, 7, true), COMMIT), (true, None));
        assert!(txns.on_data(&header(1, 10, true)));
        assert!(!txns.on_data(&header(3, 11, true)));
        assert!(!txns.on_data(&header(4, 13, false)));
        txns.add_aborted([aborted(1, 10, 20)]);
        assert_eq!(txns.on_control(&header(1, 20, true), ABORT), (false, Some(aborted(1, 10, 20))));
        assert_eq!(txns.on_control(&header(2, 21, true), ABORT), (true, None));
        assert!(!txns.on_data(&header(1, 22, true)), "the next one is not known to be aborted");
        assert_eq!(txns.on_control(&header(3, 23, true), Control::Unknown), (false, None));
        assert_eq!(txns.on_control(&header(3, 24, true), Control::Empty), (true, None));
        assert_eq!(txns.on_control(&header(3, 25, true), COMMIT), (false, None));
    }
}
