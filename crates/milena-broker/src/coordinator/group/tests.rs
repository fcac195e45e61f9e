use std::collections::BTreeMap;

use super::*;

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);

/// A group, a clock, and what came out of the group.
struct Fixture {
    group: Group,
    now: Instant,
    next_ticket: Ticket,
    joined: BTreeMap<Ticket, Joined>,
    synced: BTreeMap<Ticket, Result<Synced, ErrorCode>>,
}

impl Fixture {
    fn new() -> Self {
        Fixture::with_delay(Duration::ZERO)
    }

    fn with_delay(initial_rebalance_delay: Duration) -> Self {
        let settings = GroupSettings {
            initial_rebalance_delay,
            members_max: 3,
        };
        Fixture {
            group: Group::new(settings),
            now: Instant::now(),
            next_ticket: 1,
            joined: BTreeMap::new(),
            synced: BTreeMap::new(),
        }
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Joined { ticket, outcome } => {
                    assert!(
                        self.joined.insert(ticket, outcome).is_none(),
                        "answered twice"
                    );
                }
                Action::Synced { ticket, outcome } => {
                    assert!(
                        self.synced.insert(ticket, outcome).is_none(),
                        "answered twice"
                    );
                }
                Action::Persist => {}
            }
        }
    }

    fn join(&mut self, request: JoinRequest) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let mut actions = Vec::new();
        self.group.join(&request, ticket, self.now, &mut actions);
        self.take(actions);
        ticket
    }

    fn sync(&mut self, member_id: &str, assignments: &[(&str, &'static str)]) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let request = SyncRequest {
            credentials: self.credentials(member_id),
            protocol_type: Some("consumer"),
            protocol: None,
            assignments: assignments
                .iter()
                .map(|(id, assignment)| (*id, Bytes::from_static(assignment.as_bytes())))
                .collect(),
        };
        let mut actions = Vec::new();
        self.group.sync(&request, ticket, self.now, &mut actions);
        self.take(actions);
        ticket
    }

    fn credentials<'a>(&self, member_id: &'a str) -> Credentials<'a> {
        Credentials {
            member_id,
            instance_id: None,
            generation: self.group.generation,
        }
    }

    fn heartbeat(&mut self, member_id: &str) -> Result<(), ErrorCode> {
        let credentials = self.credentials(member_id);
        self.group.heartbeat(credentials, self.now)
    }

    fn leave(&mut self, member_id: &str) -> Result<(), ErrorCode> {
        let leaver = Leaver {
            member_id,
            instance_id: None,
        };
        let mut actions = Vec::new();
        let request = LeaveRequest {
            leavers: vec![leaver],
        };
        let results = self.group.leave(&request, self.now, &mut actions);
        self.take(actions);
        results[0]
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let mut actions = Vec::new();
        self.group.tick(self.now, &mut actions);
        self.take(actions);
    }

    /// Two members, "a" leading, in a stable group.
    fn stable() -> Self {
        let mut fixture = Fixture::new();
        fixture.join(new_member("a"));
        fixture.sync("a", &[("a", "all")]);
        fixture.join(new_member("b"));
        fixture.join(known("a"));
        fixture.sync("b", &[]);
        fixture.sync("a", &[("a", "half"), ("b", "other half")]);
        fixture.joined.clear();
        fixture.synced.clear();
        assert_eq!(fixture.group.state(), State::Stable);
        fixture
    }
}

fn protocols(names: &[&str]) -> Vec<Protocol> {
    let protocol = |name: &&str| Protocol {
        name: Arc::from(*name),
        metadata: Bytes::copy_from_slice(name.as_bytes()),
    };
    names.iter().map(protocol).collect()
}

/// A join without a member id, by a client too old to be told its id first.
fn new_member(id: &str) -> JoinRequest {
    JoinRequest {
        member_id: Arc::from(""),
        new_member_id: Arc::from(id),
        instance_id: None,
        client_id: Arc::from("client"),
        client_host: Arc::from("/127.0.0.1"),
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        protocol_type: Arc::from("consumer"),
        protocols: protocols(&["range"]),
        requires_known_id: false,
        can_skip_assignment: true,
    }
}

fn known(id: &str) -> JoinRequest {
    JoinRequest {
        member_id: Arc::from(id),
        ..new_member("unused")
    }
}

fn static_member(id: &str, instance: &str) -> JoinRequest {
    JoinRequest {
        instance_id: Some(Arc::from(instance)),
        ..new_member(id)
    }
}

fn assignment(outcome: &Result<Synced, ErrorCode>) -> Result<&[u8], ErrorCode> {
    outcome
        .as_ref()
        .map(|synced| &synced.assignment[..])
        .map_err(|code| *code)
}

#[test]
fn one_member_leads_gets_all_and_leaves() {
    let mut fixture = Fixture::new();
    let ticket = fixture.join(new_member("a"));
    let joined = &fixture.joined[&ticket];
    assert_eq!((joined.error, joined.generation), (ErrorCode::None, 1));
    assert_eq!(
        (&*joined.leader, &*joined.member_id, joined.members.len()),
        ("a", "a", 1)
    );
    assert_eq!(fixture.heartbeat("a"), Ok(()));
    let ticket = fixture.sync("a", &[("a", "all")]);
    assert_eq!(assignment(&fixture.synced[&ticket]), Ok(&b"all"[..]));
    assert_eq!(fixture.group.state(), State::Stable);
    assert_eq!(fixture.leave("a"), Ok(()));
    assert_eq!(fixture.group.state(), State::Empty);
    assert_eq!(fixture.leave("a"), Err(ErrorCode::UnknownMemberId));
    assert_eq!(fixture.group.next_deadline(), None);
}

#[test]
fn a_second_member_makes_the_first_rejoin() {
    let mut fixture = Fixture::new();
    fixture.join(new_member("a"));
    fixture.sync("a", &[("a", "all")]);
    let b = fixture.join(new_member("b"));
    assert!(!fixture.joined.contains_key(&b), "it waits for a");
    assert_eq!(fixture.heartbeat("a"), Err(ErrorCode::RebalanceInProgress));
    let a = fixture.join(known("a"));
    assert_eq!(fixture.joined[&a].members.len(), 2);
    assert_eq!(fixture.joined[&b].members.len(), 0);
    assert_eq!(fixture.joined[&b].generation, 2);
    let b = fixture.sync("b", &[]);
    assert!(!fixture.synced.contains_key(&b), "it waits for the leader");
    fixture.sync("a", &[("a", "half"), ("b", "other half")]);
    assert_eq!(assignment(&fixture.synced[&b]), Ok(&b"other half"[..]));
    // Whoever lost the answer may ask again.
    let again = fixture.sync("b", &[]);
    assert_eq!(assignment(&fixture.synced[&again]), Ok(&b"other half"[..]));
}

#[test]
fn members_that_miss_the_rebalance_are_left_behind() {
    let mut fixture = Fixture::stable();
    let c = fixture.join(new_member("c"));
    let a = fixture.join(known("a"));
    fixture.pass(REBALANCE);
    assert_eq!(fixture.joined[&a].members.len(), 2);
    assert_eq!(fixture.joined[&c].error, ErrorCode::None);
    assert_eq!(fixture.heartbeat("b"), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn a_silent_member_expires_and_the_others_rebalance() {
    let mut fixture = Fixture::stable();
    fixture.pass(SESSION / 2);
    assert_eq!(fixture.heartbeat("a"), Ok(()));
    fixture.pass(SESSION / 2);
    assert_eq!(fixture.heartbeat("b"), Err(ErrorCode::UnknownMemberId));
    assert_eq!(fixture.heartbeat("a"), Err(ErrorCode::RebalanceInProgress));
    let a = fixture.join(known("a"));
    assert_eq!(fixture.joined[&a].members.len(), 1);
}

#[test]
fn a_leader_that_never_syncs_is_removed() {
    let mut fixture = Fixture::stable();
    fixture.join(known("a"));
    fixture.join(known("b"));
    let b = fixture.sync("b", &[]);
    for _ in 0..12 {
        assert_eq!(fixture.heartbeat("a"), Ok(()));
        fixture.pass(SESSION / 2);
    }
    assert_eq!(
        assignment(&fixture.synced[&b]),
        Err(ErrorCode::RebalanceInProgress)
    );
    assert_eq!(fixture.heartbeat("a"), Err(ErrorCode::UnknownMemberId));
    let b = fixture.join(known("b"));
    assert_eq!(&*fixture.joined[&b].leader, "b");
}

#[test]
fn a_new_member_is_told_its_id_first() {
    let mut fixture = Fixture::new();
    let request = JoinRequest {
        requires_known_id: true,
        ..new_member("a")
    };
    let ticket = fixture.join(request);
    assert_eq!(fixture.joined[&ticket].error, ErrorCode::MemberIdRequired);
    assert_eq!(&*fixture.joined[&ticket].member_id, "a");
    let ticket = fixture.join(known("a"));
    assert_eq!(fixture.joined[&ticket].error, ErrorCode::None);
    // An id that is not used in time is forgotten.
    let request = JoinRequest {
        requires_known_id: true,
        ..new_member("late")
    };
    fixture.join(request);
    fixture.pass(SESSION);
    let ticket = fixture.join(known("late"));
    assert_eq!(fixture.joined[&ticket].error, ErrorCode::UnknownMemberId);
}

#[test]
fn the_initial_delay_is_extended_by_newcomers_up_to_the_rebalance_timeout() {
    let delay = Duration::from_secs(3);
    let mut fixture = Fixture::with_delay(delay);
    let a = fixture.join(new_member("a"));
    fixture.pass(delay - Duration::from_millis(1));
    let b = fixture.join(new_member("b"));
    fixture.pass(Duration::from_millis(1));
    assert!(fixture.joined.is_empty(), "one more round");
    fixture.pass(delay);
    assert_eq!(fixture.joined[&a].members.len(), 2);
    assert_eq!(fixture.joined[&b].generation, 1);
}

#[test]
fn wrong_credentials_are_told_apart() {
    let mut fixture = Fixture::stable();
    let generation = fixture.group.generation;
    let credentials = |member_id, instance_id, generation| Credentials {
        member_id,
        instance_id,
        generation,
    };
    for (wrong, expected) in [
        (
            credentials("x", None, generation),
            ErrorCode::UnknownMemberId,
        ),
        (
            credentials("a", None, generation - 1),
            ErrorCode::IllegalGeneration,
        ),
        (
            credentials("a", None, generation + 1),
            ErrorCode::IllegalGeneration,
        ),
        (
            credentials("a", Some("i"), generation),
            ErrorCode::UnknownMemberId,
        ),
        (credentials("", None, -1), ErrorCode::UnknownMemberId),
    ] {
        assert_eq!(
            fixture.group.heartbeat(wrong, fixture.now),
            Err(expected),
            "{wrong:?}"
        );
        assert_eq!(
            fixture.group.check_commit(wrong, fixture.now),
            Err(expected),
            "{wrong:?}"
        );
    }
}

#[test]
fn pitfall_13_commits_are_taken_while_joining_and_refused_while_assigning() {
    let mut fixture = Fixture::stable();
    let commit = |fixture: &mut Fixture| {
        let credentials = fixture.credentials("a");
        fixture.group.check_commit(credentials, fixture.now)
    };
    assert_eq!(commit(&mut fixture), Ok(()));
    fixture.join(known("b"));
    fixture.join(JoinRequest {
        protocols: protocols(&["range", "sticky"]),
        ..known("b")
    });
    assert_eq!(fixture.group.state().name(), "PreparingRebalance");
    assert_eq!(commit(&mut fixture), Ok(()));
    fixture.join(known("a"));
    assert_eq!(fixture.group.state().name(), "CompletingRebalance");
    assert_eq!(commit(&mut fixture), Err(ErrorCode::RebalanceInProgress));
    // Nobody in the group: anyone who names no member may commit.
    let nobody = Credentials {
        member_id: "",
        instance_id: None,
        generation: -1,
    };
    assert_eq!(
        Fixture::new().group.check_commit(nobody, fixture.now),
        Ok(())
    );
}

#[test]
fn protocols_must_be_shared_and_the_preferred_one_wins() {
    let mut fixture = Fixture::new();
    fixture.join(JoinRequest {
        protocols: protocols(&["sticky", "range"]),
        ..new_member("a")
    });
    for (protocol_type, names) in [
        ("consumer", &["roundrobin"][..]),
        ("connect", &["range"]),
        ("", &["range"]),
        ("consumer", &[]),
    ] {
        let request = JoinRequest {
            protocol_type: Arc::from(protocol_type),
            protocols: protocols(names),
            ..new_member("x")
        };
        let ticket = fixture.join(request);
        assert_eq!(
            fixture.joined[&ticket].error,
            ErrorCode::InconsistentGroupProtocol
        );
    }
    for id in ["b", "c"] {
        let names = protocols(&["range", "sticky"]);
        fixture.join(JoinRequest {
            protocols: names,
            ..new_member(id)
        });
    }
    let a = fixture.join(JoinRequest {
        protocols: protocols(&["sticky", "range"]),
        ..known("a")
    });
    assert_eq!(fixture.joined[&a].protocol.as_deref(), Some("range"));
    assert_eq!(&fixture.joined[&a].members[0].metadata[..], b"range");
    // The group is as large as it may get.
    let ticket = fixture.join(new_member("d"));
    assert_eq!(
        fixture.joined[&ticket].error,
        ErrorCode::GroupMaxSizeReached
    );
}

#[test]
fn a_follower_that_joins_a_stable_group_unchanged_disturbs_nobody() {
    let mut fixture = Fixture::stable();
    let generation = fixture.group.generation;
    let ticket = fixture.join(known("b"));
    assert_eq!(fixture.joined[&ticket].generation, generation);
    assert_eq!(fixture.group.state(), State::Stable);
    // The leader means it: it wants a new assignment.
    fixture.join(known("a"));
    assert_eq!(fixture.group.state().name(), "PreparingRebalance");
}

#[test]
fn a_static_member_returns_without_a_rebalance_and_fences_its_former_self() {
    let mut fixture = Fixture::new();
    fixture.join(static_member("one", "i"));
    fixture.sync("one", &[("one", "all")]);
    let ticket = fixture.join(static_member("two", "i"));
    let joined = &fixture.joined[&ticket];
    assert_eq!((joined.error, joined.generation), (ErrorCode::None, 1));
    assert_eq!(&*joined.member_id, "two");
    assert_eq!(fixture.group.state(), State::Stable);
    let ticket = fixture.sync("two", &[]);
    assert_eq!(assignment(&fixture.synced[&ticket]), Ok(&b"all"[..]));
    let former = Credentials {
        member_id: "one",
        instance_id: Some("i"),
        generation: 1,
    };
    let fenced = fixture.group.heartbeat(former, fixture.now);
    assert_eq!(fenced, Err(ErrorCode::FencedInstanceId));
    // By its instance id alone it can be sent away.
    let leaver = Leaver {
        member_id: "",
        instance_id: Some("i"),
    };
    let mut actions = Vec::new();
    let leave = LeaveRequest {
        leavers: vec![leaver],
    };
    assert_eq!(
        fixture.group.leave(&leave, fixture.now, &mut actions),
        [Ok(())]
    );
    assert_eq!(fixture.group.state(), State::Empty);
}

#[test]
fn pitfall_17_a_static_leader_that_returns_sees_all_members() {
    for (can_skip_assignment, leader, members) in [(true, "two", 1), (false, "one", 0)] {
        let mut fixture = Fixture::new();
        fixture.join(static_member("one", "i"));
        fixture.sync("one", &[("one", "all")]);
        let returning = JoinRequest {
            can_skip_assignment,
            ..static_member("two", "i")
        };
        let ticket = fixture.join(returning);
        let joined = &fixture.joined[&ticket];
        assert_eq!(joined.skip_assignment, can_skip_assignment);
        assert_eq!((&*joined.leader, joined.members.len()), (leader, members));
    }
}

#[test]
fn a_group_is_restored_with_its_members_and_their_sessions() {
    let fixture = Fixture::stable();
    let settings = fixture.group.settings;
    let snapshot = fixture.group.snapshot();
    let mut members = snapshot.members.clone();
    for member in &mut members {
        // What is written down is read as members that have just come.
        let mut read = Member::new(member.id.clone(), fixture.now);
        read.session_timeout = member.session_timeout;
        read.rebalance_timeout = member.rebalance_timeout;
        read.protocols = member.protocols.clone();
        read.assignment = member.assignment.clone();
        *member = read;
    }
    let snapshot = GroupSnapshot {
        members,
        ..snapshot
    };
    let mut restored = Fixture::new();
    restored.group = Group::restore(settings, snapshot, restored.now);
    assert_eq!(restored.heartbeat("b"), Ok(()));
    let ticket = restored.sync("b", &[]);
    assert_eq!(
        assignment(&restored.synced[&ticket]),
        Ok(&b"other half"[..])
    );
    restored.pass(SESSION);
    assert_eq!(restored.group.state(), State::Empty);
}
