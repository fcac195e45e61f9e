use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[test]
fn neighbours_become_one() {
    let mut ranges = Ranges::default();
    for (first, last) in [(3, 3), (7, 9), (4, 6), (20, 20), (2, 1)] {
        ranges.insert(first, last);
    }
    assert_eq!(ranges.iter().collect::<Vec<_>>(), [(3, 9), (20, 20)]);
}

proptest! {
    #[test]
    fn it_is_a_set(added in proptest::collection::vec((0_i64..60, 0_i64..8), 0..30)) {
        let mut ranges = Ranges::default();
        let mut expected = BTreeSet::new();
        for (first, length) in added {
            ranges.insert(first, first + length);
            expected.extend(first..=first + length);
        }
        for offset in -1..80 {
            prop_assert_eq!(ranges.contains(offset), expected.contains(&offset));
        }
        let listed: Vec<(i64, i64)> = ranges.iter().collect();
        prop_assert!(listed.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
    }
}
