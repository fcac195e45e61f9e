//! Group membership: who consumes which partition.
