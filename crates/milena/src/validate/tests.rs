use super::*;
use crate::extract::{FromMessage, Json, Valid};
use crate::failure::{ErrorClass, FailureStage};
use crate::message::Message;

#[derive(Debug, serde::Deserialize)]
struct Order {
    customer: String,
    lines: Vec<Line>,
    gift: Option<Line>,
}

#[derive(Debug, serde::Deserialize)]
struct Line {
    cents: i64,
}

impl Validate for Order {
    fn validate(&self, problems: &mut Problems) {
        problems.check(!self.customer.is_empty(), "customer", "must not be empty");
        problems.within("lines", &self.lines);
        problems.within("gift", &self.gift);
    }
}

impl Validate for Line {
    fn validate(&self, problems: &mut Problems) {
        problems.check(self.cents > 0, "cents", "must be positive");
    }
}

/// What extracting the text comes to.
fn check(text: &'static str, expected: Result<(), (FailureStage, &str, &str)>) {
    let message = Message::new("orders").with_value(text);
    match Valid::<Json<Order>>::from_message(&message, &()) {
        Ok(Valid(Json(order))) => assert_eq!(expected, Ok(()), "{order:?}"),
        Err(error) => {
            assert_eq!(error.class(), ErrorClass::NonRetriable);
            let seen = (error.stage(), error.code(), error.message());
            assert_eq!(Err(seen), expected);
        }
    }
}

#[test]
fn the_path_of_each_bad_field_is_told() {
    check(
        r#"{"customer":"c","lines":[{"cents":1}],"gift":null}"#,
        Ok(()),
    );
    let invalid = |text| Err((FailureStage::Validate, "invalid", text));
    check(
        r#"{"customer":"","lines":[{"cents":1},{"cents":0}],"gift":{"cents":-1}}"#,
        invalid(
            "customer: must not be empty; lines[1].cents: must be positive; \
             gift.cents: must be positive",
        ),
    );
    // What cannot be read is not looked at.
    check(
        r#"{"customer":"","lines":[{"cents":"x"}]}"#,
        Err((
            FailureStage::Decode,
            "json",
            "lines[0].cents: invalid type: string \"x\", expected i64 at line 1 column 36",
        )),
    );
}

#[test]
fn many_problems_are_counted() {
    let lines: Vec<Line> = (0..12).map(|_| Line { cents: 0 }).collect();
    let error = Problems::of(&lines).unwrap_err();
    assert!(
        error
            .message()
            .starts_with("[0].cents: must be positive; [1].cents")
    );
    assert!(
        error
            .message()
            .ends_with("; [9].cents: must be positive; and 2 more")
    );
}

#[test]
fn what_is_absent_is_not_looked_at() {
    let empty = Message::new("orders");
    let valid = Option::<Valid<Json<Order>>>::from_message(&empty, &()).unwrap();
    assert!(valid.is_none());
}
