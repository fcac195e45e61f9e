use super::*;

fn ongoing() -> Transaction {
    Transaction {
        identity: Identity { id: 9, epoch: 3 },
        epoch_before: 2,
        id_before: 5,
        id_next: Some(11),
        timeout_ms: 60_000,
        state: State::Ongoing,
        protocol: Protocol::V2,
        partitions: BTreeSet::from([("a".into(), 0), ("b".into(), 7)]),
        groups: BTreeSet::from(["g".into()]),
        started_ms: 100,
        updated_ms: 200,
    }
}

fn record(id: &str, transaction: Option<Transaction>) -> TransactionRecord {
    TransactionRecord {
        id: id.into(),
        transaction,
    }
}

#[test]
fn records_are_read_back_as_they_were_written() {
    for state in STATES {
        let transaction = Transaction { state, ..ongoing() };
        for record in [record("id", Some(transaction)), record("id", None)] {
            let bytes = record.encode();
            assert_eq!(TransactionRecord::decode(&bytes), Some(record));
            for cut in 0..bytes.len() {
                assert_eq!(TransactionRecord::decode(&bytes[..cut]), None);
            }
        }
    }
}

#[test]
fn the_last_record_of_an_id_counts() {
    let records = [
        record("one", Some(Transaction::new())),
        record("two", Some(ongoing())),
        record("one", Some(ongoing())),
        record("two", None),
    ];
    let known = replay(records);
    assert_eq!(known, BTreeMap::from([("one".into(), ongoing())]));
}
