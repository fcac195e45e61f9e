//! The ways in which some client or broker lost, doubled or stalled messages have numbers. Each has a
//! test that is named after its number, so that it is found.

use super::Problem;
use super::source::SourceFile;
use std::collections::BTreeSet;

/// They are numbered from 1.
const PITFALLS: u32 = 29;
const PREFIX: &str = "fn pitfall_";

/// Which pitfalls no test is named after.
pub(super) fn check(files: &[SourceFile]) -> Vec<Problem> {
    let tests = files.iter().filter(|file| file.is_test);
    let pinned: BTreeSet<u32> = tests.flat_map(|file| numbers(&file.text)).collect();
    let missing = (1..=PITFALLS).filter(|number| !pinned.contains(number));
    missing
        .map(|number| Problem {
            path: "sim/tests/conformance".into(),
            line: 0,
            message: format!("no test is named pitfall_{number:02}_…"),
        })
        .collect()
}

/// The numbers in the names of test functions; a name may have several.
fn numbers(text: &str) -> impl Iterator<Item = u32> {
    let names = text.lines().filter(|line| line.contains(PREFIX));
    names.flat_map(|line| {
        let parts = line.split("pitfall_").skip(1);
        parts.filter_map(|part| part.get(..2)?.parse().ok())
    })
}
