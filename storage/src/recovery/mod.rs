//! Opening a log: from files, checkpoints and the clean-shutdown mark to segments with true indexes, epochs and
//! producer state.
//!
//! 1. Temporary files are finished or undone ([`plan`]).
//! 2. Segments are opened; one whose index files are missing is indexed again.
//! 3. After an unclean stop every segment that may hold unflushed bytes is scanned: at the first broken batch it is cut,
//!    and what follows is removed. Segments that end below the recovery point are believed.
//! 4. A log that ends before its checkpointed start begins anew there.
//! 5. Leader epochs are cut to the log; producers come from the newest snapshot and the records behind it.
//!
//! A segment whose offsets do not fit an index is split ([`split`]), and then 2 begins again.
//!
//! Nothing that was flushed is lost by this, and nothing broken survives it where the crash can have left it.

mod apply;
pub mod plan;
pub(crate) mod progress;
mod split;

pub(crate) use apply::{Loaded, load, rebuild_producers};
pub use progress::{DirProgress, LoadProgress};
