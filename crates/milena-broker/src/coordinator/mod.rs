//! Consumer groups: who is in, who leads, what was committed.
//!
//! [`group`] is the plain state machine of one group and [`offsets`] what it has
//! committed; [`groups`] drives all of them with requests, timers and storage.

pub(crate) mod group;
pub(crate) mod groups;
pub(crate) mod offsets;
