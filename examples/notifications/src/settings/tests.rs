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

/// What is done every 30 s, 5 min and 15 min can be done at other times, or by cron.
#[test]
fn jobs_have_timetables() {
    let timetables = |arguments: &[&str]| {
        let settings = read(arguments).expect("settings");
        (settings.every, settings.report, settings.forget)
    };
    let every = |seconds| Timetable::Every(Duration::from_secs(seconds));
    assert_eq!(timetables(&[]), (every(30), every(300), every(900)));
    assert_eq!(
        timetables(&[
            "--every=2",
            "--report=0 8 * * MON-FRI",
            "--forget=never",
            "--time-zone=Europe/Berlin"
        ]),
        (
            every(2),
            Timetable::Cron("0 8 * * MON-FRI".to_owned()),
            Timetable::Never
        )
    );
    let error = read(&["--every", "soon"]).expect_err("no timetable");
    assert!(error.to_string().contains("cron expression"), "{error}");
    let keep = read(&["--keep", "7d"]).map(|settings| settings.keep);
    assert_eq!(keep.expect("settings"), Duration::from_secs(7 * 86_400));
    assert!(read(&["--keep", "0d"]).is_err());
}
