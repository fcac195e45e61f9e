use super::*;

fn check(parse: fn(&str) -> Result<Vec<FileValue>, Malformed>, text: &str) {
    let values = parse(text).expect("well-formed");
    let values: Vec<_> = values
        .iter()
        .map(|value| (value.name.as_str(), value.text.as_str(), value.line))
        .collect();
    assert_eq!(
        values,
        [
            ("group_id", "billing", 2),
            ("linger.ms", "5", 3),
            ("bootstrap.servers", "a:1,b:2", 4),
            ("dead.letter.create.topic", "true", 6)
        ]
    );
}

#[test]
fn toml_and_yaml_say_the_same() {
    check(
        toml,
        "# Comment\ngroup_id = \"billing\"\n\"linger.ms\" = 5\nbootstrap.servers = [\"a:1\", \"b:2\"]\n[dead.letter]\ncreate.topic = true\n",
    );
    check(
        yaml::parse,
        "# Comment\ngroup_id: billing\nlinger.ms: 5\nbootstrap.servers: [\"a:1\", 'b:2']\ndead.letter:\n  create.topic: true\n",
    );
}

#[test]
fn what_is_malformed_is_named_with_its_line() {
    for (text, line) in [
        ("a = 1\nb = ", 2),
        ("a = 1\nb = [[1]]", 2),
        ("a = 1\n\na = 2", 3),
    ] {
        assert_eq!(toml(text).expect_err(text).line, line, "{text}");
    }
    for (text, line) in [
        ("a: 1\n- b", 2),
        ("- a", 1),
        ("a", 1),
        ("a: 1\nb: [[1]]", 2),
        ("a: 1\nb: [{c: 1}]", 2),
        ("a: &x 1\nb: *x", 2),
        ("a: 1\n---\nb: 2", 2),
        ("? {a: b}\n: c", 1),
    ] {
        assert_eq!(yaml::parse(text).expect_err(text).line, line, "{text}");
    }
    let deep = "{a: ".repeat(40);
    assert!(yaml::parse(&deep).is_err());
    for nothing in ["", "# only a comment\n", "---\n"] {
        assert_eq!(yaml::parse(nothing), Ok(Vec::new()), "{nothing:?}");
        assert_eq!(toml(&nothing.replace("---", "")), Ok(Vec::new()));
    }
}
