//! Buffers come back once, late enough, and not without bound.

use std::sync::Arc;

use super::BufferPool;
use crate::producer::limits::{SPARE_BUFFERS_MAX, SPARE_BYTES_MAX};

#[test]
fn a_lent_buffer_comes_back_when_its_last_reader_is_done() {
    let pool = Arc::new(BufferPool::default());
    let mut buffer = Vec::with_capacity(1000);
    buffer.extend_from_slice(b"records");
    let address = buffer.as_ptr();
    let bytes = pool.lend(buffer);
    let reader = bytes.slice(2..);
    drop(bytes);
    assert_eq!(pool.take(1000).capacity(), 0, "somebody still reads it");
    assert_eq!(reader, b"cords"[..]);
    drop(reader);
    let again = pool.take(1000);
    assert_eq!(again.as_ptr(), address);
    assert_eq!(pool.take(1000).capacity(), 0, "handed out once");
}

#[test]
fn only_a_buffer_of_about_the_wanted_size_is_used_again() {
    for (wanted, fits) in [(400, false), (500, true), (1000, true), (1001, false)] {
        let pool = BufferPool::default();
        pool.give_back(Vec::with_capacity(1000));
        assert_eq!(pool.take(wanted).capacity() == 1000, fits, "{wanted}");
    }
}

#[test]
fn what_is_kept_is_bounded_in_number_and_size() {
    for bytes in [1, SPARE_BYTES_MAX / 4] {
        let pool = BufferPool::default();
        for _ in 0..=SPARE_BUFFERS_MAX {
            pool.give_back(Vec::with_capacity(bytes));
        }
        let spare = pool.lock();
        let kept = SPARE_BUFFERS_MAX.min(SPARE_BYTES_MAX / bytes);
        assert_eq!((spare.buffers.len(), spare.bytes), (kept, kept * bytes));
    }
}
