use super::*;

#[derive(Debug, thiserror::Error)]
#[error("outer")]
struct Outer(#[source] std::num::ParseIntError);

#[test]
fn any_error_is_retriable_with_its_causes() {
    let error = HandlerError::from(Outer("x".parse::<i32>().unwrap_err()));
    assert_eq!(error.class(), ErrorClass::Retriable);
    assert_eq!(error.stage(), FailureStage::Handle);
    assert_eq!(error.message(), "outer");
    assert_eq!(error.trace(), "invalid digit found in string");
    assert!(error.code().ends_with("Outer"));
}

#[test]
fn constructors_say_their_class() {
    assert_eq!(HandlerError::retriable("x").class(), ErrorClass::Retriable);
    assert_eq!(
        HandlerError::non_retriable("x").class(),
        ErrorClass::NonRetriable
    );
    assert_eq!(HandlerError::terminal("x").class(), ErrorClass::Terminal);
    let invalid = HandlerError::invalid("order.cents", "must be positive");
    assert_eq!(invalid.stage().name(), "validate");
    assert_eq!(invalid.message(), "order.cents: must be positive");
}

#[test]
fn a_box_and_back_loses_nothing() {
    let boxed: BoxError = HandlerError::terminal("x").with_code("c").into();
    assert_eq!(boxed.to_string(), "x");
    let back = boxed.into_handler_error();
    assert_eq!((back.class(), back.code()), (ErrorClass::Terminal, "c"));
    let foreign: BoxError = "too slow".into();
    assert_eq!(foreign.into_handler_error().code(), "layer");
}

#[test]
fn panics_keep_their_text() {
    let error = HandlerError::panicked(&"boom");
    assert_eq!(error.message(), "the handler panicked: boom");
    let error = HandlerError::panicked(&"formatted".to_owned());
    assert_eq!(error.message(), "the handler panicked: formatted");
    assert_eq!(error.code(), "panic");
}
