use super::*;

fn broker(code: ErrorCode) -> Error {
    Error::Broker {
        code,
        context: "a topic".to_owned(),
    }
}

/// However the cluster says that a topic is not for us: looking it up, adding it to the
/// transaction, or refusing a batch.
#[test]
fn a_topic_that_is_refused_is_the_records_fault() {
    let code = ErrorCode::TopicAuthorizationFailed;
    let rejected = ProduceErrorKind::Rejected {
        topic: "invoices".into(),
        partition: 0,
        code,
        message: None,
    };
    let looked_up = ProduceError::from(broker(code));
    for error in [ProduceError::from(rejected), looked_up] {
        assert!(matches!(lost(error), Trouble::Suspect(_)));
    }
    let added = TransactionError::Aborted {
        reason: Reason::Request(Arc::new(broker(code))),
    };
    assert!(is_an_output(&added));
    let coordinator = TransactionError::Aborted {
        reason: Reason::Request(Arc::new(broker(ErrorCode::ConcurrentTransactions))),
    };
    assert!(!is_an_output(&coordinator));
    let lost = lost(ProduceError::from(broker(ErrorCode::NotEnoughReplicas)));
    assert!(matches!(lost, Trouble::Again(_)));
}

#[test]
fn groups_and_topics_share_no_transactional_id() {
    let id = transactional_id("billing", "eu-orders", 0);
    assert_eq!(id, "billing:eu-orders:0");
    assert_ne!(id, transactional_id("billing-eu", "orders", 0));
    // A group's name may have what separates; a topic's may not.
    assert_ne!(
        transactional_id("billing:eu", "orders", 0),
        transactional_id("billing", "eu.orders", 0)
    );
}
