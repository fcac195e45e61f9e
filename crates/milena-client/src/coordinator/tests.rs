use super::*;
use crate::wire::messages::find_coordinator_response::Coordinator;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn found() -> Found {
    Found {
        code: ErrorCode::None,
        node: NodeId(3),
        host: "h".to_owned(),
        port: 9092,
    }
}

fn coordinator(key: &str) -> Coordinator {
    Coordinator::default()
        .with_key(text(key))
        .with_node_id(BrokerId(3))
        .with_host(text("h"))
        .with_port(9092)
}

#[test]
fn one_key_per_request_up_to_version_3() {
    let response = FindCoordinatorResponse::default()
        .with_node_id(BrokerId(3))
        .with_host(text("h"))
        .with_port(9092);
    assert_eq!(read(response, 3, "group").expect("it is whole"), found());
}

#[test]
fn many_keys_per_request_from_version_4() {
    let response = FindCoordinatorResponse::default()
        .with_coordinators(vec![coordinator("other"), coordinator("group")]);
    assert_eq!(read(response, 4, "group").expect("it is there"), found());
}

#[test]
fn a_missing_answer_is_an_error() {
    let response = FindCoordinatorResponse::default().with_coordinators(vec![coordinator("other")]);
    assert!(matches!(
        read(response, 4, "group"),
        Err(Error::Protocol { .. })
    ));
}
