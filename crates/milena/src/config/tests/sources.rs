//! Where values come from, and which of them wins.

use super::super::*;
use super::{check_error, source_of, variables};

type Apply = fn(ConfigBuilder, &std::path::Path) -> ConfigBuilder;

/// One setting from each of its sources, weakest first; each must hide those before it.
#[test]
fn the_stronger_source_wins_whatever_the_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.yaml");
    std::fs::write(&path, "profile: high-throughput\nlinger.ms: 1\n").unwrap();
    let shown = path.display();
    let stages: &[(Apply, &str, String)] = &[
        (|builder, _| builder, "5", "default".to_owned()),
        (
            |builder, _| builder.profile(Profile::LowLatency),
            "0",
            "profile low-latency".to_owned(),
        ),
        (
            |builder, path| builder.file(path),
            "1",
            format!("{shown}:2"),
        ),
        (
            |builder, _| builder.variables([("MILENA_LINGER_MS".to_owned(), "2".to_owned())]),
            "2",
            "MILENA_LINGER_MS".to_owned(),
        ),
        (
            |builder, _| builder.url("kafka://h?linger.ms=3"),
            "3",
            "URL in builder".to_owned(),
        ),
        (
            |builder, _| builder.set("linger_ms", "4"),
            "4",
            "builder".to_owned(),
        ),
    ];
    for count in 1..=stages.len() {
        let (_, value, source) = &stages[count - 1];
        let forward = stages[..count].iter();
        let backward = stages[..count].iter().rev();
        let apply = |builder, stage: &(Apply, _, _)| (stage.0)(builder, &path);
        for builder in [
            forward.fold(Config::builder(), apply),
            backward.fold(Config::builder(), apply),
        ] {
            let config = builder.build().unwrap();
            assert_eq!(config.get("linger.ms").as_deref(), Some(*value));
            assert_eq!(&source_of(&config, "linger.ms"), source);
        }
    }
}

#[test]
fn servers_and_credentials_of_a_url_win_over_everything() {
    let config = Config::builder()
        .bootstrap_servers("other:1")
        .set("username", "someone")
        .set("password", "x")
        .url("kafka://u:p@h1,h2:2")
        .build()
        .unwrap();
    assert_eq!(config.bootstrap_servers(), ["h1:9092", "h2:2"]);
    assert_eq!(config.username.as_deref(), Some("u"));
    assert_eq!(source_of(&config, "password"), "URL in builder");
    let config = variables(&[("MILENA_URL", "kafka://h")]).build().unwrap();
    assert_eq!(source_of(&config, "bootstrap.servers"), "URL in MILENA_URL");
}

#[test]
fn errors_name_where_the_value_was_found() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let check = |name: &str, text: &str, expected: &str| {
        let path = write(name, text);
        let shown = path.display().to_string();
        check_error(
            Config::builder().file(&path),
            &expected.replace("FILE", &shown),
        );
    };
    check(
        "a.toml",
        "[linger]\nms = -1",
        "linger.ms (FILE:2): \"-1\" is not allowed; it must be a whole number of milliseconds from 0 to 86400000",
    );
    check("b.yml", "a: 1\n", "there is no setting \"a\" (FILE:1)");
    check(
        "c.yaml",
        "# groups\ngroup.ids: 1\n",
        "there is no setting \"group.ids\" (FILE:2); did you mean \"group.id\"?",
    );
    check(
        "d.yaml",
        "group:\n  id: a\ngroup_id: b\n",
        "FILE:3: group_id is set twice",
    );
    check(
        "e.json",
        "{}",
        "FILE: its name must end in .toml, .yaml or .yml",
    );
    check(
        "f.yaml",
        "acks: 1\nenable.idempotence: true\n",
        "acks (FILE:1): \"Leader\" is not allowed; it must be all for an idempotent producer; leave enable.idempotence out for less",
    );
    check_error(
        variables(&[("MILENA_GROUP_IDD", "g")]),
        "there is no setting \"group_idd\" (MILENA_GROUP_IDD); did you mean \"group.id\"?",
    );
    check_error(
        variables(&[("MILENA_BATCH_SIZE", "many")]),
        "batch.size (MILENA_BATCH_SIZE): \"many\" is not allowed; it must be a whole number of bytes",
    );
    check_error(
        variables(&[("MILENA_PROFILE", "fast")]),
        "profile (MILENA_PROFILE): \"fast\" is not allowed; it must be high-throughput, high-reliability or low-latency",
    );
    let path = write("g.toml", "group_id = 'g'");
    let path = path.display().to_string();
    let config = variables(&[("MILENA_CONFIG", &path)]).build().unwrap();
    assert_eq!(config.group_id(), Some("g"));
}
