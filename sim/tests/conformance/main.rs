//! The conformance suite: the same end-to-end tests on the embedded broker and on Apache Kafka.
