//! Kafka messaging in the manner of axum.
