"""librdkafka for the differential tests: writes and reads records as lines.

produce BOOTSTRAP TOPIC CODEC PARTITIONER: lines on stdin, "partition offset" of each on stdout.
consume BOOTSTRAP TOPIC PARTITIONS COUNT ISOLATION: lines on stdout.
A line: partition, offset or -1, timestamp type, timestamp, key, value, headers; tabs between.
Bytes are x and hex digits, null is -; a header is key=value, commas between.
"""

import sys

from confluent_kafka import Consumer, Producer, TopicPartition

WAIT_SECONDS = 30
TYPES = {0: "none", 1: "CreateTime", 2: "LogAppendTime"}


def decode(field):
    return None if field == "-" else bytes.fromhex(field[1:])


def encode(data):
    return "-" if data is None else "x" + data.hex()


def produce(bootstrap, topic, codec, partitioner):
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "compression.type": codec,
            "partitioner": partitioner,
            "linger.ms": 20,
        }
    )
    placed = {}

    def note(number):
        def delivered(error, message):
            assert error is None, error
            placed[number] = f"{message.partition()} {message.offset()}"

        return delivered

    count = 0
    for line in sys.stdin:
        partition, _, _, timestamp, key, value, headers = line.rstrip("\n").split("\t")
        pairs = [header.split("=") for header in headers.split(",") if header]
        producer.produce(
            topic,
            partition=int(partition),
            timestamp=int(timestamp),
            key=decode(key),
            value=decode(value),
            headers=[(decode(name).decode(), decode(data)) for name, data in pairs],
            on_delivery=note(count),
        )
        producer.poll(0)
        count += 1
    assert producer.flush(WAIT_SECONDS) == 0
    for number in range(count):
        print(placed[number])


def consume(bootstrap, topic, partitions, count, isolation):
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "differential",
            "enable.auto.commit": False,
            "check.crcs": True,
            "isolation.level": isolation,
        }
    )
    consumer.assign([TopicPartition(topic, index, 0) for index in range(int(partitions))])
    for number in range(int(count)):
        message = consumer.poll(WAIT_SECONDS)
        assert message is not None, f"only {number} of {count} came"
        assert message.error() is None, message.error()
        kind, timestamp = message.timestamp()
        headers = message.headers() or []
        fields = [
            str(message.partition()),
            str(message.offset()),
            TYPES[kind],
            str(timestamp),
            encode(message.key()),
            encode(message.value()),
            ",".join(f"{encode(name.encode())}={encode(data)}" for name, data in headers),
        ]
        print("\t".join(fields))
    consumer.close()


{"produce": produce, "consume": consume}[sys.argv[1]](*sys.argv[2:])
