//! The group coordinator: consumer groups (the classic protocol) and their offsets in `__consumer_offsets`.
//!
//! In reading order: [`core`] decides, [`records`] gives its records their bytes.

pub mod core;
pub mod records;
