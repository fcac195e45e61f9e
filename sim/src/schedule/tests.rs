//! Tests of the generator: repeatable, varied, and within what a run can bear.

use super::*;
use std::collections::BTreeSet;

#[test]
fn a_seed_gives_the_same_schedule_always() {
    for seed in 0..50 {
        let schedule = Schedule::new(seed);
        assert_eq!(schedule, Schedule::new(seed));
        for number in 0..20 {
            let again = Schedule::new(seed).connection(number);
            assert_eq!(schedule.connection(number), again, "{seed} {number}");
        }
    }
    assert_ne!(Schedule::new(1), Schedule::new(2));
}

#[test]
fn every_kind_of_trouble_is_met() {
    let mut met = BTreeSet::new();
    let mut apis = BTreeSet::new();
    for seed in 0..200 {
        let schedule = Schedule::new(seed);
        apis.extend(schedule.faults.iter().map(|fault| fault.api as i16));
        for number in 0..10 {
            let plan = schedule.connection(number);
            met.extend(plan.is_refused.then_some("refused"));
            met.extend(
                plan.up
                    .iter()
                    .chain(&plan.down)
                    .map(|one| name(one.trouble)),
            );
        }
    }
    let all = ["close", "delay", "refused", "reset", "stall", "swallow"];
    assert_eq!(met.into_iter().collect::<Vec<_>>(), all);
    assert_eq!(apis.len(), FAILURES.len());
}

fn name(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Delay(_) => "delay",
        Trouble::Stall(_) => "stall",
        Trouble::Close => "close",
        Trouble::Reset => "reset",
        Trouble::Swallow => "swallow",
    }
}

#[test]
fn what_happens_comes_in_order_and_ends_in_time() {
    for seed in 0..200 {
        let schedule = Schedule::new(seed);
        let mut end = Duration::ZERO;
        for outage in &schedule.outages {
            assert!(outage.after >= end, "{schedule:?}");
            end = outage.after + outage.lasts;
        }
        assert!(end < schedule.rough, "{schedule:?}");
        assert!(
            schedule
                .elections
                .is_sorted_by_key(|election| election.after)
        );
        for election in &schedule.elections {
            assert!(election.after < schedule.rough, "{schedule:?}");
            assert!((0..schedule.load.partitions).contains(&election.partition));
        }
        assert!(!schedule.members.is_empty());
        assert!(
            schedule
                .members
                .is_sorted_by_key(|member| member.joins_after)
        );
        for number in 0..10 {
            let plan = schedule.connection(number);
            assert!(plan.up.is_sorted_by_key(|one| one.after_bytes));
            assert!(plan.down.is_sorted_by_key(|one| one.after_bytes));
        }
    }
}

#[test]
fn troubles_of_nodes_alternate_and_move_on() {
    for seed in 0..50 {
        let troubles = node_troubles(seed, 3, 6);
        assert_eq!(troubles, node_troubles(seed, 3, 6));
        assert_eq!(troubles.iter().filter(|one| one.is_paused).count(), 3);
        assert!(troubles.iter().all(|one| (1..=3).contains(&one.node)));
        let moved = troubles.windows(2).all(|two| two[0].node != two[1].node);
        assert!(moved, "{troubles:?}");
    }
}
