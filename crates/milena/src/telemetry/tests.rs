//! What `MILENA_LOG` takes, and what it refuses; what a line shows.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::layer::SubscriberExt as _;

use super::{lines, parse_filter};

/// What is written, to be looked at.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_shows_what_people_look_for() {
    // With one subscriber alone, `tracing` may keep for all threads what another one answered.
    let several = [(); 2].map(|()| tracing::Dispatch::new(tracing_subscriber::registry()));
    let log = Log::default();
    let writer = log.clone();
    let lines = lines().with_writer(move || writer.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
        let trace_id = tracing::field::Empty;
        let span = tracing::info_span!(
            "process",
            "messaging.system" = "kafka",
            "otel.kind" = "consumer",
            customer = "a \"b\"",
            number = 7,
            trace_id
        );
        span.record("trace_id", "4bf9");
        span.in_scope(|| tracing::info!(event = "shipped", order = 5));
    });
    drop(several);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let (_, shown) = text.trim_end().split_once(" level=").unwrap();
    assert_eq!(
        shown,
        "info target=milena::telemetry::tests span=process event=shipped order=5 customer=\"a \\\"b\\\"\" number=7 trace_id=4bf9"
    );
}

#[test]
fn levels_and_pairs_are_taken() {
    for directives in [
        "info",
        "off",
        "WARN",
        "milena=debug",
        "milena=debug,warn",
        "a=info, b=off",
    ] {
        assert!(parse_filter(directives).is_some(), "{directives:?}");
    }
}

#[test]
fn what_would_log_something_else_than_meant_is_refused() {
    for directives in [
        "",
        "=,=",
        "inffo",
        "milena=",
        "milena=loud",
        "=info",
        "info,,",
        "a=b=c",
        "3",
    ] {
        assert!(parse_filter(directives).is_none(), "{directives:?}");
    }
}
