//! Tests of the history checker: what is sound passes, and each kind of lie is found.

use super::*;

const READER: u32 = 1;

fn id(number: u64) -> RecordId {
    RecordId { lane: 7, number }
}

fn place(offset: i64) -> Place {
    Place {
        partition: 0,
        offset,
    }
}

/// Acknowledges 0, 1, 2 at their own offsets, reads `reads` as (offset, number).
fn check(reads: &[(i64, u64)], expected: &[Anomaly]) {
    let mut history = History::new();
    for number in 0..3_u32 {
        let offset = i64::from(number);
        history.acknowledged(id(number.into()), Some(place(offset)));
    }
    history.in_doubt(id(9));
    for (offset, number) in reads {
        history.read(READER, place(*offset), id(*number));
    }
    assert_eq!(history.anomalies(), expected, "reads {reads:?}");
}

#[test]
fn a_faithful_log_is_sound() {
    check(&[(0, 0), (1, 1), (2, 2)], &[]);
}

#[test]
fn a_record_in_doubt_may_be_there_or_not_but_not_twice() {
    check(&[(0, 0), (1, 1), (2, 2), (3, 9)], &[]);
    check(
        &[(0, 0), (1, 1), (2, 2), (3, 9), (4, 9)],
        &[Anomaly::Duplicated(id(9), vec![place(3), place(4)])],
    );
}

#[test]
fn only_what_was_promised_or_is_in_doubt_is_expected() {
    let mut history = History::new();
    history.acknowledged(id(1), None);
    history.in_doubt(id(2));
    let seen = [1, 2, 3].map(id).into();
    assert_eq!(history.unexpected_in(&seen), [id(3)]);
}

#[test]
fn what_is_missing_is_lost() {
    check(&[(0, 0), (2, 2)], &[Anomaly::Lost(id(1))]);
    check(
        &[],
        &[
            Anomaly::Lost(id(0)),
            Anomaly::Lost(id(1)),
            Anomaly::Lost(id(2)),
        ],
    );
}

#[test]
fn what_is_read_twice_is_duplicated() {
    check(
        &[(0, 0), (1, 1), (2, 2), (3, 2)],
        &[Anomaly::Duplicated(id(2), vec![place(2), place(3)])],
    );
}

#[test]
fn what_is_elsewhere_was_moved_and_an_exchange_is_a_reordering() {
    check(
        &[(0, 0), (1, 2), (2, 1)],
        &[
            Anomaly::Reordered {
                late: id(1),
                after: id(2),
            },
            Anomaly::Moved {
                id: id(1),
                acknowledged: place(1),
                read: place(2),
            },
            Anomaly::Moved {
                id: id(2),
                acknowledged: place(2),
                read: place(1),
            },
        ],
    );
}

#[test]
fn what_nobody_sent_is_a_phantom() {
    check(
        &[(0, 0), (1, 1), (2, 2), (3, 55)],
        &[Anomaly::Phantom(id(55), place(3))],
    );
}

#[test]
fn a_reader_that_goes_back_is_noticed() {
    let mut history = History::new();
    history.acknowledged(id(0), None);
    history.acknowledged(id(1), None);
    history.read(READER, place(5), id(0));
    history.read(READER, place(5), id(1));
    let expected = Anomaly::OffsetNotAscending {
        at: place(5),
        after: 5,
    };
    assert_eq!(history.anomalies(), [expected]);
}

#[test]
fn lanes_partitions_and_readers_are_ordered_each_by_itself() {
    let mut history = History::new();
    let ids = [
        RecordId { lane: 1, number: 5 },
        RecordId { lane: 2, number: 1 },
        RecordId { lane: 1, number: 4 },
        RecordId { lane: 1, number: 3 },
    ];
    for id in ids {
        history.acknowledged(id, None);
    }
    let at = |partition, offset| Place { partition, offset };
    history.read(1, at(0, 0), ids[0]);
    history.read(1, at(0, 1), ids[1]);
    history.read(1, at(1, 0), ids[2]);
    history.read(2, at(0, 2), ids[3]);
    assert_eq!(history.anomalies(), []);
    assert_eq!(history.acknowledged_and_read_count(), 4);
}

#[test]
fn an_acknowledgement_settles_a_doubt_and_not_the_other_way_round() {
    let mut history = History::new();
    history.in_doubt(id(0));
    history.acknowledged(id(0), None);
    history.in_doubt(id(0));
    assert_eq!(history.anomalies(), [Anomaly::Lost(id(0))]);
}

#[test]
#[should_panic(expected = "1 anomalies")]
fn assert_sound_panics_with_what_is_wrong() {
    let mut history = History::new();
    history.acknowledged(id(0), None);
    history.assert_sound();
}

#[test]
fn a_record_id_reads_back() {
    let id = RecordId {
        lane: 3,
        number: 14,
    };
    assert_eq!(id.to_string().parse(), Ok(id));
    for wrong in ["", "3", "3:", ":14", "a:b", "3:14:15", "-1:2"] {
        assert!(wrong.parse::<RecordId>().is_err(), "{wrong}");
    }
}
