//! What the sender looks at and does not send keeps its time.

use std::time::{Duration, Instant};

use super::Sender;
use crate::client::Client;
use crate::config::ClientConfig;
use crate::producer::config::ProducerConfig;
use crate::producer::partition::{Appended, Partition};
use crate::producer::record::Record;
use crate::producer::route::Route;
use crate::producer::sequence::ProducerIdentity;
use crate::producer::shared::Shared;
use crate::producer::window::SendWindow;
use crate::{NodeId, backoff::Backoff};

const NODE: NodeId = NodeId(1);
const LINGER: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_batch_looked_at_before_its_time_gets_its_timer_back() {
    let client = Client::new(ClientConfig::new("127.0.0.1:1")).unwrap();
    let config = ProducerConfig::default().linger(LINGER);
    let runtime = tokio::runtime::Handle::current();
    let shared = Shared::new(client, config, None, runtime);
    let route = Route::new(NODE);
    let backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
    let mut window = SendWindow::new(true, 5, None, backoff);
    window.adopt(ProducerIdentity { id: 1, epoch: 0 });
    let partition = std::sync::Arc::new(Partition::new("t".into(), 0, window));
    partition.set_leader(Some(NODE));
    let record = Record::to("t").value(b"value");
    let mut appended = Appended::NOTHING;
    let _delivery = partition
        .append(&record, 0, &shared.buffers, &mut None, false, &mut appended)
        .unwrap();
    assert!(appended.has(Appended::OPENED));
    route.push_timer(Instant::now() + LINGER, &partition);

    // Somebody waits for buffer space: every batch is looked at. By then the space has come.
    assert_eq!(route.advance(Instant::now(), true), None);
    let sender = Sender::new(shared.clone(), route.clone());
    let ready = route.take_ready();
    assert_eq!(ready.len(), 1);
    partition.clear_queued();
    assert!(sender.take_batch(&partition, Instant::now()).is_none());
    let due_at = route.advance(Instant::now(), false);
    let due_in = due_at
        .expect("a timer")
        .saturating_duration_since(Instant::now());
    assert!(due_in <= LINGER && due_in > LINGER / 2, "{due_in:?}");
    let late = Instant::now() + LINGER;
    assert!(sender.take_batch(&partition, late).is_some());
    shared.shut_down();
}
