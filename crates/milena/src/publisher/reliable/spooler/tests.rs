use uuid::Uuid;

use super::*;
use crate::publisher::{MessageId, Outgoing};

/// While a message is being written it is neither queued nor in the files; whoever let others past
/// it then would leave it there for ever.
#[test]
fn nobody_passes_a_message_that_is_being_written() {
    let directory = tempfile::tempdir().unwrap();
    let spooler = Spooler::open(Spool::at(directory.path())).unwrap();
    let counters = Counters::default();
    spooler.divert();
    let message = Outgoing::to("orders");
    let context = DeliveryContext::new(message, MessageId::made(Uuid::new_v4().into()), None);
    let offer = spooler.offer(Box::new(context), &counters);
    assert!(matches!(offer, Offer::Queued(_)));
    let taken = spooler.take_items();
    assert_eq!(taken.len(), 1);
    spooler.resume(&counters);
    assert!(spooler.is_diverting(), "it is being written");
    *lock(&spooler.facts) = Facts {
        messages: 1,
        ..Facts::default()
    };
    counters.park();
    spooler.resume(&counters);
    assert!(spooler.is_diverting(), "it is in the files");
    *lock(&spooler.facts) = Facts::default();
    spooler.resume(&counters);
    assert!(!spooler.is_diverting());
}
