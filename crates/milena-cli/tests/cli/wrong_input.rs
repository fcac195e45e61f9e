//! Wrong input: one line on standard error that says what to do, and exit code 2.

use crate::setup::{Stage, milena, ran};

#[test]
fn wrong_input_is_one_line_and_exit_code_2() {
    for (arguments, expected) in [
        (&[][..], "no command given; '--help' lists them"),
        (&["topic"][..], "no command given; '--help' lists them"),
        (
            &["frobnicate"][..],
            "unrecognized subcommand 'frobnicate'; try '--help'",
        ),
        (
            &["consume"][..],
            "the following required arguments were not provided: --topic <TOPICS>; try '--help'",
        ),
        (
            &["topic", "list", "-b", "localhost:x"][..],
            "bootstrap.servers = \"localhost:x\": expected host:port, such as localhost:9092 or [::1]:9092",
        ),
        (
            &["topic", "list", "-X", "retries"][..],
            "-X retries: write it as NAME=VALUE",
        ),
        (
            &["topic", "list", "-X", "client.idd=x"][..],
            "client.idd = \"x\": unknown property, did you mean \"client.id\"?",
        ),
        (
            &["consume", "-t", "t", "-o", "middle"][..],
            "-o middle: it must be beginning, end, stored",
        ),
        (
            &["consume", "-t", "t", "-o", "stored"][..],
            "-o stored: name the group with -g",
        ),
        (
            &["consume", "-t", "t", "-g", "g", "-o", "7"][..],
            "-o: a group starts at beginning, end or stored",
        ),
        (
            &["consume", "-t", "t", "-f", "%q"][..],
            "-f: there is no token %q; there are %s value",
        ),
        (
            &["produce", "-t", "t", "-H", "x"][..],
            "-H x: write it as NAME=VALUE",
        ),
        (
            &["produce", "-t", "t", "-z", "rar"][..],
            "invalid value 'rar' for '--compression <CODEC>'",
        ),
        (
            &["dlq", "show", "orders.dlq"][..],
            "invalid value 'orders.dlq' for '<TOPIC:PARTITION:OFFSET>': write it as TOPIC:PARTITION:OFFSET",
        ),
        (
            &["dlq", "list", "t", "--since", "yesterday"][..],
            "invalid value 'yesterday' for '--since <TIME>': it must be a time such as",
        ),
        (
            &["dlq", "purge", "t"][..],
            "the following required arguments were not provided:",
        ),
        (
            &["demo", "--input", "/no/such/file"][..],
            "--input /no/such/file: No such file or directory",
        ),
        (
            &["demo", "--key", "id"][..],
            "the following required arguments were not provided: --input <FILE>; try '--help'",
        ),
    ] {
        let ran = ran(milena().args(arguments), b"");
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{arguments:?}");
        assert_eq!(
            ran.stderr.lines().count(),
            1,
            "{arguments:?}: {}",
            ran.stderr
        );
        let expected = format!("error: {expected}");
        assert!(
            ran.stderr.starts_with(&expected),
            "{arguments:?}: {}",
            ran.stderr
        );
    }
}

#[test]
fn a_log_filter_that_cannot_be_read_is_wrong_input() {
    let ran = ran(
        milena().env("MILENA_LOG", "=,=").args(["topic", "list"]),
        b"",
    );
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr
            .starts_with("error: MILENA_LOG: \"=,=\" is not allowed"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_cluster_that_is_not_there_is_exit_code_1() {
    // Nothing can listen on port 1 of the loopback interface without being root and odd.
    for arguments in [
        &["topic", "list"][..],
        &["produce", "-t", "t"][..],
        &["consume", "-t", "t"][..],
        &["demo"][..],
    ] {
        let ran = ran(milena().args(arguments).args(["-b", "127.0.0.1:1"]), b"x\n");
        assert_eq!(ran.code, Some(1), "{arguments:?}: {ran:?}");
        assert!(
            ran.stderr
                .starts_with("error: cannot connect to 127.0.0.1:1"),
            "{}",
            ran.stderr
        );
        assert_eq!(ran.stderr.lines().count(), 1);
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let version = ran(milena().arg("--version"), b"");
    assert_eq!(version.code, Some(0));
    assert!(version.stdout.starts_with("milena "));
    let help = ran(milena().args(["consume", "--help"]), b"");
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.contains("--format"));
}

#[test]
fn a_wrong_line_names_its_number_and_those_before_it_are_sent() {
    let stage = Stage::new();
    let lines = b"{\"payload\":\"a\"}\n{\"payload\":7}\n{\"payload\":\"b\"}\n";
    let ran = stage.run_with_input(&["produce", "-t", "t", "-J"], lines);
    assert_eq!(ran.code, Some(2));
    assert_eq!(
        ran.stderr,
        "error: standard input line 2: invalid type: integer `7`, expected a string at line 1 column 12\n"
    );
    assert_eq!(stage.output(&["consume", "-t", "t", "-e"]), "a\n");
}
