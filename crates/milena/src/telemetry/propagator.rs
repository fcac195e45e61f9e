//! Who knows the traces of spans: a tracing system, if there is one.
//!
//! Owns the registry of the one in use. Knows no such system; `opentelemetry` is the one
//! that comes with the crate.

use std::sync::OnceLock;

use tracing::Span;

use super::TelemetryError;
use super::trace_context::TraceContext;

/// Connects the trace contexts of messages with the spans of a tracing system.
///
/// With the feature `opentelemetry` there is one for `tracing-opentelemetry`, and nothing has
/// to be installed. For another system:
///
/// ```
/// use milena::telemetry::{self, Propagator, TraceContext};
/// use tracing::Span;
///
/// struct Ours;
///
/// impl Propagator for Ours {
///     fn context_of(&self, span: &Span) -> Option<TraceContext> {
///         let _ = span; // what our system knows of it
///         None
///     }
///     fn set_parent(&self, span: &Span, parent: &TraceContext) {
///         let _ = (span, parent);
///     }
///     fn add_link(&self, span: &Span, other: &TraceContext) {
///         let _ = (span, other);
///     }
/// }
///
/// telemetry::set_propagator(Ours)?;
/// # Ok::<(), telemetry::TelemetryError>(())
/// ```
pub trait Propagator: Send + Sync + 'static {
    /// The context of `span`; `None` when the system does not know it.
    fn context_of(&self, span: &Span) -> Option<TraceContext>;

    /// Makes `span`, which nobody has entered yet, a child of `parent`, a span of another
    /// process.
    fn set_parent(&self, span: &Span, parent: &TraceContext);

    /// Notes that `span` is about what `other`, a span of another process, began: the records
    /// of a batch have each their own.
    fn add_link(&self, span: &Span, other: &TraceContext);
}

static INSTALLED: OnceLock<Box<dyn Propagator>> = OnceLock::new();

/// Sets who is asked for the contexts of spans, once for the process.
///
/// # Errors
/// When there is one already.
pub fn set_propagator(propagator: impl Propagator) -> Result<(), TelemetryError> {
    INSTALLED
        .set(Box::new(propagator))
        .map_err(|_| TelemetryError::PropagatorInstalled)
}

/// The one in use.
pub(super) fn installed() -> Option<&'static dyn Propagator> {
    let installed = INSTALLED.get().map(Box::as_ref);
    #[cfg(feature = "opentelemetry")]
    let installed = installed.or(Some(&super::opentelemetry::OpenTelemetry));
    installed
}
