use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::*;
use crate::producer::ProducerIdentity;
use crate::transaction::state::End;

/// How long it is watched that nothing happens.
const QUIET: Duration = Duration::from_millis(50);

#[test]
fn no_transaction_begins_while_a_failed_one_is_given_up() {
    let identity = ProducerIdentity { id: 1, epoch: 0 };
    let gate = Gate::new("id".into(), Machine::new(identity));
    assert!(gate.begin(Version::V2));
    gate.fail(TransactionError::aborted(Error::Closed));
    let (sender, begun) = sync_channel(1);
    std::thread::scope(|scope| {
        gate.with_failure(|_| {
            gate.update(|machine| machine.end(End::Abort)).unwrap();
            scope.spawn(|| sender.send(gate.begin(Version::V2)).unwrap());
            begun.recv_timeout(QUIET).unwrap_err();
        });
        assert!(begun.recv().unwrap(), "the next one begins afterwards");
    });
    gate.with_failure(|error| panic!("that is not its failure: {error}"));
}
