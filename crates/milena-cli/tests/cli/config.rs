//! `milena config check|show`, and the port registry.

use serde_json::Value;

use crate::setup::{Ran, milena, ran};

const KAFKA_PORTS: &str =
    "kafka:\n  broker_port: 22192\n  instance_increment: 100\n  max_instances: 3\n";

/// A file that goes with the test.
fn file(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(name);
    std::fs::write(&path, text).expect("written");
    let path = path.display().to_string();
    (directory, path)
}

fn run(variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let mut command = milena();
    command.envs(variables.iter().copied());
    ran(command.arg("config").args(arguments), b"")
}

#[test]
fn each_value_is_shown_with_its_source() {
    let (_directory, path) = file("m.toml", "[group]\nid = 'billing'\n[linger]\nms = 7\n");
    let variables = [
        ("MILENA_LINGER_MS", "8"),
        ("MILENA_URL", "kafka://me:hunter2@h1,h2"),
    ];
    let arguments = ["-c", &path, "--profile", "low-latency", "-X", "acks=1"];
    let shown = |format: &str| {
        let arguments = [&["show", "--set", "-o", format][..], &arguments].concat();
        run(&variables, &arguments).success()
    };
    let table = shown("table");
    let has = |name: &str, value: &str, source: &str| {
        let mut lines = table.lines().map(str::split_whitespace);
        let expected = [&[name, value][..], &source.split(' ').collect::<Vec<_>>()].concat();
        assert!(
            lines.any(|words| words.eq(expected.clone())),
            "{name}: {table}"
        );
    };
    has("bootstrap.servers", "h1:9092,h2:9092", "URL in MILENA_URL");
    has("password", "***", "URL in MILENA_URL");
    has("group.id", "billing", &format!("{path}:2"));
    has("linger.ms", "8", "MILENA_LINGER_MS");
    has("batch.size", "16384", "profile low-latency");
    has("acks", "1", "builder");
    assert!(!table.contains("default"), "{table}");
    let json: Vec<Value> = serde_json::from_str(&shown("json")).expect("JSON");
    assert_eq!(json.len(), table.lines().count() - 1);
    assert_eq!(json[0]["source"], "URL in MILENA_URL");
    let yaml = shown("yaml");
    assert!(yaml.contains("\"name\": \"acks\""), "{yaml}");
    for text in [table, shown("json"), yaml] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    let all = run(&variables, &["show"]).success();
    assert!(all.contains("max.block.ms"), "{all}");
}

#[test]
fn a_wrong_configuration_is_one_line_and_exit_code_2() {
    let (_directory, path) = file("m.yaml", "group.id: g\nlinger.ms: soon\n");
    for (arguments, expected) in [
        (
            &["check", "-c", &path][..],
            format!(
                "linger.ms ({path}:2): \"soon\" is not allowed; it must be a whole number of milliseconds from 0 to 86400000"
            ),
        ),
        (
            &["show", "-X", "grup.id=x"][..],
            "there is no setting \"grup.id\" (builder); did you mean \"group.id\"?".to_owned(),
        ),
        (
            &["check", "-X", "password= "][..],
            "password (builder): \"***\" is not allowed; it must be a text that is not empty"
                .to_owned(),
        ),
        (
            &["check", "-c", "/no/such.toml"][..],
            "/no/such.toml: cannot read it: No such file or directory (os error 2)".to_owned(),
        ),
        (
            &["check", "-X", "a"][..],
            "-X a: write it as NAME=VALUE".to_owned(),
        ),
    ] {
        let ran = run(&[], arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert_eq!(
            (ran.stdout, ran.stderr),
            (String::new(), format!("error: {expected}\n"))
        );
    }
}

#[test]
fn nothing_configured_is_localhost_and_a_warning() {
    let checked = run(&[], &["check"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert_eq!(
        checked.stdout,
        "the configuration can be used; 0 settings are not defaults\n"
    );
    assert!(checked.stderr.contains("localhost:9092"), "{checked:?}");
    assert_eq!(checked.stderr.lines().count(), 1, "{checked:?}");
}

#[test]
fn an_instance_has_the_port_that_the_registry_gives_it() {
    let (_directory, path) = file("ports.yaml", KAFKA_PORTS);
    let with = |instance: &str| {
        let arguments = ["show", "--set", "--ports", &path, "--instance", instance];
        run(&[], &arguments)
    };
    assert!(with("2").success().contains("localhost:22392"));
    let beyond = with("3");
    assert_eq!(beyond.code, Some(2));
    assert_eq!(
        beyond.stderr,
        format!(
            "error: {path}:2: kafka has no instance 3; max_instances is 3, so the last one is 2\n"
        )
    );
    let alone = run(&[], &["show", "--instance", "1"]);
    assert_eq!(alone.code, Some(2), "{alone:?}");
    // Every command on a cluster takes them, too: nothing listens there.
    let list = ["topic", "list", "--ports", &path, "--instance", "1"];
    let refused = ran(milena().args(list), b"");
    assert!(
        refused
            .stderr
            .starts_with("error: cannot connect to localhost:22292"),
        "{refused:?}"
    );
}
