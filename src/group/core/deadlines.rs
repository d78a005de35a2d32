//! When something must happen although nobody asks: one ordered set for all groups of a shard, so that a tick costs
//! what is due and not what exists.
//!
//! Each key has at most one deadline; setting it again moves it.

use std::collections::{BTreeSet, HashMap};

use super::{GroupId, MemberId};

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Due {
    /// A member has not been heard of for its session timeout (or, pending, has not come back with its new id).
    Session(GroupId, MemberId),
    /// The joins of a rebalance have been collected for long enough.
    Join(GroupId),
    /// The SyncGroup requests of a generation have been waited for long enough.
    Sync(GroupId),
}

/// All deadlines of a shard, in milliseconds of the monotonic clock.
#[derive(Debug, Default)]
pub struct Deadlines {
    by_time: BTreeSet<(u64, Due)>,
    by_key: HashMap<Due, u64>,
}

impl Deadlines {
    /// Sets or moves a deadline.
    pub fn set(&mut self, due: Due, at_ms: u64) {
        self.clear(&due);
        self.by_time.insert((at_ms, due.clone()));
        self.by_key.insert(due, at_ms);
    }

    /// Forgets a deadline, if there is one.
    pub fn clear(&mut self, due: &Due) {
        if let Some((due, at_ms)) = self.by_key.remove_entry(due) {
            self.by_time.remove(&(at_ms, due));
        }
    }

    /// The earliest.
    pub fn next(&self) -> Option<u64> {
        self.by_time.first().map(|(at_ms, _)| *at_ms)
    }

    /// Takes the earliest if its time has come.
    pub fn pop(&mut self, now_ms: u64) -> Option<Due> {
        if self.next()? > now_ms {
            return None;
        }
        let (_, due) = self.by_time.pop_first()?;
        self.by_key.remove(&due);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_was_moved_fires_once_and_late() {
        let mut deadlines = Deadlines::default();
        deadlines.set(Due::Join("a".into()), 10);
        deadlines.set(Due::Sync("a".into()), 15);
        deadlines.set(Due::Join("a".into()), 20);
        deadlines.set(Due::Join("b".into()), 12);
        deadlines.clear(&Due::Join("b".into()));
        assert_eq!((deadlines.next(), deadlines.pop(14)), (Some(15), None));
        assert_eq!(deadlines.pop(30), Some(Due::Sync("a".into())));
        assert_eq!(deadlines.pop(30), Some(Due::Join("a".into())));
        assert_eq!((deadlines.next(), deadlines.pop(30)), (None, None));
    }
}
