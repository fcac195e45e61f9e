"""Creates a topic, produces with every codec, consumes in a group, asks for offsets, deletes.

Called with the bootstrap servers; prints "ok" at the end and fails by assertion before.
"""

import sys

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = sys.argv[1]
TOPIC = "from-python"
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
RECORDS_PER_CODEC = 200
WAIT_SECONDS = 30

admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
for future in admin.create_topics([NewTopic(TOPIC, 3, 1)]).values():
    future.result(WAIT_SECONDS)
topics = admin.list_topics(timeout=WAIT_SECONDS).topics
assert len(topics[TOPIC].partitions) == 3, topics

failures = []
expected = set()
for codec in CODECS:
    producer = Producer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "enable.idempotence": True,
            "compression.type": codec,
            "linger.ms": 20,
        }
    )
    for number in range(RECORDS_PER_CODEC):
        value = f"{codec} {number}".encode()
        expected.add(value)
        producer.produce(
            TOPIC,
            key=str(number).encode(),
            value=value,
            headers=[("codec", codec.encode()), ("empty", b""), ("null", None)],
            on_delivery=lambda error, _: failures.append(error) if error else None,
        )
    left = producer.flush(WAIT_SECONDS)
    assert left == 0, f"{codec}: {left} records left"
assert not failures, failures[:3]

consumer = Consumer(
    {
        "bootstrap.servers": BOOTSTRAP,
        "group.id": "from-python",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "check.crcs": True,
    }
)
consumer.subscribe([TOPIC])
read = []
while len(read) < len(expected):
    message = consumer.poll(WAIT_SECONDS)
    assert message is not None, f"only {len(read)} of {len(expected)} came"
    assert message.error() is None, message.error()
    codec = message.value().split(b" ")[0]
    headers = [("codec", codec), ("empty", b""), ("null", None)]
    assert message.headers() == headers, message.headers()
    read.append(message.value())
assert set(read) == expected and len(read) == len(expected)
consumer.commit(asynchronous=False)

partitions = [TopicPartition(TOPIC, partition) for partition in range(3)]
committed = sum(part.offset for part in consumer.committed(partitions, WAIT_SECONDS))
assert committed == len(expected), committed
end = sum(consumer.get_watermark_offsets(part, WAIT_SECONDS)[1] for part in partitions)
assert end == len(expected), end
consumer.close()

groups = admin.list_consumer_groups(request_timeout=WAIT_SECONDS).result()
assert "from-python" in [group.group_id for group in groups.valid], groups.valid
described = admin.describe_consumer_groups(["from-python"])
assert described["from-python"].result(WAIT_SECONDS).group_id == "from-python"

for future in admin.delete_topics([TOPIC]).values():
    future.result(WAIT_SECONDS)
print("ok")
