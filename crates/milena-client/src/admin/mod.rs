//! Looking after topics, groups and the cluster.
/// Admin.
pub struct Admin;
