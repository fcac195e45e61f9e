use super::*;

fn read(text: &str) -> Result<PortRegistry, String> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ports.yaml");
    std::fs::write(&path, text).expect("written");
    let shown = path.display().to_string();
    PortRegistry::read(&path).map_err(|error| error.to_string().replace(&shown, "FILE"))
}

const KAFKA: &str = "kafka:\n  broker_port: 9092\n  controller_port: 19093\n  instance_increment: 100\n  max_instances: 10\n";

#[test]
fn each_instance_has_its_ports() {
    let registry = read(KAFKA).unwrap();
    for (instance, broker, controller) in [(0, 9092, 19093), (1, 9192, 19193), (9, 9992, 19993)] {
        let ports = registry.ports("kafka", instance).unwrap();
        let expected = BTreeMap::from([("broker", broker), ("controller", controller)]);
        assert_eq!(ports, expected);
    }
}

#[track_caller]
fn check_refused(result: Result<u16, ConfigError>, expected: &str) {
    let error = result.expect_err(expected).to_string();
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn what_is_not_there_is_an_error_that_says_what_is() {
    let registry = read(KAFKA).unwrap();
    check_refused(
        registry.port("kafka", "broker", 10),
        "kafka has no instance 10; max_instances is 10, so the last one is 9",
    );
    check_refused(
        registry.port("kafka", "web", 0),
        "kafka has no port \"web\"; it has broker, controller",
    );
    check_refused(
        registry.port("redis", "broker", 0),
        "there is no service \"redis\"; there is kafka",
    );
}

#[test]
fn a_registry_that_cannot_work_is_refused_with_its_line() {
    for (text, expected) in [
        (
            "broker_port: 1",
            "FILE:1: broker_port: put it under a service's name",
        ),
        (
            "a:\n  b_port: 0",
            "FILE:2: a.b_port: \"0\" is not allowed; it must be a whole number from 1 to 65535",
        ),
        (
            "a:\n  b: 1",
            "FILE:2: a.b: unknown; there are NAME_port, instance_increment and max_instances",
        ),
        (
            "a:\n  b_port: 1\n  max_instances: 2",
            "FILE:2: a needs instance_increment and max_instances",
        ),
        (
            "a:\n  b_port: 65000\n  max_instances: 7\n  instance_increment: 100",
            "FILE:2: a.b_port: with 7 instances 100 apart, 65000 leads beyond port 65535",
        ),
        (
            "a:\n  b_port: 100\n  c_port: 300\n  max_instances: 3\n  instance_increment: 100",
            "FILE:2: port 300 is a.c_port of instance 0 and a.b_port of instance 2",
        ),
    ] {
        assert_eq!(read(text), Err(expected.to_owned()));
    }
}
