"""confluent-kafka for the benchmark: one run of one kind of work, what it used as one line of JSON."""

import json
import resource
import struct
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition

TOPIC = "bench"
REST = bytes(ord("a") + index % 26 for index in range(8, 100))
POLL_SECONDS = 30


def cpu_ns():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int((used.ru_utime + used.ru_stime) * 1e9)


def peak_kb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def producer(brokers, codec, linger):
    return Producer(
        {
            "bootstrap.servers": brokers,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": linger,
            "batch.size": 128 * 1024,
            "batch.num.messages": 1_000_000,
            "queue.buffering.max.kbytes": 32 * 1024,
            "queue.buffering.max.messages": 1_000_000,
            "compression.type": codec,
        }
    )


def produce(brokers, partitions, messages, codec):
    """Every delivery is reported to a callback."""
    client = producer(brokers, codec, 5)
    delivered = 0

    def settle(error, _message):
        nonlocal delivered
        assert error is None, error
        delivered += 1

    for number in range(messages):
        value = struct.pack(">Q", number) + REST
        while True:
            try:
                client.produce(TOPIC, value, partition=number % partitions, on_delivery=settle)
                break
            except BufferError:
                client.poll(0.001)
        if number % 1000 == 0:
            client.poll(0)
    client.flush(120)
    assert delivered == messages, delivered


def consume(brokers, partitions, messages, _codec):
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "bench", "enable.auto.commit": False})
    consumer.assign([TopicPartition(TOPIC, index, 0) for index in range(partitions)])
    read = size = 0
    while read < messages:
        batch = consumer.consume(1000, POLL_SECONDS)
        assert batch, f"nothing came after {read} messages"
        for message in batch:
            size += len(message.value())
        read += len(batch)
    assert size > 0
    consumer.close()


def handle(brokers, _partitions, messages, _codec):
    """A member of a group: JSON read, the offset stored when it is, committed every 5 s."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "bench",
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
            "auto.commit.interval.ms": 5_000,
        }
    )
    consumer.subscribe([TOPIC])
    read = size = 0
    while read < messages:
        batch = consumer.consume(1000, POLL_SECONDS)
        assert batch, f"nothing came after {read} messages"
        for message in batch:
            size += len(json.loads(message.value())["content"])
            consumer.store_offsets(message)
        read += len(batch)
    assert size > 0
    consumer.commit(asynchronous=False)
    consumer.close()


def latency(brokers, _partitions, messages, _codec):
    """One record after another, each awaited; prints the times in nanoseconds, one a line."""
    client = producer(brokers, "none", 0)
    times = []
    for number in range(messages):
        started = time.perf_counter_ns()
        client.produce(TOPIC, struct.pack(">Q", number) + REST, partition=0)
        client.flush(POLL_SECONDS)
        times.append(time.perf_counter_ns() - started)
    print("\n".join(map(str, times)))


def main():
    work, brokers, partitions, messages, codec = sys.argv[1:]
    cpu, started = cpu_ns(), time.perf_counter_ns()
    run = {"produce": produce, "consume": consume, "handle": handle, "latency": latency}[work]
    run(brokers, int(partitions), int(messages), codec)
    if work != "latency":
        used = {"cpu_ns": cpu_ns() - cpu, "wall_ns": time.perf_counter_ns() - started}
        print(json.dumps(used | {"peak_kb": peak_kb()}))


main()
