//! A cluster that comes late, embedded or Apache Kafka's: breaker, health and spool of a publisher
//! until then, and what it wrote after.

use std::collections::BTreeMap;
use std::time::Duration;

use milena::{Breaker, BreakerState, Outgoing, Publisher, Spool};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::reserved::Reserved;
use crate::setup::{Bench, DEADLINE, until};

const KEYS: usize = 5;
const MESSAGES: usize = 50;

/// Lets whoever comes to `door` through to the first broker of `bootstrap`.
async fn open(door: &Reserved, bootstrap: &str) {
    let listener = TcpListener::bind(door.address()).await.expect("a listener");
    let broker = bootstrap.split(',').next().unwrap_or_default().to_owned();
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            let broker = broker.clone();
            tokio::spawn(async move {
                let mut broker = TcpStream::connect(broker).await?;
                copy_bidirectional(&mut caller, &mut broker).await
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_before_the_cluster_is_there_reaches_it() {
    let bench = Bench::new().await;
    bench.create("orders", 3).await;
    let (door, directory) = (Reserved::new(), tempfile::tempdir().unwrap());
    let config = bench
        .builder()
        .bootstrap_servers(door.address().to_string())
        .set("delivery.timeout.ms", "3000")
        .set("request.timeout.ms", "1000")
        .set("max.block.ms", "500")
        .set("reconnect.backoff.max.ms", "100")
        .build()
        .unwrap();
    let publisher = Publisher::new(&config).unwrap().reliable();
    let publisher = publisher
        .breaker(Breaker::after(1).pause(Duration::from_millis(100)))
        .spool(Spool::at(directory.path()));
    let publisher = publisher.build().unwrap();
    for number in 0..MESSAGES {
        let message = Outgoing::to("orders").key((number % KEYS).to_string());
        let message = message.value(number.to_string());
        publisher.publish(message).await.unwrap();
    }
    assert_eq!(publisher.counts().spooled, MESSAGES as u64);
    let health = publisher.health();
    assert!(!health.is_healthy() && !health.is_connected, "{health:?}");
    assert!(health.oldest_waiting.is_some(), "{health:?}");
    open(&door, &bench.bootstrap).await;
    publisher.until_replayed(DEADLINE).await.unwrap();
    until("the publisher is well again", || {
        let health = publisher.health();
        health.is_healthy() && health.breaker == BreakerState::Closed
    })
    .await;
    let counts = publisher.close(DEADLINE).await;
    assert_eq!(
        (counts.delivered, counts.pending()),
        (MESSAGES as u64, 0),
        "{counts:?}"
    );
    let mut values = BTreeMap::<String, Vec<usize>>::new();
    for record in bench.read("orders", MESSAGES).await {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap()).into_owned();
        let number = text(record.value()).parse().unwrap();
        values.entry(text(record.key())).or_default().push(number);
    }
    for (key, numbers) in values {
        let expected = (0..MESSAGES).filter(|number| (number % KEYS).to_string() == key);
        assert_eq!(numbers, expected.collect::<Vec<_>>(), "key {key}");
    }
}
