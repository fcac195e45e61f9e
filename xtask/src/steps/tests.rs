//! Tests of `steps`.

use super::*;
use anyhow::bail;

fn check(skip_is_failure: bool, expected_verdicts: [Verdict; 3], expected_last_line: &str) {
    let mut steps = Steps::new(skip_is_failure);
    steps.run("one", || Ok(Outcome::Passed("12 tests".to_owned())));
    steps.run("two", || Ok(Outcome::Skipped("java is missing".to_owned())));
    steps.run("three", || bail!("it broke"));
    let verdicts: Vec<Verdict> = steps.rows.iter().map(|row| row.verdict).collect();
    assert_eq!(verdicts, expected_verdicts);
    let table = steps.table();
    assert_eq!(table.lines().last(), Some(expected_last_line), "{table}");
    for text in ["12 tests", "java is missing", "it broke"] {
        assert!(table.contains(text), "{text} is missing in\n{table}");
    }
}

#[test]
fn every_step_runs_and_is_told() {
    use Verdict::{Failed, Passed, Skipped};
    check(
        false,
        [Passed, Skipped, Failed],
        "1 passed, 1 skipped, 1 failed",
    );
}

#[test]
fn a_skip_is_a_failure_where_everything_is_required() {
    use Verdict::{Failed, Passed};
    check(
        true,
        [Passed, Failed, Failed],
        "1 passed, 0 skipped, 2 failed",
    );
}

#[test]
fn closing_lines_of_test_runners_are_counted() {
    let ok = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out";
    let failed = "test result: FAILED. 7 passed; 1 failed; 0 ignored";
    for (line, expected) in [
        (ok, Some(12)),
        (failed, Some(7)),
        ("test a ... ok", None),
        ("test result: ", None),
    ] {
        assert_eq!(passed_in(line), expected, "{line}");
    }
}

#[test]
fn a_failing_command_is_an_error_that_names_it() {
    let error = run_command(Command::new("sh").args(["-c", "exit 3"])).expect_err("it fails");
    assert!(error.to_string().contains("sh -c exit 3"), "{error}");
    assert!(error.to_string().contains('3'), "{error}");
}

#[test]
fn tests_that_leave_themselves_out_are_told() {
    let result = "test result: ok. 2 passed; 0 failed; 0 ignored";
    for (output, expected) in [
        (result.to_owned(), Outcome::Passed("2 tests".to_owned())),
        (
            format!("test a ... skipped: no server\nok\n{result}"),
            Outcome::Skipped("no server".to_owned()),
        ),
    ] {
        let outcome = run_skippable_tests(Command::new("printf").args(["%s\\n", &output]));
        assert_eq!(outcome.expect("it runs"), expected, "{output}");
    }
}
