//! The Kafka wire format: bytes to types and back.
//!
//! Owns frames, record batches of format 2, compression, the table of error codes and the
//! helpers around the `kafka-protocol` messages. Knows no socket, no runtime and no clock, and
//! never panics on bytes it is given.
//!
//! ```
//! use milena_wire::Compression;
//! use milena_wire::batch::{BatchEncoder, BatchError, BatchStamp, Batches, RecordData};
//!
//! # fn main() -> Result<(), BatchError> {
//! let mut encoder = BatchEncoder::with_capacity(16 * 1024);
//! encoder.append(&RecordData {
//!     timestamp: 1_700_000_000_000,
//!     key: Some(b"customer-1"),
//!     value: Some(b"hello"),
//!     headers: &[],
//! })?;
//! let bytes = encoder.finish(BatchStamp::NONE, Compression::Zstd, None)?;
//!
//! for batch in Batches::new(bytes) {
//!     let batch = batch?;
//!     batch.verify_crc()?;
//!     let batch = batch.open(milena_wire::limits::DECOMPRESSED_BYTES_MAX)?;
//!     for record in &batch {
//!         assert_eq!(record?.value, Some(b"hello".as_slice()));
//!     }
//! }
//! # Ok(())
//! # }
//! ```

pub mod batch;
pub mod compression;
pub mod error_code;
pub mod frame;
pub mod limits;
pub mod rpc;
pub mod sasl;
pub mod varint;

pub use compression::Compression;
pub use error_code::{ErrorClass, ErrorCode};
