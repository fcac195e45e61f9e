//! The conformance suite: the same end-to-end tests on the embedded broker and on Apache Kafka.
//!
//! Each test starts an embedded broker of its own, or uses the cluster in `MILENA_TEST_BROKERS` with
//! topics and groups of its own. What only an embedded broker can do, such as faults on order, is
//! left out on a cluster.

mod admin;
mod admin_acls;
mod admin_compaction;
mod admin_configs;
mod admin_groups;
mod admin_partitions;
mod admin_topics;
mod admin_transactions;
mod admin_users;
mod app;
mod authorization;
mod collector;
mod commits;
mod configuration;
mod copiers;
mod deletions;
mod faults;
mod groups;
mod groups_consumer;
mod groups_membership;
mod groups_share;
mod idle;
mod leadership;
mod ordering;
mod producing;
mod publishing;
mod quotas;
mod replicas;
mod round_trip;
mod security;
mod security_framework;
mod seek;
mod sizes;
mod spans;
mod transactions;
