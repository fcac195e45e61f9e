use super::*;
use crate::wire::messages::TopicName;
use crate::wire::messages::consumer_group_describe_response::{Assignment, TopicPartitions};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn member(id: &str, partitions: &[i32]) -> Member {
    let topic = TopicPartitions::default()
        .with_topic_name(TopicName(text("orders")))
        .with_partitions(partitions.to_vec());
    Member::default()
        .with_member_id(text(id))
        .with_assignment(Assignment::default().with_topic_partitions(vec![topic]))
}

fn group(code: ErrorCode) -> DescribedGroup {
    DescribedGroup::default()
        .with_error_code(code.code())
        .with_group_id(GroupId(text("billing")))
        .with_group_state(text("Stable"))
        .with_assignor_name(text("uniform"))
        .with_members(vec![member("m2", &[3, 1]), member("m1", &[0])])
}

#[test]
fn members_are_described_with_what_they_own() {
    let described = read_group(&group(ErrorCode::None), NodeId(1)).expect("there is no error");
    let described = described.expect("it is known");
    assert_eq!(
        (described.state.as_str(), described.assignor.as_str()),
        ("Stable", "uniform")
    );
    let owned: Vec<(&str, usize)> = described
        .members
        .iter()
        .map(|member| (member.member_id.as_str(), member.assignment.len()))
        .collect();
    assert_eq!(owned, [("m1", 1), ("m2", 2)]);
    assert_eq!(
        described.members[1].assignment[0],
        TopicPartition::new("orders", 1)
    );
}

#[test]
fn what_the_coordinator_does_not_know_is_no_error() {
    let unknown = read_group(&group(ErrorCode::GroupIdNotFound), NodeId(1));
    assert!(matches!(unknown, Ok(None)));
    let refused = read_group(&group(ErrorCode::GroupAuthorizationFailed), NodeId(1));
    assert!(refused.is_err_and(|error| !error.is_retriable()));
}
