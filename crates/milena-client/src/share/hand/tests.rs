//! Tests of the records in hand.

use super::*;
use uuid::Uuid;

#[test]
fn each_record_is_told_of_once() {
    let partition = (Uuid::from_u128(1), 0);
    for (mode, told, left) in [
        (
            AcknowledgementMode::Implicit,
            vec![Verdict::Accept, Verdict::Reject],
            0,
        ),
        (AcknowledgementMode::Explicit, vec![Verdict::Reject], 1),
    ] {
        let mut hand = Hand::default();
        hand.take(partition, 1, NodeId(1));
        hand.take(partition, 2, NodeId(1));
        assert!(hand.judge(partition, 2, Verdict::Reject));
        assert!(!hand.judge(partition, 3, Verdict::Accept), "not in hand");
        assert_eq!(hand.undecided_count(), 1);
        let given: Vec<Verdict> = hand.give(mode).iter().map(|one| one.verdict).collect();
        assert_eq!(given, told);
        assert_eq!(hand.undecided_count(), left);
        assert!(!hand.judge(partition, 2, Verdict::Accept), "told already");
        assert!(hand.give(mode).is_empty());
    }
}
