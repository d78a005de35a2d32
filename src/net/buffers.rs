//! Buffers that connections borrow for large frames and give back: an idle connection holds a few KiB, whatever the
//! size of the requests that it once sent. What the pool keeps is bounded by [`KEPT_BUFFERS`] times [`KEPT_BYTES`].

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};

use crate::locks::lock;

/// Largest buffer worth keeping: one batch of the default `max.request.size` (1 MiB) and its request.
const KEPT_BYTES: usize = 1088 * 1024;
/// How many buffers of each kind wait for their next user.
const KEPT_BUFFERS: usize = 8;
/// First allocation for a large frame. It grows only as bytes really arrive: a length is a claim, not a fact.
const FIRST_BYTES: usize = 64 * 1024;
/// Size of the buffer through which file regions pass on their way to the socket (`docs/performance.md`: larger wins
/// nothing, smaller costs system calls).
pub const SEND_BYTES: usize = 256 * 1024;
/// The same while many replies are on their way: peers that read slowly hold their buffers for as long as they like.
const SMALL_SEND_BYTES: usize = 16 * 1024;
/// How many replies at once get a large buffer.
const LARGE_SENDS: usize = 32;

/// The process's spare buffers.
#[derive(Debug, Default)]
pub struct BufferPool {
    frames: Mutex<Vec<BytesMut>>,
    sends: Mutex<Vec<Vec<u8>>>,
    sends_in_use: AtomicUsize,
    /// `klamm.sendfile.min.bytes`: from which length on file bytes go to the socket without one of these buffers; `None`
    /// never.
    pub sendfile_min_bytes: Option<u64>,
}

impl BufferPool {
    /// An empty pool.
    pub fn new(sendfile_min_bytes: Option<u64>) -> BufferPool {
        BufferPool { sendfile_min_bytes, ..BufferPool::default() }
    }

    /// An empty buffer to read a frame of `frame_bytes` into; see [`grow`].
    pub fn take_frame(&self, frame_bytes: usize) -> BytesMut {
        let spare = if frame_bytes <= KEPT_BYTES { lock(&self.frames).pop() } else { None };
        spare.unwrap_or_else(|| BytesMut::with_capacity(frame_bytes.min(FIRST_BYTES)))
    }

    /// Takes a frame's buffer back when nobody holds a slice of it any more.
    pub fn give_frame(&self, frame: Bytes) {
        let Ok(mut buffer) = frame.try_into_mut() else { return };
        buffer.clear();
        if (FIRST_BYTES..=KEPT_BYTES).contains(&buffer.capacity()) {
            let mut frames = lock(&self.frames);
            if frames.len() < KEPT_BUFFERS {
                frames.push(buffer);
            }
        }
    }

    /// A buffer for one reply: [`SEND_BYTES`], or less when many are in use. Comes back when it is dropped, so also when
    /// the reply is given up half sent.
    pub fn take_send(&self) -> SendBuffer<'_> {
        let in_use = self.sends_in_use.fetch_add(1, Ordering::Relaxed);
        let bytes = match in_use {
            LARGE_SENDS.. => vec![0; SMALL_SEND_BYTES],
            _ => lock(&self.sends).pop().unwrap_or_else(|| vec![0; SEND_BYTES]),
        };
        SendBuffer { pool: self, bytes }
    }
}

/// A send buffer on loan.
#[derive(Debug)]
pub struct SendBuffer<'a> {
    pool: &'a BufferPool,
    /// Empty while a blocking thread has them.
    pub bytes: Vec<u8>,
}

impl Drop for SendBuffer<'_> {
    fn drop(&mut self) {
        self.pool.sends_in_use.fetch_sub(1, Ordering::Relaxed);
        let mut sends = lock(&self.pool.sends);
        if self.bytes.len() == SEND_BYTES && sends.len() < KEPT_BUFFERS {
            sends.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// Makes room for more of a frame of `frame_bytes`: at most doubles what has arrived. `false` if the system has no memory
/// for it: one large request must not end the process, which is what a failed allocation does.
pub fn grow(buffer: &mut BytesMut, frame_bytes: usize) -> bool {
    if buffer.len() < buffer.capacity() {
        return true;
    }
    let left = frame_bytes.saturating_sub(buffer.len());
    let more = left.min(buffer.len().max(FIRST_BYTES));
    if buffer.len() + more > KEPT_BYTES && !can_allocate(2 * buffer.len() + more) {
        return false;
    }
    buffer.reserve(more);
    true
}

/// Whether the system would give so many bytes now; pages that nobody touches cost nothing. (`BytesMut` cannot ask.)
fn can_allocate(bytes: usize) -> bool {
    let mut probe = Vec::<u8>::new();
    let given = probe.try_reserve_exact(bytes).is_ok();
    // Without this the optimiser may leave out an allocation that is not used, and call it a success.
    std::hint::black_box(&probe);
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_length_allocates_little() {
        let pool = BufferPool::default();
        assert!(pool.take_frame(100 << 20).capacity() <= FIRST_BYTES);
    }

    #[test]
    fn memory_that_nobody_has_is_refused() {
        assert!(can_allocate(1 << 20));
        assert!(!can_allocate(isize::MAX as usize));
        let mut buffer = BytesMut::from(&[0; FIRST_BYTES][..]);
        assert!(grow(&mut buffer, 2 * FIRST_BYTES));
        assert!(buffer.capacity() >= 2 * FIRST_BYTES);
    }

    #[test]
    fn a_returned_buffer_is_used_again_and_a_held_one_is_not() {
        let pool = BufferPool::default();
        let mut buffer = pool.take_frame(1 << 20);
        buffer.extend_from_slice(&vec![7; 1 << 20]);
        let frame = buffer.freeze();
        let address = frame.as_ptr();
        pool.give_frame(frame);
        let again = pool.take_frame(1 << 20);
        assert_eq!(again.as_ptr(), address);
        assert!(again.is_empty());

        let held = pool.take_frame(10);
        let frame = held.freeze();
        let _slice = frame.clone();
        pool.give_frame(frame);
        assert!(lock(&pool.frames).is_empty());
    }

    #[test]
    fn the_pool_keeps_a_bounded_number() {
        let pool = BufferPool::default();
        for _ in 0..3 * KEPT_BUFFERS {
            pool.give_frame(BytesMut::with_capacity(FIRST_BYTES).freeze());
        }
        let sends: Vec<_> = (0..3 * KEPT_BUFFERS).map(|_| pool.take_send()).collect();
        drop(sends);
        assert!(lock(&pool.frames).len() <= KEPT_BUFFERS);
        assert_eq!(lock(&pool.sends).len(), KEPT_BUFFERS);
    }

    #[test]
    fn many_replies_at_once_get_small_buffers() {
        let pool = BufferPool::default();
        let held: Vec<_> = (0..LARGE_SENDS + 3).map(|_| pool.take_send()).collect();
        assert_eq!(held.iter().filter(|buffer| buffer.bytes.len() == SEND_BYTES).count(), LARGE_SENDS);
        drop(held);
        assert_eq!(pool.take_send().bytes.len(), SEND_BYTES);
    }
}
