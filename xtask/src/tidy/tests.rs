//! Tests of `tidy`: each ban caught where it counts, and silent where it does not.

use super::*;
use serde_json::{Value, json};

/// Checks one file; `expected` are the lines with a problem, in order.
fn check_file(path: &str, text: &str, expected: &[usize]) {
    let file = SourceFile::parse(path, text).expect("the sample parses");
    let problems = check(&[file]);
    let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, expected, "{path}: {problems:?}");
}

#[test]
fn a_module_opens_with_its_documentation() {
    check_file("xtask/src/a.rs", "//! Owns a.\nfn a() {}\n", &[]);
    check_file("xtask/src/a.rs", "fn a() {}\n", &[1]);
    check_file("xtask/src/a.rs", "//!\nfn a() {}\n", &[1]);
    check_file(
        "xtask/src/a.rs",
        "use std::fmt;\n/// Late.\nfn a() {}\n",
        &[1],
    );
}

#[test]
fn panics_are_banned_in_product_code_only() {
    let cases = [
        "x.unwrap();",
        "x.unwrap_err();",
        "x.expect(\"it is there\");",
        "x.expect(message);",
        "panic!(\"no\");",
        "todo!();",
        "unimplemented!();",
        "std::unreachable!();",
        "tokio::select! { y = z => y.unwrap() }",
        "matches!(x, 1 if panic!());",
        "tracing::info!(a = x.expect(\"there\"));",
    ];
    for case in cases {
        let text = format!("//! Owns a.\nfn a() {{\n    {case}\n}}\n");
        check_file("crates/milena/src/a.rs", &text, &[3]);
        check_file("crates/milena/src/a/tests.rs", &text, &[]);
        check_file("crates/milena/tests/integration/main.rs", &text, &[]);
        check_file("sim/src/a.rs", &text, &[]);
    }
}

#[test]
fn what_only_looks_like_a_panic_passes() {
    let cases = [
        "x.expect(\"invariant: it was just inserted\");",
        "x.unwrap_or(1); x.unwrap_or_default();",
        "self.expect(Token::Comma, \"a comma\")?;",
        "let text = \"x.unwrap()\"; // y.unwrap() would panic!",
        "assert!(x); debug_assert_eq!(x, 1);",
        "tracing::info!(unwrap = 1, panic);",
    ];
    for case in cases {
        let text = format!("//! Owns a.\nfn a() {{\n    {case}\n}}\n");
        check_file("crates/milena/src/a.rs", &text, &[]);
    }
}

#[test]
fn code_that_exists_in_tests_only_may_panic() {
    let text = "//! Owns a.\n#[cfg(test)]\nfn a() { x.unwrap(); }\n\
                #[cfg(test)]\nimpl A { fn b() { x.unwrap(); } }\n\
                impl A {\n#[cfg(test)]\nfn c() { x.unwrap(); } }\n";
    check_file("crates/milena/src/a.rs", text, &[]);
}

#[test]
fn tests_live_in_a_sibling_file() {
    check_file(
        "crates/milena/src/a.rs",
        "//! Owns a.\n#[cfg(test)]\nmod tests;\n",
        &[],
    );
    check_file(
        "crates/milena/src/a.rs",
        "//! Owns a.\n#[cfg(test)]\nmod tests { fn a() { x.unwrap(); } }\n",
        &[2],
    );
}

#[test]
fn a_module_under_cfg_test_is_test_code_wherever_it_lies() {
    let sample = |path: &str, text: &str| SourceFile::parse(path, text).expect("it parses");
    let mut files = [
        sample("crates/c/src/lib.rs", "#[cfg(test)] mod probe; mod real;"),
        sample("crates/c/src/probe.rs", ""),
        sample("crates/c/src/probe/deep.rs", ""),
        sample("crates/c/src/real.rs", "#[cfg(test)] mod fake;"),
        sample("crates/c/src/real/fake.rs", ""),
        sample("crates/c/src/real/other.rs", ""),
    ];
    source::mark_test_modules(&mut files);
    let is_test: Vec<bool> = files.iter().map(|file| file.is_test).collect();
    assert_eq!(is_test, [false, true, true, false, true, false]);
}

#[test]
fn shortcuts_are_banned_everywhere() {
    let mark = concat!("TO", "DO");
    let cases = [
        "#[ignore] fn a() {}".to_owned(),
        "#[ignore = \"slow\"] fn a() {}".to_owned(),
        "#[allow(dead_code)] fn a() {}".to_owned(),
        "#[expect(unused, dead_code)] fn a() {}".to_owned(),
        format!("fn a() {{}} // {mark}: later"),
    ];
    for case in cases {
        let text = format!("//! Owns a.\n{case}\n");
        check_file("crates/milena/src/a.rs", &text, &[2]);
        check_file("sim/tests/conformance/a.rs", &text, &[2]);
    }
    check_file("crates/milena/src/utils.rs", "//! Owns a.\n", &[0]);
}

#[test]
fn a_long_file_needs_a_reason() {
    let body = "const A: u8 = 1;\n".repeat(700);
    let check_doc = |doc: &str, path: &str, expected: &[usize]| {
        check_file(path, &format!("{doc}\n{body}"), expected);
    };
    check_doc("//! Owns a.", "crates/milena/src/a.rs", &[0]);
    check_doc("//! Owns a.\n//! Size:", "crates/milena/src/a.rs", &[0]);
    check_doc(
        "//! Owns a.\n//! Size: one table.",
        "crates/milena/src/a.rs",
        &[],
    );
    check_doc("//! Owns a.", "crates/milena/src/a/tests.rs", &[]);
}

#[test]
fn the_report_counts_functions_with_their_signature() {
    let text = "//! Owns a.\nfn one() {}\nimpl A {\n    fn four(\n        &self,\n    ) {\n    }\n}\n\
                #[cfg(test)]\nmod tests { fn hidden() {\n\n\n\n\n\n} }\n";
    let file = SourceFile::parse("crates/c/src/a.rs", text).expect("it parses");
    let report = sizes::report(&[file]);
    assert!(
        report.contains("functions: 2, median 4 lines, 0.0 % over 70"),
        "{report}"
    );
    assert!(report.contains("4  four (crates/c/src/a.rs:4)"), "{report}");
}

/// A dependency: name, kind (`None` is normal), whether it is optional.
type Dependency<'a> = (&'a str, Option<&'a str>, bool);
type Package<'a> = (&'a str, &'a [Dependency<'a>]);

/// A workspace of `packages`.
fn metadata(packages: &[Package<'_>]) -> layers::Metadata {
    let package = |name: &str, dependencies: &[Dependency<'_>]| -> Value {
        let dependencies: Vec<Value> = dependencies
            .iter()
            .map(|(name, kind, optional)| json!({"name": name, "kind": kind, "optional": optional}))
            .collect();
        json!({"id": name, "name": name, "manifest_path": format!("{name}/Cargo.toml"),
               "dependencies": dependencies})
    };
    let node = |name: &str, dependencies: &[Dependency<'_>]| -> Value {
        let deps: Vec<Value> = dependencies
            .iter()
            .map(|(name, kind, _)| json!({"pkg": name, "dep_kinds": [{"kind": kind}]}))
            .collect();
        json!({"id": name, "deps": deps})
    };
    let ours = |name: &&str| name.starts_with("milena") || *name == "xtask";
    let names: Vec<&str> = packages
        .iter()
        .map(|(name, _)| *name)
        .filter(ours)
        .collect();
    serde_json::from_value(json!({
        "packages": packages.iter().map(|(n, d)| package(n, d)).collect::<Vec<_>>(),
        "workspace_members": names,
        "resolve": {"nodes": packages.iter().map(|(n, d)| node(n, d)).collect::<Vec<_>>()},
    }))
    .expect("the sample is metadata")
}

fn check_layers(packages: &[Package<'_>], expected: Option<&str>) {
    let problems = layers::check(&metadata(packages));
    match expected {
        None => assert_eq!(problems, []),
        Some(text) => assert!(
            problems.len() == 1 && problems[0].message.contains(text),
            "{problems:?} should be one that says {text:?}"
        ),
    }
}

#[test]
fn dependencies_point_down() {
    let normal: Option<&str> = None;
    let wire: (&str, &[_]) = ("milena-wire", &[]);
    let broker: (&str, &[_]) = ("milena-broker", &[("milena-wire", normal, false)]);
    let with = |kind: Option<&'static str>| [("milena-broker", kind, false)];

    check_layers(&[wire, broker], None);
    check_layers(&[wire, broker, ("milena-client", &with(Some("dev")))], None);
    check_layers(
        &[wire, broker, ("milena-client", &with(normal))],
        Some("milena-client must not depend on milena-broker"),
    );
    check_layers(
        &[wire, broker, ("milena", &with(normal))],
        Some("only behind a feature"),
    );
    check_layers(
        &[wire, broker, ("milena", &[("milena-broker", normal, true)])],
        None,
    );
    check_layers(&[wire, broker, ("xtask", &with(normal))], None);
    check_layers(
        &[
            ("xtask", &[]),
            ("milena-wire", &[("xtask", Some("dev"), false)]),
        ],
        Some("nothing depends on xtask"),
    );
    check_layers(&[("milena-new", &[])], Some("no place"));
}

#[test]
fn the_wire_reaches_no_tokio_by_any_path() {
    let normal: Option<&str> = None;
    let between: (&str, &[_]) = ("between", &[("tokio", normal, false)]);
    let tokio: (&str, &[_]) = ("tokio", &[]);
    check_layers(
        &[
            ("milena-wire", &[("between", normal, false)]),
            between,
            tokio,
        ],
        Some("must not know tokio"),
    );
    check_layers(
        &[
            ("milena-wire", &[("between", Some("dev"), false)]),
            between,
            tokio,
        ],
        None,
    );
}

#[test]
fn every_pitfall_has_a_test_named_after_it() {
    let test = |number: u32| format!("#[test]\nfn pitfall_{number:02}_does_not_happen() {{}}\n");
    let all: String = (1..=29).filter(|number| *number != 7).map(test).collect();
    let check = |text: &str| {
        let file = SourceFile::parse("sim/tests/a.rs", text).expect("the sample parses");
        let problems = pitfalls::check(&[file]);
        let messages = problems.into_iter().map(|problem| problem.message);
        messages.collect::<Vec<_>>()
    };
    assert_eq!(check(&all), ["no test is named pitfall_07_\u{2026}"]);
    assert_eq!(
        check(&format!("{all}fn pitfall_06_pitfall_07_both() {{}}")),
        [""; 0]
    );
}
