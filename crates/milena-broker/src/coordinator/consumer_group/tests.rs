use std::cell::RefCell;

use super::*;

const SESSION: Duration = Duration::from_secs(45);
const REBALANCE: Duration = Duration::from_secs(60);
const LEAVE: i32 = -1;

/// Topics for tests, by name.
#[derive(Default)]
struct Topics {
    shapes: RefCell<BTreeMap<Arc<str>, TopicShape>>,
    version: RefCell<u64>,
}

impl Topics {
    fn set(&self, name: &str, id: u128, partitions: i32) {
        let id = Uuid::from_u128(id);
        let shape = TopicShape { id, partitions };
        self.shapes.borrow_mut().insert(name.into(), shape);
        *self.version.borrow_mut() += 1;
    }

    fn delete(&self, name: &str) {
        self.shapes.borrow_mut().remove(name);
        *self.version.borrow_mut() += 1;
    }
}

impl TopicView for Topics {
    fn version(&self) -> u64 {
        *self.version.borrow()
    }

    fn shape(&self, name: &str) -> Option<TopicShape> {
        self.shapes.borrow().get(name).copied()
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.shapes.borrow().keys().cloned().collect()
    }
}

/// A group, a clock, and what each member believes to have.
struct Fixture {
    group: ConsumerGroup,
    topics: Topics,
    now: Instant,
    members: BTreeMap<&'static str, Believes>,
}

#[derive(Default, Clone)]
struct Believes {
    epoch: i32,
    owned: PartitionSet,
    instance: Option<&'static str>,
}

fn settings() -> ConsumerGroupSettings {
    ConsumerGroupSettings {
        session_timeout: SESSION,
        heartbeat_interval: Duration::from_secs(5),
        members_max: 5,
        assignors: vec![ServerAssignor::Uniform, ServerAssignor::Range],
    }
}

fn set(id: u128, indexes: &[i32]) -> PartitionSet {
    let id = Uuid::from_u128(id);
    indexes.iter().map(|index| (id, *index)).collect()
}

impl Fixture {
    fn new() -> Self {
        let fixture = Fixture {
            group: ConsumerGroup::new(settings()),
            topics: Topics::default(),
            now: Instant::now(),
            members: BTreeMap::new(),
        };
        fixture.topics.set("t", 1, 6);
        fixture
    }

    fn request(&self, id: &'static str) -> BeatRequest {
        let believes = self.members.get(id).cloned().unwrap_or_default();
        BeatRequest {
            member_id: id.into(),
            epoch: believes.epoch,
            instance_id: believes.instance.map(Arc::from),
            ..BeatRequest::default()
        }
    }

    fn join_request(&self, id: &'static str, names: &[&str]) -> BeatRequest {
        BeatRequest {
            epoch: 0,
            rebalance_timeout: Some(REBALANCE),
            names: Some(names.iter().map(|name| Arc::from(*name)).collect()),
            owned: Some(PartitionSet::new()),
            ..self.request(id)
        }
    }

    fn send(&mut self, request: &BeatRequest) -> Result<Beat, ErrorCode> {
        request.check().map_err(|refusal| refusal.code)?;
        let beat = self.group.heartbeat(request, &self.topics, self.now);
        self.check_invariants();
        beat.map_err(|refusal| refusal.code)
    }

    /// Joins and takes over what comes.
    fn join(&mut self, id: &'static str, names: &[&str]) -> Beat {
        let request = self.join_request(id, names);
        self.take(id, request)
    }

    fn join_static(&mut self, id: &'static str, instance: &'static str) -> Result<Beat, ErrorCode> {
        let mut request = self.join_request(id, &["t"]);
        request.instance_id = Some(instance.into());
        let beat = self.send(&request)?;
        self.believe(id, &beat);
        self.members.entry(id).or_default().instance = Some(instance);
        Ok(beat)
    }

    /// A heartbeat that says what is owned, and takes over what comes.
    fn beat(&mut self, id: &'static str) -> Beat {
        let mut request = self.request(id);
        request.owned = Some(self.members[id].owned.clone());
        self.take(id, request)
    }

    fn take(&mut self, id: &'static str, request: BeatRequest) -> Beat {
        let beat = self.send(&request).expect("accepted");
        self.believe(id, &beat);
        beat
    }

    fn believe(&mut self, id: &'static str, beat: &Beat) {
        let believes = self.members.entry(id).or_default();
        believes.epoch = beat.epoch;
        if let Some(assigned) = &beat.assigned {
            believes.owned = assigned.clone();
        }
    }

    /// Heartbeats all around until nothing changes.
    fn settle(&mut self) {
        for _ in 0..20 {
            let before: Vec<Beat> = self.round();
            if before == self.round() {
                return;
            }
        }
        panic!("it does not settle");
    }

    fn round(&mut self) -> Vec<Beat> {
        let ids: Vec<&'static str> = self.members.keys().copied().collect();
        ids.into_iter().map(|id| self.beat(id)).collect()
    }

    fn counts(&self) -> Vec<usize> {
        let owned = self.members.values().map(|member| member.owned.len());
        owned.collect()
    }

    /// Nobody is assigned what another has or still gives up.
    fn check_invariants(&self) {
        let mut holders: BTreeMap<(Uuid, i32), &str> = BTreeMap::new();
        for member in self.group.members() {
            for partition in member.assigned.union(&member.revoking) {
                let former = holders.insert(*partition, &member.id);
                assert!(
                    former.is_none(),
                    "{partition:?} of {former:?} and {}",
                    member.id
                );
            }
        }
    }
}

#[test]
fn the_first_member_gets_everything_at_once() {
    let mut fixture = Fixture::new();
    let beat = fixture.join("a", &["t"]);
    assert_eq!(beat.epoch, 1);
    assert_eq!(beat.assigned, Some(set(1, &[0, 1, 2, 3, 4, 5])));
    assert_eq!(fixture.group.state_name(), "Stable");
    let beat = fixture.take("a", fixture.request("a"));
    assert_eq!((beat.epoch, beat.assigned), (1, None), "nothing to tell");
}

#[test]
fn a_partition_moves_only_after_it_was_given_up() {
    let mut fixture = Fixture::new();
    fixture.join("a", &["t"]);
    let beat = fixture.join("b", &["t"]);
    assert_eq!(beat.epoch, 2, "it has the new epoch");
    assert_eq!(
        beat.assigned,
        Some(PartitionSet::new()),
        "and waits for its partitions"
    );
    assert_eq!(fixture.group.state_name(), "Reconciling");

    // A heartbeat that does not say what is owned acknowledges nothing.
    let beat = fixture.take("a", fixture.request("a"));
    assert_eq!(beat.epoch, 1, "a stays at its epoch until it has given up");
    let kept = beat.assigned.expect("told to give up");
    assert_eq!(kept.len(), 3);
    let silent = fixture.send(&fixture.request("a")).expect("accepted");
    assert_eq!((silent.epoch, silent.assigned), (1, None));
    assert_eq!(fixture.beat("b").assigned, None, "nothing is free yet");

    // With the acknowledgement they are free.
    assert_eq!(fixture.beat("a").epoch, 2);
    assert_eq!(
        fixture.beat("b").assigned.map(|assigned| assigned.len()),
        Some(3)
    );
    assert_eq!(fixture.group.state_name(), "Stable");
}

#[test]
fn members_that_come_and_go_share_evenly_and_move_little() {
    let mut fixture = Fixture::new();
    fixture.join("a", &["t"]);
    fixture.join("b", &["t"]);
    fixture.settle();
    assert_eq!(fixture.counts(), [3, 3]);
    let before = fixture.members.clone();
    fixture.join("c", &["t"]);
    fixture.settle();
    assert_eq!(fixture.counts(), [2, 2, 2]);
    for id in ["a", "b"] {
        assert!(
            fixture.members[id].owned.is_subset(&before[id].owned),
            "{id} only lost some"
        );
    }
    let mut leave = fixture.request("b");
    leave.epoch = LEAVE;
    assert_eq!(fixture.send(&leave).expect("accepted").epoch, LEAVE);
    fixture.members.remove("b");
    fixture.settle();
    assert_eq!(fixture.counts(), [3, 3]);
}

#[test]
fn whoever_does_not_give_up_in_time_is_removed() {
    let mut fixture = Fixture::new();
    fixture.join("a", &["t"]);
    fixture.join("b", &["t"]);
    let told = fixture.send(&fixture.request("a")).expect("accepted");
    assert!(told.assigned.is_some());
    for _ in 0..3 {
        // Heartbeats alone do not help.
        fixture.now += Duration::from_secs(20);
        let _ = fixture.send(&fixture.request("a"));
        fixture.beat("b");
    }
    assert_eq!(
        fixture.send(&fixture.request("a")),
        Err(ErrorCode::UnknownMemberId)
    );
    fixture.members.remove("a");
    fixture.settle();
    assert_eq!(fixture.counts(), [6]);
}

#[test]
fn a_silent_member_is_removed_after_its_session() {
    let mut fixture = Fixture::new();
    fixture.join("a", &["t"]);
    assert_eq!(fixture.group.next_deadline(), Some(fixture.now + SESSION));
    fixture.now += SESSION;
    fixture.group.tick(fixture.now);
    assert!(fixture.group.is_empty());
    assert_eq!(fixture.group.state_name(), "Empty");
    assert_eq!(
        fixture.send(&fixture.request("a")),
        Err(ErrorCode::UnknownMemberId)
    );
}

#[test]
fn epochs_that_do_not_fit_are_fenced() {
    let mut fixture = Fixture::new();
    fixture.join("a", &["t"]);
    let mut ahead = fixture.request("a");
    ahead.epoch = 7;
    assert_eq!(fixture.send(&ahead), Err(ErrorCode::FencedMemberEpoch));

    fixture.join("b", &["t"]);
    fixture.settle();
    let owned = fixture.members["a"].owned.clone();
    // The answer with epoch 2 got lost: the one before will do, if no more is owned.
    let mut former = fixture.request("a");
    former.epoch = 1;
    former.owned = Some(owned);
    assert!(fixture.send(&former).is_ok());
    former.owned = Some(set(1, &[0, 1, 2, 3, 4, 5]));
    assert_eq!(fixture.send(&former), Err(ErrorCode::FencedMemberEpoch));
    former.owned = None;
    assert_eq!(fixture.send(&former), Err(ErrorCode::FencedMemberEpoch));
    // Fenced, it starts over.
    let beat = fixture.join("a", &["t"]);
    assert_eq!(beat.assigned.map(|assigned| assigned.len()), Some(3));
}

#[test]
fn a_static_member_that_says_it_comes_back_finds_its_partitions() {
    let mut fixture = Fixture::new();
    fixture.join_static("a1", "i").expect("accepted");
    fixture.join("b", &["t"]);
    fixture.settle();
    let owned = fixture.members["a1"].owned.clone();
    // Nobody else takes the name while it is in use.
    assert_eq!(
        fixture.join_static("a2", "i"),
        Err(ErrorCode::UnreleasedInstanceId)
    );

    let mut leave = fixture.request("a1");
    leave.epoch = -2;
    fixture.send(&leave).expect("accepted");
    let epoch = fixture.group.epoch();
    let beat = fixture.join_static("a2", "i").expect("accepted");
    assert_eq!(beat.assigned, Some(owned));
    assert_eq!(fixture.group.epoch(), epoch, "nobody else had to move");
    assert_eq!(
        fixture.send(&fixture.request("a1")),
        Err(ErrorCode::FencedInstanceId)
    );
}

#[test]
fn a_static_member_that_stays_away_is_removed() {
    let mut fixture = Fixture::new();
    fixture.join_static("a1", "i").expect("accepted");
    let mut leave = fixture.request("a1");
    leave.epoch = -2;
    fixture.send(&leave).expect("accepted");
    assert!(!fixture.group.is_empty());
    fixture.now += SESSION;
    fixture.group.tick(fixture.now);
    assert!(fixture.group.is_empty());
    fixture
        .join_static("a3", "i")
        .expect("the name is free again");
}

#[test]
fn changes_of_topics_reach_the_members() {
    let mut fixture = Fixture::new();
    fixture.join("a", &["t", "later"]);
    fixture.topics.set("t", 1, 8);
    fixture.settle();
    assert_eq!(fixture.counts(), [8]);
    fixture.topics.set("later", 2, 2);
    fixture.settle();
    assert_eq!(fixture.counts(), [10]);
    // Deleted and created again it is another topic.
    fixture.topics.delete("t");
    fixture.topics.set("t", 3, 1);
    fixture.settle();
    let expected: PartitionSet = set(2, &[0, 1]).union(&set(3, &[0])).copied().collect();
    assert_eq!(fixture.members["a"].owned, expected);
}

#[test]
fn pitfall_18_an_expression_subscribes_to_topics_that_come_later() {
    let mut fixture = Fixture::new();
    let mut request = fixture.join_request("a", &[]);
    request.pattern = Some("metrics-.*".into());
    let beat = fixture.take("a", request);
    assert_eq!(beat.assigned, Some(PartitionSet::new()));
    fixture.topics.set("metrics-a", 7, 2);
    fixture.topics.set("old-metrics-a", 8, 2);
    fixture.settle();
    assert_eq!(
        fixture.members["a"].owned,
        set(7, &[0, 1]),
        "whole names match only"
    );
    // Taken back, names remain.
    let mut request = fixture.request("a");
    request.pattern = Some("".into());
    request.names = Some([Arc::from("t")].into());
    fixture.take("a", request);
    fixture.settle();
    assert_eq!(fixture.members["a"].owned, set(1, &[0, 1, 2, 3, 4, 5]));

    let mut request = fixture.request("a");
    request.pattern = Some("(".into());
    assert_eq!(
        fixture.send(&request),
        Err(ErrorCode::InvalidRegularExpression)
    );
}

#[test]
fn the_assignor_most_members_ask_for_is_taken() {
    let mut fixture = Fixture::new();
    fixture.topics.set("u", 2, 3);
    for (id, assignor) in [("a", "range"), ("b", "range"), ("c", "uniform")] {
        let mut request = fixture.join_request(id, &["t", "u"]);
        request.assignor = Some(assignor.into());
        fixture.take(id, request);
    }
    fixture.settle();
    assert_eq!(fixture.group.assignor(), ServerAssignor::Range);
    let expected: PartitionSet = set(1, &[0, 1]).union(&set(2, &[0])).copied().collect();
    assert_eq!(fixture.members["a"].owned, expected);
    let mut request = fixture.join_request("d", &["t"]);
    request.assignor = Some("sticky".into());
    assert_eq!(fixture.send(&request), Err(ErrorCode::UnsupportedAssignor));
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut fixture = Fixture::new();
    let good = fixture.join_request("a", &["t"]);
    let bad = [
        BeatRequest {
            rebalance_timeout: None,
            ..good.clone()
        },
        BeatRequest {
            owned: None,
            ..good.clone()
        },
        BeatRequest {
            owned: Some(set(1, &[0])),
            ..good.clone()
        },
        BeatRequest {
            names: None,
            ..good.clone()
        },
        BeatRequest {
            epoch: -3,
            ..good.clone()
        },
        BeatRequest {
            epoch: -2,
            ..good.clone()
        },
        BeatRequest {
            epoch: 1,
            member_id: "".into(),
            ..good.clone()
        },
        BeatRequest {
            instance_id: Some("".into()),
            ..good.clone()
        },
    ];
    for request in bad {
        assert_eq!(
            fixture.send(&request),
            Err(ErrorCode::InvalidRequest),
            "{request:?}"
        );
    }
    assert_eq!(
        fixture.send(&fixture.request("b").clone()),
        Err(ErrorCode::InvalidRequest)
    );
    let stranger = BeatRequest {
        epoch: 3,
        ..fixture.request("b")
    };
    assert_eq!(fixture.send(&stranger), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn a_full_group_takes_nobody_else() {
    let mut fixture = Fixture::new();
    for id in ["a", "b", "c", "d", "e"] {
        fixture.join(id, &["t"]);
    }
    let request = fixture.join_request("f", &["t"]);
    assert_eq!(fixture.send(&request), Err(ErrorCode::GroupMaxSizeReached));
}

#[test]
fn commits_need_the_epoch_of_the_member() {
    let mut fixture = Fixture::new();
    let credentials = |member_id, generation| Credentials {
        member_id,
        instance_id: None,
        generation,
    };
    assert_eq!(fixture.group.check_commit(credentials("", -1)), Ok(()));
    fixture.join("a", &["t"]);
    for (member_id, epoch, expected) in [
        ("a", 1, Ok(())),
        ("a", 0, Err(ErrorCode::StaleMemberEpoch)),
        ("a", 2, Err(ErrorCode::StaleMemberEpoch)),
        ("b", 1, Err(ErrorCode::UnknownMemberId)),
        ("", -1, Err(ErrorCode::UnknownMemberId)),
    ] {
        assert_eq!(
            fixture.group.check_commit(credentials(member_id, epoch)),
            expected
        );
        if !member_id.is_empty() {
            assert_eq!(fixture.group.check_fetch(Some(member_id), epoch), expected);
        }
    }
    assert_eq!(fixture.group.check_fetch(None, -1), Ok(()));
}

#[test]
fn a_restored_group_goes_on_where_it_was() {
    let mut fixture = Fixture::new();
    fixture.join("a", &["t"]);
    fixture.join_static("b", "i").expect("accepted");
    let snapshot = fixture.group.snapshot();
    fixture.group = ConsumerGroup::restore(settings(), snapshot.clone(), fixture.now);
    assert_eq!(fixture.group.snapshot(), snapshot);
    fixture.settle();
    assert_eq!(fixture.counts(), [3, 3]);
    assert_eq!(
        fixture.join_static("c", "i"),
        Err(ErrorCode::UnreleasedInstanceId)
    );
}

/// Any order of events: nobody gets what another has, and in the end everything is
/// assigned, evenly.
#[test]
fn whatever_happens_partitions_have_one_owner() {
    const IDS: [&str; 4] = ["a", "b", "c", "d"];
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut fixture = Fixture::new();
        for _ in 0..60 {
            let id = IDS[random.usize(..IDS.len())];
            let is_member = fixture.members.contains_key(id);
            match random.u8(..10) {
                0..=1 if !is_member => {
                    fixture.join(id, &["t"]);
                }
                2 if is_member => {
                    let mut leave = fixture.request(id);
                    leave.epoch = LEAVE;
                    fixture.send(&leave).expect("accepted");
                    fixture.members.remove(id);
                }
                3 => fixture.topics.set("t", 1, random.i32(1..9)),
                // An answer gets lost.
                4 if is_member => {
                    let request = fixture.request(id);
                    if fixture.send(&request).is_err() {
                        fixture.join(id, &["t"]);
                    }
                }
                _ if is_member => {
                    let mut request = fixture.request(id);
                    request.owned = Some(fixture.members[id].owned.clone());
                    match fixture.send(&request) {
                        Ok(beat) => fixture.believe(id, &beat),
                        Err(ErrorCode::FencedMemberEpoch) => {
                            fixture.join(id, &["t"]);
                        }
                        Err(code) => panic!("{code:?}, seed {seed}"),
                    }
                }
                _ => {}
            }
        }
        if fixture.members.is_empty() {
            continue;
        }
        for id in IDS {
            if fixture.members.contains_key(id) {
                fixture.join(id, &["t"]);
            }
        }
        fixture.settle();
        let partitions = fixture
            .topics
            .shape("t")
            .map_or(0, |shape| shape.partitions);
        let counts = fixture.counts();
        assert_eq!(
            counts.iter().sum::<usize>(),
            usize::try_from(partitions).expect("small")
        );
        let (least, most) = (counts.iter().min(), counts.iter().max());
        assert!(
            most <= least.map(|least| least + 1).as_ref(),
            "{counts:?}, seed {seed}"
        );
    }
}
