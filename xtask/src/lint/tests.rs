//! Tests of `lint`.

use super::*;
use std::ffi::OsStr;

#[test]
fn a_cargo_within_a_cargo_knows_nothing_of_our_package() {
    let command = cargo(&[]);
    for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR"] {
        assert!(std::env::var_os(name).is_some(), "cargo test sets {name}");
        let told = command.get_envs().find(|(own, _)| *own == OsStr::new(name));
        assert_eq!(told, Some((OsStr::new(name), None)));
    }
}
