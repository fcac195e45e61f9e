//! The budget counts, bounds and gives back.

use std::time::Duration;

use super::Budget;
use crate::producer::error::ProduceErrorKind;

#[test]
fn what_is_dropped_is_free_again() {
    let budget = Budget::new(100);
    let mut first = budget.try_reserve(60).unwrap();
    assert!(budget.try_reserve(41).is_none());
    first.merge(budget.try_reserve(40).unwrap());
    assert!(budget.try_reserve(1).is_none());
    drop(first);
    assert_eq!(budget.try_reserve(100).unwrap().bytes(), 100);
}

#[tokio::test(start_paused = true)]
async fn waiting_is_bounded() {
    let budget = Budget::new(100);
    let all = budget.try_reserve(100).unwrap();
    let error = budget.reserve(1, Duration::from_secs(1)).await.unwrap_err();
    assert!(
        matches!(error.kind(), ProduceErrorKind::BufferFull { .. }),
        "{error}"
    );
    let waits = budget.reserve(1, Duration::from_secs(1));
    let (reserved, ()) = tokio::join!(waits, async { drop(all) });
    assert_eq!(reserved.unwrap().bytes(), 1);
}

#[test]
fn pressure_lasts_as_long_as_somebody_waits() {
    let budget = Budget::new(100);
    let pressure = budget.press();
    assert!(budget.is_under_pressure());
    drop(pressure);
    assert!(!budget.is_under_pressure());
}

#[tokio::test]
async fn a_record_larger_than_the_buffer_is_refused_at_once() {
    let error = Budget::new(100)
        .reserve(101, Duration::from_secs(60))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ProduceErrorKind::RecordTooLarge {
                limit_bytes: 100,
                ..
            }
        ),
        "{error}"
    );
}
