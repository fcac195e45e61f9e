//! Tests of reading callgrind's total and of holding counts against budgets.

use super::*;

#[test]
fn the_total_is_found() {
    let text = "version: 1\nevents: Ir\nfn=(1)\n12 345\ntotals: 67890\n";
    assert_eq!(total(text), Some(67_890));
    assert_eq!(total("summary: 5\n"), None);
}

fn counts(encode: f64) -> Counts {
    Counts::from([("encode".to_owned(), encode)])
}

#[test]
fn a_budget_holds_within_its_tolerance() {
    let budget = counts(100.0);
    for (count, is_kept) in [(50.0, true), (100.0, true), (102.9, true), (103.1, false)] {
        assert_eq!(check(&counts(count), &budget).is_ok(), is_kept, "{count}");
    }
    let error = check(&counts(1.0), &Counts::new()).err();
    assert!(error.is_some_and(|error| error.to_string().contains("--update")));
}
