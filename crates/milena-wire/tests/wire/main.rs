//! The wire format against bytes of other implementations, properties, and hostile bytes.

mod decode_everything;
mod golden;
mod hostile;
mod properties;
mod samples;
