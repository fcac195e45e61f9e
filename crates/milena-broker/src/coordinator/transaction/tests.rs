use std::cell::Cell;

use super::*;
use ErrorCode::{
    ConcurrentTransactions, InvalidProducerIdMapping, InvalidTxnState, ProducerFenced,
    TransactionAbortable,
};
use TransactionEnd::{Abort, Commit};

/// One transactional id with the ids it may be given.
struct Coordinator {
    transaction: Transaction,
    next_id: Cell<i64>,
    now_ms: i64,
}

impl Coordinator {
    fn new() -> Self {
        Coordinator {
            transaction: Transaction::new(),
            next_id: Cell::new(100),
            now_ms: 1_000,
        }
    }

    fn fresh_id(next_id: &Cell<i64>) -> Result<i64, ErrorCode> {
        Ok(next_id.replace(next_id.get() + 1))
    }

    /// As the driver does it: an abort that is needed first is made known at once.
    fn init(&mut self, mut current: Option<Identity>) -> Result<Identity, ErrorCode> {
        loop {
            let request = InitRequest {
                timeout_ms: 1_000,
                current,
            };
            let next_id = &self.next_id;
            let fresh = || Coordinator::fresh_id(next_id);
            match self.transaction.init(request, fresh, self.now_ms)? {
                Initialized::As(identity) => return Ok(identity),
                Initialized::AfterAbort => {
                    self.transaction.complete(self.now_ms);
                    current = None;
                }
            }
        }
    }

    fn add(&mut self, who: Identity, protocol: Protocol) -> Result<bool, ErrorCode> {
        let partition: TopicPartition = ("t".into(), 0);
        let what = [Addition::Partition(&partition)];
        self.transaction.add(who, what, protocol, self.now_ms)
    }

    fn check(&self, who: Identity) -> Result<(), ErrorCode> {
        let partition: TopicPartition = ("t".into(), 0);
        self.transaction.check(who, Addition::Partition(&partition))
    }

    fn decide(
        &mut self,
        who: Identity,
        end: TransactionEnd,
        protocol: Protocol,
    ) -> Result<Ended, ErrorCode> {
        let request = EndRequest { who, end, protocol };
        let next_id = &self.next_id;
        let fresh = || Coordinator::fresh_id(next_id);
        self.transaction.end(request, fresh, self.now_ms)
    }

    fn end(
        &mut self,
        who: Identity,
        end: TransactionEnd,
        protocol: Protocol,
    ) -> Result<Identity, ErrorCode> {
        match self.decide(who, end, protocol)? {
            Ended::Already(identity) => Ok(identity),
            Ended::Decided(identity) => {
                self.transaction.complete(self.now_ms);
                Ok(identity)
            }
        }
    }
}

fn identity(id: i64, epoch: i16) -> Identity {
    Identity { id, epoch }
}

#[test]
fn a_new_producer_shuts_the_former_one_out() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let mut coordinator = Coordinator::new();
        let zombie = coordinator.init(None).expect("an identity");
        assert_eq!(zombie, identity(100, 0));
        assert_eq!(coordinator.add(zombie, protocol), Ok(true));
        assert_eq!(coordinator.add(zombie, protocol), Ok(false));
        assert_eq!(coordinator.check(zombie), Ok(()));
        // Its transaction is aborted under an epoch of its own.
        let heir = coordinator.init(None).expect("an identity");
        assert_eq!(heir, identity(100, 2));
        assert_eq!(coordinator.transaction.state, State::Empty);
        assert_eq!(coordinator.add(zombie, protocol), Err(ProducerFenced));
        assert_eq!(coordinator.check(zombie), Err(ProducerFenced));
        for end in [Commit, Abort] {
            let refused = coordinator.end(zombie, end, protocol);
            assert_eq!(refused, Err(ProducerFenced));
        }
        assert_eq!(coordinator.init(Some(zombie)), Err(ProducerFenced));
        let stranger = coordinator.add(identity(7, 0), protocol);
        assert_eq!(stranger, Err(InvalidProducerIdMapping));
    }
}

#[test]
fn without_epochs_of_their_own_transactions_end_as_in_kip_98() {
    let v1 = Protocol::V1;
    for (end, other) in [(Commit, Abort), (Abort, Commit)] {
        let mut coordinator = Coordinator::new();
        let who = coordinator.init(None).expect("an identity");
        assert_eq!(coordinator.end(who, end, v1), Err(InvalidTxnState));
        assert_eq!(coordinator.check(who), Err(TransactionAbortable));
        coordinator.add(who, v1).expect("added");
        assert_eq!(coordinator.decide(who, end, v1), Ok(Ended::Decided(who)));
        // Decided is decided, and nothing new begins before all know.
        assert_eq!(coordinator.end(who, end, v1), Err(ConcurrentTransactions));
        assert_eq!(coordinator.end(who, other, v1), Err(InvalidTxnState));
        assert_eq!(coordinator.add(who, v1), Err(ConcurrentTransactions));
        assert_eq!(coordinator.init(None), Err(ConcurrentTransactions));
        coordinator.transaction.complete(2_000);
        assert_eq!(coordinator.transaction.partitions.len(), 0);
        // A lost answer is given again; the opposite is refused.
        assert_eq!(coordinator.end(who, end, v1), Ok(who));
        assert_eq!(coordinator.end(who, other, v1), Err(InvalidTxnState));
        assert_eq!(coordinator.add(who, v1), Ok(true));
    }
}

#[test]
fn with_kip_890_each_end_brings_an_epoch() {
    let v2 = Protocol::V2;
    for (end, other) in [(Commit, Abort), (Abort, Commit)] {
        let mut coordinator = Coordinator::new();
        let first = coordinator.init(None).expect("an identity");
        coordinator.add(first, v2).expect("added");
        let second = identity(100, 1);
        let decided = coordinator.decide(first, end, v2);
        assert_eq!(decided, Ok(Ended::Decided(second)));
        assert_eq!(coordinator.transaction.identity, second);
        assert_eq!(coordinator.end(first, end, v2), Err(ConcurrentTransactions));
        coordinator.transaction.complete(2_000);
        assert_eq!(coordinator.end(first, end, v2), Ok(second));
        assert_eq!(coordinator.end(first, other, v2), Err(InvalidTxnState));
        // A late batch of the old epoch begins nothing.
        assert_eq!(coordinator.add(first, v2), Err(ProducerFenced));
        // Under the new epoch there is nothing to commit; an abort is taken all the same.
        assert_eq!(coordinator.end(second, Commit, v2), Err(InvalidTxnState));
        assert_eq!(coordinator.end(second, Abort, v2), Ok(identity(100, 2)));
    }
}

#[test]
fn a_transaction_that_timed_out_can_only_be_aborted() {
    for (protocol, late_abort) in [
        (Protocol::V1, Err(ProducerFenced)),
        (Protocol::V2, Ok(identity(100, 1))),
    ] {
        let mut coordinator = Coordinator::new();
        let who = coordinator.init(None).expect("an identity");
        coordinator.add(who, protocol).expect("added");
        coordinator.transaction.shut_out(2_000);
        coordinator.transaction.complete(2_000);
        assert_eq!(coordinator.add(who, protocol), Err(ProducerFenced));
        assert!(coordinator.end(who, Commit, protocol).is_err());
        assert_eq!(coordinator.end(who, Abort, protocol), late_abort);
    }
}

#[test]
fn kip_360_bumps_once_however_often_it_is_asked() {
    let mut coordinator = Coordinator::new();
    let first = coordinator.init(None).expect("an identity");
    let second = coordinator.init(Some(first)).expect("a bump");
    assert_eq!(second, identity(100, 1));
    assert_eq!(coordinator.init(Some(first)), Ok(second));
    assert_eq!(coordinator.init(Some(second)), Ok(identity(100, 2)));
    assert_eq!(coordinator.init(Some(first)), Err(ProducerFenced));
    assert_eq!(coordinator.init(Some(identity(9, 0))), Err(ProducerFenced));
}

#[test]
fn a_fresh_id_follows_the_last_epoch() {
    let mut coordinator = Coordinator::new();
    coordinator.init(None).expect("an identity");
    let last = identity(100, Identity::EPOCH_LAST);

    let mut by_init = Coordinator {
        next_id: Cell::new(200),
        ..Coordinator::new()
    };
    by_init.transaction = coordinator.transaction.clone();
    by_init.transaction.identity = last;
    assert_eq!(by_init.init(Some(last)), Ok(identity(200, 0)));
    assert_eq!(by_init.init(Some(last)), Ok(identity(200, 0)));

    let mut by_end = coordinator;
    by_end.transaction.identity = last;
    by_end.add(last, Protocol::V2).expect("added");
    let next = by_end.end(last, Commit, Protocol::V2);
    assert_eq!(next, Ok(identity(101, 0)));
    assert_eq!(by_end.end(last, Commit, Protocol::V2), next);
    assert_eq!(
        by_end.add(last, Protocol::V2),
        Err(InvalidProducerIdMapping)
    );
}

/// Producers that take over from each other, lose answers and repeat themselves: what one
/// was told is committed is committed, and nothing is decided twice.
#[test]
fn whatever_happens_each_transaction_is_decided_once() {
    // How many transactions were decided, and of how many the producer heard.
    let (mut decided, mut told) = (0, 0);
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let protocol = match seed % 2 {
            0 => Protocol::V1,
            _ => Protocol::V2,
        };
        let mut coordinator = Coordinator::new();
        let mut producers: Vec<Identity> = Vec::new();
        for _ in 0..200 {
            coordinator.now_ms += 1;
            if producers.is_empty() || random.u8(..) < 20 {
                if let Ok(identity) = coordinator.init(None) {
                    assert!(!producers.contains(&identity), "seed {seed}");
                    producers.push(identity);
                }
                continue;
            }
            let index = random.usize(..producers.len());
            let who = producers[index];
            let is_newest = index + 1 == producers.len();
            let was_ongoing = coordinator.transaction.state == State::Ongoing;
            match random.u8(..8) {
                0..3 => {
                    let added = coordinator.add(who, protocol);
                    assert!(is_newest || added.is_err(), "seed {seed}: a zombie adds");
                }
                3 if was_ongoing => {
                    coordinator.transaction.shut_out(coordinator.now_ms);
                    coordinator.transaction.complete(coordinator.now_ms);
                    decided += 1;
                }
                action => {
                    let end = if action % 2 == 0 { Commit } else { Abort };
                    let before = coordinator.transaction.identity;
                    let ended = coordinator.end(who, end, protocol);
                    if was_ongoing && ended.is_ok() {
                        assert!(is_newest && who == before, "seed {seed}");
                        decided += 1;
                    }
                    let Ok(identity) = ended else { continue };
                    told += 1;
                    // Asked again because the answer was lost.
                    assert_eq!(
                        coordinator.end(who, end, protocol),
                        Ok(identity),
                        "seed {seed}"
                    );
                    if random.bool() {
                        producers[index] = identity;
                    } else if protocol == Protocol::V2 {
                        // It never heard of its new epoch: somebody takes over.
                        let heir = coordinator.init(None).expect("an identity");
                        producers.push(heir);
                    }
                }
            }
            let state = coordinator.transaction.state;
            let is_open = state == State::Ongoing;
            assert_eq!(is_open, !coordinator.transaction.partitions.is_empty());
        }
    }
    assert!(decided > 1_000 && told > 1_000, "{decided} {told}");
}
