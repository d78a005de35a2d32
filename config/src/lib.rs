//! One table row per configuration key, and typed views of it.
