//! Conformance helpers: a broker under test, real or embedded.
