use super::*;

use proptest::prelude::*;

#[test]
fn nothing_started_nothing_to_commit() {
    assert_eq!(Watermark::default().committable(), None);
}

#[test]
fn the_oldest_unfinished_record_holds_the_offset() {
    let mut watermark = Watermark::default();
    for offset in [10, 11, 15] {
        watermark.start(offset);
    }
    assert_eq!(watermark.committable(), Some(10));
    watermark.finish(11);
    watermark.finish(11);
    watermark.finish(99);
    assert_eq!(watermark.committable(), Some(10));
    watermark.finish(10);
    assert_eq!(watermark.committable(), Some(15));
    watermark.skip_to(20);
    assert_eq!(watermark.committable(), Some(15));
    watermark.finish(15);
    assert_eq!(watermark.committable(), Some(20));
}

#[test]
fn an_empty_batch_moves_on() {
    let mut watermark = Watermark::default();
    watermark.skip_to(7);
    assert_eq!(watermark.committable(), Some(7));
}

proptest! {
    /// Against the definition: the smallest started offset that is not finished, or
    /// the end; and it never goes back.
    #[test]
    fn agrees_with_the_definition(
        gaps in prop::collection::vec(1_i64..4, 1..60),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..200),
    ) {
        let mut watermark = Watermark::default();
        let mut started = Vec::new();
        let mut finished = std::collections::BTreeSet::new();
        let mut gaps = gaps.into_iter();
        let mut next = 0;
        let mut last = 0;
        for index in order {
            if index.index(3) == 0 || started.is_empty() {
                if let Some(gap) = gaps.next() {
                    next += gap;
                    watermark.start(next);
                    started.push(next);
                }
            } else {
                let offset = *index.get(&started);
                watermark.finish(offset);
                finished.insert(offset);
            }
            let expected = started
                .iter()
                .copied()
                .find(|offset| !finished.contains(offset))
                .or(started.last().map(|offset| offset + 1));
            prop_assert_eq!(watermark.committable(), expected);
            prop_assert!(expected.unwrap_or(0) >= last);
            last = expected.unwrap_or(0);
        }
    }
}
