"""The AdminClient of confluent-kafka on an embedded broker: each call must have the effect it says."""

import sys

from confluent_kafka import ConsumerGroupTopicPartitions, ElectionType, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, AlterConfigOpType, ConfigEntry,
    ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourcePatternType, ResourceType, ScramCredentialInfo,
    ScramMechanism, UserScramCredentialUpsertion,
)

servers = sys.argv[1]
admin = AdminClient({"bootstrap.servers": servers})


def one(futures):
    (future,) = futures.values()
    return future.result(timeout=10)


def refused(futures, name):
    try:
        one(futures)
    except KafkaException as error:
        assert error.args[0].name() == name, error
    else:
        raise AssertionError(f"it was not refused with {name}")


def topics():
    one(admin.create_topics([NewTopic("orders", 1, 1, config={"retention.ms": "1000000"})]))
    refused(admin.create_topics([NewTopic("wrong", 1, 1, config={"retention.m": "1"})]), "INVALID_CONFIG")
    one(admin.create_partitions([NewPartitions("orders", 3)]))
    described = admin.list_topics("orders", timeout=10).topics["orders"]
    assert len(described.partitions) == 3, described.partitions


def configs():
    resource = ConfigResource(ResourceType.TOPIC, "orders")
    entries = one(admin.describe_configs([resource]))
    assert entries["retention.ms"].value == "1000000" and not entries["retention.ms"].is_default
    change = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND)
    one(admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, "orders", incremental_configs=[change])]))
    entries = one(admin.describe_configs([resource]))
    assert entries["cleanup.policy"].value == "delete,compact", entries["cleanup.policy"]
    one(admin.alter_configs([ConfigResource(ResourceType.TOPIC, "orders", set_config={"segment.ms": "5000"})]))
    entries = one(admin.describe_configs([resource]))
    assert entries["segment.ms"].value == "5000" and entries["cleanup.policy"].value == "delete"


def records():
    producer = Producer({"bootstrap.servers": servers})
    for _ in range(5):
        producer.produce("orders", b"x", partition=0)
    producer.flush(10)
    deleted = one(admin.delete_records([TopicPartition("orders", 0, 3)]))
    assert deleted.low_watermark == 3, deleted
    listed = one(admin.list_offsets({TopicPartition("orders", 0): OffsetSpec.earliest()}))
    assert listed.offset == 3, listed
    elected = admin.elect_leaders(ElectionType.PREFERRED, [TopicPartition("orders", 0)]).result(timeout=10)
    (error,) = elected.values()
    assert error is not None and error.name() == "ELECTION_NOT_NEEDED", error


def groups():
    offset = TopicPartition("orders", 0, 4)
    one(admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions("billing", [offset])]))
    told = one(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("billing")]))
    assert told.topic_partitions[0].offset == 4, told.topic_partitions
    listed = admin.list_consumer_groups().result(timeout=10)
    assert [group.group_id for group in listed.valid] == ["billing"], listed.valid
    one(admin.delete_consumer_groups(["billing"]))


def permissions():
    acl = AclBinding(
        ResourceType.TOPIC, "guarded", ResourcePatternType.LITERAL, "User:ann", "*", AclOperation.READ,
        AclPermissionType.ALLOW,
    )
    one(admin.create_acls([acl]))
    anything = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    assert admin.describe_acls(anything).result(timeout=10) == [acl]
    assert one(admin.delete_acls([anything])) == [acl]
    password = UserScramCredentialUpsertion(
        "ann", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), b"secret", b"salt"
    )
    one(admin.alter_user_scram_credentials([password]))
    described = one(admin.describe_user_scram_credentials(["ann"]))
    assert described.scram_credential_infos[0].iterations == 4096


for step in (topics, configs, records, groups, permissions):
    step()
    print(step.__name__, "ok", flush=True)
print("ok")
