use super::*;

#[test]
fn what_is_not_set_is_left_to_the_broker() {
    let wire = NewTopic::new("orders").to_wire();
    assert_eq!((wire.num_partitions, wire.replication_factor), (-1, -1));
    let wire = NewTopic::new("orders")
        .partitions(3)
        .replication_factor(2)
        .config("cleanup.policy", "compact")
        .to_wire();
    assert_eq!((wire.num_partitions, wire.replication_factor), (3, 2));
    assert_eq!(wire.configs.len(), 1);
}

#[test]
fn results_have_the_order_of_the_questions() {
    let answers = vec![("b".to_owned(), Ok(2)), ("a".to_owned(), Ok(1))];
    let ordered = in_order(&["a", "missing", "b"], answers);
    let names: Vec<&str> = ordered.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "missing", "b"]);
    assert!(matches!(ordered[1].1, Err(Error::Protocol { .. })));
    assert!(matches!(ordered[2].1, Ok(2)));
}

#[test]
fn the_brokers_own_words_are_in_the_error() {
    let topic = CreatableTopicResult::default()
        .with_name(TopicName(text("orders")))
        .with_error_code(ErrorCode::TopicAlreadyExists.code())
        .with_error_message(Some(text("Topic 'orders' already exists.")));
    let (name, result) = created(&topic);
    assert_eq!(name, "orders");
    let error = result.expect_err("it exists").to_string();
    assert!(
        error.starts_with("cannot create topic orders: Topic 'orders' already exists: "),
        "{error}"
    );
    assert!(error.contains("TOPIC_ALREADY_EXISTS"));
}

#[test]
fn a_broker_that_is_not_the_controller_is_worth_another_attempt() {
    let code = ErrorCode::NotController.code();
    let error = reject_moved_controller([0, code].into_iter()).expect_err("it moved");
    assert!(error.is_retriable());
    assert!(reject_moved_controller([0, 36].into_iter()).is_ok());
}
