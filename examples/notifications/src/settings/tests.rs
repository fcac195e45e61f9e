use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

fn read(arguments: &[&str]) -> Result<Settings, clap::Error> {
    let program = ["notifications"].iter();
    Arguments::try_parse_from(program.chain(arguments)).map(|read| read.settings)
}

#[test]
fn passwords_are_not_printed() {
    let settings = read(&[
        "--database",
        "postgres://app:hunter2@db/app",
        "--webhook",
        "https://hook/hunter2",
    ]);
    let settings = settings.expect("settings");
    assert!(settings.database.expose().contains("hunter2"));
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn intervals_are_seconds_above_zero() {
    for (text, expected) in [
        ("0.5", Some(Duration::from_millis(500))),
        ("30", Some(Duration::from_secs(30))),
        ("0", None),
        ("NaN", None),
        ("inf", None),
        ("1e99", None),
    ] {
        let every = read(&["--every", text]).ok().map(|settings| settings.every);
        assert_eq!(every, expected, "{text}");
    }
}
