use futures_util::FutureExt as _;

use super::*;
use crate::extract::{Json, Meta, State};
use crate::failure::{ErrorClass, FailureStage};

/// Five messages, of which the one in the middle is no number.
fn messages() -> Vec<Message> {
    let values = ["0", "1", "x", "3", "4"];
    values
        .into_iter()
        .map(|value| Message::new("t").with_value(value))
        .collect()
}

/// Calls the handler; the places of failures, with what was said.
fn check<H: BatchHandler<A, u32>, A>(handler: H, expected: &[(usize, &str)]) -> BatchFailures {
    let service = BatchService::new(handler, 7_u32);
    let failures = service.call(&messages()).now_or_never().expect("no wait");
    let seen: Vec<(usize, &str)> = failures
        .iter()
        .map(|(place, error)| (*place, error.message()))
        .collect();
    assert_eq!(seen, expected);
    failures
}

const NO_NUMBER: (usize, &str) = (2, "expected value at line 1 column 1");

fn no() -> HandlerError {
    HandlerError::non_retriable("no")
}

#[test]
fn what_cannot_be_read_fails_by_itself() {
    let failures = check(
        async |Batch(numbers): Batch<Json<u32>>| {
            assert_eq!(numbers, [Json(0), Json(1), Json(3), Json(4)]);
        },
        &[NO_NUMBER],
    );
    assert_eq!(failures[0].1.stage(), FailureStage::Decode);
    // Nothing to read at all: the handler is not called.
    check(
        async |texts: Batch<Json<String>>| assert!(texts.0.is_empty(), "called"),
        &[
            (
                0,
                "invalid type: integer `0`, expected a string at line 1 column 1",
            ),
            (
                1,
                "invalid type: integer `1`, expected a string at line 1 column 1",
            ),
            NO_NUMBER,
            (
                3,
                "invalid type: integer `3`, expected a string at line 1 column 1",
            ),
            (
                4,
                "invalid type: integer `4`, expected a string at line 1 column 1",
            ),
        ],
    );
}

#[test]
fn outcomes_name_records_of_the_batch() {
    let each = async |batch: Batch<(Json<u32>, Meta)>, State(state): State<u32>| {
        assert_eq!(state, 7);
        let results = batch.into_iter().map(|(Json(number), _)| match number {
            1 | 3 => Err(no()),
            _ => Ok(()),
        });
        results.collect::<Vec<Result<(), HandlerError>>>()
    };
    check(each, &[(1, "no"), NO_NUMBER, (3, "no")]);
    let named = async |_: Batch<Json<u32>>| {
        let mut outcome = BatchOutcome::default();
        // The fourth that could be read is the fifth message.
        outcome.fail(3, no());
        outcome.fail(0, no());
        outcome.fail(0, HandlerError::retriable("again"));
        Ok::<_, HandlerError>(outcome)
    };
    check(named, &[(0, "no"), NO_NUMBER, (4, "no")]);
}

#[test]
fn a_failed_batch_fails_all_its_records() {
    let all = async |_: Batch<Json<u32>>| Err::<(), _>(HandlerError::retriable("down"));
    check(
        all,
        &[
            (0, "down"),
            (1, "down"),
            NO_NUMBER,
            (3, "down"),
            (4, "down"),
        ],
    );
}

#[test]
fn an_outcome_that_does_not_fit_is_terminal() {
    let short = async |_: Batch<Json<u32>>| vec![Ok::<(), HandlerError>(())];
    let text = "the batch handler returned 1 results for 4 records";
    let expected = [(0, text), (1, text), NO_NUMBER, (3, text), (4, text)];
    let failures = check(short, &expected);
    assert_eq!(failures[0].1.class(), ErrorClass::Terminal);
    let beyond = async |_: Batch<Json<u32>>| {
        let mut outcome = BatchOutcome::default();
        outcome.fail(1, no());
        outcome.fail(4, no());
        outcome
    };
    let text = "the batch handler failed record 4 of 4; they count from 0";
    let expected = [(0, text), (1, text), NO_NUMBER, (3, text), (4, text)];
    check(beyond, &expected);
}
