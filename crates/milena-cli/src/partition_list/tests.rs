use super::*;

#[test]
fn partitions_are_read_or_refused() {
    let read = |text: &str| text.parse::<PartitionName>().ok();
    let expected = PartitionName(TopicPartition::new("orders", 3));
    assert_eq!(read("orders:3"), Some(expected));
    for wrong in ["orders", "orders:", ":1", "orders:-1", "orders:x"] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
}
