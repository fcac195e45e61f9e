//! Values that can be read and do not make sense: what is wrong, and where.
//!
//! Owns the trait that types implement and the list of problems it fills. A trait of our own
//! rather than that of a validation crate: it needs no macro, and a type that has rules from
//! one of those crates passes their findings on in a line.

use std::fmt;

use crate::failure::HandlerError;

/// Problems that are told of one value; the rest is counted.
const PROBLEMS_MAX: usize = 10;

/// A value that can be checked beyond its form; see [`Valid`](crate::Valid).
///
/// ```
/// use milena::{Problems, Validate};
///
/// struct Order { customer: String, lines: Vec<Line> }
/// struct Line { cents: i64 }
///
/// impl Validate for Order {
///     fn validate(&self, problems: &mut Problems) {
///         problems.check(!self.customer.is_empty(), "customer", "must not be empty");
///         problems.within("lines", &self.lines);
///     }
/// }
///
/// impl Validate for Line {
///     fn validate(&self, problems: &mut Problems) {
///         problems.check(self.cents > 0, "cents", format_args!("{} is not positive", self.cents));
///     }
/// }
///
/// let order = Order { customer: String::new(), lines: vec![Line { cents: 5 }, Line { cents: -1 }] };
/// let error = Problems::of(&order).unwrap_err();
/// assert_eq!(error.message(), "customer: must not be empty; lines[1].cents: -1 is not positive");
/// ```
///
/// `Valid` of a type without rules does not compile:
///
/// ```compile_fail,E0277
/// use milena::{App, Config, Json, Valid, handler};
///
/// #[derive(serde::Deserialize)]
/// struct Order {}
///
/// async fn on_order(Valid(Json(_)): Valid<Json<Order>>) {}
///
/// # let app = App::new(Config::builder().build().unwrap());
/// app.topic("orders", handler(on_order));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no rules to be checked by",
    note = "implement `milena::Validate` for it, or for the `T` of `Json<T>`"
)]
pub trait Validate {
    /// Tells what is wrong, if anything.
    fn validate(&self, problems: &mut Problems);
}

/// What is wrong with a value, each with the path of its field.
#[derive(Debug, Default)]
pub struct Problems {
    /// Of the value that is being looked at.
    path: String,
    text: String,
    count: usize,
}

impl Problems {
    /// Checks a value: a failure at stage `validate` with the code `invalid`, not retriable,
    /// that names the fields.
    ///
    /// # Errors
    /// When the value says that something is wrong with it.
    pub fn of<T: Validate + ?Sized>(value: &T) -> Result<(), HandlerError> {
        let mut problems = Problems::default();
        value.validate(&mut problems);
        if problems.count == 0 {
            return Ok(());
        }
        let more = problems.count.saturating_sub(PROBLEMS_MAX);
        if more > 0 {
            problems.text.push_str(&format!("; and {more} more"));
        }
        Err(HandlerError::invalid_text(problems.text))
    }

    /// The field has this problem unless the condition holds.
    pub fn check(&mut self, holds: bool, field: impl fmt::Display, problem: impl fmt::Display) {
        if !holds {
            self.add(field, problem);
        }
    }

    /// The field has this problem. `field` may be a path, as another crate's rules tell it.
    pub fn add(&mut self, field: impl fmt::Display, problem: impl fmt::Display) {
        self.count += 1;
        if self.count > PROBLEMS_MAX {
            return;
        }
        let before = if self.text.is_empty() { "" } else { "; " };
        let dot = if self.path.is_empty() { "" } else { "." };
        let path = &self.path;
        self.text
            .push_str(&format!("{before}{path}{dot}{field}: {problem}"));
    }

    /// Looks at a field that has rules of its own. Of lists, each element is looked at.
    pub fn within<T: Validate + ?Sized>(&mut self, field: impl fmt::Display, value: &T) {
        let dot = if self.path.is_empty() { "" } else { "." };
        self.look(&format!("{dot}{field}"), value);
    }

    fn look<T: Validate + ?Sized>(&mut self, step: &str, value: &T) {
        let length = self.path.len();
        self.path.push_str(step);
        value.validate(self);
        self.path.truncate(length);
    }
}

impl<T: Validate> Validate for Option<T> {
    fn validate(&self, problems: &mut Problems) {
        if let Some(value) = self {
            value.validate(problems);
        }
    }
}

impl<T: Validate> Validate for [T] {
    fn validate(&self, problems: &mut Problems) {
        for (index, value) in self.iter().enumerate() {
            problems.look(&format!("[{index}]"), value);
        }
    }
}

impl<T: Validate> Validate for Vec<T> {
    fn validate(&self, problems: &mut Problems) {
        self.as_slice().validate(problems);
    }
}

#[cfg(test)]
mod tests;
