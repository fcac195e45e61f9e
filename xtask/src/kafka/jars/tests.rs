//! Tests of `jars`.

use super::*;

#[test]
fn a_version_is_digits_and_dots_and_never_a_path() {
    for good in ["4.3.1", "3.9.2", "4.1.0-rc1"] {
        assert!(is_version(good), "{good}");
    }
    for bad in ["", "4", "4.3", "../4.3.1", "4.3.1/x", "latest", "4..1"] {
        assert!(!is_version(bad), "{bad}");
    }
}

#[test]
fn the_pom_names_the_server_its_tools_and_a_logger() {
    let text = pom("4.3.1");
    for part in ["kafka_2.13", "kafka-tools", "kafka-clients", "slf4j-simple"] {
        assert!(text.contains(part), "{part}");
    }
    assert_eq!(text.matches("<version>4.3.1</version>").count(), 3);
}
