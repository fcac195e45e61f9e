use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

fn started(admission: &mut Admission<u32>) -> Vec<u32> {
    std::iter::from_fn(|| admission.start())
        .map(|(_, record)| record)
        .collect()
}

fn key(name: &'static str) -> Option<Bytes> {
    Some(Bytes::from_static(name.as_bytes()))
}

#[test]
fn a_busy_key_waits_and_others_pass() {
    let mut admission = Admission::new(3);
    for (name, record) in [("a", 1), ("a", 2), ("b", 3), ("a", 4)] {
        admission.offer(key(name), record);
    }
    assert_eq!(started(&mut admission), [1, 3]);
    admission.finish(key("a"));
    assert_eq!(started(&mut admission), [2]);
    admission.finish(key("b"));
    admission.finish(key("a"));
    assert_eq!(started(&mut admission), [4]);
}

#[test]
fn no_key_no_order_but_a_bound() {
    let mut admission = Admission::new(0);
    admission.offer(None, 1);
    admission.offer(None, 2);
    assert_eq!(started(&mut admission), [1]);
    admission.finish(None);
    assert_eq!(started(&mut admission), [2]);
}

#[test]
fn what_waits_is_bounded() {
    let mut admission = Admission::new(2);
    let taken = (0..).take_while(|record| {
        let has_room = admission.has_room();
        if has_room {
            admission.offer(key("a"), *record);
        }
        has_room
    });
    assert_eq!(taken.count(), 2 * WAITING_PER_RUNNING);
}

proptest! {
    #[test]
    fn every_record_runs_once_in_the_order_of_its_key(
        keys in prop::collection::vec(prop::option::weighted(0.8, 0_u8..5), 1..100),
        running_max in 1_usize..5,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 400),
    ) {
        let mut admission = Admission::new(running_max);
        let mut records = keys.iter().enumerate();
        let mut running: Vec<(Option<Bytes>, usize)> = Vec::new();
        let mut last_of_key: HashMap<Bytes, usize> = HashMap::new();
        let mut done = 0;
        for pick in picks {
            if admission.has_room()
                && let Some((index, key)) = records.next()
            {
                admission.offer(key.map(|key| Bytes::from(vec![key])), index);
            }
            while let Some((key, index)) = admission.start() {
                if let Some(key) = &key {
                    let before = last_of_key.insert(key.clone(), index);
                    prop_assert!(before.is_none_or(|before| before < index));
                }
                running.push((key, index));
            }
            prop_assert!(running.len() <= running_max);
            let busy: Vec<_> = running.iter().filter_map(|(key, _)| key.as_ref()).collect();
            prop_assert_eq!(busy.iter().collect::<HashSet<_>>().len(), busy.len());
            if !running.is_empty() {
                let (key, _) = running.swap_remove(pick.index(running.len()));
                admission.finish(key);
                done += 1;
            }
        }
        prop_assert_eq!(done, keys.len());
        prop_assert!(admission.busy.is_empty());
    }
}
