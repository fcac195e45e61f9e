use super::*;

#[test]
fn a_timetable_is_a_period_or_cron_or_never() {
    let every = |milliseconds| Ok(Timetable::Every(Duration::from_millis(milliseconds)));
    let cron = |expression: &str| Ok(Timetable::Cron(expression.to_owned()));
    for (text, expected) in [
        ("30", every(30_000)),
        ("0.5", every(500)),
        ("250ms", every(250)),
        ("30s", every(30_000)),
        ("5m", every(300_000)),
        ("1.5h", every(5_400_000)),
        ("1d", every(86_400_000)),
        ("never", Ok(Timetable::Never)),
        (" 0 8 * * MON-FRI ", cron("0 8 * * MON-FRI")),
        ("*/15 * * * * *", cron("*/15 * * * * *")),
    ] {
        assert_eq!(text.parse::<Timetable>(), expected, "{text}");
    }
    for wrong in [
        "0",
        "-1",
        "NaN",
        "inf",
        "1e99",
        "",
        "s",
        "5w",
        "0.0000001ms",
    ] {
        let read = wrong.parse::<Timetable>();
        assert!(read.is_err(), "{wrong}: {read:?}");
    }
}
