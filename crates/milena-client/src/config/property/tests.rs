use super::*;

#[derive(Default)]
struct Sample {
    pause: Duration,
    size: usize,
    count: i16,
    is_on: bool,
    names: Vec<String>,
    level: u8,
}

impl Configurable for Sample {
    const PROPERTIES: &'static [Property<Self>] = &[
        Property::new(&["pause.ms", "pause.time.ms"], |sample, value| {
            sample.pause = value.milliseconds()?;
            Ok(())
        }),
        Property::new(&["size.bytes"], |sample, value| {
            sample.size = value.bytes()?;
            Ok(())
        }),
        Property::new(&["count"], |sample, value| {
            sample.count = value.number()?;
            Ok(())
        }),
        Property::new(&["is.on"], |sample, value| {
            sample.is_on = value.boolean()?;
            Ok(())
        }),
        Property::new(&["names"], |sample, value| {
            sample.names = value.list();
            Ok(())
        }),
        Property::new(&["level"], |sample, value| {
            sample.level = value.one_of(&[("low", 1), ("high", 2)])?;
            Ok(())
        }),
    ];
}

fn read(properties: &[(&str, &str)]) -> Result<Sample, Error> {
    let mut sample = Sample::default();
    let mut given = Properties::new(properties.iter().copied());
    given.take_into(&mut sample)?;
    given.finish()?;
    Ok(sample)
}

#[test]
fn values_of_every_kind_are_read() {
    let sample = read(&[
        ("pause.time.ms", "250"),
        ("size.bytes", " 1024 "),
        ("count", "-3"),
        ("is.on", "TRUE"),
        ("names", "a, b,,c"),
        ("level", "High"),
    ])
    .expect("all is well-formed");
    assert_eq!(sample.pause, Duration::from_millis(250));
    assert_eq!(
        (sample.size, sample.count, sample.is_on, sample.level),
        (1024, -3, true, 2)
    );
    assert_eq!(sample.names, ["a", "b", "c"]);
}

#[test]
fn errors_name_the_field_the_value_and_what_is_allowed() {
    fn check(name: &str, value: &str, expected: &str) {
        let error = read(&[(name, value)])
            .err()
            .expect("it is not allowed")
            .to_string();
        for part in [name, value, expected] {
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    }
    check("pause.ms", "1s", "a whole number of milliseconds");
    check("size.bytes", "-1", "a whole number of bytes");
    check("count", "40000", "a whole number");
    check("is.on", "maybe", "true, false");
    check("level", "middle", "low, high");
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one() {
    fn check(name: &str, suggestion: Option<&str>) {
        let error = read(&[(name, "1")])
            .err()
            .expect("it is not known")
            .to_string();
        match suggestion {
            Some(known) => assert!(
                error.contains(&format!("did you mean {known:?}")),
                "{error}"
            ),
            None => assert!(error.ends_with("unknown property"), "{error}"),
        }
    }
    check("pause_ms", Some("pause.ms"));
    check("sizes.byte", Some("size.bytes"));
    check("zzz", None);
}

#[test]
fn several_configurations_may_read_the_same_name() {
    let mut given = Properties::new([("count", "7")]);
    let (mut first, mut second) = (Sample::default(), Sample::default());
    given.take_into(&mut first).expect("it is a number");
    given.take_into(&mut second).expect("it is a number");
    given.finish().expect("all names are known");
    assert_eq!((first.count, second.count), (7, 7));
}
