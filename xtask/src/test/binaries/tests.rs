//! Tests of `binaries`: how cargo's messages are read.

use super::*;

#[test]
fn test_binaries_are_found_among_what_cargo_says() {
    let messages = r#"
{"reason":"compiler-artifact","package_id":"registry+x#bytes@1.0.0","manifest_path":"/r/bytes/Cargo.toml","target":{"name":"bytes","kind":["lib"]},"profile":{"test":false},"executable":null}
{"reason":"build-script-executed","package_id":"path+file:///w/a#0.1.0"}
{"reason":"compiler-artifact","package_id":"path+file:///w/crates/milena-wire#0.1.0","manifest_path":"/w/crates/milena-wire/Cargo.toml","target":{"name":"milena_wire","kind":["lib"]},"profile":{"test":true},"executable":"/t/debug/deps/milena_wire-1"}
{"reason":"compiler-artifact","package_id":"path+file:///w/sim#milena-sim@0.1.0","manifest_path":"/w/sim/Cargo.toml","target":{"name":"conformance","kind":["test"]},"profile":{"test":true},"executable":"/t/debug/deps/conformance-1"}
{"reason":"compiler-artifact","package_id":"path+file:///w/xtask#0.1.0","manifest_path":"/w/xtask/Cargo.toml","target":{"name":"xtask","kind":["bin"]},"profile":{"test":false},"executable":"/t/debug/xtask"}
{"reason":"build-finished","success":true}
"#;
    let binaries = parse_messages(messages).expect("they are messages");
    let found: Vec<(&str, &str, bool)> = binaries
        .iter()
        .map(|b| (b.package.as_str(), b.target.as_str(), b.is_integration))
        .collect();
    assert_eq!(
        found,
        [
            ("milena-sim", "conformance", true),
            ("milena-wire", "milena_wire", false)
        ]
    );
    assert_eq!(binaries[0].package_dir, Path::new("/w/sim"));
    assert_eq!(binaries[0].program("milena"), Path::new("/t/debug/milena"));
}
