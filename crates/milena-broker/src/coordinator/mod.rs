//! Consumer groups and transactions: who is in, what was committed, what is undecided.
//!
//! [`group`] is the plain state machine of one classic group, [`consumer_group`] that
//! of one of the new protocol, and [`offsets`] what a group has committed; [`groups`]
//! drives all of them with requests, timers and storage.
//! [`transaction`] is that of one transactional id, and [`transactions`] drives those.

pub(crate) mod consumer_group;
pub(crate) mod group;
pub(crate) mod groups;
pub(crate) mod offsets;
pub(crate) mod transaction;
pub(crate) mod transactions;
