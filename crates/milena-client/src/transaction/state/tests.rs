//! The rules one by one, and all of them against a model of a coordinator.

use super::*;
use crate::error::Error;

const FIRST: ProducerIdentity = ProducerIdentity { id: 7, epoch: 0 };

fn partition(index: i32) -> TopicPartition {
    TopicPartition::new("t", index)
}

fn failure() -> TransactionError {
    TransactionError::aborted(Error::Closed)
}

fn open(version: Version) -> Machine {
    let mut machine = Machine::new(FIRST);
    assert!(machine.begin(version));
    machine
}

/// Lets a batch of partition 0 leave.
fn send(machine: &mut Machine) {
    if machine.admit(&partition(0)) == Admission::Unregistered {
        let (_, wanted) = machine.wanted_partitions().expect("one waits");
        machine.registered(&wanted);
    }
    assert!(matches!(
        machine.admit(&partition(0)),
        Admission::Admitted { .. }
    ));
}

#[test]
fn partitions_are_registered_once_and_together() {
    let mut machine = open(Version::V1);
    for index in [0, 1, 0] {
        assert_eq!(machine.admit(&partition(index)), Admission::Unregistered);
    }
    let (who, wanted) = machine.wanted_partitions().expect("two wait");
    assert_eq!((who, &wanted), (FIRST, &vec![partition(0), partition(1)]));
    machine.registered(&wanted);
    assert_eq!(machine.wanted_partitions(), None);
    let admitted = Admission::Admitted {
        serial: 1,
        identity: FIRST,
    };
    assert_eq!(machine.admit(&partition(1)), admitted);
    // The next transaction knows none of them.
    let call = machine.end(End::Commit).expect("nothing failed");
    assert!(call.is_some());
    machine.ended(EndAnswer::Done(None));
    assert_eq!(machine.admit(&partition(1)), Admission::Closed);
    assert!(machine.begin(Version::V1));
    assert_eq!(machine.admit(&partition(1)), Admission::Unregistered);
}

#[test]
fn with_kip_890_a_batch_needs_no_registration_and_each_end_brings_an_epoch() {
    let mut machine = open(Version::V2);
    send(&mut machine);
    assert_eq!(machine.wanted_partitions(), None);
    let call = machine.end(End::Commit).expect("nothing failed");
    let expected = EndCall {
        identity: FIRST,
        version: Version::V2,
        end: End::Commit,
    };
    assert_eq!(call, Some(expected));
    let next = ProducerIdentity { id: 7, epoch: 1 };
    machine.ended(EndAnswer::Done(Some(next)));
    assert!(machine.begin(Version::V2));
    let admitted = Admission::Admitted {
        serial: 2,
        identity: next,
    };
    assert_eq!(machine.admit(&partition(0)), admitted);
}

#[test]
fn what_the_coordinator_never_heard_of_needs_no_end() {
    for version in [Version::V1, Version::V2] {
        for end in [End::Commit, End::Abort] {
            let mut machine = open(version);
            assert_eq!(machine.end(end).ok(), Some(None));
            assert_eq!(machine.last_end(), Some(end));
            assert!(machine.begin(version));
        }
    }
}

#[test]
fn after_a_failure_nothing_leaves_and_nothing_is_committed() {
    for version in [Version::V1, Version::V2] {
        let mut machine = open(version);
        send(&mut machine);
        machine.fail(failure());
        assert_eq!(machine.admit(&partition(0)), Admission::Closed);
        assert!(machine.touch().is_err());
        assert!(machine.end(End::Commit).is_err());
        assert_eq!(machine.unfinished().ok(), Some(Unfinished::Open));
        assert!(!machine.begin(version));
        let call = machine
            .end(End::Abort)
            .expect("an abort is always possible");
        assert_eq!(call.map(|call| call.end), Some(End::Abort));
    }
}

#[test]
fn pitfall_19_a_commit_without_an_answer_is_never_aborted() {
    let mut machine = open(Version::V1);
    send(&mut machine);
    let call = machine.end(End::Commit).expect("nothing failed");
    let call = call.expect("something was sent");
    machine.ended(EndAnswer::Unknown);
    // Whatever is tried, the same commit is what there is to do.
    machine.fail(failure());
    assert!(machine.end(End::Abort).is_err());
    assert!(!machine.begin(Version::V1));
    assert_eq!(machine.unfinished().ok(), Some(Unfinished::Ending(call)));
    machine.ended(EndAnswer::Done(None));
    assert_eq!(machine.last_end(), Some(End::Commit));
    assert_eq!(machine.unfinished().ok(), Some(Unfinished::Nothing));
}

#[test]
fn pitfall_04_a_bump_comes_between_transactions_never_within_one() {
    let mut machine = open(Version::V1);
    send(&mut machine);
    machine.note_gap();
    machine.fail(failure());
    // A bump that arrives now changes nothing.
    machine.bumped(ProducerIdentity { id: 7, epoch: 1 });
    let call = machine.end(End::Abort).expect("an abort");
    assert_eq!(call.map(|call| call.identity), Some(FIRST));
    machine.ended(EndAnswer::Done(None));
    assert_eq!(machine.unfinished().ok(), Some(Unfinished::Bump(FIRST)));
    assert!(!machine.begin(Version::V1));
    machine.bumped(ProducerIdentity { id: 7, epoch: 1 });
    assert!(machine.begin(Version::V1));
    // With an epoch for each transaction there is nothing to bump.
    let mut machine = open(Version::V2);
    send(&mut machine);
    machine.note_gap();
    machine.end(End::Abort).expect("an abort");
    let next = ProducerIdentity { id: 7, epoch: 1 };
    machine.ended(EndAnswer::Done(Some(next)));
    assert_eq!(machine.unfinished().ok(), Some(Unfinished::Nothing));
}

#[test]
fn pitfall_20_the_finalized_level_decides() {
    let versions = [0, 1, 2, 3].map(Version::of_level);
    use Version::{V1, V2};
    assert_eq!(versions, [V1, V1, V2, V2]);
}

#[test]
fn who_is_broken_stays_broken() {
    let mut machine = open(Version::V2);
    machine.break_down(TransactionError::fatal(Error::Closed));
    assert_eq!(machine.admit(&partition(0)), Admission::Closed);
    machine.ended(EndAnswer::Done(None));
    machine.bumped(FIRST);
    assert!(machine.unfinished().is_err());
    assert!(!machine.begin(Version::V2));
    assert!(machine.end(End::Abort).is_err());
}

/// What a coordinator does, as far as this producer can tell.
#[derive(Default)]
struct Model {
    epoch: i16,
    /// The serial of the transaction that is going on.
    ongoing: Option<u64>,
    /// How each transaction ended.
    ended: Vec<(u64, End)>,
    /// The answer that a repeated request gets.
    last: Option<(EndCall, EndAnswer)>,
}

impl Model {
    fn end(&mut self, serial: u64, call: EndCall) -> EndAnswer {
        if let Some((last, answer)) = &self.last
            && *last == call
            && self.ongoing.is_none()
        {
            return answer.clone();
        }
        assert_eq!(
            call.identity.epoch, self.epoch,
            "an old epoch ends something"
        );
        if self.ongoing.take().is_none() {
            assert_eq!(call.end, End::Abort, "a commit of nothing");
        }
        self.ended.push((serial, call.end));
        let answer = match call.version {
            Version::V1 => EndAnswer::Done(None),
            Version::V2 => {
                self.epoch += 1;
                EndAnswer::Done(Some(self.identity()))
            }
        };
        self.last = Some((call, answer.clone()));
        answer
    }

    fn identity(&self) -> ProducerIdentity {
        ProducerIdentity {
            id: FIRST.id,
            epoch: self.epoch,
        }
    }
}

/// Records fail, answers get lost, handles are dropped at any time: a transaction ends once, as
/// its producer was told, under the epoch it began with.
#[test]
fn whatever_happens_a_transaction_ends_once_and_as_told() {
    let (mut committed, mut aborted) = (0, 0);
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut machine = Machine::new(FIRST);
        let mut model = Model::default();
        let mut serial = 0;
        // What the application knows: each transaction it was told about.
        let mut told: Vec<(u64, End)> = Vec::new();
        let mut wanted: Option<EndCall> = None;
        for _ in 0..300 {
            match random.u8(..10) {
                0 => {
                    let version = if random.bool() {
                        Version::V1
                    } else {
                        Version::V2
                    };
                    let is_free = machine.unfinished().ok() == Some(Unfinished::Nothing);
                    assert_eq!(machine.begin(version), is_free, "seed {seed}");
                    serial += u64::from(is_free);
                    wanted = if is_free { None } else { wanted };
                }
                1..4 => match machine.admit(&partition(random.i32(..3))) {
                    Admission::Admitted {
                        serial: of,
                        identity,
                    } => {
                        assert_eq!((of, identity), (serial, model.identity()), "seed {seed}");
                        model.ongoing = Some(serial);
                    }
                    Admission::Unregistered => {
                        let (_, some) = machine.wanted_partitions().expect("one waits");
                        model.ongoing = Some(serial);
                        machine.registered(&some);
                    }
                    Admission::Closed => {}
                },
                4 if random.u8(..4) == 0 => {
                    machine.note_gap();
                    machine.fail(failure());
                }
                5 if matches!(machine.unfinished(), Ok(Unfinished::Bump(_))) => {
                    model.epoch += 1;
                    model.last = None;
                    machine.bumped(model.identity());
                }
                6 | 7 => {
                    let end = if random.bool() {
                        End::Commit
                    } else {
                        End::Abort
                    };
                    if let Ok(Some(call)) = machine.end(end) {
                        wanted = Some(call);
                    } else if machine.last_end().is_none() {
                        continue;
                    }
                }
                _ => {
                    let Ok(Unfinished::Ending(call)) = machine.unfinished() else {
                        continue;
                    };
                    // Never something else than what was asked first.
                    assert_eq!(Some(call), wanted, "seed {seed}");
                    let answer = model.end(serial, call);
                    if random.u8(..3) == 0 {
                        machine.ended(EndAnswer::Unknown);
                        continue;
                    }
                    machine.ended(answer);
                    told.push((serial, call.end));
                }
            }
        }
        let mut serials: Vec<u64> = model.ended.iter().map(|(serial, _)| *serial).collect();
        serials.dedup();
        assert_eq!(serials.len(), model.ended.len(), "seed {seed}: ended twice");
        for row in &told {
            assert!(model.ended.contains(row), "seed {seed}: {row:?}");
        }
        committed += told.iter().filter(|(_, end)| *end == End::Commit).count();
        aborted += told.len() - told.iter().filter(|(_, end)| *end == End::Commit).count();
    }
    assert!(
        committed > 1_000 && aborted > 1_000,
        "{committed} {aborted}"
    );
}
