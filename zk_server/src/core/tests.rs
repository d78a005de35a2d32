//! What the core answers, by table.
