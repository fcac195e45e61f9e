//! A pure-Rust Kafka client.
