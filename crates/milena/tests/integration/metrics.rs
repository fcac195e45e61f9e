//! Metrics for Prometheus, of a publisher and of the client below it.

use milena::metrics::MetricsServer;
use milena::testing::TestBroker;
use milena::{Breaker, Outgoing, Publisher, metrics};

use crate::health::get;
use crate::setup::DEADLINE;

/// The value of a line, if there is one that begins so.
fn value(page: &str, line: &str) -> Option<f64> {
    let rest = page.lines().find_map(|one| one.strip_prefix(line))?;
    rest.trim().parse().ok()
}

/// The only test that installs the exporter: a process has one. Other tests of this process
/// publish as well, so numbers are at least what is expected here.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_for_prometheus_has_publisher_and_client() {
    assert_eq!(metrics::render(), None);
    metrics::install_prometheus().unwrap();
    metrics::install_prometheus().unwrap();
    let broker = TestBroker::start().await.unwrap();
    let publisher = Publisher::new(&broker.config("nobody").unwrap()).unwrap();
    let publisher = publisher.reliable().breaker(Breaker::after(3));
    let publisher = publisher.build().unwrap();
    for _ in 0..3 {
        publisher.publish(Outgoing::to("orders")).await.unwrap();
    }
    let refused = Outgoing::to("orders").partition(99);
    publisher.publish(refused).await.unwrap();
    publisher.flush(DEADLINE).await.unwrap();
    let page = metrics::render().unwrap();
    let ended = |page: &str, outcome: &str| {
        let line = format!("milena_publisher_messages_total{{outcome=\"{outcome}\"}}");
        value(page, &line).unwrap_or_default()
    };
    assert!(ended(&page, "delivered") >= 3.0, "{page}");
    assert!(ended(&page, "dead_lettered") >= 1.0, "{page}");
    assert!(page.contains("# TYPE milena_publisher_messages_total counter"));
    assert!(page.contains("# HELP milena_publisher_pending_messages Messages without"));
    assert!(page.contains("# TYPE milena_publisher_oldest_waiting_seconds gauge"));
    // With its unit, unless other tests made clients before the exporter was there.
    let duration = page
        .lines()
        .find(|line| line.starts_with("# TYPE kafka_client_request_duration"));
    assert!(
        duration.is_some_and(|line| line.ends_with(" histogram")),
        "{duration:?}"
    );
    assert!(page.contains("kafka_producer_batches_total{"), "{page}");
    // What was not asked for is told at the end.
    let before = ended(&page, "delivered");
    publisher.publish(Outgoing::to("orders")).await.unwrap();
    publisher.close(DEADLINE).await;
    drop(publisher);
    let page = metrics::render().unwrap();
    assert!(ended(&page, "delivered") > before, "{page}");
    crate::health::metrics_are_rendered().await;
    a_program_without_application_answers().await;
}

async fn a_program_without_application_answers() {
    let server = MetricsServer::start(([127, 0, 0, 1], 0).into()).await;
    let server = server.unwrap();
    let (status, page) = get(server.address(), "/metrics").await;
    assert_eq!(status, 200);
    assert!(page.contains("milena_publisher_messages_total"), "{page}");
    let (status, hint) = get(server.address(), "/live").await;
    assert_eq!((status, hint.as_str()), (404, "here is /metrics\n"));
    let taken = MetricsServer::start(server.address()).await.unwrap_err();
    let expected = format!("cannot listen on {} for metrics: ", server.address());
    assert!(taken.to_string().starts_with(&expected), "{taken}");
}
