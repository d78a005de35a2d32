//! Where the log ends, in offsets and in bytes, as one value: what a reader needs so as never to see half an append.
//!
//! The newest batch boundaries are remembered with it, so that consumers that follow the log are served without a
//! lookup, and a high watermark slightly behind the end is found in memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Boundaries remembered.
const RECENT: usize = 64;

/// The end of the log. Its lock is held for a few instructions only.
#[derive(Debug)]
pub(crate) struct Tail {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    segment_base: i64,
    end_offset: i64,
    end_position: u64,
    /// First offsets of batches of the active segment with their positions, oldest first.
    recent: VecDeque<(i64, u64)>,
}

/// What a reader learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// Base offset of the active segment.
    pub(crate) segment_base: i64,
    pub(crate) end_offset: i64,
    pub(crate) end_position: u64,
    /// Position of the batch that begins exactly at the wanted offset, and of the one behind it.
    pub(crate) start: Option<(u64, u64)>,
    /// Position of the batch that begins exactly at the limit, or the end when the limit is there.
    pub(crate) limit: Option<u64>,
}

impl Tail {
    pub(crate) fn new(segment_base: i64, end_offset: i64, end_position: u64) -> Tail {
        Tail { inner: Mutex::new(Inner { segment_base, end_offset, end_position, recent: VecDeque::new() }) }
    }

    /// Starts over, after a roll or a truncation.
    pub(crate) fn set(&self, segment_base: i64, end_offset: i64, end_position: u64) {
        *self.lock() = Inner { segment_base, end_offset, end_position, recent: VecDeque::new() };
    }

    /// Notes what was appended: each batch's first offset and size.
    pub(crate) fn extend(&self, batches: impl Iterator<Item = (i64, u64)>, end_offset: i64) {
        let mut inner = self.lock();
        for (base_offset, size) in batches {
            let position = inner.end_position;
            if inner.recent.len() == RECENT {
                inner.recent.pop_front();
            }
            inner.recent.push_back((base_offset, position));
            inner.end_position += size;
        }
        inner.end_offset = end_offset;
    }

    pub(crate) fn end_offset(&self) -> i64 {
        self.lock().end_offset
    }

    /// Looks at the end, and for the positions of two offsets.
    pub(crate) fn sight(&self, start: i64, limit: i64) -> Sighting {
        let inner = self.lock();
        let number = |offset: i64| inner.recent.binary_search_by_key(&offset, |(base, _)| *base).ok();
        let position = |number: usize| inner.recent.get(number).map(|(_, position)| *position);
        let start =
            number(start).and_then(|found| Some((position(found)?, position(found + 1).unwrap_or(inner.end_position))));
        let at_end = limit >= inner.end_offset;
        let limit = if at_end { Some(inner.end_position) } else { number(limit).and_then(position) };
        Sighting {
            segment_base: inner.segment_base,
            end_offset: inner.end_offset,
            end_position: inner.end_position,
            start,
            limit,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_are_found_until_they_are_forgotten() {
        let tail = Tail::new(0, 10, 1000);
        tail.extend([(10, 50), (12, 60)].into_iter(), 20);
        let seen = tail.sight(10, 12);
        assert_eq!((seen.start, seen.limit, seen.end_position), (Some((1000, 1050)), Some(1050), 1110));
        let seen = tail.sight(12, 99);
        assert_eq!((seen.start, seen.limit), (Some((1050, 1110)), Some(1110)));
        let seen = tail.sight(11, 15);
        assert_eq!((seen.start, seen.limit), (None, None));
        tail.extend((20..20 + RECENT as i64).map(|offset| (offset, 1)), 20 + RECENT as i64);
        assert_eq!(tail.sight(10, 12).start, None);
        tail.set(100, 100, 0);
        assert_eq!(tail.sight(20, 100).start, None);
        assert_eq!(tail.end_offset(), 100);
    }
}
