//! The bar shows what the redrive tells.

use indicatif::ProgressDrawTarget;
use milena::{Config, Outgoing, Publisher};
use milena_broker::Broker;

use super::*;

/// One more than a transaction takes: the bar is told between the two.
const LETTERS: u64 = 501;
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

async fn letters(config: &Config) {
    let publisher = Publisher::new(config).expect("a publisher");
    for _ in 0..LETTERS {
        let letter = Outgoing::to("orders.dlq")
            .partition(0)
            .value("x")
            .header("milena-origin-topic", "orders");
        drop(publisher.enqueue(&letter).await.expect("taken"));
    }
    let order = Outgoing::to("orders").value("the topic is there");
    publisher.send(&order).await.expect("sent");
    publisher.flush(TIMEOUT).await.expect("flushed");
}

#[tokio::test]
async fn the_bar_is_told_how_far_a_redrive_is() {
    let broker = Broker::builder().start().await.expect("a broker");
    let config = Config::builder().bootstrap_servers(broker.bootstrap());
    let config = config.build().expect("a config");
    letters(&config).await;
    let admin = DeadLetterAdmin::new(&config).expect("an admin");
    let bar = progress_bar();
    bar.set_draw_target(ProgressDrawTarget::hidden());
    let report = execute(&admin.redrive("orders.dlq"), &bar).await;
    assert_eq!(report.expect("redriven").redriven, LETTERS);
    assert_eq!((bar.position(), bar.length()), (LETTERS, Some(LETTERS)));
    assert_eq!(bar.message(), "500 redriven");
}
