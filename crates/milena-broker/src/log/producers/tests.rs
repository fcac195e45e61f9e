use super::*;

fn batch(epoch: i16, first_sequence: i32, count: i32) -> Sequenced {
    Sequenced {
        producer_id: 7,
        epoch,
        first_sequence,
        last_sequence: advance(first_sequence, count - 1),
        is_transactional: false,
    }
}

/// Appends what is judged worth it; the offset counts records.
fn feed(producers: &mut Producers, offset: &mut i64, sent: Sequenced, count: i64) -> Verdict {
    let verdict = producers.judge(sent);
    if verdict == Verdict::Append {
        producers.appended(sent, *offset, 1);
        *offset += count;
    }
    verdict
}

#[test]
fn sequences_are_judged_as_in_apache_kafka() {
    use Verdict::{Append, OutOfOrder, StaleEpoch};
    // (epoch, first sequence, records) and the verdict.
    let steps = [
        ((0, 5, 2), Append), // of an unknown producer any sequence is taken
        ((0, 7, 1), Append),
        ((0, 9, 1), OutOfOrder { expected: 8 }),
        ((0, 8, 1), Append),
        ((2, 4, 1), OutOfOrder { expected: 0 }),
        ((2, 0, 3), Append),
        ((1, 0, 1), StaleEpoch { current: 2 }),
        ((2, 3, 1), Append),
    ];
    let (mut producers, mut offset) = (Producers::default(), 0);
    for ((epoch, first, count), expected) in steps {
        let sent = batch(epoch, first, count);
        let verdict = feed(&mut producers, &mut offset, sent, count.into());
        assert_eq!(verdict, expected, "{epoch} {first} {count}");
    }
}

#[test]
fn the_last_five_batches_are_recognised_with_their_offsets() {
    let (mut producers, mut offset) = (Producers::default(), 100);
    for sequence in 0..7 {
        feed(&mut producers, &mut offset, batch(0, sequence, 1), 1);
    }
    for sequence in 2..7 {
        let Verdict::Duplicate(known) = producers.judge(batch(0, sequence, 1)) else {
            panic!("{sequence} is a duplicate");
        };
        assert_eq!(known.base_offset, 100 + i64::from(sequence));
    }
    assert_eq!(
        producers.judge(batch(0, 1, 1)),
        Verdict::OutOfOrder { expected: 7 }
    );
    // The same start with another length is another batch.
    assert_eq!(
        producers.judge(batch(0, 6, 2)),
        Verdict::OutOfOrder { expected: 7 }
    );
}

#[test]
fn pitfall_05_the_sequence_wraps_to_0() {
    let (mut producers, mut offset) = (Producers::default(), 0);
    let sent = batch(0, i32::MAX - 1, 2);
    assert_eq!(sent.last_sequence, i32::MAX);
    assert_eq!(feed(&mut producers, &mut offset, sent, 2), Verdict::Append);
    assert_eq!(
        feed(&mut producers, &mut offset, batch(0, 0, 1), 1),
        Verdict::Append
    );

    let (mut producers, mut offset) = (Producers::default(), 0);
    let across = batch(0, i32::MAX, 3);
    assert_eq!(across.last_sequence, 1);
    assert_eq!(
        feed(&mut producers, &mut offset, across, 3),
        Verdict::Append
    );
    assert_eq!(
        feed(&mut producers, &mut offset, batch(0, 2, 1), 1),
        Verdict::Append
    );
    assert!(matches!(producers.judge(across), Verdict::Duplicate(_)));
}

#[test]
fn the_longest_silent_producer_makes_room() {
    let mut producers = Producers::default();
    let of = |producer_id| Sequenced {
        producer_id,
        ..batch(0, 0, 1)
    };
    for id in 0..PRODUCERS_PER_PARTITION_MAX as i64 {
        producers.appended(of(id), id, 1_000 - i64::from(id == 3));
    }
    producers.appended(of(-1 + (1 << 40)), 0, 2_000);
    assert_eq!(producers.iter().count(), PRODUCERS_PER_PARTITION_MAX);
    assert_eq!(producers.judge(of(3)), Verdict::Append);
    assert!(matches!(producers.judge(of(4)), Verdict::Duplicate(_)));
    producers.expire(1_500);
    assert_eq!(producers.iter().count(), 1);
}

#[test]
fn a_marker_of_the_next_epoch_shuts_late_batches_out() {
    let mut producers = Producers::default();
    let transactional = |epoch, sequence| Sequenced {
        is_transactional: true,
        ..batch(epoch, sequence, 1)
    };
    producers.appended(transactional(3, 0), 0, 1);
    assert!(producers.transactions.is_open(7));
    producers.marked(AppendedMarker {
        producer_id: 7,
        epoch: 4,
        coordinator_epoch: 0,
        is_abort: true,
        offset: 1,
        timestamp: 2,
    });
    assert!(!producers.transactions.is_open(7));
    assert_eq!(
        producers.judge(transactional(3, 1)),
        Verdict::StaleEpoch { current: 4 }
    );
    assert_eq!(
        producers.judge(transactional(4, 1)),
        Verdict::OutOfOrder { expected: 0 }
    );
    assert_eq!(producers.judge(transactional(4, 0)), Verdict::Append);
}

#[test]
fn a_producer_with_an_open_transaction_is_not_forgotten() {
    let mut producers = Producers::default();
    let mut sent = batch(0, 0, 1);
    producers.appended(sent, 0, 1);
    sent.producer_id = 8;
    sent.is_transactional = true;
    producers.appended(sent, 1, 1);
    producers.expire(1_000);
    let left: Vec<i64> = producers.iter().map(|(id, _)| id).collect();
    assert_eq!(left, [8]);
}
