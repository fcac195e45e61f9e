use tracing::Dispatch;
use tracing_subscriber::Registry;
use tracing_subscriber::registry::LookupSpan as _;

use super::super::mode::TraceMode;
use super::*;

/// The span that `span` is a child of.
fn parent(span: &Span) -> Option<tracing::span::Id> {
    let parent = span.with_subscriber(|(id, dispatch)| {
        let registry = dispatch.downcast_ref::<Registry>().unwrap();
        registry
            .span(id)
            .unwrap()
            .parent()
            .map(|parent| parent.id())
    });
    parent.expect("the span is recorded")
}

/// A batch is of many traces: it is linked to them, and begins one of its own.
#[test]
fn a_batch_within_another_span_is_a_root() {
    // With one subscriber alone, `tracing` may keep for all threads what another one answered.
    let _several = [(); 2].map(|()| Dispatch::new(tracing_subscriber::registry()));
    let handling = Handling {
        topic: "orders".into(),
        group: "group".into(),
        client_id: "client".into(),
        mode: TraceMode::Continue,
    };
    tracing::subscriber::with_default(tracing_subscriber::registry(), || {
        let around = tracing::info_span!("around").entered();
        assert_eq!(parent(&tracing::info_span!("child")), around.id());
        let span = batch(&handling, &[Message::new("orders")]).expect("a span");
        assert_eq!(parent(&span), None);
    });
}
