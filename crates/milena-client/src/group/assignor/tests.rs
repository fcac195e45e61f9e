//! Tests of the assignors: what must hold for any group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::{Assignments, Assignor, MemberSubscription, PreviousAssignment};
use crate::topology::TopicPartition;

fn member(id: &str, topics: &[&str]) -> MemberSubscription {
    MemberSubscription {
        member_id: id.to_owned(),
        topics: topics.iter().map(|topic| Arc::from(*topic)).collect(),
        ..MemberSubscription::default()
    }
}

fn counts(topics: &[(&str, i32)]) -> BTreeMap<Arc<str>, i32> {
    topics
        .iter()
        .map(|(topic, count)| (Arc::from(*topic), *count))
        .collect()
}

fn indexes(assignments: &Assignments, id: &str, topic: &str) -> Vec<i32> {
    let assigned = &assignments[id];
    let of_topic = assigned.iter().filter(|one| *one.topic == *topic);
    of_topic.map(|one| one.partition).collect()
}

/// The members of the next round: each keeps what it got, minus what it had to
/// revoke, under the next generation.
fn follow(members: &mut [MemberSubscription], assignments: &Assignments, generation: i32) -> bool {
    let mut is_over = true;
    for member in members {
        let assigned = &assignments[&member.member_id];
        is_over &= member.owned.iter().all(|owned| assigned.contains(owned));
        member.owned = assigned.clone();
        member.generation = Some(generation);
    }
    is_over
}

/// Rebalances until nobody revokes anything; the result, and how many rounds.
fn settle(
    members: &mut [MemberSubscription],
    partitions: &BTreeMap<Arc<str>, i32>,
) -> (Assignments, usize) {
    for round in 1..10 {
        let owners: BTreeMap<TopicPartition, BTreeSet<String>> = claims(members);
        let assignments = Assignor::CooperativeSticky.assign(members, partitions);
        check_no_double_ownership(&owners, &assignments);
        let generation = i32::try_from(round).expect("small") + 1000;
        if follow(members, &assignments, generation) {
            return (assignments, round);
        }
    }
    panic!("does not settle");
}

fn claims(members: &[MemberSubscription]) -> BTreeMap<TopicPartition, BTreeSet<String>> {
    let mut claims: BTreeMap<TopicPartition, BTreeSet<String>> = BTreeMap::new();
    for member in members {
        for partition in &member.owned {
            claims
                .entry(partition.clone())
                .or_default()
                .insert(member.member_id.clone());
        }
    }
    claims
}

/// Nobody starts with a partition that somebody else still has.
fn check_no_double_ownership(
    owners: &BTreeMap<TopicPartition, BTreeSet<String>>,
    assignments: &Assignments,
) {
    for (member, assigned) in assignments {
        for partition in assigned {
            if let Some(owners) = owners.get(partition) {
                assert!(
                    owners.contains(member),
                    "{partition} handed to {member}, owned by {owners:?}"
                );
            }
        }
    }
}

fn check_complete(
    members: &[MemberSubscription],
    partitions: &BTreeMap<Arc<str>, i32>,
    assignments: &Assignments,
) {
    let mut seen = BTreeSet::new();
    for member in members {
        for partition in &assignments[&member.member_id] {
            assert!(
                member.topics.contains(&partition.topic),
                "{partition} was not asked for"
            );
            assert!(seen.insert(partition.clone()), "{partition} twice");
        }
    }
    for (topic, count) in partitions {
        if members.iter().any(|member| member.topics.contains(topic)) {
            for index in 0..*count {
                let partition = TopicPartition::new(Arc::clone(topic), index);
                assert!(seen.contains(&partition), "{partition} is nobody's");
            }
        }
    }
}

/// No partition could move to a subscriber with at least two fewer.
fn check_balanced(members: &[MemberSubscription], assignments: &Assignments) {
    for (owner, assigned) in assignments {
        for partition in assigned {
            for other in members {
                let load = assignments[&other.member_id].len();
                let could_take = other.topics.contains(&partition.topic);
                assert!(
                    !could_take || assigned.len() <= load + 1,
                    "{partition} of {owner} ({}) belongs to {} ({load})",
                    assigned.len(),
                    other.member_id,
                );
            }
        }
    }
}

#[test]
fn range_gives_runs_and_the_first_get_more() {
    let members = [
        member("b", &["t"]),
        member("a", &["t"]),
        member("c", &["t"]),
    ];
    let assignments = Assignor::Range.assign(&members, &counts(&[("t", 8)]));
    assert_eq!(indexes(&assignments, "a", "t"), [0, 1, 2]);
    assert_eq!(indexes(&assignments, "b", "t"), [3, 4, 5]);
    assert_eq!(indexes(&assignments, "c", "t"), [6, 7]);
}

#[test]
fn range_puts_equal_partitions_of_topics_together() {
    let members = [member("a", &["x", "y"]), member("b", &["x", "y"])];
    let assignments = Assignor::Range.assign(&members, &counts(&[("x", 3), ("y", 3)]));
    for id in ["a", "b"] {
        assert_eq!(
            indexes(&assignments, id, "x"),
            indexes(&assignments, id, "y")
        );
    }
}

#[test]
fn range_orders_static_members_by_instance_id_and_first() {
    let mut members = [
        member("a", &["t"]),
        member("z", &["t"]),
        member("y", &["t"]),
    ];
    members[1].group_instance_id = Some("i1".to_owned());
    members[2].group_instance_id = Some("i2".to_owned());
    let assignments = Assignor::Range.assign(&members, &counts(&[("t", 3)]));
    assert_eq!(indexes(&assignments, "z", "t"), [0]);
    assert_eq!(indexes(&assignments, "y", "t"), [1]);
    assert_eq!(indexes(&assignments, "a", "t"), [2]);
}

#[test]
fn range_leaves_out_those_who_did_not_subscribe() {
    let members = [member("a", &["t"]), member("b", &["u"]), member("c", &[])];
    let assignments = Assignor::Range.assign(&members, &counts(&[("t", 2), ("u", 1), ("v", 9)]));
    assert_eq!(indexes(&assignments, "a", "t"), [0, 1]);
    assert_eq!(indexes(&assignments, "b", "u"), [0]);
    assert_eq!(assignments["c"], []);
}

#[test]
fn round_robin_deals_partitions_of_all_topics() {
    let members = [member("b", &["t", "u"]), member("a", &["t", "u"])];
    let assignments = Assignor::RoundRobin.assign(&members, &counts(&[("t", 3), ("u", 3)]));
    assert_eq!(indexes(&assignments, "a", "t"), [0, 2]);
    assert_eq!(indexes(&assignments, "a", "u"), [1]);
    assert_eq!(indexes(&assignments, "b", "t"), [1]);
    assert_eq!(indexes(&assignments, "b", "u"), [0, 2]);
}

/// The example of the Java client's documentation.
#[test]
fn round_robin_passes_over_those_who_did_not_subscribe() {
    let members = [
        member("c0", &["t0"]),
        member("c1", &["t0", "t1"]),
        member("c2", &["t0", "t1", "t2"]),
    ];
    let partitions = counts(&[("t0", 1), ("t1", 2), ("t2", 3), ("t3", 1)]);
    let assignments = Assignor::RoundRobin.assign(&members, &partitions);
    assert_eq!(indexes(&assignments, "c0", "t0"), [0]);
    assert_eq!(indexes(&assignments, "c1", "t1"), [0]);
    assert_eq!(indexes(&assignments, "c2", "t1"), [1]);
    assert_eq!(indexes(&assignments, "c2", "t2"), [0, 1, 2]);
    assert_eq!(assignments.values().map(Vec::len).sum::<usize>(), 6);
}

#[test]
fn sticky_keeps_what_members_had_and_drops_stale_claims() {
    let had = |id: &str, indexes: &[i32], generation: i32| {
        let mut member = member(id, &["t"]);
        let partitions = indexes.iter().map(|index| TopicPartition::new("t", *index));
        member.previous = Some(PreviousAssignment {
            partitions: partitions.collect(),
            generation: Some(generation),
        });
        member
    };
    let partitions = counts(&[("t", 6)]);
    let members = [had("a", &[1, 3, 5], 4), had("b", &[0, 2, 4], 4)];
    let assignments = Assignor::Sticky.assign(&members, &partitions);
    assert_eq!(indexes(&assignments, "a", "t"), [1, 3, 5]);
    assert_eq!(indexes(&assignments, "b", "t"), [0, 2, 4]);

    // One comes back from an earlier generation; its claims do not count.
    let members = [
        had("a", &[1, 3, 5], 4),
        had("b", &[0, 1, 2], 3),
        member("c", &["t"]),
    ];
    let assignments = Assignor::Sticky.assign(&members, &partitions);
    check_complete(&members, &partitions, &assignments);
    check_balanced(&members, &assignments);
    let kept = indexes(&assignments, "a", "t");
    assert!(
        kept.iter().all(|index| [1, 3, 5].contains(index)),
        "{kept:?}"
    );
}

#[test]
fn pitfall_16_a_moving_partition_is_withheld_until_it_is_given_up() {
    let partitions = counts(&[("t", 4)]);
    let mut members = vec![member("a", &["t"])];
    settle(&mut members, &partitions);
    assert_eq!(members[0].owned.len(), 4);

    members.push(member("b", &["t"]));
    let first = Assignor::CooperativeSticky.assign(&members, &partitions);
    assert_eq!(
        (first["a"].len(), first["b"].len()),
        (2, 0),
        "a gives up before b gets"
    );
    follow(&mut members, &first, 2);
    let second = Assignor::CooperativeSticky.assign(&members, &partitions);
    assert_eq!((second["a"].len(), second["b"].len()), (2, 2));
    assert_eq!(second["a"], first["a"]);
}

#[test]
fn pitfall_16_a_stale_claim_gets_nothing_but_is_waited_for() {
    let partitions = counts(&[("t", 2)]);
    let mut current = member("a", &["t"]);
    current.owned = vec![TopicPartition::new("t", 0), TopicPartition::new("t", 1)];
    current.generation = Some(5);
    let mut stale = member("b", &["t"]);
    stale.owned = vec![TopicPartition::new("t", 0), TopicPartition::new("t", 1)];
    stale.generation = Some(3);
    let mut members = vec![current, stale];
    let (assignments, _) = settle(&mut members, &partitions);
    check_complete(&members, &partitions, &assignments);
    check_balanced(&members, &assignments);
}

#[test]
fn range_withholds_what_cooperative_members_still_own() {
    let mut cooperative = member("b", &["t"]);
    cooperative.owned = vec![TopicPartition::new("t", 0), TopicPartition::new("t", 1)];
    cooperative.generation = Some(1);
    let eager = member("a", &["t"]);
    let assignments = Assignor::Range.assign(&[cooperative, eager], &counts(&[("t", 2)]));
    assert_eq!(indexes(&assignments, "a", "t"), [0; 0], "0 is still b's");
    assert_eq!(indexes(&assignments, "b", "t"), [1]);
}

#[test]
fn names_are_those_of_other_clients() {
    for (assignor, name) in [
        (Assignor::Range, "range"),
        (Assignor::RoundRobin, "roundrobin"),
        (Assignor::Sticky, "sticky"),
        (Assignor::CooperativeSticky, "cooperative-sticky"),
    ] {
        assert_eq!(assignor.name(), name);
        assert_eq!(Assignor::from_name(name), Some(assignor));
    }
    assert_eq!(Assignor::from_name("uniform"), None);
}

/// Groups of up to 8 members over up to 5 topics, with equal or own
/// subscriptions.
fn groups() -> impl Strategy<Value = (Vec<MemberSubscription>, BTreeMap<Arc<str>, i32>)> {
    let topics = prop::collection::vec(0_i32..12, 1..6);
    let subscriptions = prop::collection::vec(prop::collection::btree_set(0_usize..5, 0..5), 1..9);
    (topics, subscriptions, any::<bool>()).prop_map(|(topics, subscriptions, are_equal)| {
        let name = |topic: usize| Arc::<str>::from(format!("t{topic}"));
        let partitions = (0..)
            .zip(topics)
            .map(|(topic, count)| (name(topic), count))
            .collect();
        let members = (0..).zip(&subscriptions).map(|(rank, own): (usize, _)| {
            let wanted = if are_equal { &subscriptions[0] } else { own };
            MemberSubscription {
                member_id: format!("m{rank}"),
                topics: wanted.iter().map(|topic| name(*topic)).collect(),
                ..MemberSubscription::default()
            }
        });
        (members.collect(), partitions)
    })
}

proptest! {
    #[test]
    fn any_group_gets_everything_once_in_balance((mut members, partitions) in groups()) {
        let (assignments, rounds) = settle(&mut members, &partitions);
        prop_assert_eq!(rounds, 1, "nobody owns anything yet");
        check_complete(&members, &partitions, &assignments);
        check_balanced(&members, &assignments);
        let mut fresh = members.clone();
        for member in &mut fresh {
            member.owned.clear();
        }
        for assignor in [Assignor::Range, Assignor::RoundRobin, Assignor::Sticky] {
            check_complete(&members, &partitions, &assignor.assign(&fresh, &partitions));
        }
    }

    #[test]
    fn sticky_is_balanced_and_repeats_itself((mut members, partitions) in groups()) {
        let first = Assignor::Sticky.assign(&members, &partitions);
        check_complete(&members, &partitions, &first);
        check_balanced(&members, &first);
        for member in &mut members {
            member.previous = Some(PreviousAssignment {
                partitions: first[&member.member_id].clone(),
                generation: Some(1),
            });
        }
        prop_assert_eq!(first, Assignor::Sticky.assign(&members, &partitions));
    }

    #[test]
    fn nothing_changes_when_nothing_changed((mut members, partitions) in groups()) {
        let (before, _) = settle(&mut members, &partitions);
        let (after, rounds) = settle(&mut members, &partitions);
        prop_assert_eq!((before, 1), (after, rounds));
    }

    #[test]
    fn members_that_come_and_go_move_little_and_nothing_twice(
        (mut members, partitions) in groups(),
        leaver in any::<prop::sample::Index>(),
        newcomers in 0_usize..4,
    ) {
        settle(&mut members, &partitions);
        members.remove(leaver.index(members.len()));
        for newcomer in 0..newcomers {
            let topics = partitions.keys().cloned().collect();
            let member_id = format!("n{newcomer}");
            members.push(MemberSubscription { member_id, topics, ..MemberSubscription::default() });
        }
        let before = members.clone();
        let (after, rounds) = settle(&mut members, &partitions);
        prop_assert!(rounds <= 3, "{} rounds", rounds);
        check_complete(&members, &partitions, &after);
        check_balanced(&members, &after);
        check_sticky(&before, &after, &partitions);
    }

    #[test]
    fn whatever_members_claim_nobody_gets_what_another_has(
        (mut members, partitions) in groups(),
        claims in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..5, 0_i32..14, 0_i32..3), 0..40),
    ) {
        for (claimant, topic, index, generation) in claims {
            let claimant = claimant.index(members.len());
            let partition = TopicPartition::new(format!("t{topic}"), index);
            if !members[claimant].owned.contains(&partition) {
                members[claimant].owned.push(partition);
            }
            members[claimant].generation = Some(generation);
        }
        let (assignments, _) = settle(&mut members, &partitions);
        check_complete(&members, &partitions, &assignments);
        check_balanced(&members, &assignments);
    }
}

/// With equal subscriptions: a member loses only what is above its share.
fn check_sticky(
    before: &[MemberSubscription],
    after: &Assignments,
    partitions: &BTreeMap<Arc<str>, i32>,
) {
    let Some(first) = before.first() else {
        return;
    };
    if before.iter().any(|member| member.topics != first.topics) {
        return;
    }
    let wanted = first
        .topics
        .iter()
        .filter_map(|topic| partitions.get(topic));
    let total: usize = wanted
        .map(|count| usize::try_from(*count).expect("small"))
        .sum();
    let share = total / before.len();
    for member in before {
        let kept = member
            .owned
            .iter()
            .filter(|owned| after[&member.member_id].contains(owned));
        let kept = kept.count();
        assert!(
            kept >= share.min(member.owned.len()),
            "{} kept {kept} of {}",
            member.member_id,
            member.owned.len()
        );
    }
}
