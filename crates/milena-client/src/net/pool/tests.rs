use std::time::Duration;

use super::*;
use crate::net::fake_broker::FakeBroker;

fn pool(config: ClientConfig) -> Pool {
    Pool::new(Arc::new(Dialler::plaintext(config)))
}

fn config() -> ClientConfig {
    ClientConfig::new("localhost:9092")
        .reconnect_backoff(Duration::from_millis(20), Duration::from_millis(100))
}

fn address(broker: &FakeBroker) -> Arc<BrokerAddress> {
    Arc::new(BrokerAddress::parse(&broker.address.to_string()).expect("an address"))
}

#[tokio::test]
async fn many_callers_share_one_connection() {
    let broker = FakeBroker::start().await;
    let (pool, address) = (pool(config()), address(&broker));
    let callers = futures_util::future::join_all((0..50).map(|_| pool.connection(&address)));
    let (connections, _server) = tokio::join!(callers, broker.accept());
    assert_eq!(connections.len(), 50);
    assert!(connections.iter().all(Result::is_ok));
    assert!(pool.least_loaded().is_some());
}

#[tokio::test]
async fn pitfall_22_many_callers_share_one_failure() {
    let broker = FakeBroker::start().await;
    let (pool, address) = (pool(config()), address(&broker));
    drop(broker);
    let callers = futures_util::future::join_all((0..50).map(|_| pool.connection(&address)));
    assert!(callers.await.iter().all(Result::is_err));
    let slot = pool.slot(&address).expect("it is open");
    assert_eq!(slot.lock().failures, 1);
}

#[tokio::test]
async fn a_lost_connection_is_dialled_again_after_a_pause() {
    let broker = FakeBroker::start().await;
    let (pool, address) = (pool(config()), address(&broker));
    let (first, server) = tokio::join!(pool.connection(&address), broker.accept());
    let first = first.expect("it connects");
    drop(server);
    while !first.is_closed() {
        tokio::task::yield_now().await;
    }
    let lost_at = Instant::now();
    let (second, _server) = tokio::join!(pool.connection(&address), broker.accept());
    second.expect("it connects again");
    assert!(
        lost_at.elapsed() >= Duration::from_millis(10),
        "there was no pause"
    );
}

#[tokio::test]
async fn a_closed_pool_gives_no_connections() {
    let broker = FakeBroker::start().await;
    let (pool, address) = (pool(config()), address(&broker));
    let (connection, mut server) = tokio::join!(pool.connection(&address), broker.accept());
    let connection = connection.expect("it connects");
    pool.close();
    assert!(connection.is_closed());
    assert!(server.receive().await.is_none());
    assert!(matches!(
        pool.connection(&address).await,
        Err(Error::Closed)
    ));
}

#[tokio::test]
async fn addresses_without_use_are_forgotten_but_not_their_pauses() {
    let pool = pool(config());
    let at = |port| {
        Arc::new(BrokerAddress {
            host: "localhost".to_owned(),
            port,
        })
    };
    pool.slot(&at(1)).expect("it is open");
    pool.slot(&at(2))
        .expect("it is open")
        .lock()
        .reconnect
        .failed(Instant::now());
    pool.slot(&at(3)).expect("it is open");
    let mut ports: Vec<u16> = pool
        .lock()
        .slots
        .keys()
        .map(|address| address.port)
        .collect();
    ports.sort_unstable();
    assert_eq!(ports, [2, 3]);
}
