//! What a handler returns when it could not do its work, and what becomes of it.
//!
//! Owns the error type of handlers and the stages a record can fail at. Knows
//! nothing of retry timing or of dead letter topics.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

pub use milena_client::ErrorClass;

/// What went wrong with a record: where, how bad, and why.
///
/// Any error turns into a retriable one with `?`; the constructors say otherwise.
/// Like `anyhow::Error` it is not itself a [`std::error::Error`], or that conversion
/// could not exist.
///
/// ```
/// use milena::HandlerError;
///
/// async fn charge(cents: i64) -> Result<(), HandlerError> {
///     if cents < 0 {
///         return Err(HandlerError::non_retriable("a negative amount").with_code("amount"));
///     }
///     let _rate: f64 = "1.25".parse()?; // retriable
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct HandlerError {
    // Boxed, so that the `Result` of every handled record stays small.
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    class: ErrorClass,
    is_skipped: bool,
    stage: FailureStage,
    code: Cow<'static, str>,
    message: String,
    trace: String,
}

/// The code of a failure that was a panic.
const PANIC: &str = "panic";

/// How far a record came before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureStage {
    /// Its bytes could not be read as what the handler takes.
    Decode,
    /// It could be read, but does not make sense.
    Validate,
    /// The handler failed.
    Handle,
    /// What the handler wanted to publish could not be.
    Publish,
}

impl FailureStage {
    /// The stage as the header `milena-failure-stage` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FailureStage::Decode => "decode",
            FailureStage::Validate => "validate",
            FailureStage::Handle => "handle",
            FailureStage::Publish => "publish",
        }
    }
}

/// The class as the header `milena-failure-class` spells it.
pub(crate) fn class_name(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Retriable => "retriable",
        ErrorClass::Terminal => "terminal",
        _ => "non-retriable",
    }
}

impl HandlerError {
    /// Trying again may help: a dependency is down, a lock is taken.
    #[must_use]
    pub fn retriable(message: impl fmt::Display) -> HandlerError {
        HandlerError::new(ErrorClass::Retriable, message.to_string())
    }

    /// Trying again cannot help: the record goes to the dead letter topic at once.
    #[must_use]
    pub fn non_retriable(message: impl fmt::Display) -> HandlerError {
        HandlerError::new(ErrorClass::NonRetriable, message.to_string())
    }

    /// Nothing can help: the application stops, and the record is not committed.
    #[must_use]
    pub fn terminal(message: impl fmt::Display) -> HandlerError {
        HandlerError::new(ErrorClass::Terminal, message.to_string())
    }

    /// The record is of no use to anybody: an application, or a [`Consumer`](crate::Consumer),
    /// counts it and goes on, without a retry and without a dead letter.
    ///
    /// ```
    /// use milena::{HandlerError, Json};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Reading { sensor: u32, celsius: f64 }
    ///
    /// async fn on_reading(Json(reading): Json<Reading>) -> Result<(), HandlerError> {
    ///     if reading.sensor == 0 {
    ///         return Err(HandlerError::skip("a test of the line").with_code("line-test"));
    ///     }
    ///     println!("{}: {} °C", reading.sensor, reading.celsius);
    ///     Ok(())
    /// }
    /// # let _ = milena::handler::<_, (Json<Reading>,)>(on_reading);
    /// ```
    #[must_use]
    pub fn skip(message: impl fmt::Display) -> HandlerError {
        HandlerError::non_retriable(message).skipped()
    }

    /// The record can be read but does not make sense; not retriable. `field` is the
    /// path of what is wrong.
    #[must_use]
    pub fn invalid(field: impl fmt::Display, problem: impl fmt::Display) -> HandlerError {
        HandlerError::invalid_text(format!("{field}: {problem}"))
    }

    pub(crate) fn invalid_text(message: String) -> HandlerError {
        HandlerError::new(ErrorClass::NonRetriable, message)
            .at_stage(FailureStage::Validate)
            .with_code("invalid")
    }

    /// The record's bytes cannot be read; not retriable.
    #[must_use]
    pub fn decode(code: impl Into<Cow<'static, str>>, message: impl fmt::Display) -> HandlerError {
        HandlerError::new(ErrorClass::NonRetriable, message.to_string())
            .at_stage(FailureStage::Decode)
            .with_code(code)
    }

    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> HandlerError {
        let text = payload
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("a panic without a message");
        HandlerError::new(
            ErrorClass::Retriable,
            format!("the handler panicked: {text}"),
        )
        .with_code(PANIC)
    }

    pub(crate) fn is_panic(&self) -> bool {
        self.code() == PANIC
    }

    fn new(class: ErrorClass, message: String) -> HandlerError {
        let inner = Inner {
            class,
            is_skipped: false,
            stage: FailureStage::Handle,
            code: Cow::Borrowed("handler"),
            message,
            trace: String::new(),
        };
        HandlerError {
            inner: Box::new(inner),
        }
    }

    /// Names the failure for machines; dead letters are grouped by it.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> HandlerError {
        self.inner.code = code.into();
        self
    }

    /// Says what led to the failure, one cause a line, outermost first.
    #[must_use]
    pub fn with_trace(mut self, trace: impl Into<String>) -> HandlerError {
        self.inner.trace = trace.into();
        self
    }

    /// Says how far the record came.
    #[must_use]
    pub fn at_stage(mut self, stage: FailureStage) -> HandlerError {
        self.inner.stage = stage;
        self
    }

    /// Changes the class, as in `load().map_err(|e| HandlerError::from(e).with_class(…))`.
    #[must_use]
    pub fn with_class(mut self, class: ErrorClass) -> HandlerError {
        self.inner.class = class;
        self
    }

    /// Has the record skipped, as [`HandlerError::skip`] does, whatever went wrong.
    #[must_use]
    pub fn skipped(mut self) -> HandlerError {
        self.inner.is_skipped = true;
        self
    }

    /// Whether the record is to be skipped, whatever the class.
    #[must_use]
    pub fn is_skipped(&self) -> bool {
        self.inner.is_skipped
    }

    /// Decides between retry, dead letter and stop, unless the record is
    /// [to be skipped](HandlerError::is_skipped).
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        self.inner.class
    }

    /// How far the record came.
    #[must_use]
    pub fn stage(&self) -> FailureStage {
        self.inner.stage
    }

    /// The failure's name for machines: as set, or the type of the error it came from.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.inner.code
    }

    /// What went wrong, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The causes, one a line, outermost first; empty when there is none.
    #[must_use]
    pub fn trace(&self) -> &str {
        &self.inner.trace
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> HandlerError {
        if let Some(ours) = (&error as &dyn Any).downcast_ref::<milena_client::Error>() {
            return HandlerError::new(ours.class(), chain(ours).0)
                .at_stage(FailureStage::Publish)
                .with_code("kafka");
        }
        if let Some(ours) = (&error as &dyn Any).downcast_ref::<crate::PublishError>() {
            return HandlerError::new(ours.class(), chain(ours).0)
                .at_stage(FailureStage::Publish)
                .with_code("publish");
        }
        if let Some(ours) = (&error as &dyn Any).downcast_ref::<crate::ParseError>() {
            return ours.as_handler_error();
        }
        let (message, trace) = chain(&error);
        let mut handler_error =
            HandlerError::new(ErrorClass::Retriable, message).with_code(std::any::type_name::<E>());
        handler_error.inner.trace = trace;
        handler_error
    }
}

/// The error's own text, and those of its causes.
fn chain(error: &(dyn StdError + 'static)) -> (String, String) {
    let mut trace = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        if !trace.is_empty() {
            trace.push('\n');
        }
        trace.push_str(&error.to_string());
        cause = error.source();
    }
    (error.to_string(), trace)
}

/// The boxed error that middleware works with, there and back without loss.
pub type BoxError = Box<dyn StdError + Send + Sync>;

impl From<HandlerError> for BoxError {
    fn from(error: HandlerError) -> BoxError {
        Box::new(Boxed(error))
    }
}

struct Boxed(HandlerError);

impl StdError for Boxed {}

impl fmt::Display for Boxed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for Boxed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

/// The error types a layered service may end up with.
///
/// A layer with errors of its own has to box them; this does not compile:
///
/// ```compile_fail,E0277
/// use milena::{App, Config, handler};
/// use tower::util::MapErrLayer;
///
/// async fn on_order() {}
///
/// let layered = handler(on_order).layer(MapErrLayer::new(|_| "too bad"));
/// # let app = App::new(Config::builder().build().unwrap());
/// app.topic("orders", layered);
/// ```
#[diagnostic::on_unimplemented(
    message = "a layer may not turn a handler's error into `{Self}`",
    note = "layers leave `HandlerError` alone or return a boxed error (`BoxError`)"
)]
pub trait IntoHandlerError {
    /// Back to what the application decides on.
    fn into_handler_error(self) -> HandlerError;
}

impl IntoHandlerError for HandlerError {
    fn into_handler_error(self) -> HandlerError {
        self
    }
}

impl IntoHandlerError for std::convert::Infallible {
    fn into_handler_error(self) -> HandlerError {
        match self {}
    }
}

impl IntoHandlerError for BoxError {
    /// An error that a layer made, a timeout say, is retriable.
    fn into_handler_error(self) -> HandlerError {
        match self.downcast::<Boxed>() {
            Ok(boxed) => boxed.0,
            Err(other) => {
                let (message, trace) = chain(other.as_ref());
                let mut error =
                    HandlerError::new(ErrorClass::Retriable, message).with_code("layer");
                error.inner.trace = trace;
                error
            }
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.inner.message)
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HandlerError")
            .field("class", &class_name(self.inner.class))
            .field("stage", &self.inner.stage.name())
            .field("code", &self.inner.code)
            .field("message", &self.inner.message)
            .finish()
    }
}

#[cfg(test)]
mod tests;
