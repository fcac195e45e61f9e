"""Produces and consumes on a secured listener for a while.

Called with seconds and the configuration as NAME=VALUE arguments; prints "ok" at the end.
"""

import sys
import time
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition

SECONDS = float(sys.argv[1])
CONFIG = dict(argument.split("=", 1) for argument in sys.argv[2:])
TOPIC = f"secured-{uuid.uuid4()}"
WAIT_SECONDS = 30

failures = []
delivered = []


def on_delivery(error, message):
    (failures if error else delivered).append(error or message.offset())


producer = Producer(CONFIG)
ends = time.monotonic() + SECONDS
while not delivered or time.monotonic() < ends:
    producer.produce(TOPIC, b"x", on_delivery=on_delivery)
    assert producer.flush(WAIT_SECONDS) == 0 and not failures, failures

consumer = Consumer({**CONFIG, "group.id": "secured"})
consumer.assign([TopicPartition(TOPIC, 0, 0)])
deadline = time.monotonic() + WAIT_SECONDS
consumed = 0
while consumed < len(delivered):
    assert time.monotonic() < deadline, f"{consumed} of {len(delivered)}"
    message = consumer.poll(1)
    if message is not None:
        assert message.error() is None, message.error()
        consumed += 1
consumer.close()
print("ok")
