//! `milena produce` and `milena consume`, on whatever broker.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::setup::{Stage, milena};

#[test]
fn lines_with_keys_and_headers() {
    let stage = Stage::anywhere();
    let t = stage.name("t");
    stage.create(&[&t], "1");
    stage.produce(
        &["-t", &t, "-K", ":", "-H", "a=1", "-H", "a=", "-z", "zstd"],
        b"k:v\nno key\n\n:x:y\n",
    );
    stage.produce(
        &["-t", &t, "-k", "fixed", "-Z", "-K", "=>"],
        b"value\nkey=>\nlast without newline",
    );
    assert_eq!(
        stage.output(&[
            "consume",
            "-t",
            &t,
            "-e",
            "-Z",
            "-f",
            r"%o %t[%p] %k(%K)=%s(%S) %h\n"
        ]),
        format!(
            "0 {t}[0] k(1)=v(1) a=1,a=\n\
             1 {t}[0] NULL(-1)=no key(6) a=1,a=\n\
             2 {t}[0] (0)=x:y(3) a=1,a=\n\
             3 {t}[0] fixed(5)=value(5) \n\
             4 {t}[0] key(3)=NULL(-1) \n\
             5 {t}[0] fixed(5)=last without newline(20) \n"
        )
    );
    assert_eq!(
        stage.output(&["consume", "-t", &t, "-c", "1", "-K", "|"]),
        "k|v\n"
    );
    for (offset, expected) in [
        ("4", "\nlast without newline\n"),
        ("-1", "last without newline\n"),
        ("-100", "v\nno key\nx:y\nvalue\n\nlast without newline\n"),
        ("end", ""),
        ("s@0", "v\nno key\nx:y\nvalue\n\nlast without newline\n"),
        ("e@0", ""),
    ] {
        assert_eq!(
            stage.output(&["consume", "-t", &t, "-e", "-o", offset]),
            expected,
            "{offset}"
        );
    }
    let wrong = stage.run(&["consume", "-t", &t, "-p", "7"]);
    let expected = format!("error: -p 7: {t} has the partitions 0 to 0\n");
    assert_eq!(wrong.stderr, expected);
    assert_eq!(wrong.code, Some(2));
}

#[test]
fn files_are_records_or_lines() {
    let stage = Stage::anywhere();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("two lines");
    std::fs::write(&path, b"1\n2\n").expect("written");
    let path = path.to_str().expect("a name");
    let (whole, lines) = (stage.name("whole"), stage.name("lines"));
    stage.create(&[&whole, &lines], "2");
    stage.produce(&["-t", &whole, path, path], b"");
    assert_eq!(
        stage.output(&["consume", "-t", &whole, "-e", "-f", "<%s>"]),
        "<1\n2\n><1\n2\n>"
    );
    stage.produce(&["-t", &lines, "-p", "1", "-c", "3", "-l", path, path], b"");
    assert_eq!(
        stage.output(&["consume", "-t", &lines, "-e", "-f", "<%p %s>"]),
        "<1 1><1 2><1 1>"
    );
    let missing = stage.run(&["produce", "-t", &whole, "/no/such/file"]);
    assert_eq!(missing.code, Some(2));
    assert!(
        missing
            .stderr
            .starts_with("error: /no/such/file: No such file"),
        "{}",
        missing.stderr
    );
}

/// Binary keys and values, nulls, empty texts, repeated and null headers, timestamps: what
/// `consume -J` writes, `produce -J` turns into the same records.
#[test]
fn json_lines_come_back_byte_for_byte() {
    let stage = Stage::anywhere();
    let lines = concat!(
        r#"{"key":"k","payload":"text \" \\ é \n \u0000","ts":1600000000000,"headers":["a","1","b",null,"a","","bin",{"base64":"AP8="}]}"#,
        "\n",
        r#"{"key_base64":"AJ+Slg==","payload_base64":"/////w==","ts":1600000000001}"#,
        "\n",
        r#"{"key":null,"payload":null,"ts":1600000000002}"#,
        "\n",
        r#"{"key":"","payload":"","ts":0}"#,
        "\n",
    );
    let (one, two) = (stage.name("one"), stage.name("two"));
    stage.create(&[&one, &two], "1");
    stage.produce(&["-t", &one, "-J"], lines.as_bytes());
    let first = stage.output(&["consume", "-t", &one, "-e", "-J"]);
    stage.produce(&["-t", &two, "-J"], first.as_bytes());
    let second = stage.output(&["consume", "-t", &two, "-e", "-J"]);
    assert_eq!(
        first.replace(
            &format!(r#""topic":"{one}""#),
            &format!(r#""topic":"{two}""#)
        ),
        second
    );
    let read = |text: &str| -> Vec<serde_json::Value> {
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    };
    for (given, got) in read(lines).iter().zip(read(&second)) {
        for (field, value) in given.as_object().expect("an object") {
            assert_eq!(got.get(field), Some(value), "{field}");
        }
    }
    assert_eq!(read(&second).len(), 4);
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    let stage = Stage::anywhere();
    let t = stage.name("t");
    stage.produce(
        &["-t", &t],
        "some text to fill a pipe with\n".repeat(50_000).as_bytes(),
    );
    let mut child = milena()
        .args(["consume", "-b", &stage.bootstrap, "-t", &t])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut reader = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    assert_eq!(line, "some text to fill a pipe with\n");
    drop(reader);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
