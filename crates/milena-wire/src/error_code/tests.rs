//! The table agrees with itself and with Kafka's retryability.

use super::*;

#[test]
fn every_code_comes_back_and_numbers_have_no_gap() {
    for (expected, &code) in (-1_i16..).zip(ErrorCode::ALL) {
        assert_eq!(code.code(), expected, "{}", code.name());
        assert_eq!(ErrorCode::from(expected), code);
    }
    assert_eq!(ErrorCode::ALL.len(), 135);
    assert_eq!(ErrorCode::from(9_999), ErrorCode::Unknown(9_999));
    assert_eq!(ErrorCode::Unknown(9_999).code(), 9_999);
}

#[test]
fn retryability_agrees_with_the_rpc_crate() {
    // Kafka made these retriable after the crate's table was written (KAFKA-14417 and later).
    let changed = [
        ErrorCode::ConcurrentTransactions,
        ErrorCode::ElectionNotNeeded,
    ];
    for &code in ErrorCode::ALL {
        let theirs = kafka_protocol::ResponseError::try_from_code(code.code());
        let theirs = theirs.is_some_and(|error| error.is_retriable());
        assert!(
            theirs == code.is_retriable() || changed.contains(&code),
            "{code}"
        );
    }
}

#[test]
fn classes() {
    let check = |code: ErrorCode, class: ErrorClass, stale_metadata: bool| {
        assert_eq!(code.class(), class, "{code}");
        assert_eq!(
            code.is_retriable(),
            class == ErrorClass::Retriable,
            "{code}"
        );
        assert_eq!(code.refreshes_metadata(), stale_metadata, "{code}");
    };
    check(ErrorCode::None, ErrorClass::NonRetriable, false);
    check(ErrorCode::NotLeaderOrFollower, ErrorClass::Retriable, true);
    check(ErrorCode::FencedLeaderEpoch, ErrorClass::Retriable, true);
    check(ErrorCode::NotEnoughReplicas, ErrorClass::Retriable, false);
    check(ErrorCode::NotCoordinator, ErrorClass::Retriable, false);
    check(ErrorCode::MessageTooLarge, ErrorClass::NonRetriable, false);
    check(ErrorCode::ProducerFenced, ErrorClass::Terminal, false);
    check(ErrorCode::Unknown(500), ErrorClass::NonRetriable, false);
    assert!(ErrorCode::NotCoordinator.refreshes_coordinator());
    assert_eq!(ErrorCode::None.into_result(), Ok(()));
    assert_eq!(
        ErrorCode::InvalidRecord.into_result(),
        Err(ErrorCode::InvalidRecord)
    );
}
