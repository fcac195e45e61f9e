//! Tests of `process`.

use super::*;
use std::os::unix::process::CommandExt;

fn sleeper() -> std::process::Child {
    Command::new("sleep")
        .arg("600")
        .process_group(0)
        .spawn()
        .expect("sleep starts")
}

#[test]
fn the_start_time_is_field_22_whatever_the_name() {
    let rest = "1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 0";
    for name in ["java", "a b", "odd) S (1"] {
        let stat = format!("42 ({name}) S {rest}");
        assert_eq!(parse_proc_stat(&stat).as_deref(), Some("777"), "{name}");
    }
    assert_eq!(parse_proc_stat(&format!("42 (java) Z {rest}")), None);
    assert_eq!(parse_proc_stat("garbage"), None);
}

#[test]
fn only_the_recorded_process_is_ended() {
    let mut mine = sleeper();
    let mut other = sleeper();
    let identity = ProcessIdentity::of(mine.id()).expect("it runs");
    let reused = ProcessIdentity {
        pid: other.id().cast_signed(),
        started: "another time".to_owned(),
    };
    assert!(identity.is_running());
    assert!(!reused.is_running());

    ProcessIdentity::end_all(&[identity.clone(), reused]).expect("ended");
    assert!(!identity.is_running());
    assert!(
        other.try_wait().expect("asked").is_none(),
        "a process with a reused id must live on"
    );
    other.kill().expect("it runs");
    other.wait().expect("it ends");
    mine.wait().expect("it ended");
}
