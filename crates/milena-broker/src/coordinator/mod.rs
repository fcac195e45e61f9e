//! Consumer groups: who is in, who leads, what was committed.
//!
//! [`group`] is the plain state machine of one classic group, [`consumer_group`] that
//! of one of the new protocol, and [`offsets`] what a group has committed; [`groups`]
//! drives all of them with requests, timers and storage.

pub(crate) mod consumer_group;
pub(crate) mod group;
pub(crate) mod groups;
pub(crate) mod offsets;
