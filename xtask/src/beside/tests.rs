//! Tests of `beside`.

use super::*;
use crate::steps::run_command;
use std::process::ExitCode;

fn prints(output: &Output) -> Result<Outcome> {
    run_command(output.of(Command::new("sh").args(["-c", "echo said; echo told >&2"]))?)
}

fn fails(output: &Output) -> Result<Outcome> {
    run_command(output.of(&mut Command::new("false"))?)
}

#[test]
fn what_a_command_says_is_kept_in_one_piece() {
    let output = Output::new().expect("a file");
    prints(&output).expect("sh runs");
    assert_eq!(output.text().expect("text"), "said\ntold\n");
}

#[test]
fn a_step_that_fails_beside_others_fails_the_run() {
    for (run, expected) in [
        (prints as fn(&Output) -> Result<Outcome>, ExitCode::SUCCESS),
        (fails, ExitCode::FAILURE),
    ] {
        let mut steps = Steps::new(false);
        let name = "a step";
        Beside::start(vec![Work { name, run }]).end(&mut steps);
        assert_eq!(steps.finish(), expected);
    }
}
