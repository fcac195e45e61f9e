//! Buffers come back once, late enough, and not without bound.

use super::BufferPool;

const BUFFERS_MAX: usize = 8;
const BYTES_MAX: usize = 4000;

#[test]
fn a_lent_buffer_comes_back_when_its_last_reader_is_done() {
    let pool = BufferPool::new(BUFFERS_MAX, BYTES_MAX);
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
        let pool = BufferPool::new(BUFFERS_MAX, BYTES_MAX);
        pool.give_back(Vec::with_capacity(1000));
        assert_eq!(pool.take(wanted).capacity() == 1000, fits, "{wanted}");
    }
}

#[test]
fn what_is_kept_is_bounded_in_number_and_size() {
    for bytes in [1, BYTES_MAX / 4] {
        let pool = BufferPool::new(BUFFERS_MAX, BYTES_MAX);
        for _ in 0..=BUFFERS_MAX {
            pool.give_back(Vec::with_capacity(bytes));
        }
        let spare = pool.lock();
        let kept = BUFFERS_MAX.min(BYTES_MAX / bytes);
        assert_eq!((spare.buffers.len(), spare.bytes), (kept, kept * bytes));
    }
}

#[test]
fn a_cleared_pool_keeps_nothing_and_goes_on() {
    let pool = BufferPool::new(BUFFERS_MAX, BYTES_MAX);
    for _ in 0..2 {
        pool.give_back(Vec::with_capacity(BYTES_MAX));
        pool.clear();
        assert_eq!(pool.take(BYTES_MAX).capacity(), 0);
    }
    pool.give_back(Vec::with_capacity(BYTES_MAX));
    assert_eq!(pool.take(BYTES_MAX).capacity(), BYTES_MAX);
}
