//! What the documentation says of settings is what holds.

use std::collections::HashSet;

use super::super::*;

/// The table in the documentation of [`Config`] says what the code does.
#[test]
fn the_table_of_defaults_says_what_holds() {
    let config = Config::builder().build().unwrap();
    let rows = include_str!("../mod.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("/// | `"));
    let mut named = HashSet::new();
    for row in rows {
        let mut cells = row.split('|').map(str::trim);
        let (names, defaults) = (cells.next().unwrap(), cells.next().unwrap());
        // Where a default depends on another setting, it is said in words.
        let is_said_in_words = defaults.replace(", ", "").contains(' ');
        let mut defaults = defaults.split(", ");
        for name in names.split(", ").map(|name| name.trim_matches('`')) {
            named.insert(name);
            let default = defaults.next().unwrap_or_default().trim_matches('`');
            if !is_said_in_words && !name.contains('…') {
                let held = config.get(name).unwrap_or_default();
                assert_eq!(held, default, "{name}");
            }
        }
    }
    for row in publisher::PUBLISHER_SETTINGS {
        assert!(named.contains(row.name), "{} is not in the table", row.name);
    }
}

/// The files in the guide are such as are read.
#[test]
fn files_of_the_guide_are_read() {
    let page = include_str!("../../../../../docs/configure.md");
    let directory = tempfile::tempdir().unwrap();
    let file = |language: &str| {
        let (_, block) = page.split_once(&format!("```{language}\n")).unwrap();
        let (block, _) = block.split_once("```").unwrap();
        let path = directory.path().join(format!("file.{language}"));
        std::fs::write(&path, block).unwrap();
        path
    };
    let config = Config::builder().file(file("toml")).build().unwrap();
    let servers = ["kafka-1:9092", "kafka-2:9092"];
    assert_eq!(config.bootstrap_servers(), servers);
    assert_eq!(config.group_id(), Some("billing"));
    assert_eq!(config.topic_name("orders"), "staging.orders");
    assert_eq!(config.get("profile").as_deref(), Some("high-reliability"));
    let ports = PortRegistry::read(file("yaml")).unwrap();
    assert_eq!(ports.port("kafka", "broker", 2).unwrap(), 9292);
}

/// The table of times in the guide says what holds.
#[test]
fn times_of_the_guide_are_the_defaults() {
    let config = Config::builder().build().unwrap();
    let page = include_str!("../../../../../docs/configure.md");
    let (_, table) = page
        .split_once("| What waits | Setting | Default |")
        .unwrap();
    let mut compared = 0;
    for row in table.lines().skip(2).take_while(|row| row.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (setting, default) = (cells[2].trim_matches('`'), cells[3]);
        let Some((number, unit)) = default.split_once(' ') else {
            continue;
        };
        let (Ok(number), Some(held)) = (number.parse::<u64>(), config.get(setting)) else {
            continue;
        };
        let ms = match unit {
            "ms" => number,
            "s" => number * 1000,
            _ => panic!("{row}"),
        };
        assert_eq!(held, ms.to_string(), "{setting}");
        compared += 1;
    }
    assert!(compared >= 10, "{compared}");
}
