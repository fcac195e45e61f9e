//! The Kafka wire format: bytes to types and back. Knows no socket, no runtime, no clock.
