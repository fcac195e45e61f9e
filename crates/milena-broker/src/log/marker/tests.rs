use super::*;
use crate::log::testing::stamped;

#[test]
fn a_marker_is_read_back_as_it_was_written() {
    for (end, is_abort) in [
        (TransactionEnd::Abort, true),
        (TransactionEnd::Commit, false),
    ] {
        let marker = Marker {
            producer_id: 5,
            epoch: 2,
            coordinator_epoch: 3,
            end,
        };
        let batch = marker.encode(77).expect("a batch");
        let found = read(&batch.header, batch.bytes(), 77).expect("a marker");
        assert_eq!(found, marker.appended(batch.header.base_offset, 77));
        assert_eq!(found.is_abort, is_abort);
    }
    let data = stamped(0, 1, &["no marker"]);
    assert_eq!(read(&data.header, &data.bytes, 77), None);
}

#[test]
fn the_end_of_what_was_read_is_found() {
    let first = stamped(10, 1, &["a", "b"]);
    let second = stamped(12, 1, &["c", "d", "e"]);
    let patched = |batch: &crate::log::StampedBatch| Piece::Patched {
        head: batch.head(),
        body: batch.body(),
    };
    let whole = |batch: &crate::log::StampedBatch| {
        let mut bytes = batch.bytes.to_vec();
        bytes[..PATCHED_BYTES].copy_from_slice(&batch.head());
        bytes
    };
    assert_eq!(end_of(&[]), None);
    assert_eq!(end_of(&[patched(&first), patched(&second)]), Some(15));
    let both = [whole(&first), whole(&second)].concat();
    assert_eq!(end_of(&[Piece::Whole(both.into())]), Some(15));
}
