//! Consumer groups and transactions: who is in, what was committed, what is undecided.
//!
//! [`group`] is the plain state machine of one group and [`offsets`] what it has
//! committed; [`groups`] drives all of them with requests, timers and storage.
//! [`transaction`] is that of one transactional id, and [`transactions`] drives those.

pub(crate) mod group;
pub(crate) mod groups;
pub(crate) mod offsets;
pub(crate) mod transaction;
pub(crate) mod transactions;
