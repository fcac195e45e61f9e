"""Transactions with librdkafka: committed and aborted ones, offsets within one, a fenced zombie.

Called with the bootstrap servers; prints "ok" at the end and fails by assertion before.
"""

import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = sys.argv[1]
SOURCE, TARGET = "txn-source", "txn-target"
WAIT_SECONDS = 30

admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
for future in admin.create_topics([NewTopic(SOURCE, 2, 1), NewTopic(TARGET, 2, 1)]).values():
    future.result(WAIT_SECONDS)


def transactional(name, **more):
    producer = Producer(
        {"bootstrap.servers": BOOTSTRAP, "transactional.id": name, "linger.ms": 5, **more}
    )
    producer.init_transactions(WAIT_SECONDS)
    return producer


def consumer(group, level):
    return Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": level,
        }
    )


def read(reader, count):
    values = []
    while len(values) < count:
        message = reader.poll(WAIT_SECONDS)
        assert message is not None, f"only {len(values)} of {count} came"
        assert message.error() is None, message.error()
        values.append(message.value())
    message = reader.poll(0.5)
    assert message is None, message.value()
    return sorted(values)


producer = transactional("writer", **{"compression.type": "lz4"})
committed, written = [], 0
for number in range(6):
    producer.begin_transaction()
    values = [f"{number} {index}".encode() for index in range(10)]
    for index, value in enumerate(values):
        producer.produce(SOURCE, value=value, partition=index % 2)
    written += len(values)
    if number % 2 == 0:
        producer.commit_transaction(WAIT_SECONDS)
        committed += values
    else:
        assert producer.flush(WAIT_SECONDS) == 0
        producer.abort_transaction(WAIT_SECONDS)

for level, count in [("read_committed", len(committed)), ("read_uncommitted", written)]:
    reader = consumer(f"reader-{level}", level)
    reader.subscribe([SOURCE])
    values = read(reader, count)
    assert level != "read_committed" or values == sorted(committed)
    reader.close()

reader = consumer("copier", "read_committed")
reader.subscribe([SOURCE])
copied = read(reader, len(committed))
copier = transactional("copier")
positions = reader.position(reader.assignment())
for is_kept in [False, True]:
    copier.begin_transaction()
    for value in copied:
        copier.produce(TARGET, value=value)
    copier.send_offsets_to_transaction(positions, reader.consumer_group_metadata(), WAIT_SECONDS)
    if is_kept:
        copier.commit_transaction(WAIT_SECONDS)
    else:
        copier.abort_transaction(WAIT_SECONDS)
partitions = [TopicPartition(SOURCE, partition) for partition in range(2)]
offsets = {part.partition: part.offset for part in reader.committed(partitions, WAIT_SECONDS)}
assert offsets == {part.partition: part.offset for part in positions}, offsets
reader.close()
reader = consumer("checker", "read_committed")
reader.subscribe([TARGET])
assert read(reader, len(copied)) == copied
reader.close()

copier.begin_transaction()
copier.produce(TARGET, value=b"zombie")
heir = transactional("copier")
try:
    copier.commit_transaction(WAIT_SECONDS)
    raise AssertionError("the zombie commits")
except KafkaException as error:
    assert error.args[0].fatal() or error.args[0].txn_requires_abort(), error
heir.begin_transaction()
heir.produce(TARGET, value=b"heir")
heir.commit_transaction(WAIT_SECONDS)
print("ok")
