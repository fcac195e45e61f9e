//! The spans of `tracing-opentelemetry`, as [`Propagator`] wants to know them.

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::propagator::Propagator;
use super::trace_context::TraceContext;

/// Knows the spans that the layer of `tracing-opentelemetry` sees; there may be none.
pub(super) struct OpenTelemetry;

impl Propagator for OpenTelemetry {
    fn context_of(&self, span: &Span) -> Option<TraceContext> {
        if span.is_disabled() {
            return None;
        }
        let context = span.context();
        let span = context.span();
        let known = span.span_context();
        let context = TraceContext::new(
            known.trace_id().to_bytes(),
            known.span_id().to_bytes(),
            known.trace_flags().to_u8(),
        )?;
        Some(match known.trace_state().header() {
            state if state.is_empty() => context,
            state => context.with_state(&state),
        })
    }

    fn set_parent(&self, span: &Span, parent: &TraceContext) {
        let parent = opentelemetry::Context::new().with_remote_span_context(remote(parent));
        // Without the layer there is nobody to tell.
        let _ = span.set_parent(parent);
    }

    fn add_link(&self, span: &Span, other: &TraceContext) {
        span.add_link(remote(other));
    }
}

/// What OpenTelemetry calls a context of another process.
fn remote(context: &TraceContext) -> SpanContext {
    let state = context.state().unwrap_or_default();
    SpanContext::new(
        TraceId::from_bytes(context.trace_id().to_bytes()),
        SpanId::from_bytes(context.span_id()),
        TraceFlags::new(context.flags()),
        true,
        state.parse::<TraceState>().unwrap_or_default(),
    )
}
