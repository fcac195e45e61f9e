use super::*;

#[test]
fn the_oldest_open_transaction_bounds_what_is_stable() {
    let mut transactions = PartitionTransactions::default();
    assert_eq!(transactions.last_stable_offset(10), 10);
    transactions.on_batch(1, 10);
    transactions.on_batch(2, 12);
    transactions.on_batch(1, 14);
    assert_eq!(transactions.last_stable_offset(16), 10);
    assert_eq!(transactions.start_of(1), Some(10));
    transactions.on_marker(1, 16, true);
    assert_eq!(transactions.last_stable_offset(17), 12);
    transactions.on_marker(2, 17, false);
    assert_eq!(transactions.last_stable_offset(18), 18);
    assert_eq!(transactions.start_of(1), None);
}

#[test]
fn aborted_transactions_are_listed_where_they_matter() {
    let mut transactions = PartitionTransactions::default();
    // (producer, first offset, marker, aborted); markers come in their order.
    let ended = [(1, 0, 5, true), (2, 2, 6, false), (3, 4, 9, true)];
    for (producer_id, first, marker, is_abort) in ended {
        transactions.on_batch(producer_id, first);
        transactions.on_marker(producer_id, marker, is_abort);
    }
    // A marker without a transaction ends nothing.
    transactions.on_marker(3, 10, true);
    let producers = |from, before| -> Vec<i64> {
        let found = transactions.aborted_within(from, before);
        found.iter().map(|one| one.producer_id).collect()
    };
    assert_eq!(producers(0, 11), [1, 3]);
    assert_eq!(producers(5, 11), [1, 3]);
    assert_eq!(producers(6, 11), [3]);
    assert_eq!(producers(0, 4), [1]);
    assert_eq!(producers(10, 11), [0; 0]);

    transactions.forget_before(6);
    assert_eq!(transactions.aborted().len(), 1);
}
