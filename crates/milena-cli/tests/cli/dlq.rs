//! `milena dlq`, on whatever broker.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::setup::{Ran, Stage, milena};

/// Two letters of orders and one that nobody knows.
const LETTERS: &str = concat!(
    r#"{"key":"k0","payload":"{\"cents\":true}","ts":1600000000000,"headers":["own","1","milena-message-id","id-0","milena-origin-topic","orders","milena-origin-partition","1","milena-origin-offset","42","milena-origin-group","billing","milena-failure-stage","decode","milena-failure-class","non-retriable","milena-failure-code","json","milena-attempts","2","milena-failure-message","invalid type: boolean at\ncents","milena-failed-first","2023-11-14T22:13:20.000Z","milena-failed-last","2023-11-14T22:13:21.500Z","milena-failure-fingerprint","00112233445566aa","milena-handler","app::on_order","milena-app","shop","milena-host","host-1","milena-history","[{\"attempt\":1,\"at\":\"2023-11-14T22:13:20.000Z\",\"class\":\"retriable\",\"code\":\"io\",\"message\":\"no\"}]"]}"#,
    "\n",
    r#"{"key":"k1","payload":"v1","ts":1600000000000,"headers":["kafka_dlt-original-topic","orders","kafka_dlt-original-offset",{"base64":"AAAAAAAAACo="},"kafka_dlt-exception-fqcn","java.lang.IllegalStateException"]}"#,
    "\n",
    r#"{"key_base64":"AP8=","payload_base64":"AP8=","ts":1600000000000}"#,
    "\n",
);

/// What `dlq show` says of the first letter, below where it is and where it was.
const SHOWN: &str = "\
failure      json (non-retriable) at decode
message      invalid type: boolean at cents
failed       2 attempts, first 2023-11-14T22:13:20Z, last 2023-11-14T22:13:21.500Z
handler      app::on_order of shop on host-1
message id   id-0
fingerprint  00112233445566aa
history      1  2023-11-14T22:13:20.000Z  retriable  io  no
headers      own: 1
             milena-message-id: id-0
key          k0
value        {
               \"cents\": true
             }
";

/// A stage with the letters, the topic they came from and the one they are in.
fn stage() -> (Stage, String, String) {
    let stage = Stage::anywhere();
    let (orders, dlq) = (stage.name("orders"), stage.name("orders.dlq"));
    stage.create(&[&orders, &dlq], "2");
    let letters = LETTERS.replace(r#""orders""#, &format!("{orders:?}"));
    stage.produce(&["-t", &dlq, "-p", "0", "-J"], letters.as_bytes());
    (stage, orders, dlq)
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn planned(ran: Ran, text: &str) -> String {
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(2), text),
        "{}",
        ran.stdout
    );
    ran.stdout
}

#[test]
fn lists_count_group_and_name() {
    let (stage, orders, dlq) = stage();
    let counts = stage.output(&["dlq", "list"]);
    let words: Vec<&str> = counts
        .lines()
        .next()
        .expect("a header")
        .split_whitespace()
        .collect();
    assert_eq!(
        words,
        ["TOPIC", "LETTERS", "OPEN", "GROUPS", "FIRST", "LAST"]
    );
    let expected = format!("{dlq} 3 3 3 2020-09-13T12:26:40Z 2023-11-14T22:13:21.500Z");
    assert_eq!(stage.own_lines(&counts), [expected]);
    let groups = stage.output(&["dlq", "list", &dlq]);
    assert!(groups.starts_with("TOPIC"), "{groups}");
    assert!(groups.contains("00112233445566aa"), "{groups}");
    assert!(
        groups.contains("invalid type: boolean at cents"),
        "{groups}"
    );
    let wide = stage.output(&["dlq", "list", &dlq, "-o", "wide"]);
    assert!(
        wide.contains(&format!("{dlq}:0:0")) && wide.contains("spring"),
        "{wide}"
    );
    let found = read(&stage.output(&["dlq", "list", &dlq, "-o", "json"]));
    assert_eq!(found[0]["letters"], 3);
    assert_eq!(found[0]["groups"].as_array().map(Vec::len), Some(3));
    let yaml = stage.output(&["dlq", "list", &dlq, "-o", "yaml"]);
    assert!(yaml.contains(&format!("\"topic\": {dlq:?}")), "{yaml}");
    let letters = |filter: &[&str]| {
        let mut arguments = vec!["dlq", "list", &dlq, "--letters", "-o", "json"];
        arguments.extend(filter);
        let letters = read(&stage.output(&arguments));
        let letters = letters.as_array().expect("a list").iter();
        letters
            .map(|letter| letter["letter"].as_str().expect("a name").to_owned())
            .collect::<Vec<_>>()
    };
    for (filter, expected) in [
        (&[][..], &[0, 1, 2][..]),
        (&["--limit", "1"][..], &[0][..]),
        (&["--limit", "0", "--open"][..], &[0, 1, 2][..]),
        (&["--origin-topic", &orders][..], &[0, 1][..]),
        (
            &["--origin-offsets", "..42", "--origin-partition", "1"][..],
            &[0][..],
        ),
        (&["--code", "json"][..], &[0][..]),
        (
            &["--stage", "decode", "--class", "non-retriable"][..],
            &[0][..],
        ),
        (&["--fingerprint", "0011"][..], &[0][..]),
        (&["--handler", "app::on_order"][..], &[0][..]),
        (&["-k", "k1"][..], &[1][..]),
        (&["--text", "IllegalState"][..], &[1][..]),
        (&["--since", "2023-01-01T00:00:00Z"][..], &[0][..]),
        (&["--until", "2023-01-01T00:00:00Z"][..], &[1, 2][..]),
        (&["--offsets", "1.."][..], &[1, 2][..]),
        (&["-p", "1"][..], &[][..]),
    ] {
        let expected: Vec<String> = expected
            .iter()
            .map(|offset| format!("{dlq}:0:{offset}"))
            .collect();
        assert_eq!(letters(filter), expected, "{filter:?}");
    }
}

#[test]
fn a_letter_is_shown_whole() {
    let (stage, orders, dlq) = stage();
    assert_eq!(
        stage.output(&["dlq", "show", &format!("{dlq}:0:0")]),
        format!(
            "letter       {dlq}:0:0, open, written by milena\n\
             origin       {orders}-1 offset 42, group billing\n\
             {SHOWN}"
        )
    );
    let wide = stage.output(&["dlq", "show", &format!("{dlq}:0:1"), "-o", "wide"]);
    assert!(
        wide.contains("kafka_dlt-exception-fqcn: java.lang"),
        "{wide}"
    );
    let letter = read(&stage.output(&["dlq", "show", &format!("{dlq}:0:1"), "-o", "json"]));
    assert_eq!(letter["dialect"], "spring");
    assert_eq!(letter["origin"]["offset"], 42);
    assert_eq!(letter["value"], "v1");
    let binary = stage.output(&["dlq", "show", &format!("{dlq}:0:2")]);
    assert!(
        binary.ends_with("key          base64 AP8=\nvalue        base64 AP8=\n"),
        "{binary}"
    );
    let missing = stage.run(&["dlq", "show", &format!("{dlq}:1:7")]);
    assert_eq!(missing.code, Some(1));
    assert!(
        missing
            .stderr
            .starts_with(&format!("error: there is no letter {dlq}:1:7; `dlq list")),
        "{}",
        missing.stderr
    );
}

#[test]
fn a_redrive_is_planned_then_done_once() {
    let (stage, orders, dlq) = stage();
    let plan = planned(
        stage.run(&["dlq", "redrive", &dlq]),
        "error: nothing was redriven; add --execute to do it\n",
    );
    assert_eq!(
        plan,
        format!(
            "LETTERS  OUTCOME\n\
             2        to redrive to {orders}\n\
             1        stay: do not tell where they came from\n"
        )
    );
    assert_eq!(stage.output(&["consume", "-t", &orders, "-e"]), "");
    let done = stage.output(&[
        "dlq",
        "redrive",
        &dlq,
        "--execute",
        "--by",
        "ada",
        "-o",
        "json",
    ]);
    let done = read(&done);
    assert_eq!(
        (&done["letters"], &done["destinations"], &done["skipped"]),
        (
            &json!(2),
            &json!({ orders.as_str(): 2 }),
            &json!({"no-origin": 1})
        )
    );
    let id = done["id"].as_str().expect("an id");
    let read_back = [
        "consume",
        "-t",
        &orders,
        "-e",
        "-p",
        "1",
        "-f",
        "%k %s %h\\n",
    ];
    assert_eq!(
        stage.output(&read_back).lines().next().expect("a line"),
        format!(
            "k0 {{\"cents\":true}} own=1,milena-message-id=id-0,milena-failed-first=2023-11-14T22:13:20.000Z,\
             milena-history=[{{\"attempt\":1,\"at\":\"2023-11-14T22:13:20.000Z\",\"class\":\"retriable\",\"code\":\"io\",\"message\":\"no\"}}],\
             milena-redrive-count=1,milena-redrive-id={id},milena-redrive-by=ada"
        )
    );
    assert_eq!(
        stage.output(&["dlq", "redrive", &dlq, "--execute"]),
        "LETTERS  OUTCOME\n\
         0        redriven\n\
         2        stay: redriven before\n\
         1        stay: do not tell where they came from\n"
    );
    let open = stage.output(&["dlq", "list", &dlq, "--letters", "--open", "-o", "json"]);
    assert_eq!(read(&open)[0]["letter"], format!("{dlq}:0:2"));
    let audit = stage.output(&["consume", "-t", &format!("{dlq}.audit"), "-e"]);
    assert!(
        audit.contains(r#""event":"redriven","letters":[[0,0,1]]"#),
        "{audit}"
    );
    // Elsewhere, again.
    let repair = stage.name("repair");
    stage.create(&[&repair], "1");
    let moved = stage.output(&[
        "dlq",
        "redrive",
        &dlq,
        "--to",
        &repair,
        "--again",
        "--rate",
        "1000",
        "--limit",
        "2",
        "--keep-diagnostics",
        "--execute",
    ]);
    let expected = format!("LETTERS  OUTCOME\n2        redriven to {repair}\n");
    assert_eq!(moved, expected);
    let looped = stage.run(&["dlq", "redrive", &dlq, "--to", &dlq, "--execute"]);
    assert_eq!(looped.code, Some(2));
}

/// Ctrl-C ends it after a transaction; the next one does the rest.
#[test]
fn an_interrupted_redrive_goes_on() {
    let (stage, orders, dlq) = stage();
    let many = LETTERS
        .lines()
        .next()
        .expect("a letter")
        .replace(r#""orders""#, &format!("{orders:?}"));
    stage.produce(
        &["-t", &dlq, "-p", "1", "-J"],
        format!("{many}\n").repeat(40).as_bytes(),
    );
    let redrive = ["dlq", "redrive", &dlq, "-p", "1", "--execute"];
    let mut command = milena();
    command
        .args(redrive)
        .args(["--rate", "10", "-b", &stage.bootstrap])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let slow = command.spawn().expect("the binary runs");
    // The first ten are there.
    stage.output(&["consume", "-t", &orders, "-p", "1", "-c", "10"]);
    let interrupt = format!("kill -INT {}", slow.id());
    let interrupted = Command::new("sh").args(["-c", &interrupt]).status();
    assert!(interrupted.expect("a shell runs").success());
    let ended = slow.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{text}");
    assert!(text.contains("; run it again to go on"), "{text}");
    stage.output(&redrive);
    let there = stage.output(&["consume", "-t", &orders, "-p", "1", "-e"]);
    assert_eq!(there.lines().count(), 40);
}

#[test]
fn a_purge_is_planned_then_done() {
    let (stage, _, dlq) = stage();
    stage.output(&["dlq", "redrive", &dlq, "--execute"]);
    let plan = planned(
        stage.run(&["dlq", "purge", &dlq, "--redriven"]),
        "error: nothing was deleted; add --execute to delete for good\n",
    );
    assert_eq!(
        plan,
        "PARTITION  LETTERS  OPEN  BEFORE OFFSET\n0          2        0     2\n"
    );
    for (arguments, before) in [
        (&["--all"][..], "3"),
        (&["-p", "0", "--before-offset", "1"][..], "1"),
        (&["--before", "2100-01-01T00:00:00Z"][..], "3"),
    ] {
        let mut all = vec!["dlq", "purge", &dlq, "-o", "json"];
        all.extend(arguments);
        let plan = read(&stage.run(&all).stdout);
        assert_eq!(plan[0]["before"].to_string(), before, "{arguments:?}");
    }
    stage.output(&["dlq", "purge", &dlq, "--redriven", "--execute"]);
    let left = stage.output(&["dlq", "list", &dlq, "--letters", "-o", "json"]);
    let left = read(&left);
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    assert_eq!(left[0]["letter"], format!("{dlq}:0:2"));
    let nothing = stage.output(&["dlq", "purge", &dlq, "--redriven", "--execute"]);
    assert_eq!(nothing, "PARTITION  LETTERS  OPEN  BEFORE OFFSET\n");
}
