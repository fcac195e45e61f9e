"""A member of a group with librdkafka, until stdin ends: bootstrap topic group protocol strategy."""

import sys
import threading

import confluent_kafka

bootstrap, topic, group, protocol, strategy = sys.argv[1:]
settings = {
    "bootstrap.servers": bootstrap,
    "group.id": group,
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "group.protocol": protocol,
}
if protocol == "classic":
    settings |= {
        "partition.assignment.strategy": strategy,
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 200,
    }
is_over = threading.Event()


def wait_for_the_end():
    sys.stdin.read()
    is_over.set()


threading.Thread(target=wait_for_the_end, daemon=True).start()
processed = {}


def commit(partitions):
    offsets = [
        confluent_kafka.TopicPartition(topic, partition, processed.pop(partition))
        for partition in partitions
        if partition in processed
    ]
    if not offsets:
        return
    try:
        consumer.commit(offsets=offsets, asynchronous=False)
    except confluent_kafka.KafkaException as error:
        print(f"commit: {error}", file=sys.stderr)
        for offset in offsets:
            processed.setdefault(offset.partition, offset.offset)


def on_revoke(_consumer, partitions):
    commit([partition.partition for partition in partitions])
    for partition in partitions:
        processed.pop(partition.partition, None)


def on_lost(_consumer, partitions):
    for partition in partitions:
        processed.pop(partition.partition, None)


consumer = confluent_kafka.Consumer(settings)
consumer.subscribe([topic], on_revoke=on_revoke, on_lost=on_lost)
assigned = -1
while not is_over.is_set():
    for message in consumer.consume(50, 0.05):
        if message.error():
            print(f"consume: {message.error()}", file=sys.stderr)
            continue
        print("read", message.value().decode())
        processed[message.partition()] = message.offset() + 1
    commit(list(processed))
    if len(consumer.assignment()) != assigned:
        assigned = len(consumer.assignment())
        print("assigned", assigned)
    sys.stdout.flush()
commit(list(processed))
consumer.close()
print("over", flush=True)
