//! Restarts and crashes.
