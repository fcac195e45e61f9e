//! The producer: records in, acknowledged batches out.
