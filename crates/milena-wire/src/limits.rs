//! The bounds on what is read from the wire. Knows no configuration: callers may pass lower ones.

/// The largest frame accepted by default, without its length prefix: 100 MiB, the default of
/// Kafka's `socket.request.max.bytes`.
pub const FRAME_BYTES_MAX: usize = 100 * 1024 * 1024;

/// The most bytes a compressed batch may unfold to by default.
pub const DECOMPRESSED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The most records one batch may hold.
pub const RECORDS_PER_BATCH_MAX: usize = 1 << 26;

/// The most headers one record may hold.
pub const HEADERS_PER_RECORD_MAX: usize = 1 << 20;

/// The most elements an array of an RPC message may hold.
pub const ARRAY_ELEMENTS_MAX: usize = 1 << 20;

/// The largest record, and the largest batch, that can be encoded: lengths are an `i32`, and the
/// room left is for the fields around them.
pub const ENCODED_BYTES_MAX: usize = i32::MAX as usize - 1024;

const _: () = assert!(
    FRAME_BYTES_MAX <= i32::MAX as usize,
    "a frame's length is an i32"
);
const _: () = assert!(
    FRAME_BYTES_MAX <= DECOMPRESSED_BYTES_MAX,
    "an uncompressed batch must open"
);
const _: () = assert!(
    DECOMPRESSED_BYTES_MAX <= i32::MAX as usize,
    "record positions are an i32"
);
const _: () = assert!(
    HEADERS_PER_RECORD_MAX <= i32::MAX as usize,
    "a header count is an i32"
);
