//! An embeddable Kafka broker for development and tests.
