//! The controller's decisions: partition and replica state machines, election, deletion.
